"""The sections of a report's pages: headings, sentences and tables, in the order in which they are read."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from lag_zoo.evaluate import tables
from lag_zoo.evaluate.called import CalledResult
from lag_zoo.evaluate.figures import CONFUSION
from lag_zoo.evaluate.raters import Raters
from lag_zoo.evaluate.results import CALIBRATION_TITLES, METRICS, LabelResult
from lag_zoo.evaluate.summary import UNITS, counted
from lag_zoo.evaluate.tables import Table, name_of
from lag_zoo.metrics.intervals import Difference, Interval

if TYPE_CHECKING:
    from lag_zoo.evaluate.report import Report


class Section(NamedTuple):
    """A part of a page.

    Attributes:
        title: its heading, of the second or third `level`.
        before: paragraphs; then the `tables`; then the paragraphs `after`.
        picture: the name of a figure that belongs here; empty: none.
    """

    title: str
    level: int = 2
    before: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    after: tuple[str, ...] = ()
    picture: str = ""


def sections(report: "Report") -> Iterator[Section]:
    """Yield the sections of a report that there is something in, after the flow of frames."""
    if report.called is not None:
        yield _called(report, report.called)
    if report.rows:
        yield _labels(report)
    if report.baselines:
        text = "Logistic regressions on what is no look at the mucosa, on the same frames; called at 0.5."
        yield Section("Baselines", 3, (text,), (tables.baselines_table(report),))
    if report.comparisons:
        yield _models(report)
    if report.pairs:
        yield Section(
            "Label against label",
            3,
            (),
            (tables.label_table(report, report.pairs),),
            _rule(report, report.pairs),
        )
    rows = (*report.rows, *report.pairs)
    if rows:
        yield Section("Counts at the threshold", 3, (), (tables.counts_table(rows),))
    if calibrated := [row for row in rows if row.calibration]:
        yield _calibration(report, calibrated)
    if any(row.frames_and_label is not None for row in report.rows):
        text = "Pooling feeds on the number of frames: Spearman's correlation of it with the label."
        yield Section("Number of frames and label", 2, (text,), (tables.association_table(report.rows),))
    if report.raters is not None:
        yield from _raters(report.raters)
    for part in report.subgroups:
        found = ", ".join(f"{count} {name}" for name, count in part.labels.items())
        text = f"{counted(part.frames, 'frame')}; {UNITS[report.level][1]} with each label: {found}."
        before = (text,) if part.rows else (text, "Nothing is known here.")
        shown = (tables.label_table(report, part.rows),) if part.rows else ()
        yield Section(f"{part.column}: {part.value}", 2, before, shown)


def _called(report: "Report", called: CalledResult) -> Section:
    units = f"{counted(called.n, report.level)} {tables.of_groups(report, called.groups, called.n)}".rstrip()
    found = (tables.called_table(called),)
    if called.confusion is None:
        return Section("The called label", 2, (f"{units}. Called: {called.rule}.",), found)
    matrix = tables.confusion_table(called)
    return Section(
        "The called label", 2, (f"{units}. Called: {called.rule}.",), (*found, matrix), picture=CONFUSION
    )


def _labels(report: "Report") -> Section:
    rows = (*report.rows, *report.pairs)
    measures = [interval for row in rows for interval in row.measures.values()]
    after = (*_rule(report, report.rows), f"{_methods(measures)}{_undefined(rows, 'measures')}")
    return Section("Each label at its threshold", 2, (), (tables.label_table(report, report.rows),), after)


def _rule(report: "Report", rows: Sequence[LabelResult]) -> tuple[str, ...]:
    rule = tables.rule_of_all(rows)
    return (f"Threshold: {rule.replace('0.5: ', '0.5, ')}.",) if rule and not report.calls_only else ()


def _models(report: "Report") -> Section:
    text = (
        "The differences are paired: the reported model less the other, on the same frames, Sen and Spe at each one's "
        "own threshold."
    )
    differences = [d for other in report.comparisons for parts in other.differences for d in parts]
    found = (tables.networks_table(report), tables.differences_table(report), tables.accuracies_table(report))
    shown = tuple(table for table in found if table.rows)
    return Section("Other models on the same frames", 3, (text,), shown, (_methods(differences),))


def _raters(raters: Raters) -> Iterator[Section]:
    kappa = tables.with_interval(raters.kappa)
    method = f"; {raters.kappa.method}" if kappa.more else ""
    names = ", ".join(raters.names)
    text = (
        f"{counted(raters.n, 'frame')} {'was' if raters.n == 1 else 'were'} rated by two or more of {names}. "
        f"Fleiss' kappa: {kappa.text} {kappa.more}{method}."
    )
    yield Section("Raters", 2, (text,), (tables.agreement_table(raters),))
    majority = "The majority: more than half of the others who rated the frame."
    yield Section(
        "Each rater against the majority of the others", 3, (majority,), (tables.raters_table(raters),)
    )


def _calibration(report: "Report", rows: Sequence[LabelResult]) -> Section:
    intervals = [interval for row in rows for interval in row.calibration.values()]
    after = [
        f"Logits were divided by {tables.number(report.temperature)}. ECE: ten bins of equally many. ICI, E50 and E90: "
        "mean, median and 90th percentile of the distance between the smooth curve and the diagonal. O:E: observed "
        "over expected. Offset intercept: calibration in the large. Slope and intercept: the joint logistic line.",
        f"{_methods(intervals)} The intervals of ECE, ICI, E50 and E90 are reflected about the value."
        f"{_undefined(rows, 'calibration')}",
    ]
    if tables.has_infinite(intervals):
        after.append(
            "∞: no finite number fits best, as where a resample has one class alone. Where a threshold parts the "
            "labels without a mistake, slope and intercept are those of Firth's penalised line, which are finite."
        )
    if reasons := _without_curve(rows):
        after.append(f"Without a smooth curve: {'; '.join(reasons)}.")
    return Section("Calibration", 2, (), (tables.calibration_table(rows),), tuple(after))


def _without_curve(rows: Sequence[LabelResult]) -> list[str]:
    """Say of which labels there is no smooth curve, and why."""
    return [
        f"{name_of(row)} ({row.curves.no_calibration})"
        for row in rows
        if row.curves is not None and row.curves.no_calibration
    ]


def _methods(intervals: Iterable[Interval | Difference]) -> str:
    found = sorted({i.method.removesuffix(", reflected") for i in intervals if math.isfinite(i.value)})
    return f"95% intervals: {'; '.join(found)}." if found else ""


def _undefined(rows: Sequence[LabelResult], part: str) -> str:
    """Say of every number in how many resamples it did not exist."""
    titles = {**{metric.key: metric.title for metric in METRICS}, **CALIBRATION_TITLES}
    found: dict[str, int] = {}
    for row in rows:
        for key, interval in getattr(row, part).items():
            if interval.undefined and math.isfinite(interval.value):
                found[titles[key]] = max(found.get(titles[key], 0), interval.undefined)
    if not found:
        return ""
    said = ", ".join(f"{name} in up to {count}" for name, count in found.items())
    return f" Resamples in which a number did not exist are left out: {said}."
