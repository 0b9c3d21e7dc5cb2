"""The figures of a report: the curves of each label, and the confusion matrix of the called label."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from lag_zoo.evaluate.called import CalledResult
from lag_zoo.evaluate.curves import Columns, Curves
from lag_zoo.evaluate.figure import new_figure
from lag_zoo.evaluate.results import LabelResult
from lag_zoo.evaluate.tables import name_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lag_zoo.evaluate.report import Report

CONFUSION = "confusion matrix"

_FEW = 20  # points that are marked one by one
_LEGIBLE = 8  # labels whose names fit side by side, and whose counts may be large
_GREY = "0.7"
_BLUE, _ORANGE = "tab:blue", "tab:orange"


def figures(report: "Report") -> "Iterator[tuple[str, Figure]]":
    """Yield each figure of a report with its name: the confusion matrix, then one of each label with both classes.

    Label against label has none, for there are many: `contrast_figure` draws any of `Report.pairs`.
    """
    if report.called is not None and report.called.confusion is not None:
        yield CONFUSION, confusion_figure(report.called)
    for row in report.rows:
        if row.curves is not None:
            yield name_of(row), contrast_figure(row, row.curves)


def count_figures(report: "Report") -> int:
    """Count the figures of a report."""
    matrix = report.called is not None and report.called.confusion is not None
    return matrix + sum(row.curves is not None for row in report.rows)


def contrast_figure(row: LabelResult, curves: Curves) -> "Figure":
    """Draw ROC, precision-recall, calibration, decision and referral curves and the counts of one contrast.

    The bands are pointwise 95% intervals.
    """
    figure = new_figure(12, 7.2, layout=None)
    # The texts are never wider; to have matplotlib work the margins out takes as long as the drawing.
    figure.subplots_adjust(left=0.07, right=0.985, bottom=0.08, top=0.9, wspace=0.28, hspace=0.36)
    figure.suptitle(_as_text(name_of(row)))
    roc, precision, calibration, decision, referral, confusion = figure.subplots(2, 3).ravel()
    _roc(roc, row, curves)
    _precision_recall(precision, row, curves)
    _calibration(calibration, curves)
    _decision(decision, curves)
    _band(referral, curves.referral_band)
    _curve(referral, curves.referral)
    _titles(referral, "referral", "part referred, the least certain first", "accuracy on the rest")
    _counts(confusion, row)
    return figure


def confusion_figure(called: CalledResult) -> "Figure":
    """Draw the confusion matrix of the called label: counts, coloured by their share of the true label."""
    count = len(called.label_names)
    size = max(4.5, 0.55 * count + 2.5)
    figure = new_figure(size, size)
    axes = figure.subplots()
    axes.imshow(called.shares, cmap="Blues", vmin=0, vmax=1)
    font = 10 if count <= _LEGIBLE else 7
    for y, (counts, shares) in enumerate(zip(called.confusion or (), called.shares, strict=True)):
        for x, (cell, share) in enumerate(zip(counts, shares, strict=True)):
            if cell or count <= _LEGIBLE:  # among many labels zeros hide what there is
                said = f"{cell}\n{share:.0%}" if sum(counts) else str(cell)
                color = "white" if share > 0.6 else "black"
                axes.text(x, y, said, ha="center", va="center", color=color, fontsize=font)
    names = [_as_text(name) for name in called.label_names]
    upright = sum(map(len, names)) > 12 * min(count, 3) or count > 3
    axes.set_xticks(range(count), names, rotation=90 if upright else 0)
    axes.set_yticks(range(count), names)
    axes.set(xlabel="called", ylabel="truth")
    axes.set_title("the called label: counts, and share of the true label", fontsize=10)
    return figure


def _roc(axes: "Axes", row: LabelResult, curves: Curves) -> None:
    axes.plot([0, 1], [0, 1], color=_GREY, linewidth=0.8)
    _band(axes, curves.roc_band)
    _curve(axes, curves.roc)
    at = 1 - row.measures["specificity"].value, row.measures["sensitivity"].value
    axes.plot(*at, "o", color="black", label="at the threshold")
    axes.legend(loc="lower right", fontsize=8)
    _titles(axes, f"ROC, area {row.measures['auroc'].value:.3f}", "1 - specificity", "sensitivity")


def _precision_recall(axes: "Axes", row: LabelResult, curves: Curves) -> None:
    axes.axhline(row.prevalence, color=_GREY, linewidth=0.8)
    _curve(axes, curves.precision_recall)
    title = f"precision and recall, average {row.measures['auprc'].value:.3f}"
    _titles(axes, title, "sensitivity", "positive predictive value")
    axes.set_ylim(-0.05, 1.05)


def _calibration(axes: "Axes", curves: Curves) -> None:
    axes.plot([0, 1], [0, 1], color=_GREY, linewidth=0.8)
    if curves.no_calibration:
        said = textwrap.fill(f"no smooth curve: {curves.no_calibration}", 34)
        axes.text(0.97, 0.04, said, ha="right", va="bottom", fontsize=8, transform=axes.transAxes)
    else:
        probability, observed, low, high = curves.calibration
        _band(axes, (probability, low, high), color=_ORANGE)
        axes.plot(probability, observed, color=_ORANGE, label="smooth")
    axes.plot(*curves.reliability[:2], "o", color=_BLUE, label="bins of equally many")
    axes.legend(loc="upper left", fontsize=8)
    _titles(axes, "calibration", "probability", "part with the label")


def _decision(axes: "Axes", curves: Curves) -> None:
    threshold, model, everyone = curves.decision
    _band(axes, curves.decision_band)
    axes.plot(threshold, model, color=_BLUE, label="by the model")
    axes.plot(threshold, everyone, color=_GREY, linewidth=0.8, label="treat all")
    axes.axhline(0, color=_GREY, linewidth=0.8, linestyle="dashed", label="treat none")
    axes.legend(loc="upper right", fontsize=8)
    _titles(axes, "decision", "threshold", "net benefit")
    top = max(0.05, *model, *curves.decision_band[2])
    axes.set_ylim(-0.15 * top, 1.05 * top)


def _counts(axes: "Axes", row: LabelResult) -> None:
    tp, fp, tn, fn = row.confusion
    counts = [[tp, fn], [fp, tn]]
    axes.imshow(counts, cmap="Blues", vmin=0, vmax=max(1, tp, fp, tn, fn))
    for y, line in enumerate(counts):
        for x, count in enumerate(line):
            dark = count > 0.6 * max(1, tp, fp, tn, fn)
            axes.text(x, y, str(count), ha="center", va="center", color="white" if dark else "black")
    axes.set_xticks([0, 1], ["called", "not called"])
    axes.set_yticks([0, 1], ["with it", "without"])
    axes.set_title(f"counts at {row.threshold:.3f}", fontsize=10)


def _curve(axes: "Axes", columns: Sequence[Sequence[float]]) -> None:
    axes.plot(columns[0], columns[1], color=_BLUE, marker="." if len(columns[0]) <= _FEW else "")


def _band(axes: "Axes", band: Columns, color: str = _BLUE) -> None:
    axes.fill_between(band[0], band[1], band[2], alpha=0.2, linewidth=0, color=color)


def _titles(axes: "Axes", title: str, across: str, up: str) -> None:
    axes.set(xlabel=across, ylabel=up)
    axes.set_title(title, fontsize=10)


def _as_text(name: str) -> str:
    """A label as matplotlib writes it letter by letter: between dollar signs it would set mathematics."""
    return name.replace("$", r"\$")
