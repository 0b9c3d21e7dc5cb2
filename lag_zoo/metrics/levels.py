"""From frames to examinations or patients.

An examination has the label if any of its frames has. The more frames it has, the higher their maximum, whatever they
show; so the association between number of frames and label is reported with it.
"""

import re
from typing import NamedTuple

import numpy as np
import scipy.stats

from lag_zoo.errors import InvalidConfigError

Pooling = str
"""`maximum`, `mean`, `top3` (or another number) or `noisy-or`."""

_TOP = re.compile(r"top([1-9]\d*)")


class Pooled(NamedTuple):
    """Groups: names (g,), probability (g,), truth (g,) bool, frames (g,)."""

    names: np.ndarray
    probabilities: np.ndarray
    truth: np.ndarray
    frames: np.ndarray


class Association(NamedTuple):
    """Spearman's correlation of a group's number of frames with its label, and its probability under none."""

    correlation: float
    p: float


def pool(probabilities: np.ndarray, truth: np.ndarray, groups: np.ndarray, *, by: Pooling) -> Pooled:
    """Probabilities (n,) and truth (n,) of frames as those of their groups.

    `top3`: the mean of the three highest, or of as many as there are, and so any other number; `noisy-or`: that not all
    frames are without it, as if they were independent.

    Raises:
        InvalidConfigError: no such way.

    >>> pool(np.array([0.2, 0.6, 0.9]), np.array([0, 1, 0]), np.array(["a", "a", "b"]), by="maximum").probabilities
    array([0.6, 0.9])
    """
    require_pooling(by)
    names, place = np.unique(groups, return_inverse=True)
    parts = [probabilities[place == number] for number in range(len(names))]
    return Pooled(
        names,
        np.array([_pooled(part, by) for part in parts]),
        np.array([bool(truth[place == number].any()) for number in range(len(names))]),
        np.array([len(part) for part in parts]),
    )


def require_pooling(by: str) -> None:
    """Refuse what is no way to pool frames.

    Raises:
        InvalidConfigError: with those that there are.
    """
    if by not in ("maximum", "mean", "noisy-or") and not _TOP.fullmatch(by):
        raise InvalidConfigError(
            f"no way {by!r} to pool frames; there are maximum, mean, top3 (or another number) and noisy-or"
        )


def frames_and_label(pooled: Pooled) -> Association:
    """Correlate the number of frames of a group with its label; NaN where either does not vary."""
    if len(set(pooled.frames)) < 2 or len(set(pooled.truth)) < 2:
        return Association(float("nan"), float("nan"))
    found = scipy.stats.spearmanr(pooled.frames, pooled.truth)
    return Association(float(found.statistic), float(found.pvalue))


def _pooled(probabilities: np.ndarray, by: Pooling) -> float:
    if by == "maximum":
        return float(probabilities.max())
    if top := _TOP.fullmatch(by):
        return float(np.sort(probabilities)[-int(top[1]) :].mean())
    if by == "noisy-or":
        return float(1 - np.prod(1 - probabilities))
    return float(probabilities.mean())
