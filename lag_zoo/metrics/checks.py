"""Checks of the arrays that every statistic takes."""

import numpy as np

from lag_zoo.errors import InvalidConfigError


def scores_and_truth(scores: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores (n,) as float64 and truth (n,) as bool.

    Raises:
        InvalidConfigError: none at all, lengths that differ, scores that are no numbers, or a truth besides 0 and 1.
    """
    scores, truth = np.asarray(scores, dtype=np.float64), np.asarray(truth)
    if scores.ndim != 1 or scores.shape != truth.shape:
        raise InvalidConfigError(
            f"scores and truth are one number a frame each; got the shapes {scores.shape} and {truth.shape}"
        )
    if not len(scores):
        raise InvalidConfigError("no frames: a statistic needs at least one")
    if not np.isfinite(scores).all():
        raise InvalidConfigError(
            f"{int((~np.isfinite(scores)).sum())} of {len(scores)} scores are not finite"
        )
    if truth.dtype != bool and not np.isin(truth, (0, 1)).all():
        raise InvalidConfigError(f"truth is 0 or 1; got {np.unique(truth)[:5].tolist()}")
    return scores, truth.astype(bool)
