"""The summary: one sentence with the main numbers of a report, as a clinician may read it aloud."""

import math
from typing import TYPE_CHECKING

from lag_zoo.metrics.intervals import Interval

if TYPE_CHECKING:
    from lag_zoo.evaluate.report import Report

UNITS = {
    "frame": ("frame", "frames"),
    "exam": ("examination", "examinations"),
    "patient": ("patient", "patients"),
}


def counted(count: int, level: str) -> str:
    """Say how many units of a level there are.

    >>> counted(1, "exam"), counted(12, "patient")
    ('1 examination', '12 patients')
    """
    one, several = UNITS[level]
    return f"{count} {one if count == 1 else several}"


def summary(report: "Report") -> str:
    """Say how many were counted, the main numbers with their 95% intervals, and the thresholds with their source."""
    if (
        report.called is not None
        and len(report.called.label_names) > 2
        and report.called.confusion is not None
    ):
        return _of_called_label(report)
    parts = [_of_label(row, report) for row in report.rows]
    if not parts:
        return "Nothing could be measured."
    return " ".join(parts) if len(parts) <= 3 else f"{parts[0]} {len(parts) - 1} more labels stand below."


def _of_label(row, report: "Report") -> str:  # type: ignore[no-untyped-def]
    unit = UNITS[report.level][1]
    sensitivity, specificity = (_rate(row.measures[key]) for key in ("sensitivity", "specificity"))
    rates = []
    if sensitivity:
        rates.append(f"it called {row.label} on {sensitivity} of the {row.positives} {unit} with it")
    if specificity:
        rates.append(f"left it uncalled on {specificity} of the {row.n - row.positives} without")
    said = " and ".join(rates)
    return f"Of {_how_many(row.n, row.groups, report)}, {said}, {_threshold(row)}."


def _of_called_label(report: "Report") -> str:
    called = report.called
    assert called is not None  # noqa: S101
    right = _rate(called.measures["accuracy"])
    balanced = _rate(called.measures["balanced_accuracy"])
    return (
        f"Of {_how_many(called.n, called.groups, report)} with {len(called.label_names)} labels, the label that was "
        f"called was right on {right}; averaged over the labels, on {balanced}; {called.rule}, {_source(report)}."
    )


def _how_many(n: int, groups: int | None, report: "Report") -> str:
    said = counted(n, report.level)
    if groups is None or (report.level == report.grouping and groups == n):
        return said
    return f"{said} of {counted(groups, report.grouping or 'patient')}"


def _threshold(row) -> str:  # type: ignore[no-untyped-def]
    return f"at a threshold of {row.threshold:.3g} ({row.rule})"


def _source(report: "Report") -> str:
    rules = {row.rule for row in report.rows}
    return f"thresholds {rules.pop()}" if len(rules) == 1 else "thresholds as in the table"


def _rate(interval: Interval) -> str:
    """A share in percent with its interval; empty where there is none."""
    if not math.isfinite(interval.value):
        return ""
    limits = (
        f" (95% interval {interval.low:.1%} to {interval.high:.1%})" if math.isfinite(interval.low) else ""
    )
    return f"{interval.value:.1%}{limits}"
