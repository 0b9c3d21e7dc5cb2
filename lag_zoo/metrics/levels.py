"""From frames to examinations or patients.

An examination has the label if any of its frames has. The more frames it has, the higher their maximum, whatever they
show; so the association between number of frames and label is reported with it.
"""

from typing import NamedTuple

import numpy as np
import scipy.stats

from lag_zoo.metrics.pooling import Pooling, pool_frames, require_pooling


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
        np.array([float(pool_frames(part[:, None], by=by)[0]) for part in parts]),
        np.array([bool(truth[place == number].any()) for number in range(len(names))]),
        np.array([len(part) for part in parts]),
    )


def frames_and_label(pooled: Pooled) -> Association:
    """Correlate the number of frames of a group with its label; NaN where either does not vary."""
    if len(set(pooled.frames)) < 2 or len(set(pooled.truth)) < 2:
        return Association(float("nan"), float("nan"))
    found = scipy.stats.spearmanr(pooled.frames, pooled.truth)
    return Association(float(found.statistic), float(found.pvalue))
