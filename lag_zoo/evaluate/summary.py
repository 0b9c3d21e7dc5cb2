"""The summary: one sentence with the main numbers of a report, as a clinician may read it aloud."""

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lag_zoo.evaluate.operating_points import OF_EACH_FOLD, UNSET
from lag_zoo.metrics.intervals import Interval

if TYPE_CHECKING:
    from lag_zoo.evaluate.called import CalledResult
    from lag_zoo.evaluate.report import Report
    from lag_zoo.evaluate.results import LabelResult

UNITS = {
    "frame": ("frame", "frames"),
    "exam": ("examination", "examinations"),
    "patient": ("patient", "patients"),
}
MOST = 3
"""So many labels that do not exclude each other have their own rates in the sentence."""


def counted(count: int, level: str) -> str:
    """Say how many units of a level there are.

    >>> counted(1, "exam"), counted(12, "patient")
    ('1 examination', '12 patients')
    """
    one, several = UNITS[level]
    return f"{count} {one if count == 1 else several}"


def listed(parts: Sequence[str]) -> str:
    """Join parts as one says them.

    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def summary(report: "Report") -> str:
    """Say how many were counted, the main numbers with their 95% intervals, and the thresholds with their source."""
    called, rows = report.called, [row for row in report.rows if row.n]
    if called is not None and len(called.label_names) > 2 and "balanced_accuracy" in called.measures:
        said = _of_called_label(report, called)
    elif not rows:
        return f"Nothing could be measured: the truth is not known of any {UNITS[report.level][0]}."
    elif len(rows) == 1:
        said = _of_one_label(report, rows[0])
    elif len(rows) > MOST and called is not None:
        said = _of_all_labels(report, called)
    else:
        said = _of_each_label(report, rows)
    return f"{said}{_thresholds(report)}."


def _of_called_label(report: "Report", called: "CalledResult") -> str:
    balanced = called.measures["balanced_accuracy"]
    equally = f", and {_rate(balanced)} with each label counting equally" if _exists(balanced) else ""
    what = "grades" if _WEIGHTED in called.measures else "labels"
    return (
        f"Of {_how_many(called.n, called.groups, report)}, {_rate(called.measures['accuracy'], named=True)} "
        f"{'was' if called.n == 1 else 'were'} given the right one of {len(called.label_names)} {what}{equally}"
        f"{_of_grades(called)}"
    )


def _of_grades(called: "CalledResult") -> str:
    if _WEIGHTED not in called.measures:
        return ""
    off, kappa = called.measures["mean_absolute_error"], called.measures[_WEIGHTED]
    agreed = f", and quadratic weighted kappa was {_number(kappa)}" if _exists(kappa) else ""
    return f"; the mean error was {_number(off)} grades{agreed}"


def _of_one_label(report: "Report", row: "LabelResult") -> str:
    without = row.n - row.positives
    parts: list[str] = []
    if row.positives:
        rate = _rate(row.measures["sensitivity"], named=True)
        parts.append(f"called in {rate} of the {counted(row.positives, report.level)} with it (sensitivity)")
    if without:
        rate = _rate(row.measures["specificity"], named=not row.positives)
        parts.append(f"not called in {rate} of the {counted(without, report.level)} without it (specificity)")
    alike = "" if row.has_both_classes else f", {_alike(row)} {row.label}"
    return f"In {_how_many(row.n, row.groups, report)}{alike}, {row.label} was {' and '.join(parts)}"


def _alike(row: "LabelResult") -> str:
    if row.n == 1:
        return "with" if row.positives else "without"
    return "all of them with" if row.positives else "none of them with"


def _of_all_labels(report: "Report", called: "CalledResult") -> str:
    return (
        f"In {_how_many(called.n, called.groups, report)}, all {len(called.label_names)} labels were called correctly "
        f"in {_rate(called.measures['accuracy'], named=True)}; macro-F1 was {_number(called.measures['macro_f1'])}"
    )


def _of_each_label(report: "Report", rows: Sequence["LabelResult"]) -> str:
    shown, most = rows[:MOST], max(rows, key=lambda row: row.n)
    differ = "up to " if len({row.n for row in rows}) > 1 else ""
    said = [_rates_of(row, first=place == 0) for place, row in enumerate(shown)]
    more = len(rows) - len(shown)
    rest = f"; {more} more label{' is' if more == 1 else 's are'} in the table" if more else ""
    return f"In {differ}{_how_many(most.n, most.groups, report)}, {'; '.join(said)}{rest}"


def _rates_of(row: "LabelResult", *, first: bool) -> str:
    parts: list[str] = []
    for key, exists in (("sensitivity", row.positives), ("specificity", row.n - row.positives)):
        if exists:
            parts.append(f"a {key} of {_rate(row.measures[key], named=first and not parts)}")
    return f"{row.label} {'was called ' if first else ''}with {' and '.join(parts)}"


def _how_many(n: int, groups: int | None, report: "Report") -> str:
    said = counted(n, report.level)
    if report.grouping is None:
        return f"{said} (from how many patients is not known)"
    if groups is None or (report.level == report.grouping and groups == n):
        return said
    return f"{said} from {counted(groups, report.grouping)}"


def _thresholds(report: "Report") -> str:
    """Say the thresholds and where they came from, and whether they are apparent."""
    rows = report.rows
    if report.calls_only:
        return ", with the calls as given"
    values = sorted({f"{row.threshold:.3g}" for row in rows if math.isfinite(row.threshold)}, key=float)
    if not values:
        return ""
    kind = _kind(rows[0].rule)
    if len(values) == 1:
        article = "the" if kind == _DEFAULT else "a"
        where = f"at {article} {kind} of {values[0]}{' for each label' if len(rows) > 1 else ''}"
    else:
        where = f"at {kind}s of {values[0]} to {values[-1]}"
    sources = {_source(row.rule) for row in rows}
    said = f", {where}, {sources.pop() if len(sources) == 1 else 'chosen as the table says'}"
    if not any(row.apparent for row in rows):
        return said
    which = "these numbers are" if all(row.apparent for row in rows) else "some of these numbers are"
    return f"{said}; {which} therefore apparent, probably too good"


def _kind(rule: str) -> str:
    if rule == UNSET:
        return _DEFAULT
    return "median threshold" if rule.startswith(OF_EACH_FOLD) else "threshold"


def _source(rule: str) -> str:
    """Say in words how a threshold was chosen.

    >>> _source("sens>=0.95 on 40 validation exams")
    'chosen for a sensitivity of at least 0.95 on 40 validation examinations'
    """
    if rule == UNSET:
        return "as none is stored with the model"
    if rule.startswith(OF_EACH_FOLD):
        return "chosen in each fold on its inner validation frames"
    if rule.startswith("0.5: "):
        return f"as {rule[5:]}"
    how, _, why = rule.partition(", apparent: ")
    name, on, frames = how.partition(":")[0].partition(" on ")
    for pattern, words in _RULES.items():
        name = re.sub(pattern, words, name)
    return name + on + frames.replace("exams", UNITS["exam"][1]) + _APPARENT.get(why, "")


_WEIGHTED = "quadratic_weighted_kappa"
_DEFAULT = "default threshold"
_RULES = {
    "^youden$": "chosen by Youden's rule",
    r"^sens\s*>=\s*": "chosen for a sensitivity of at least ",
    r"^spec\s*>=\s*": "chosen for a specificity of at least ",
}
_APPARENT = {
    "on these very frames": " on these very frames",
    "chosen on such frames": ", which were chosen on some of these frames",
    "they know such frames": ", which were trained on some of these frames",
}


def _rate(interval: Interval, *, named: bool = False) -> str:
    """A share in percent with its interval; the first one of a sentence names it."""
    if not _exists(interval):
        return "an unknown share"
    if not (math.isfinite(interval.low) and math.isfinite(interval.high)):
        return f"{interval.value:.1%} (without an interval)"
    name = "95% confidence interval " if named else ""
    return f"{interval.value:.1%} ({name}{interval.low:.1%} to {interval.high:.1%})"


def _number(interval: Interval) -> str:
    limits = f" ({interval.low:.2f} to {interval.high:.2f})" if math.isfinite(interval.low) else ""
    return f"{interval.value:.2f}{limits}"


def _exists(interval: Interval) -> bool:
    return math.isfinite(interval.value)
