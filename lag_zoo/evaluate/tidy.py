"""Every number of a report as one row of a tidy table, `tables.csv`: what is counted, by what measure, and the value.

An empty cell: no such number; `inf`: an infinite limit. Source of the form: Wickham, Tidy Data, J Stat Softw 2014.
"""

import dataclasses
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lag_zoo.evaluate.called import CalledResult
from lag_zoo.evaluate.raters import Raters
from lag_zoo.evaluate.results import LabelResult
from lag_zoo.files import csv_writer
from lag_zoo.metrics.intervals import Difference, Interval

if TYPE_CHECKING:
    from lag_zoo.evaluate.comparison import NetworkComparison
    from lag_zoo.evaluate.report import Report

_NAN = float("nan")


@dataclass(frozen=True, kw_only=True)
class Number:
    """A number of a report.

    Attributes:
        part: `label` (against the rest, or of two the positive one), `pair`, `called`, `confusion`, `subgroup`,
            `baseline`, `comparison` (another model's numbers), `difference` (the reported model's less its), `rater`
            (against the majority of the others) or `agreement` (of two raters, or of all).
        name: of the subgroup (as `device: a`), the baseline, the other model or the rater.
        label: what the number is of; `against`: `rest` or another label. In the confusion matrix the true label and the
            called one; of an agreement the two raters.
        measure: its key, as `sensitivity`.
        value: the number, with its 95% interval from `low` to `high`; `p`: of a difference.
        n: units that were counted; `positives` of them have the label.
        groups: patients or examinations among them; `groups_with` the label, and `groups_without` it.
        carriers: groups that carry the information.
        method: how the interval was made; `undefined`: resamples in which the number did not exist.
        threshold: from which the label is called; `rule`: how it was chosen; `apparent`: on these very frames.
        unreliable: why the interval is not to be relied on; empty: no reason.
    """

    part: str
    name: str = ""
    label: str = ""
    against: str = ""
    measure: str
    value: float
    low: float = _NAN
    high: float = _NAN
    p: float = _NAN
    n: int
    positives: int | None = None
    groups: int | None
    groups_with: int | None = None
    groups_without: int | None = None
    carriers: int | None = None
    method: str = ""
    undefined: int | None = None
    threshold: float = _NAN
    rule: str = ""
    apparent: bool | None = None
    unreliable: str = ""


def tidy_csv(report: "Report") -> str:
    """Return the numbers of a report as CSV: a header, and a row a number."""
    text = io.StringIO(newline="")
    writer = csv_writer(text)
    names = [field.name for field in dataclasses.fields(Number)]
    writer.writerow(names)
    for one in numbers(report):
        writer.writerow([_cell(getattr(one, name)) for name in names])
    return text.getvalue()


def numbers(report: "Report") -> Iterator[Number]:
    """Yield every number of a report."""
    for row in report.rows:
        yield from _of_row("label", row)
    for row in report.pairs:
        yield from _of_row("pair", row)
    if report.called is not None:
        yield from _of_called("called", report.called)
        yield from _of_confusion(report.called)
    for part in report.subgroups:
        for row in part.rows:
            yield from _of_row("subgroup", row, f"{part.column}: {part.value}")
    for name, rows in report.baselines:
        for row in rows:
            yield from _of_row("baseline", row, name)
    for other in report.comparisons:
        yield from _of_comparison(report, other)
    if report.raters is not None:
        yield from _of_raters(report.raters)


def _of_raters(raters: Raters) -> Iterator[Number]:
    yield _number("agreement", "fleiss_kappa", raters.kappa)
    for one, other, agreed, kappa in raters.pairs:
        yield _number("agreement", "same_label", agreed, label=one, against=other)
        yield _number("agreement", "kappa", kappa, label=one, against=other)
    for rater in raters.each:
        for row in rater.rows:
            yield from _of_row("rater", row, rater.name)
        if rater.called is not None:
            yield from _of_called("rater", rater.called, rater.name)


def _of_comparison(report: "Report", other: "NetworkComparison") -> Iterator[Number]:
    for row in other.rows:
        yield from _of_row("comparison", row, other.name)
    if other.called is not None:
        yield from _of_called("comparison", other.called, other.name)
    for row, differences in zip(report.rows, other.differences, strict=True):
        for measure, difference in differences._asdict().items():
            known: dict[str, Any] = {"label": row.label, "against": row.against}
            yield _number("difference", measure, difference, name=other.name, **known)
    if other.accuracy is not None:
        yield _number("difference", "accuracy", other.accuracy, name=other.name)
    if other.weighted_kappa is not None:
        yield _number("difference", "quadratic_weighted_kappa", other.weighted_kappa, name=other.name)


def _of_row(part: str, row: LabelResult, name: str = "") -> Iterator[Number]:
    known: dict[str, Any] = {
        "name": name,
        "label": row.label,
        "against": row.against,
        "positives": row.positives,
        "groups_with": row.groups_with,
        "groups_without": row.groups_without,
        "threshold": row.threshold,
        "rule": row.rule,
        "apparent": row.apparent,
    }
    for measure, count in row.confusion._asdict().items():
        yield Number(part=part, measure=measure, value=count, n=row.n, groups=row.groups, **known)
    for measure, interval in {**row.measures, **_at_prevalence(row), **row.calibration}.items():
        yield _number(part, measure, interval, unreliable=row.unreliable, **known)


def _at_prevalence(row: LabelResult) -> Mapping[str, Interval]:
    at = row.at_prevalence
    return {} if at is None else {f"ppv at {at.prevalence:g}": at.ppv, f"npv at {at.prevalence:g}": at.npv}


def _of_called(part: str, called: CalledResult, name: str = "") -> Iterator[Number]:
    for measure, interval in called.measures.items():
        yield _number(part, measure, interval, name=name, rule=called.rule)


def _of_confusion(called: CalledResult) -> Iterator[Number]:
    for label, counts, shares in zip(called.label_names, called.confusion or (), called.shares, strict=False):
        for against, count, share in zip(called.label_names, counts, shares, strict=True):
            known: dict[str, Any] = {
                "label": label,
                "against": against,
                "n": called.n,
                "groups": called.groups,
            }
            yield Number(part="confusion", measure="count", value=count, **known)
            yield Number(part="confusion", measure="share", value=share, **known)


def _number(part: str, measure: str, interval: Interval | Difference, **known: Any) -> Number:
    return Number(part=part, measure=measure, **interval._asdict(), **known)


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return repr(float(value)) if isinstance(value, float) else str(value)
