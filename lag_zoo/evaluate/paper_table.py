"""Rows in the form of the paper's Tables IV and V: ours as measured, the paper's as reported, never mixed.

The paper asks two questions, intestinal metaplasia or not and gastric atrophy or not. Where a data set's labels exclude
each other and one is `normal`, ours is measured on the frames that have the label or are normal; else against the rest.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from lag_zoo.catalogue.reported import reported_results
from lag_zoo.errors import InvalidConfigError
from lag_zoo.evaluate.analysis import Analysis
from lag_zoo.evaluate.options import AUTO, STORED, EvaluationOptions
from lag_zoo.evaluate.results import LabelResult
from lag_zoo.evaluate.scores import Calibration, Scores
from lag_zoo.evaluate.tables import number
from lag_zoo.metrics.intervals import Interval
from lag_zoo.specs import Task
from lag_zoo.tasks import rules_of

TASKS = {"im": "Intestinal metaplasia or not", "ga": "Gastric atrophy or not"}
_NORMAL = "normal"
_FIVE = ("accuracy", "sensitivity", "specificity", "ppv", "npv")
_HEADER = (
    "| model | whose | n | Acc | Sen | Spe | PPV | NPV |\n| --- | --- | --- | --- | --- | --- | --- | --- |"
)


def paper_tasks(label_names: Sequence[str]) -> dict[str, str]:
    """The paper's tasks that labels are, by their names alone, and which label each is.

    Raises:
        InvalidConfigError: no label is called IM or GA.

    >>> paper_tasks(["normal", "GA", "IM"])
    {'im': 'IM', 'ga': 'GA'}
    """
    named = {name.lower(): name for name in label_names}
    found = {task: named[task] for task in TASKS if task in named}
    if not found:
        raise InvalidConfigError(
            f"the paper's tables are of IM and GA; the labels here are {', '.join(label_names)}. Call a label IM or GA "
            "if it is one"
        )
    return found


def require_no_grades(task: Task) -> None:
    """Refuse grades, which the paper's tables do not have.

    Raises:
        InvalidConfigError: the labels are grades; or no such task.
    """
    if rules_of(task).ordered:
        raise InvalidConfigError(
            f"the paper's tables are of labels without an order, and task={task!r} has grades: leave paper_table out"
        )


def paper_rows(
    scores: Scores, options: EvaluationOptions, *, validation: Scores | None = None
) -> dict[str, LabelResult]:
    """Measure each of the paper's tasks: against `normal` where exclusive labels hold it, else against the rest.

    Args:
        scores: of the network.
        options: of the evaluation; stored operating points are for a label against all others, so that of two labels
            alone is 0.5.
        validation: scores of other frames, to choose thresholds on.

    Raises:
        InvalidConfigError: no label is called IM or GA, or the labels are grades.
    """
    require_no_grades(scores.task)
    found = {}
    for task, label in paper_tasks(scores.label_names).items():
        normal = next((name for name in scores.label_names if name.lower() == _NORMAL), None)
        if scores.rules.exclusive and normal is not None and len(scores.label_names) > 2:
            found[task] = _against_normal(scores, options, validation, normal, label)
        else:
            of_two = scores.rules.exclusive and len(scores.label_names) == 2
            asked = dataclasses.replace(options, positive=label if of_two else None, pairs=False)
            found[task] = _row_of(label, Analysis(scores, asked, validation))
    return found


def _against_normal(
    scores: Scores, options: EvaluationOptions, validation: Scores | None, normal: str, label: str
) -> LabelResult:
    stored = options.operating_point in (AUTO, STORED)
    asked = dataclasses.replace(
        options, positive=label, operating_point="0.5" if stored else options.operating_point
    )
    others = None if validation is None else _of_two(validation, normal, label)
    row = _row_of(label, Analysis(_of_two(scores, normal, label), asked, others))
    return dataclasses.replace(row, rule="0.5: none is stored for pairs") if stored else row


def paper_table(rows: Mapping[str, LabelResult], *, model: str, data: str, modality: str = "") -> str:
    """The tables as Markdown, in percent: one for each task that there is a row of, ours before the paper's.

    Args:
        rows: by task, `im` or `ga`, as `paper_rows` gives them.
        model: what was measured.
        data: on what.
        modality: `wli` or `lci`, where all frames have one light; else the paper's rows of both stand there.
    """
    reported = reported_results()
    parts = [
        f"# {model} on {data}, in the form of the paper's tables\n\n"
        "Percent. **Measured** rows are ours, with 95% intervals. **Reported** rows are the paper's, on its own data, "
        "and have not been reproduced here. These are two data sets: the rows cannot be compared with each other. No "
        "model here is a medical device."
    ]
    for task, row in rows.items():
        lines = [_HEADER, _measured(row, model, data), *_reported(task, modality)]
        parts.append(
            f"## {TASKS[task]}\n\n" + "\n".join(lines) + f"\n\n95% intervals of ours: {_methods(row)}."
        )
    parts.append("## Of the paper's rows\n\n" + "\n".join(f"- {caveat}" for caveat in reported.caveats))
    parts.append(f"Source: {reported.source}")
    return "\n\n".join(parts) + "\n"


def one_light(scores: Scores) -> str:
    """`wli` or `lci` where the data say of every frame that it is that; else nothing."""
    lights = set(scores.frames.columns.get("modality", ()))
    return lights.pop() if len(lights) == 1 and lights <= {"wli", "lci"} else ""


def _row_of(label: str, analysis: Analysis) -> LabelResult:
    for row in analysis.rows(full=False):
        if row.label == label:
            return row
    raise InvalidConfigError(f"nothing is known of {label} in these frames")


def _of_two(scores: Scores, normal: str, label: str) -> Scores:
    """The frames that are of one of two exclusive labels, as scores of these two: the part of each in both."""
    numbers = [scores.label_names.index(normal), scores.label_names.index(label)]
    frames = scores.frames
    part = scores.take(np.flatnonzero(np.isin(frames.targets, numbers)))
    return dataclasses.replace(
        part,
        label_names=(normal, label),
        logits=part.logits[:, numbers],
        frames=dataclasses.replace(part.frames, targets=part.rules.reordered(part.frames.targets, numbers)),
        calibration=Calibration(temperature=part.calibration.temperature),
    )


def _measured(row: LabelResult, model: str, data: str) -> str:
    cells = " | ".join(_percent(row.measures[name]) for name in _FIVE)
    groups = "" if row.groups is None else f", {row.groups} groups"
    threshold = f"threshold {row.threshold:.3f} ({row.rule})"
    whose = f"**measured** on {data}, {row.label} against {row.against}, {threshold}"
    return f"| {model} | {whose} | {row.n}{groups} | {cells} |"


def _reported(task: str, modality: str) -> Iterator[str]:
    for row in reported_results().rows:
        if row.task == task and modality in ("", row.modality):
            light = "" if row.modality is None else f", {row.modality.upper()}"
            numbers = " | ".join(f"{getattr(row, name):.2f}" for name in _FIVE)
            yield f"| {row.model}, as printed | reported by the paper{light}; not reproduced here | - | {numbers} |"


def _methods(row: LabelResult) -> str:
    return "; ".join(sorted({row.measures[name].method for name in _FIVE}))


def _percent(interval: Interval) -> str:
    value, low, high = (number(100 * x, 1) for x in (interval.value, interval.low, interval.high))
    return "-" if value == "-" else f"{value} ({low} to {high})"
