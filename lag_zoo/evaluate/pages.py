"""A report as pages to read: Markdown, and one HTML file that holds its pictures and needs nothing else."""

import base64
import math
from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

from lag_zoo.catalogue import NOT_A_MEDICAL_DEVICE
from lag_zoo.evaluate.called import CALLED_TITLES
from lag_zoo.evaluate.figure import png
from lag_zoo.evaluate.figures import figures
from lag_zoo.evaluate.mistakes import Mistake
from lag_zoo.evaluate.report import Report
from lag_zoo.evaluate.results import CALIBRATION_TITLES, METRICS
from lag_zoo.evaluate.summary import UNITS
from lag_zoo.metrics.intervals import Difference, Interval

_SHOWN = ("auroc", "auprc", "sensitivity", "specificity")  # of baselines and other networks


def markdown(report: Report) -> str:
    """Return the report as Markdown."""
    return _environment().get_template("report.md").render(**_context(report))


def html(report: Report, *, mistakes: Sequence[Mistake] | None = None) -> str:
    """Return the report as one HTML file, its pictures inside.

    Args:
        report: to be shown.
        mistakes: the worst ones, which end the page: it then holds parts of frames.
    """
    environment = _environment(escape=True)
    return environment.get_template("report.html").render(
        **_context(report), pictures=_pictures(report), mistakes=mistakes
    )


def number(value: float, digits: int = 3) -> str:
    """Format a number for a table; a dash where it does not exist.

    >>> number(0.91234), number(float("nan")), number(float("inf"))
    ('0.912', '-', '∞')
    """
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"


def cell(interval: Interval | Difference, digits: int = 3) -> str:
    """Format a value with its interval; a dash where it does not exist.

    >>> cell(Interval(0.9, 0.85, 0.95, 100, 20, "bootstrap"))
    '0.900 (0.850 to 0.950)'
    """
    value, low, high = (number(x, digits) for x in (interval.value, interval.low, interval.high))
    if value == "-":
        return "-"
    return f"{value} (-)" if low == "-" else f"{value} ({low} to {high})"


def _context(report: Report) -> dict[str, object]:
    named = {"exam": "examinations", "patient": "patients"}.get(report.grouping or "", "")
    rows = (*report.rows, *report.pairs)
    calibrated = [row for row in rows if row.calibration]
    return {
        "report": report,
        "groups": lambda count: f", of {count} {named}" if count is not None else "",
        "not_a_device": NOT_A_MEDICAL_DEVICE,
        "unit": UNITS[report.level][1],
        "metrics": METRICS,
        "shown": [metric for metric in METRICS if metric.key in _SHOWN],
        "called_titles": CALLED_TITLES,
        "calibration_titles": CALIBRATION_TITLES,
        "number": number,
        "cell": cell,
        "methods": _methods(interval for row in rows for interval in row.measures.values()),
        "calibrated": calibrated,
        "calibration_methods": _methods(i for row in calibrated for i in row.calibration.values()),
        "undefined": _undefined(report),
    }


def _methods(intervals) -> list[str]:  # type: ignore[no-untyped-def]
    return sorted({interval.method for interval in intervals if math.isfinite(interval.value)})


def _undefined(report: Report) -> list[str]:
    """Say of every measure in how many resamples it did not exist."""
    found: dict[str, int] = {}
    for row in (*report.rows, *report.pairs, *(row for part in report.subgroups for row in part.rows)):
        for key, interval in (*row.measures.items(), *row.calibration.items()):
            if interval.undefined:
                name = CALIBRATION_TITLES.get(key, key)
                found[name] = max(found.get(name, 0), interval.undefined)
    return [f"{name} in up to {count}" for name, count in found.items()]


def _in_a_cell(text: str) -> str:
    """Text as it may stand in a Markdown table, whose columns a bar would part."""
    return text.replace("|", "\\|")


def _environment(*, escape: bool = False) -> Environment:
    environment = Environment(
        loader=PackageLoader("lag_zoo.evaluate", "templates"),
        autoescape=escape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["in_a_cell"] = _in_a_cell
    return environment


def _pictures(report: Report) -> list[tuple[str, str]]:
    """The figures as PNG, base64, each with its name."""
    return [(name, base64.b64encode(png(figure, dpi=90)).decode("ascii")) for name, figure in figures(report)]
