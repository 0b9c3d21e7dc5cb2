"""The report: from scores to every number that is published, each with its interval."""

import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lag_zoo.brief import brief
from lag_zoo.evaluate.analysis import Analysis, Subgroup
from lag_zoo.evaluate.called import CalledResult
from lag_zoo.evaluate.comparison import NetworkComparison
from lag_zoo.evaluate.options import EvaluationOptions
from lag_zoo.evaluate.raters import Raters
from lag_zoo.evaluate.remarks import remarks
from lag_zoo.evaluate.results import LabelResult
from lag_zoo.evaluate.scores import Flow, Scores
from lag_zoo.evaluate.summary import summary
from lag_zoo.evaluate.units import Level
from lag_zoo.listener import Listener
from lag_zoo.metrics.pooling import Pooling
from lag_zoo.specs import Measurement

if TYPE_CHECKING:
    from lag_zoo.evaluate.mistakes import Mistake


@dataclass(frozen=True, kw_only=True)
class Report:
    """The numbers of an evaluation.

    Attributes:
        title: of its pages; `about`: what was evaluated, how, by which version and when.
        summary: one sentence with the main numbers.
        rows: each label against the rest, at least each grade, or of two exclusive labels the positive one;
            `pairs`: label against label; `subgroups`: by anatomy, device and so on.
        called: the label that is called, against the truth: confusion matrix, accuracy, kappa and so on.
        level: frames, examinations or patients were counted; `pooling`: how frames became those.
        grouping: by what frames belong together; `None`: not known, and they are taken as independent.
        flow: how many frames were found, excluded and unreadable; `analysed` of them.
        analysed_groups: patients or examinations, `None` where not known.
        temperature: by which logits were divided.
        calls_only: the scores are calls: nothing was ranked or calibrated.
        warnings: what a reader has to know before the numbers.
        baselines: (name, rows) of simple things on the same frames, see `lag_zoo.evaluate.baselines`.
        comparisons: other networks on the same frames, see `lag_zoo.evaluate.comparison`.
        raters: how far several raters agree, see `lag_zoo.evaluate.raters`; `None` where there are none.
        paper_table: rows in the form of the paper's tables, Markdown; empty where not asked for.
        mistakes: the worst ones as pictures, which end report.html; `None` where not asked for.
        scores: that were evaluated; none of these three is in report.json.
    """

    title: str = "Evaluation"
    about: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    summary: str
    rows: tuple[LabelResult, ...]
    pairs: tuple[LabelResult, ...]
    subgroups: tuple[Subgroup, ...]
    called: CalledResult | None
    level: Level
    pooling: Pooling | None
    grouping: str | None
    flow: Flow
    analysed: int
    analysed_groups: int | None
    temperature: float
    calls_only: bool
    warnings: tuple[str, ...]
    baselines: tuple[tuple[str, tuple[LabelResult, ...]], ...] = ()
    comparisons: tuple[NetworkComparison, ...] = ()
    raters: Raters | None = None
    paper_table: str = ""
    mistakes: "tuple[Mistake, ...] | None" = None
    scores: Scores | None = None

    __repr__ = brief

    def save(self, folder: str | os.PathLike[str], *, listener: Listener = Listener()) -> list[str]:
        """Write report.json, report.md, report.html, tables.csv, tables.tex, figures and the scores; return the names.

        Raises:
            OSError: the folder cannot be written.
        """
        from lag_zoo.evaluate.saving import save_report

        return save_report(self, folder, listener=listener)

    def into_card(
        self, folder: str | os.PathLike[str], *, data_name: str = "", command: str = ""
    ) -> tuple[Measurement, ...]:
        """Write the headline numbers into the card of the network's folder; see `write_into_card`."""
        from lag_zoo.evaluate.into_card import write_into_card

        return write_into_card(self, folder, data_name=data_name, command=command)

    def to_dict(self) -> dict[str, Any]:
        """Return the report for JSON; a number that does not exist is `None`.

        The measures of the called label stand at the top: `accuracy`, `balanced_accuracy`, `macro_f1` and `kappa`; of
        grades `quadratic_weighted_kappa`, `mean_absolute_error` and `adjacent_accuracy` in place of `kappa`.
        """
        found = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        for name in ("paper_table", "mistakes", "scores"):
            del found[name]
        called = found.pop("called")
        flow = found.pop("flow")
        at_top = {} if called is None else {**called.measures, "called": _without_measures(called)}
        counted = {**vars(flow), "skipped": flow.unreadable}
        plain: dict[str, Any] = plain_json({**found, **counted, **at_top})
        return plain


def evaluate(
    scores: Scores,
    options: EvaluationOptions | None = None,
    *,
    validation: Scores | None = None,
    progress: Callable[[], None] = lambda: None,
    **changes: Any,
) -> Report:
    """Evaluate scores, with intervals by patient, else examination, wherever these are known.

    Args:
        scores: of a network, see `lag_zoo.evaluate.score`, or of anybody's, see `lag_zoo.evaluate_predictions`.
        options: by default `EvaluationOptions()`.
        validation: scores of other frames, to choose thresholds on.
        progress: called after each row, `count_rows` times.
        changes: fields of `EvaluationOptions`, in place of the options' own.

    Raises:
        InvalidConfigError: options that cannot be, a threshold that has no honest source, a level that the data do not
            name, or frames of one patient or examination alone.

    >>> scores = Scores.from_arrays(np.eye(2)[[0, 1] * 8] * 3, [0, 1] * 6 + [1, 0] * 2, label_names=["normal", "IM"])
    >>> report = evaluate(scores, n_resamples=100)
    >>> round(report.rows[0].measures["sensitivity"].value, 2), report.rows[0].n
    (0.75, 16)
    """
    options = dataclasses.replace(options or EvaluationOptions(), **changes)
    return report_of(Analysis(scores, options, validation), progress=progress)


def report_of(analysis: Analysis, *, progress: Callable[[], None] = lambda: None) -> Report:
    """Report an analysis; `progress` is called after each row, `count_rows` times."""
    scores, options = analysis.scores, analysis.options
    rows: list[LabelResult] = []
    pairs: list[LabelResult] = []
    for row, contrast in _with_contrasts(analysis, progress):
        (rows if contrast is None else pairs).append(row)
    called = analysis.called_label()
    frames = scores.frames
    found = Report(
        summary="",
        rows=tuple(rows),
        pairs=tuple(pairs),
        subgroups=tuple(analysis.subgroups(progress)),
        called=called,
        level=options.level,
        pooling=analysis.units.pooling,
        grouping=frames.grouping,
        flow=scores.flow,
        analysed=len(scores),
        analysed_groups=len(np.unique(frames.groups)) if frames.grouping is not None else None,
        temperature=scores.calibration.temperature,
        calls_only=scores.calls_only,
        warnings=tuple(remarks(analysis, rows, pairs, called)),
        scores=scores,
    )
    return dataclasses.replace(found, summary=summary(found))


def _with_contrasts(
    analysis: Analysis, progress: Callable[[], None]
) -> "list[tuple[LabelResult, int | None]]":
    """The rows, each with the number of the label that it is against, `None` for the rest."""
    others = {(contrast.label, contrast.against): contrast.other for contrast in analysis.contrasts}
    return [(row, others[row.label, row.against]) for row in analysis.rows(progress=progress)]


def _without_measures(called: CalledResult) -> dict[str, Any]:
    kept = {f.name: getattr(called, f.name) for f in dataclasses.fields(called) if f.name != "measures"}
    return {**kept, "shares": called.shares}


def plain_json(value: Any) -> Any:
    """Return dataclasses, named tuples, arrays and numbers as JSON has them; what is not finite is `None`."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain_json(item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return plain_json(value._asdict())
    if isinstance(value, np.ndarray):
        return plain_json(value.tolist())
    if isinstance(value, list | tuple):
        return [plain_json(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
