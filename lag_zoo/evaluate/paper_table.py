"""Rows in the form of the paper's Tables IV and V: ours as measured, the paper's as reported, never mixed."""

from collections.abc import Iterator

from lag_zoo.errors import InvalidConfigError
from lag_zoo.evaluate.report import Report, Row
from lag_zoo.metrics.intervals import Interval
from lag_zoo.models.reported import reported_results

TASKS = {"im": "Intestinal metaplasia or not", "ga": "Gastric atrophy or not"}
_FIVE = ("accuracy", "sensitivity", "specificity", "ppv", "npv")
_HEADER = (
    "| model | whose | n | Acc | Sen | Spe | PPV | NPV |\n| --- | --- | --- | --- | --- | --- | --- | --- |"
)


def paper_table(report: Report, *, model: str, data: str, modality: str = "") -> str:
    """The tables as Markdown, in percent: one a task of the paper that a label of the report is, by its name.

    Args:
        model, data: what was measured, and on what.
        modality: `wli` or `lci`, where all frames have one light; else the paper's rows of both stand there.

    Raises:
        InvalidConfigError: no label is called IM or GA.
    """
    rows = {row.label.lower(): row for row in report.rows}
    tasks = [task for task in TASKS if task in rows]
    if not tasks:
        raise InvalidConfigError(
            f"the paper's tables are of IM and GA; the labels here are {', '.join(row.label for row in report.rows)}"
        )
    reported = reported_results()
    parts = [
        f"# {model} on {data}, in the form of the paper's tables\n\n"
        "Percent. **Measured** rows are ours, with 95% intervals, of the label against all others; **reported** rows "
        "are the paper's, on its own data, and have not been reproduced here. These are two data sets: the rows cannot "
        "be compared with each other. No model here is a medical device."
    ]
    for task in tasks:
        lines = [_HEADER, _measured(rows[task], model)]
        lines += _reported(task, modality)
        parts.append(f"## {TASKS[task]}\n\n" + "\n".join(lines))
    parts.append("## Of the paper's rows\n\n" + "\n".join(f"- {caveat}" for caveat in reported.caveats))
    parts.append(f"Source: {reported.source}")
    return "\n\n".join(parts) + "\n"


def _measured(row: Row, model: str) -> str:
    cells = " | ".join(_percent(row.measures[name]) for name in _FIVE)
    groups = "" if row.groups is None else f", {row.groups} groups"
    whose = f"measured, {row.label} against {row.against}, threshold {row.threshold:.3f} ({row.rule})"
    return f"| {model} | {whose} | {row.n}{groups} | {cells} |"


def _reported(task: str, modality: str) -> Iterator[str]:
    for row in reported_results().rows:
        if row.task == task and modality in ("", row.modality):
            light = "" if row.modality is None else row.modality.upper()
            numbers = " | ".join(f"{getattr(row, name):.2f}" for name in _FIVE)
            yield f"| {row.model}, as printed | reported by the paper, {light} | - | {numbers} |"


def _percent(interval: Interval) -> str:
    return f"{100 * interval.value:.1f} ({100 * interval.low:.1f} to {100 * interval.high:.1f})"
