"""Ranking, whatever the threshold: the AUROC as a number alone. With its interval: `clustered.auroc_interval`."""

import numpy as np

from lag_zoo.metrics.checks import scores_and_truth


def auroc(scores: np.ndarray, truth: np.ndarray) -> float:
    """Area under the ROC curve: the chance that a positive outranks a negative, ties counting half; NaN without both.

    >>> auroc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
    0.75
    """
    scores, truth = scores_and_truth(scores, truth)
    if truth.all() or not truth.any():
        return float("nan")
    positive, negative = np.sort(scores[truth]), np.sort(scores[~truth])
    outranked = sum(int(np.searchsorted(negative, positive, side).sum()) for side in ("left", "right"))
    return outranked / (2 * len(positive) * len(negative))  # the statistic of Mann and Whitney
