"""The figures of a report: the curves of a contrast, and the confusion matrix of the called label."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from lag_zoo.evaluate.called import CalledResult
from lag_zoo.evaluate.curves import Columns, Curves
from lag_zoo.evaluate.figure import new_figure
from lag_zoo.evaluate.results import LabelResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lag_zoo.evaluate.report import Report

_FEW = 20  # points that are marked one by one
_GREY = "0.7"


def figures(report: "Report") -> "Iterator[tuple[str, Figure]]":
    """Yield each figure of a report with its name: the confusion matrix, then a figure a contrast with both classes."""
    if report.called is not None and report.called.confusion is not None:
        yield "confusion", confusion_figure(report.called)
    for row in (*report.rows, *report.pairs):
        if row.curves is not None:
            yield f"{row.label} against {row.against}", contrast_figure(row, row.curves)


def contrast_figure(row: LabelResult, curves: Curves) -> "Figure":
    """Draw ROC, precision-recall, reliability, decision and referral curves and the confusion of one contrast.

    The bands are pointwise 95% intervals.
    """
    figure = new_figure(12, 7, layout=None)
    # The texts are never wider; to have matplotlib work the margins out takes as long as the drawing.
    figure.subplots_adjust(left=0.08, right=0.99, bottom=0.08, top=0.95, wspace=0.32, hspace=0.32)
    roc, precision, reliability, decision, referral, confusion = figure.subplots(2, 3).ravel()
    _roc(roc, row, curves)
    _curve(
        precision, curves.precision_recall, "sensitivity", "positive predictive value", "precision and recall"
    )
    precision.axhline(row.prevalence, color=_GREY, linewidth=0.8)
    _curve(reliability, curves.reliability, "probability", "part with the label", "reliability")
    reliability.plot([0, 1], [0, 1], color=_GREY, linewidth=0.8)
    _decision(decision, row, curves)
    _curve(
        referral,
        curves.referral,
        "part referred, the least certain first",
        "accuracy on the rest",
        "referral",
    )
    _band(referral, curves.referral_band)
    _confusion(confusion, row)
    return figure


def confusion_figure(called: CalledResult) -> "Figure":
    """Draw the confusion matrix of the called label: counts, coloured by their part of the true label."""
    count = len(called.label_names)
    size = max(4.0, 0.45 * count + 2)
    figure = new_figure(size, size)
    axes = figure.subplots()
    axes.imshow(called.shares, cmap="Blues", vmin=0, vmax=1)
    for y, (counts, shares) in enumerate(zip(called.confusion or (), called.shares, strict=True)):
        for x, (cell, share) in enumerate(zip(counts, shares, strict=True)):
            axes.text(x, y, str(cell), ha="center", va="center", color="white" if share > 0.6 else "black")
    axes.set_xticks(range(count), called.label_names, rotation=90 if count > 4 else 0)
    axes.set_yticks(range(count), called.label_names)
    axes.set(xlabel="called", ylabel="truth", title="called label")
    return figure


def _roc(axes: "Axes", row: LabelResult, curves: Curves) -> None:
    _curve(axes, curves.roc, "1 - specificity", "sensitivity", "ROC")
    _band(axes, curves.roc_band)
    axes.plot([0, 1], [0, 1], color=_GREY, linewidth=0.8)
    axes.plot(1 - row.measures["specificity"].value, row.measures["sensitivity"].value, "o", color="black")


def _decision(axes: "Axes", row: LabelResult, curves: Curves) -> None:
    _curve(axes, curves.decision, "threshold", "net benefit", "decision", label="the network")
    _band(axes, curves.decision_band)
    axes.plot(curves.decision[0], curves.decision[2], color=_GREY, linewidth=0.8, label="call all")
    axes.axhline(0, color=_GREY, linewidth=0.8, linestyle="dashed", label="call none")
    axes.legend()
    axes.set_ylim(-0.05, max(0.05, row.prevalence * 1.1))


def _curve(
    axes: "Axes", columns: Sequence[Sequence[float]], across: str, up: str, title: str, label: str = ""
) -> None:
    axes.plot(columns[0], columns[1], marker="o" if len(columns[0]) <= _FEW else "", label=label)
    axes.set(xlabel=across, ylabel=up, title=title)


def _band(axes: "Axes", band: Columns) -> None:
    axes.fill_between(band[0], band[1], band[2], alpha=0.2, linewidth=0)


def _confusion(axes: "Axes", row: LabelResult) -> None:
    tp, fp, tn, fn = row.confusion
    counts = [[tp, fn], [fp, tn]]
    axes.imshow(counts, cmap="Blues")
    for y, line in enumerate(counts):
        for x, count in enumerate(line):
            axes.text(x, y, str(count), ha="center", va="center", backgroundcolor="white")
    axes.set_xticks([0, 1], ["called", "not called"])
    axes.set_yticks([0, 1], ["has it", "has it not"])
    axes.set_title(f"at {row.threshold:.3f}")
