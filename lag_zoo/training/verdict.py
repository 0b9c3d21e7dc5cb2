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
    """Put the verdict into words.

    Args:
        row: the best epoch's.
        counted: the validation frames, as "80 frames of 12 patients".
    """
    with_crops, without = row["val_auroc"], row["val_auroc_without_crops"]
    numbers = (
        f"validation AUROC {with_crops:.3f} with them, {without:.3f} without ({_spread(difference)}{counted})"
    )
    ways = (
        f"To look closer: lag-zoo evaluate {best} DATA --without-crops (in Python: model.without_crops(), the network "
        "without them)."
    )
    if difference is None or not difference.low * difference.high > 0:
        lower = "With crops the AUROC is lower here, which may be chance: w" if with_crops < without else "W"
        return f"{lower}hether the crops help cannot be told from these frames: {numbers}. {ways}"
    if difference.value < 0:
        return f"The crops do harm here: {numbers}. The plain backbone inside may serve better. {ways}"
    return f"The crops help here: {numbers}; the epoch was chosen by such a number, so it flatters"


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


def _spread(difference: Difference | None) -> str:
    if difference is None or not np.isfinite(difference.low):
        return ""
    return (
        f"difference {difference.value:+.3f}, 95% interval {difference.low:+.3f} to {difference.high:+.3f}; "
    )
