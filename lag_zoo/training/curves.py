"""The learning curves of a run, as a picture."""

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lag_zoo.evaluate.figure import new_figure, png
from lag_zoo.training.plan import StagePlan

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PANELS = (
    ("loss", {"train_loss": "training", "val_loss": "validation"}),
    ("validation AUROC", {"val_auroc": "as it predicts", "val_auroc_without_crops": "without crops"}),
)
_COLOURS = ("tab:blue", "tab:orange")


def draw_curves(rows: Sequence[Mapping[str, Any]], plan: Sequence[StagePlan], *, title: str) -> bytes:
    """Draw losses and validation AUROC by epoch, with the stages and the best epoch, as a PNG.

    Args:
        rows: as in `metrics.jsonl`.
    """
    figure = new_figure(9, 4.2)
    figure.suptitle(title, fontsize="medium", parse_math=False)
    best = next((row for row in reversed(rows) if row["best"]), None)
    for axes, (name, keys) in zip(figure.subplots(1, 2), _PANELS, strict=True):
        _lines(axes, rows, keys)
        _stages(axes, plan, until=rows[-1]["epoch"])
        axes.set_xlim(0.5, max(row["epoch"] for row in rows) + 0.5)
        axes.set_xlabel("epoch")
        axes.set_ylabel(name)
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        if best is not None:
            late = best["epoch"] > rows[-1]["epoch"] / 2
            _mark(axes, best, "val_auroc" if "val_auroc" in keys else "val_loss", to_the_left=late)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize="small", loc="best")
    with warnings.catch_warnings():  # a name in letters that the font lacks is drawn as boxes
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        return png(figure, dpi=120)


def _lines(axes: "Axes", rows: Sequence[Mapping[str, Any]], keys: Mapping[str, str]) -> None:
    epochs = [row["epoch"] for row in rows]
    for (key, label), colour in zip(keys.items(), _COLOURS, strict=True):
        values = [row.get(key) for row in rows]
        if any(value is not None for value in values):
            drawn = [float("nan") if value is None else value for value in values]
            axes.plot(epochs, drawn, label=label, color=colour, marker="." if len(rows) < 40 else "")


def _stages(axes: "Axes", plan: Sequence[StagePlan], *, until: int) -> None:
    """Mark each stage that has begun by its name, and by a line before all but the first."""
    for part in plan:
        if part.first and part.first < until:
            axes.axvline(part.first + 0.5, color="0.6", linewidth=0.8, linestyle="dashed")
        if part.first < until:
            axes.annotate(
                part.stage.name,
                (part.first + 0.6, 1),
                xycoords=("data", "axes fraction"),
                xytext=(2, 3),
                textcoords="offset points",
                fontsize="small",
                color="0.3",
                parse_math=False,
            )


def _mark(axes: "Axes", best: Mapping[str, Any], key: str, *, to_the_left: bool) -> None:
    if best.get(key) is None:
        return
    axes.plot(best["epoch"], best[key], "o", color="black", fillstyle="none", markersize=9)
    label = f"epoch {best['epoch']}: {best[key]:.3f}"
    axes.annotate(
        label,
        (best["epoch"], best[key]),
        xytext=(0, 9),
        textcoords="offset points",
        ha="right" if to_the_left else "left",
        fontsize="small",
    )
