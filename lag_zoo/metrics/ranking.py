"""Ranking, whatever the threshold: AUROC, AUPRC, and DeLong's interval and test."""

from typing import NamedTuple

import numpy as np
import scipy.stats

from lag_zoo.errors import InvalidConfigError
from lag_zoo.metrics.checks import scores_and_truth


class Comparison(NamedTuple):
    """Two AUROCs on the same frames: the first less the second, its interval, and the probability of no difference."""

    difference: float
    low: float
    high: float
    p: float


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


def auprc(scores: np.ndarray, truth: np.ndarray) -> float:
    """Area under the precision-recall curve, as average precision; NaN without both labels.

    The same as scikit-learn's `average_precision_score`, which takes ten times as long: it is for the bootstrap.

    >>> round(auprc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])), 4)
    0.8333
    """
    scores, truth = scores_and_truth(scores, truth)
    if truth.all() or not truth.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(truth[order])
    last = np.flatnonzero(np.diff(scores[order], append=-np.inf))  # of each run of equal scores
    precision, found = hits[last] / (last + 1), np.diff(hits[last], prepend=0)
    return float((precision * found).sum() / hits[-1])


def delong_interval(scores: np.ndarray, truth: np.ndarray, *, level: float = 0.95) -> tuple[float, float]:
    """Interval of an AUROC, frames taken as independent; NaN where fewer than two have, or lack, the label.

    Source: DeLong, DeLong and Clarke-Pearson, Biometrics 1988; computed as in Sun and Xu, IEEE SPL 2014.

    >>> [round(x, 3) for x in delong_interval(np.arange(20) % 7, np.arange(20) % 3 == 0)]
    [0.249, 0.817]
    """
    scores, truth = scores_and_truth(scores, truth)
    area, covariance = _delong(scores[None], truth)
    reach = _reach(level) * np.sqrt(covariance[0, 0])
    low, high = np.clip([area[0] - reach, area[0] + reach], 0, 1)
    return float(low), float(high)


def delong_test(one: np.ndarray, other: np.ndarray, truth: np.ndarray, *, level: float = 0.95) -> Comparison:
    """Two models' scores (n,) of the same frames, taken as independent: is one AUROC larger?

    Interval and p are NaN where frames are too few, or too well parted, for the difference to have a spread.
    """
    one, truth = scores_and_truth(one, truth)
    other, _ = scores_and_truth(other, truth)
    area, covariance = _delong(np.stack([one, other]), truth)
    difference = float(area[0] - area[1])
    spread = float(np.sqrt(max(0.0, covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])))
    if spread == 0:
        return Comparison(difference, *[float("nan")] * 3)
    p = float(2 * scipy.stats.norm.sf(abs(difference) / spread))
    reach = _reach(level) * spread
    return Comparison(difference, difference - reach, difference + reach, p)


def _delong(scores: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AUROCs (m,) of scores (m, n), and their covariance (m, m)."""
    positive, negative = scores[:, truth], scores[:, ~truth]
    m, n = positive.shape[1], negative.shape[1]
    if m < 2 or n < 2:
        nan = np.full(len(scores), np.nan)
        return nan, np.full((len(scores),) * 2, np.nan)
    among_all = scipy.stats.rankdata(np.concatenate([positive, negative], axis=1), axis=1)
    over_negatives = (among_all[:, :m] - scipy.stats.rankdata(positive, axis=1)) / n
    over_positives = 1 - (among_all[:, m:] - scipy.stats.rankdata(negative, axis=1)) / m
    covariance = np.atleast_2d(np.cov(over_negatives)) / m + np.atleast_2d(np.cov(over_positives)) / n
    return over_negatives.mean(axis=1), covariance


def _reach(level: float) -> float:
    if not 0 < level < 1:
        raise InvalidConfigError(f"a level is between 0 and 1, got {level}")
    return float(scipy.stats.norm.isf((1 - level) / 2))
