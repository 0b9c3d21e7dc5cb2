"""Intervals. Frames of one patient are like each other, so where groups are known, whole groups are drawn.

Counted as independent, near-copies make an interval look several times too narrow.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import scipy.special
import scipy.stats

from lag_zoo.errors import InvalidConfigError

INDEPENDENT = "frames taken as independent"


class Interval(NamedTuple):
    """An estimate with its interval.

    `n` frames in `groups` groups (`None`: none known); `method` says how the interval was made; `undefined`: of how
    many resamples the statistic did not exist (they are left out, and a reader should know); `carriers`: groups that
    carry the information, as those with the label for a sensitivity (frames where no groups are known).
    """

    value: float
    low: float
    high: float
    n: int
    groups: int | None
    method: str
    undefined: int = 0
    carriers: int | None = None


class Difference(NamedTuple):
    """The first model less the second on the same frames; `p`: two-sided, as its interval would have it.

    Interval and `p` are NaN where resamples cannot tell them: all came to the same, or there were none. The other
    fields are those of `Interval`.
    """

    value: float
    low: float
    high: float
    p: float
    n: int
    groups: int | None
    method: str
    undefined: int = 0
    carriers: int | None = None


Statistic = Callable[..., float]
"""From index-selected arrays (k, ...) to a number; NaN where it does not exist."""

Weighted = Callable[[np.ndarray], np.ndarray]
"""From how often each resample drew each frame (k, n) to several numbers of each (k, m)."""

_AT_ONCE = 1 << 17  # frames times resamples, about as many as a processor keeps at hand


def weighted_bootstraps(
    statistics: Weighted,
    groups: np.ndarray,
    *,
    n_resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    carriers: int | None = None,
) -> list[Interval]:
    """Statistics with percentile intervals: whole groups are drawn with replacement, as many as there are.

    Percentiles of few groups are too close to each other; they are taken further out, as Student's distribution is
    wider than the normal one. A single group cannot be resampled: its limits are NaN.

    Source: Field and Welsh, Bootstrapping clustered data, JRSS B 2007 (the cluster bootstrap); Hesterberg, What
    teachers should know about the bootstrap, The American Statistician 2015 (the expanded percentiles).

    Args:
        groups: (n,) the group of each frame.
        carriers: groups that carry the information, as the fewer of those with the label and those without; by them the
            percentiles are taken further out. `None`: all groups. Of fewer than two the limits are NaN.

    >>> values = np.array([1.0, 2.0, 6.0, 7.0])
    >>> (mean,) = weighted_bootstraps(lambda w: w @ values[:, None] / w.sum(1, keepdims=True), np.array([0, 0, 1, 1]))
    >>> mean.value, mean.low, mean.high
    (4.0, 1.5, 6.5)
    """
    n, estimates = len(groups), statistics(np.ones((1, len(groups))))[0]
    if len(np.unique(groups)) < 2:
        return _intervals(estimates, np.empty((0, len(estimates))), groups, level, carriers)
    place, drawn_groups = _drawn_groups(groups, n_resamples, seed)
    drawn = (np.bincount(numbers, minlength=n)[place] for numbers in drawn_groups)
    values = []
    while block := list(itertools.islice(drawn, max(1, _AT_ONCE // n))):
        values.append(statistics(np.array(block)))
    return _intervals(estimates, np.concatenate(values), groups, level, carriers)


def _intervals(
    estimates: np.ndarray, values: np.ndarray, groups: np.ndarray, level: float, carriers: int | None
) -> list[Interval]:
    """Intervals of estimates (m,) from their values in each resample (k, m)."""
    n_resamples, counts = len(values), (len(groups), len(np.unique(groups)))
    carriers = counts[1] if carriers is None else carriers
    found = []
    for value, column in zip(estimates, values.T, strict=True):
        defined = column[~np.isnan(column)]  # an infinite one is a fact about the resample
        low, high = _percentiles(defined, level, groups=carriers)
        method, undefined = f"cluster bootstrap, {n_resamples} resamples", n_resamples - len(defined)
        found.append(Interval(float(value), low, high, *counts, method, undefined, carriers))
    return found


def paired_difference(
    statistic: Statistic,
    groups: np.ndarray,
    one: np.ndarray,
    other: np.ndarray,
    *arrays: np.ndarray,
    n_resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    carriers: int | None = None,
) -> Difference:
    """`statistic(one, *arrays)` less `statistic(other, *arrays)`, both on the same resamples of groups.

    The percentiles are those of `weighted_bootstraps`, and p is 1 less the level at which the interval begins to
    hold 0.

    Raises:
        InvalidConfigError: lengths that differ, or fewer than two groups.
    """
    values = []
    for chosen in _resamples(groups, (one, other, *arrays), n_resamples, seed):
        rest = [array[chosen] for array in arrays]
        values.append(statistic(one[chosen], *rest) - statistic(other[chosen], *rest))
    defined = np.array(values)[np.isfinite(values)]
    count = len(np.unique(groups))
    carriers = count if carriers is None else carriers
    value = float(statistic(one, *arrays) - statistic(other, *arrays))
    low = high = p = float("nan")
    if len(np.unique(defined)) > 1:
        low, high = _percentiles(defined, level, groups=carriers)
        beyond = min((defined <= 0).sum(), (defined >= 0).sum())
        p = _two_sided((beyond + 1) / (len(defined) + 1), groups=carriers)
    method = f"cluster bootstrap, {n_resamples} paired resamples"
    undefined = n_resamples - len(defined)
    return Difference(value, low, high, p, len(groups), count, method, undefined, carriers)


def _resamples(
    groups: np.ndarray, arrays: tuple[np.ndarray, ...], n_resamples: int, seed: int
) -> Iterator[np.ndarray]:
    """Numbers of the frames of each resample; they are drawn when asked for, for they are many."""
    groups = np.asarray(groups)
    lengths = {len(groups), *map(len, arrays)}
    if len(lengths) != 1:
        raise InvalidConfigError(f"one value a frame each; got the lengths {sorted(lengths)}")
    place, drawn = _drawn_groups(groups, n_resamples, seed)
    order = np.argsort(place, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(place))[:-1])
    return (np.concatenate([members[number] for number in numbers]) for numbers in drawn)


def _drawn_groups(groups: np.ndarray, n_resamples: int, seed: int) -> tuple[np.ndarray, Iterator[np.ndarray]]:
    """The number of each frame's group (n,), and the numbers of the groups of each resample, as many as there are."""
    names, place = np.unique(groups, return_inverse=True)
    count = len(names)
    if count < 2:
        raise InvalidConfigError(f"an interval by groups needs at least two, got {count}")
    rng = np.random.default_rng(seed)
    return place, (rng.integers(0, count, count) for _ in range(n_resamples))


def _percentiles(values: np.ndarray, level: float, *, groups: int) -> tuple[float, float]:
    if not 0 < level < 1:
        raise InvalidConfigError(f"a level is between 0 and 1, got {level}")
    if not len(values) or groups < 2:
        return float("nan"), float("nan")
    # scipy.stats' own functions behind its distributions, which take as long as the quantiles.
    tail = scipy.special.ndtr(-_widening(groups) * scipy.special.stdtrit(groups - 1, (1 + level) / 2))
    if np.isfinite(values).all():
        low, high = np.quantile(values, [tail, 1 - tail])
    else:  # between a finite value and an infinite one there is nothing to interpolate: the limit is the outer one
        low, high = np.quantile(values, tail, method="lower"), np.quantile(values, 1 - tail, method="higher")
    return float(low), float(high)


def _two_sided(tail: float, *, groups: int) -> float:
    """The p of a share of resamples beyond zero: `_percentiles` the other way round."""
    if groups < 2:
        return float("nan")
    return min(1.0, float(2 * scipy.stats.t.sf(scipy.stats.norm.isf(tail) / _widening(groups), groups - 1)))


def _widening(groups: int) -> float:
    return float(np.sqrt(groups / (groups - 1)))
