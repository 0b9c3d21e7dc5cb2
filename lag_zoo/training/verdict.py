"""The verdict of a run: what its best epoch was worth on the validation frames, with its crops and without.

These frames have chosen the epoch, so what is told of them is no result: it tells which way to go on.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from lag_zoo.data.manifest import Manifest
from lag_zoo.errors import InvalidConfigError
from lag_zoo.metrics.intervals import Difference, paired_difference
from lag_zoo.metrics.ranking import auroc
from lag_zoo.publishing import About
from lag_zoo.specs import Task

_DRAWS = 500


class Answers(NamedTuple):
    """Logits of n validation frames with crops and without (n, C) each, and the frames' numbers (n,)."""

    logits: Tensor
    alone: Tensor
    numbers: Tensor


def mean_auroc(logits: np.ndarray, targets: np.ndarray, *, task: Task) -> float:
    """The mean AUROC over the labels that have frames with and without them; NaN where none has.

    Args:
        logits: (n, C).
        targets: (n,) of exclusive labels, or (n, C) of 0, 1 and -1 (unknown).

    >>> mean_auroc(np.array([[0.0, 1.0], [0.0, 3.0], [0.0, 2.0]]), np.array([0, 1, 1]), task="multiclass")
    1.0
    """
    shifted = logits - logits.max(axis=1, keepdims=True)
    scores = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True) if task == "multiclass" else logits
    areas = []
    mirrored = task == "multiclass" and logits.shape[1] == 2  # the second label's area is the first's
    for number in range(1 if mirrored else logits.shape[1]):
        of_label = targets if targets.ndim == 1 else targets[:, number]
        truth, known = (of_label == number if targets.ndim == 1 else of_label == 1), of_label >= 0
        truth = truth[known]
        if truth.any() and not truth.all():
            areas.append(auroc(scores[known, number], truth))
    return float(np.mean(areas)) if areas else float("nan")


def crops_less_none(answers: Answers, manifest: Manifest) -> Difference | None:
    """The mean AUROC with crops less that without, by groups drawn with replacement; `None` of fewer than two groups.

    Frames of which nobody says whose they are count as independent.
    """
    numbers = answers.numbers.numpy()
    with_crops, without = answers.logits.double().numpy(), answers.alone.double().numpy()
    try:
        found = paired_difference(
            lambda logits, targets: mean_auroc(logits, targets, task=manifest.task),
            manifest.groups()[numbers],
            with_crops,
            without,
            manifest.targets()[numbers],
            n_resamples=_DRAWS,
        )
    except InvalidConfigError:  # one group has no interval
        return None
    return found if manifest.grouping is not None else found._replace(groups=None)


def validation(
    rows: Sequence[Mapping[str, Any]],
    answers: Answers | None,
    manifest: Manifest,
    *,
    about: About,
    best: Path,
) -> dict[str, Any]:
    """Gathers the content of `validation.json`: a run's best epoch on the validation frames.

    Args:
        rows: of all epochs, as in `metrics.jsonl`; the last of them that was best is the best epoch's.
        answers: of its network to the validation frames.
        about: how it was calibrated; `best`: where it is saved.
    """
    row: Mapping[str, Any] = next((row for row in reversed(rows) if row["best"]), {})
    judged = row.get("val_auroc") is not None and row.get("val_auroc_without_crops") is not None
    difference = crops_less_none(answers, manifest) if judged and answers is not None else None
    groups = None if answers is None else _groups(answers, manifest)
    frames = 0 if answers is None else len(answers.numbers)
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
        "verdict": told(row, difference, counted=counted, best=best) + _before(row, rows) if judged else "",
    }


def _before(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """A remark where an epoch before the crops took part was better."""
    plain = [one for one in rows if one["val_auroc_without_crops"] is None and one["val_auroc"] is not None]
    best = max(plain, key=lambda one: one["val_auroc"], default=None)
    if best is None or best["val_auroc"] <= row["val_auroc"]:
        return ""
    return (
        f". Before the crops took part, epoch {best['epoch']} ({best['stage']}) had {best['val_auroc']:.3f}"
    )


def _groups(answers: Answers, manifest: Manifest) -> int | None:
    return None if manifest.grouping is None else len(set(manifest.groups()[answers.numbers.numpy()]))


def _plain(difference: Difference) -> dict[str, Any]:
    """JSON has no NaN: what cannot be told is null."""
    numbers = {key: getattr(difference, key) for key in ("value", "low", "high", "p")}
    told = {key: value if np.isfinite(value) else None for key, value in numbers.items()}
    return {**told, "method": difference.method}


def told(row: Mapping[str, Any], difference: Difference | None, *, counted: str, best: Path) -> str:
    """The verdict in words.

    Args:
        row: the best epoch's, as in `metrics.jsonl`.
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


def _spread(difference: Difference | None) -> str:
    if difference is None or not np.isfinite(difference.low):
        return ""
    return (
        f"difference {difference.value:+.3f}, 95% interval {difference.low:+.3f} to {difference.high:+.3f}; "
    )
