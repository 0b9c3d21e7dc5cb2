"""References for the statistics: published methods written plainly, apart from the library's own."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.stats

from lag_zoo.metrics.intervals import Interval, weighted_bootstraps


class Rates(NamedTuple):
    """Rates of calls; NaN where nothing defines one."""

    accuracy: float
    sensitivity: float
    specificity: float


def rates_at(scores: np.ndarray, truth: np.ndarray, threshold: float) -> Rates:
    """Rates of scores (n,) against truth (n,): a score of the threshold or more is called positive."""
    right = (scores >= threshold) == truth
    return Rates(
        *(float(np.mean(part)) if part.size else np.nan for part in (right, right[truth], right[~truth]))
    )


def wilson(successes: int, n: int) -> tuple[float, float]:
    """95% interval of a share of independent frames. Source: Wilson, JASA 1927; scipy's."""
    found = scipy.stats.binomtest(successes, n).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def delong(scores: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AUROCs (m,) of scores (m, n) of independent frames, and their covariance (m, m).

    Source: DeLong, DeLong and Clarke-Pearson, Biometrics 1988, by their definition over pairs.
    """
    positive, negative = scores[:, truth, None], scores[:, None, ~truth]
    wins = (positive > negative) + 0.5 * (positive == negative)
    over_negatives, over_positives = wins.mean(axis=2), wins.mean(axis=1)
    covariance = np.atleast_2d(np.cov(over_negatives)) / truth.sum()
    covariance += np.atleast_2d(np.cov(over_positives)) / (~truth).sum()
    return wins.mean(axis=(1, 2)), covariance


def delong_interval(scores: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """95% interval of an AUROC, frames taken as independent."""
    (area,), ((variance,),) = delong(scores[None], truth)
    reach = scipy.stats.norm.isf(0.025) * np.sqrt(variance)
    return float(max(area - reach, 0)), float(min(area + reach, 1))


def delong_test(one: np.ndarray, other: np.ndarray, truth: np.ndarray) -> tuple[float, float, float, float]:
    """The AUROC of one network's scores (n,) less that of another's, its 95% interval, and p."""
    area, covariance = delong(np.stack([one, other]), truth)
    difference, spread = float(area[0] - area[1]), np.sqrt([1, -1] @ covariance @ [1, -1])
    reach = scipy.stats.norm.isf(0.025) * spread
    return (
        difference,
        difference - reach,
        difference + reach,
        2 * scipy.stats.norm.sf(abs(difference) / spread),
    )


def bootstrapped(
    statistic: Callable[..., Any], groups: np.ndarray, *arrays: np.ndarray, **how: Any
) -> list[Interval]:
    """`weighted_bootstraps` of a statistic of the frames themselves, each as often as it was drawn: number or (m,)."""

    def of_each(weights: np.ndarray) -> np.ndarray:
        drawn = (np.arange(len(groups)).repeat(row.astype(int)) for row in weights)
        return np.array([np.atleast_1d(statistic(*(array[chosen] for array in arrays))) for chosen in drawn])

    return weighted_bootstraps(of_each, groups, **how)
