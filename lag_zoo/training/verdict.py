"""The verdict of a run: what its best epoch was worth on the validation frames, with its crops and without.

These frames have chosen the epoch, so the numbers are no result: they show which way to go on.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lag_zoo.about import About
from lag_zoo.data.manifest import Manifest
from lag_zoo.errors import InvalidConfigError
from lag_zoo.metrics.intervals import Difference, paired_difference
from lag_zoo.training.selection import Row, best_row
from lag_zoo.training.validation import ValidationLogits, mean_auroc

_RESAMPLES = 500
_MUCH = 0.1  # of AUROC: where crops may gain so much, it is not said that they gain nothing


def summarise_validation(
    rows: Sequence[Row],
    logits: ValidationLogits | None,
    manifest: Manifest,
    *,
    about: About,
    best: Path,
) -> dict[str, Any]:
    """Gather the content of `validation.json`: a run's best epoch on the validation frames.

    Args:
        rows: of all epochs; the last of them that was best is the best epoch's.
        logits: of its network; `None`: no epoch was best.
        about: how it was calibrated; `best`: where it is saved.
    """
    row: Row = best_row(rows) or {}
    judged = row.get("val_auroc") is not None and row.get("val_auroc_without_crops") is not None
    difference = crops_less_none(logits, manifest) if judged and logits is not None else None
    groups = None if logits is None else _count_groups(logits, manifest)
    frames = 0 if logits is None else len(logits.numbers)
    named = {"patient": "patients", "exam": "examinations"}.get(manifest.grouping or "", "")
    counted = f"{frames} frames" + (f" of {groups} {named}" if groups is not None else "")
    return {
        "epoch": row.get("epoch"),
        "stage": row.get("stage"),
        "frames": frames,
        "groups": groups,
        "grouping": manifest.grouping,
        "val_loss": row.get("val_loss"),
        "val_auroc": row.get("val_auroc"),
        "val_auroc_without_crops": row.get("val_auroc_without_crops"),
        "crops_less_none": None if difference is None else _plain(difference),
        "temperature": about.temperature,
        "operating_points": dict(about.operating_points),
        "verdict": in_words(row, difference, counted=counted, best=best) + _before_crops(row, rows)
        if judged
        else "",
    }


def crops_less_none(logits: ValidationLogits, manifest: Manifest) -> Difference | None:
    """Compare the mean AUROC with crops with that without, by resampled groups; `None` of fewer than two groups.

    Frames without a patient or an examination count as independent.
    """
    numbers = logits.numbers.numpy()
    try:
        found = paired_difference(
            lambda values, targets: mean_auroc(values, targets, task=manifest.task),
            manifest.groups()[numbers],
            logits.logits.double().numpy(),
            logits.global_logits.double().numpy(),
            manifest.targets()[numbers],
            n_resamples=_RESAMPLES,
        )
    except InvalidConfigError:  # one group has no interval
        return None
    return found if manifest.grouping is not None else found._replace(groups=None)


def in_words(row: Row, difference: Difference | None, *, counted: str, best: Path) -> str:
    """Put the verdict into words: the change that the crops make, its interval, and what follows.

    Args:
        row: the best epoch's.
        difference: with crops less without; `None`, or without finite bounds: there is no interval.
        counted: the validation frames, as "80 frames of 12 patients".

    >>> row = {"val_auroc": 0.91, "val_auroc_without_crops": 0.92}
    >>> found = Difference(-0.01, -0.08, 0.06, p=0.8, n=80, groups=12, method="bootstrap")
    >>> in_words(row, found, counted="80 frames of 12 patients", best=Path("runs/1/best")).partition(":")[0]
    'Crops change validation AUROC by -0.010 (95% interval -0.080 to 0.060)'
    """
    with_crops, without = row["val_auroc"], row["val_auroc_without_crops"]
    change, bounds = with_crops - without, _interval(difference)
    interval = "" if bounds is None else f" (95% interval {bounds[0]:.3f} to {bounds[1]:.3f})"
    return (
        f"Crops change validation AUROC by {change:+.3f}{interval}: {_judgement(change, bounds)}. It is "
        f"{with_crops:.3f} with them and {without:.3f} without, on {counted}"
        f"{_ways_on(best) if bounds is None or bounds[0] <= 0 else ''}"
    )


def _interval(difference: Difference | None) -> tuple[float, float] | None:
    if difference is None or not np.isfinite([difference.low, difference.high]).all():
        return None
    return difference.low, difference.high


def _judgement(change: float, bounds: tuple[float, float] | None) -> str:
    """Say what follows from a change of AUROC and its 95% interval."""
    if bounds is None:
        return "whether they help cannot be told, for these frames give no interval"
    low, high = bounds
    if low > 0:
        return "they help here, though the epoch was chosen by such a number, which flatters"
    if high < 0:
        return "they do harm here, and the network is better without them (`without_crops`)"
    if change <= 0 and high < _MUCH:
        return "nothing is lost without them on these frames (`without_crops`)"
    return "the change may be chance, so whether they help cannot be told from these frames"


def _ways_on(best: Path) -> str:
    return (
        f". To look closer: lag-zoo evaluate {best} DATA --without-crops (in Python: model.without_crops(), the "
        "network without them)"
    )


def _before_crops(row: Row, rows: Sequence[Row]) -> str:
    """A remark where an epoch before the crops took part was better."""
    plain = [one for one in rows if one["val_auroc_without_crops"] is None and one["val_auroc"] is not None]
    best = max(plain, key=lambda one: one["val_auroc"], default=None)
    if best is None or best["val_auroc"] <= row["val_auroc"]:
        return ""
    return (
        f". Before the crops took part, epoch {best['epoch']} ({best['stage']}) had {best['val_auroc']:.3f}"
    )


def _count_groups(logits: ValidationLogits, manifest: Manifest) -> int | None:
    return None if manifest.grouping is None else len(set(manifest.groups()[logits.numbers.numpy()]))


def _plain(difference: Difference) -> dict[str, Any]:
    """The numbers of a difference for JSON, which has no NaN: null instead."""
    numbers = {key: getattr(difference, key) for key in ("value", "low", "high", "p")}
    finite = {key: value if np.isfinite(value) else None for key, value in numbers.items()}
    return {**finite, "method": difference.method}
