"""A report as pages to read: Markdown, and one HTML file that holds its pictures and needs nothing else."""

import base64
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from lag_zoo.evaluate.figure import new_figure, png
from lag_zoo.evaluate.mistakes import Mistake
from lag_zoo.evaluate.report import Report
from lag_zoo.evaluate.results import MEASURES, LabelResult
from lag_zoo.metrics.intervals import Difference, Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NOT_A_DEVICE = (
    "For research. A model of lag_zoo is not a medical device, and no number here makes it fit for patients."
)
_FEW = 20  # points that are marked one by one
_TITLES = {
    "accuracy": "Acc",
    "sensitivity": "Sen",
    "specificity": "Spe",
    "ppv": "PPV",
    "npv": "NPV",
    "f1": "F1",
    "auroc": "AUROC",
    "auprc": "AUPRC",
}


def markdown(report: Report, *, title: str) -> str:
    """The report as Markdown."""
    return _environment().get_template("report.md").render(**_context(report, title))


def html(report: Report, *, title: str, mistakes: Sequence[Mistake] | None = None) -> str:
    """The report as one HTML file, its pictures inside; with mistakes it ends with these, and holds parts of frames."""
    pictures = [
        (f"{row.label} against {row.against}", _pictures(row)) for row in (*report.rows, *report.pairs)
    ]
    environment = _environment(escape=True)
    return environment.get_template("report.html").render(
        **_context(report, title), pictures=pictures, mistakes=mistakes
    )


def number(value: float, digits: int = 3) -> str:
    """A number as it stands in a table; a dash where it does not exist.

    >>> number(0.91234), number(float("nan"))
    ('0.912', '-')
    """
    return f"{value:.{digits}f}" if math.isfinite(value) else "-"


def _context(report: Report, title: str) -> dict[str, object]:
    unit = {"frame": "frames", "exam": "examinations", "patient": "patients"}[report.level]
    named = {"exam": "examinations", "patient": "patients"}.get(report.grouping or "", "")
    intervals = [interval for row in report.rows for interval in row.measures.values()]
    calibration = [i for row in (*report.rows, *report.pairs) for i in row.calibration.values()]
    return {
        "report": report,
        "groups": lambda count: f", of {count} {named}" if count is not None else "",
        "title": title,
        "not_a_device": NOT_A_DEVICE,
        "unit": unit,
        "titles": list(_TITLES.values()),
        "measures": MEASURES,
        "number": number,
        "cell": _cell,
        "methods": sorted({interval.method for interval in intervals}),
        "undefined": max(interval.undefined for interval in intervals),
        "calibration_methods": sorted({interval.method for interval in calibration}),
        "calibration_undefined": max(interval.undefined for interval in calibration),
    }


def _cell(interval: Interval | Difference, digits: int = 3) -> str:
    if not math.isfinite(interval.value):
        return "-"
    value, low, high = (number(x, digits) for x in (interval.value, interval.low, interval.high))
    if not math.isfinite(interval.low):
        return f"{value} (-)"
    return f"{value} ({low} to {high})"


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


def _pictures(row: LabelResult) -> str:
    """The figure of one contrast; a PNG, base64."""
    return base64.b64encode(png(_figure(row), dpi=90)).decode("ascii")


def _figure(row: LabelResult) -> "Figure":
    """ROC, precision-recall, reliability, decision, referral and confusion of one contrast."""
    figure = new_figure(12, 7, layout=None)
    # The texts are never wider; to have matplotlib work the margins out takes as long as the drawing.
    figure.subplots_adjust(left=0.08, right=0.99, bottom=0.08, top=0.95, wspace=0.32, hspace=0.32)
    axes = figure.subplots(2, 3).ravel()
    curves, prevalence = row.curves, row.prevalence
    _curve(axes[0], curves.roc, "1 - specificity", "sensitivity", "ROC")
    axes[0].plot([0, 1], [0, 1], color="0.7", linewidth=0.8)
    axes[0].plot(1 - row.measures["specificity"].value, row.measures["sensitivity"].value, "o", color="black")
    _curve(
        axes[1], curves.precision_recall, "sensitivity", "positive predictive value", "precision and recall"
    )
    axes[1].axhline(prevalence, color="0.7", linewidth=0.8)
    _curve(axes[2], curves.reliability, "probability", "share with the label", "reliability")
    axes[2].plot([0, 1], [0, 1], color="0.7", linewidth=0.8)
    _curve(axes[3], curves.decision, "threshold", "net benefit", "decision", label="the network")
    axes[3].plot(curves.decision[0], curves.decision[2], color="0.7", linewidth=0.8, label="call all")
    axes[3].axhline(0, color="0.7", linewidth=0.8, linestyle="dashed", label="call none")
    axes[3].legend()
    axes[3].set_ylim(-0.05, max(0.05, prevalence * 1.1))
    _curve(
        axes[4],
        curves.referral,
        "share referred, the least certain first",
        "accuracy on the rest",
        "referral",
    )
    _confusion(axes[5], row)
    return figure


def _curve(
    axes: "Axes", columns: Sequence[Sequence[float]], across: str, up: str, title: str, label: str = ""
) -> None:
    axes.plot(columns[0], columns[1], marker="o" if len(columns[0]) <= _FEW else "", label=label)
    axes.set(xlabel=across, ylabel=up, title=title)


def _confusion(axes: "Axes", row: LabelResult) -> None:
    tp, fp, tn, fn = row.confusion
    counts = [[tp, fn], [fp, tn]]
    axes.imshow(counts, cmap="Blues")
    for y, line in enumerate(counts):
        for x, count in enumerate(line):
            axes.text(x, y, str(count), ha="center", va="center", backgroundcolor="white")
    axes.set_xticks([0, 1], ["called", "not called"])
    axes.set_yticks([0, 1], ["has it", "has it not"])
    axes.set_title(f"at {number(row.threshold)}")
