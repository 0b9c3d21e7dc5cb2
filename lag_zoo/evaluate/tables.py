"""The tables of a report as cells: Markdown, HTML and LaTeX show the same ones."""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from lag_zoo.evaluate.called import CALLED_TITLES, CalledResult
from lag_zoo.evaluate.results import CALIBRATION_TITLES, METRICS, LabelResult, Metric
from lag_zoo.evaluate.summary import counted
from lag_zoo.metrics.intervals import Difference, Interval
from lag_zoo.tasks import TASKS

if TYPE_CHECKING:
    from lag_zoo.evaluate.raters import Raters
    from lag_zoo.evaluate.report import Report

MAIN = tuple(metric for metric in METRICS if metric.key in ("auroc", "auprc", "sensitivity", "specificity"))
"""The metrics of baselines and other models."""

REPORTED = "the reported one"
_REST = {rules.rest for rules in TASKS.values()}
_TWO_DIGITS = ("observed_over_expected", "offset_intercept", "slope", "intercept")


class Cell(NamedTuple):
    """A cell of a table.

    Attributes:
        text: the value; `more`: what follows in brackets, an interval or a number of patients.
        rule: of a threshold, how it was chosen; `remark`: on the whole row.
    """

    text: str
    more: str = ""
    rule: str = ""
    remark: str = ""


class Table(NamedTuple):
    """A table: the titles of its columns, and rows of as many cells."""

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def number(value: float, digits: int = 3) -> str:
    """Format a number for a table; a dash where it does not exist.

    >>> number(0.91234), number(float("nan")), number(float("inf"))
    ('0.912', '-', '∞')
    """
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if not math.isfinite(value):
        return "-"
    text = f"{value:.{digits}f}"
    return text if float(text) else text.lstrip("-")  # no -0.000


def with_interval(interval: Interval | Difference, digits: int = 3) -> Cell:
    """Format a value with its interval; a dash where it does not exist.

    >>> with_interval(Interval(0.9, 0.85, 0.95, 100, 20, "bootstrap"))[:2]
    ('0.900', '(0.850 to 0.950)')
    """
    value, low, high = (number(x, digits) for x in (interval.value, interval.low, interval.high))
    if value == "-":
        return Cell("-")
    return Cell(value, "(-)" if "-" in (low, high) else f"({low} to {high})")


def label_table(report: "Report", rows: Sequence[LabelResult], metrics: Sequence[Metric] = METRICS) -> Table:
    """Make the main table: of each label how many have it and lack it, the threshold, and the metrics."""
    header = ("label", "n", "with it", "without it", "threshold", *(metric.title for metric in metrics))
    return Table(header, tuple(_label_row(report, row, rows, metrics) for row in rows))


def rule_of_all(rows: Sequence[LabelResult]) -> str:
    """Return how the thresholds were chosen, where that is the same for all rows; else nothing: it stands in each."""
    rules = {row.rule for row in rows}
    return rules.pop() if len(rules) == 1 else ""


def called_table(called: CalledResult) -> Table:
    """Make the table of the called label's measures."""
    return Table(
        tuple(CALLED_TITLES[key] for key in called.measures),
        (tuple(map(with_interval, called.measures.values())),),
    )


def confusion_table(called: CalledResult) -> Table:
    """Make the confusion matrix: true labels down, called labels across, with their share of the true label."""
    rows = [
        (Cell(name), *(_of_true(count, share) for count, share in zip(counts, shares, strict=True)))
        for name, counts, shares in zip(
            called.label_names, called.confusion or (), called.shares, strict=True
        )
    ]
    return Table(("truth, called:", *called.label_names), tuple(rows))


def counts_table(rows: Sequence[LabelResult]) -> Table:
    """Make the table of true and false positives and negatives, and the predictive values at another prevalence."""
    header: tuple[str, ...] = ("label", "true positive", "false positive", "true negative", "false negative")
    prevalence = rows[0].at_prevalence.prevalence if rows and rows[0].at_prevalence else None
    if prevalence is not None:
        header += (f"PPV at a prevalence of {number(prevalence)}", "NPV")
    return Table(header, tuple((Cell(name_of(row)), *_counts(row)) for row in rows))


def calibration_table(rows: Sequence[LabelResult]) -> Table:
    """Make the table of calibration measures of the rows that have them."""
    keys = [key for key in CALIBRATION_TITLES if any(key in row.calibration for row in rows)]
    return Table(
        ("label", *(CALIBRATION_TITLES[key] for key in keys)),
        tuple(
            (Cell(name_of(row)), *(with_interval(row.calibration[key], _digits(key)) for key in keys))
            for row in rows
        ),
    )


def association_table(rows: Sequence[LabelResult]) -> Table:
    """Make the table of the number of frames against the label."""
    found = [(row, row.frames_and_label) for row in rows if row.frames_and_label is not None]
    return Table(
        ("label", "correlation", "p"),
        tuple((Cell(name_of(row)), Cell(number(a.correlation, 2)), Cell(p_value(a.p))) for row, a in found),
    )


def baselines_table(report: "Report") -> Table:
    """Make the table of baselines."""
    return Table(
        ("baseline", "label", "n", *(metric.title for metric in MAIN)),
        tuple(
            (Cell(name), Cell(name_of(row)), Cell(str(row.n)), *_measures(row, MAIN))
            for name, rows in report.baselines
            for row in rows
        ),
    )


def networks_table(report: "Report") -> Table:
    """Make the table of the reported model and others on the same frames."""
    rows = []
    for place, row in enumerate(report.rows):
        of_others = ((other.name, other.rows[place]) for other in report.comparisons)
        for name, one in ((REPORTED, row), *of_others):
            known = (Cell(name_of(row)), Cell(name), Cell(str(one.n)), _threshold(report, one, one.rule))
            rows.append((*known, *_measures(one, MAIN)))
    return Table(("label", "model", "n", "threshold", *(metric.title for metric in MAIN)), tuple(rows))


def differences_table(report: "Report") -> Table:
    """Make the table of the reported model's values less those of others."""
    rows = [
        (Cell(name_of(row)), Cell(other.name), *map(_difference, other.differences[place]))
        for place, row in enumerate(report.rows)
        for other in report.comparisons
    ]
    return Table(("label", "less those of", "AUROC", "Sen", "Spe"), tuple(rows))


def accuracies_table(report: "Report") -> Table:
    """Make the table of the called label's accuracy of other models, and the reported one's less theirs.

    Of grades quadratic weighted kappa stands beside it.
    """
    graded = any(other.weighted_kappa is not None for other in report.comparisons)
    rows = [
        (
            Cell(other.name),
            with_interval(other.called.measures["accuracy"]),
            _difference(other.accuracy),
            *([] if other.weighted_kappa is None else _of_grades(other.called, other.weighted_kappa)),
        )
        for other in report.comparisons
        if other.called is not None and other.accuracy is not None
    ]
    header: tuple[str, ...] = ("model", "accuracy of the called label", "the reported one's less it")
    return Table((*header, "quadratic weighted kappa", header[-1]) if graded else header, tuple(rows))


def of_groups(report: "Report", groups: int | None, count: int) -> str:
    """Say in brackets how many patients or examinations units are of; nothing where these are the units."""
    if groups is None or report.grouping is None or (report.level == report.grouping and groups == count):
        return ""
    return f"({counted(groups, report.grouping)})"


def agreement_table(raters: "Raters") -> Table:
    """Make the table of each two raters."""
    return Table(
        ("rater", "rater", "n", "the same label", "Cohen's kappa"),
        tuple(
            (Cell(one), Cell(other), Cell(str(kappa.n)), with_interval(agreed), with_interval(kappa))
            for one, other, agreed, kappa in raters.pairs
        ),
    )


def raters_table(raters: "Raters") -> Table:
    """Make the table of each rater against the majority of the others."""
    metrics = [metric for metric in MAIN if not metric.needs_probabilities]
    titles = [CALLED_TITLES["accuracy"], CALLED_TITLES["kappa"]]
    rows = []
    for rater in raters.each:
        for row in rater.rows:
            of_all = (
                [] if rater.called is None else [rater.called.measures[key] for key in ("accuracy", "kappa")]
            )
            known = (
                Cell(rater.name),
                Cell(str(row.n)),
                Cell(str(rater.left_out)),
                *map(with_interval, of_all),
            )
            rows.append((*known, Cell(name_of(row), remark=row.unreliable), *_measures(row, metrics)))
        if not rater.rows:
            none = [Cell("-")] * (len(titles) + 1 + len(metrics))
            rows.append((Cell(rater.name), Cell("0"), Cell(str(rater.left_out)), *none))
    header = ("rater", "n", "no majority", *titles, "label", *(metric.title for metric in metrics))
    return Table(header, tuple(rows))


def name_of(row: LabelResult) -> str:
    """Name a contrast: the label, and what it is against unless that is the rest, or the grades below."""
    return row.label if row.against in _REST else f"{row.label} against {row.against}"


def p_value(p: float) -> str:
    """Format a p value.

    >>> p_value(0.04), p_value(0.0002)
    ('0.040', '<0.001')
    """
    return "<0.001" if p < 0.0005 else number(p)


def has_infinite(intervals: Iterable[Interval]) -> bool:
    """Tell whether a value or a limit is infinite."""
    return any(math.isinf(number) for interval in intervals for number in interval[:3])


def _label_row(
    report: "Report", row: LabelResult, rows: Sequence[LabelResult], metrics: Sequence[Metric]
) -> tuple[Cell, ...]:
    without = row.n - row.positives
    return (
        Cell(name_of(row), remark=row.unreliable),
        Cell(str(row.n), of_groups(report, row.groups, row.n)),
        Cell(f"{row.positives}, {row.prevalence:.1%}", of_groups(report, row.groups_with, row.positives)),
        Cell(str(without), of_groups(report, row.groups_without, without)),
        _threshold(report, row, "" if rule_of_all(rows) else row.rule),
        *_measures(row, metrics),
    )


def _threshold(report: "Report", row: LabelResult, rule: str) -> Cell:
    if report.calls_only:
        return Cell("as called")
    return Cell(number(row.threshold), "apparent" if row.apparent else "", rule)


def _measures(row: LabelResult, metrics: Sequence[Metric]) -> list[Cell]:
    return [with_interval(row.measures[metric.key]) for metric in metrics]


def _of_true(count: int, share: float) -> Cell:
    return Cell(str(count), f"({share:.0%})" if count else "")


def _counts(row: LabelResult) -> list[Cell]:
    counts = [
        Cell(str(count)) for count in (row.confusion.tp, row.confusion.fp, row.confusion.tn, row.confusion.fn)
    ]
    at = row.at_prevalence
    return counts if at is None else [*counts, with_interval(at.ppv), with_interval(at.npv)]


def _of_grades(called: CalledResult, difference: Difference) -> list[Cell]:
    return [with_interval(called.measures["quadratic_weighted_kappa"]), _difference(difference)]


def _difference(difference: Difference) -> Cell:
    found = with_interval(difference)
    return found if found.text == "-" else Cell(found.text, f"{found.more}, p {p_value(difference.p)}")


def _digits(key: str) -> int:
    return 2 if key in _TWO_DIGITS else 3
