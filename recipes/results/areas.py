"""AUROC of networks that were trained fold by fold and seed by seed: each fold by itself, then the mean.

The folds' networks differ in scale and bias, so frames are ranked among those that the same network has scored only.
Seeds share their frames, so they are no further evidence: the variance is that between groups.
"""

from collections.abc import Sequence

import numpy as np

from lag_zoo.metrics import influence
from lag_zoo.metrics.clustered import group_difference, group_interval
from lag_zoo.metrics.influence import Influence, Part
from lag_zoo.metrics.intervals import Difference, Interval


def auroc(scores: Sequence[np.ndarray], truth: np.ndarray, groups: np.ndarray, folds: np.ndarray) -> Interval:
    """Measure the AUROC, the mean over folds and seeds, with its interval by group.

    Args:
        scores: (n,) each, one array a seed.
        truth: (n,) bool.
        groups: (n,), what is independent of each other; none is in two folds.
        folds: (n,), the fold in which a frame was scored.
    """
    return group_interval(_mean(scores, truth, folds), groups, len(truth))


def difference(
    one: Sequence[np.ndarray],
    other: Sequence[np.ndarray],
    truth: np.ndarray,
    groups: np.ndarray,
    folds: np.ndarray,
) -> Difference:
    """Measure the AUROC of the first network's scores less that of the second's, on the same frames; see `auroc`."""
    return group_difference(_mean(one, truth, folds), _mean(other, truth, folds), groups, len(truth))


def within_folds(scores: np.ndarray, truth: np.ndarray, folds: np.ndarray) -> Influence:
    """Return the mean of the folds' AUROC of scores (n,).

    >>> within_folds(np.array([1.0, 2, 9, 8]), np.array([0, 1, 0, 1]) > 0, np.array([1, 1, 2, 2])).value
    0.5
    """
    effects, values = np.zeros((2, len(truth))), []
    names = np.unique(folds)
    for name in names:
        inside = folds == name
        found = influence.auroc(scores[inside], truth[inside])
        if not found.parts:
            return influence.UNDEFINED
        values.append(found.value)
        for row, part in zip(effects, found.parts, strict=True):
            row[inside] = part.effect / len(names)
    parts = (Part(effects[0], truth), Part(effects[1], ~truth))
    return Influence(float(np.mean(values)), parts, ranks=True)


def _mean(scores: Sequence[np.ndarray], truth: np.ndarray, folds: np.ndarray) -> Influence:
    return influence.mean([within_folds(one, truth, folds) for one in scores])
