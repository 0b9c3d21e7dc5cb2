"""Intervals and p values of frames that come in groups, as of patients, without resampling.

Few groups with a label say little of its sensitivity or AUROC, however many groups lack it. One method serves all:

1. The influence of each frame is summed by group; the sums, enlarged by the leverage of their group, give the variance
   (CR2 of independent frames: Bell and McCaffrey, Survey Methodology 2002).
2. The groups that carry the information are counted, with unequal numbers of frames as fewer (Kish, Survey Sampling
   1965); the parts of a statistic, as with the label and without, make together the degrees of freedom of Student's t
   (Satterthwaite, Biometrics 1946).
3. The variance is that of a share of so many independent frames, and Wilson's interval is taken of it (Korn and
   Graubard, Survey Methodology 1998, take the exact one). AUROC and AUPRC are taken by their log odds.
4. No interval is wider than if the frames of a group were copies: Wilson's of the carrying groups. It stands alone
   where nothing varies, as at an AUROC of 1.

`python -m benchmarks.coverage` simulates how often the intervals cover, beside others.
"""

from typing import NamedTuple

import numpy as np
import scipy.special
import scipy.stats

from lag_zoo.errors import InvalidConfigError
from lag_zoo.metrics import influence
from lag_zoo.metrics.influence import Influence, chained
from lag_zoo.metrics.intervals import INDEPENDENT, Difference, Interval

RELIANCE = {1: (0.918, 1.0), 2: (0.940, 1.0), 3: (0.956, 0.998), 4: (0.949, 0.996)}
"""By carrying groups: the least and the largest coverage of the nominal 95% intervals of sensitivity and AUROC, in
1,000 studies each of nine designs, printed by `python -m benchmarks.coverage --carriers`. Of fewer than five groups the
variance cannot be told, and the intervals cover by being wide."""

_SHARE = (0.0, 1.0)
_ROUNDING = 1e-24  # of a variance


def reliance(carriers: int) -> tuple[float, float] | None:
    """Return the simulated coverage, least and largest, where so few groups carry the information that an interval is
    not to be relied on; `None` where they are enough.

    >>> reliance(3), reliance(30)
    ((0.956, 0.998), None)
    """
    return RELIANCE.get(carriers)


class _Spread(NamedTuple):
    """A variance, that of independent frames if it is the least, degrees of freedom, and the groups that count."""

    variance: float
    least: float
    freedom: float
    effective: float  # groups, those of unequal size as fewer
    carriers: int


def share_interval(
    hit: np.ndarray, among: np.ndarray, groups: np.ndarray | None, *, level: float = 0.95
) -> Interval:
    """The share of frames in `among` (n,) that are in `hit` (n,), both bool, with its interval.

    Args:
        groups: (n,) the group of each frame; `None`: frames taken as independent, which gives Wilson's interval.

    >>> hit, among = np.arange(263) < 81, np.ones(263, bool)
    >>> [round(x, 4) for x in share_interval(hit, among, None)[:3]]
    [0.308, 0.2553, 0.3662]
    """
    return group_interval(influence.share(hit, among), groups, len(hit), level=level)


def auroc_interval(
    scores: np.ndarray, truth: np.ndarray, groups: np.ndarray | None, *, level: float = 0.95
) -> Interval:
    """The area under the ROC curve with its interval.

    The variance is that of Obuchowski, Biometrics 1997, corrected for leverage; of single frames it is DeLong's.
    """
    return group_interval(influence.auroc(scores, truth), groups, len(scores), level=level)


def share_difference(
    one: np.ndarray,
    other: np.ndarray,
    among: np.ndarray,
    groups: np.ndarray | None,
    *,
    level: float = 0.95,
) -> Difference:
    """The share of frames `among` (n,) that the first network got right, less that of the second, all (n,) bool."""
    first, second = influence.share(one, among), influence.share(other, among)
    return group_difference(first, second, groups, len(among), level=level)


def auroc_difference(
    one: np.ndarray, other: np.ndarray, truth: np.ndarray, groups: np.ndarray | None, *, level: float = 0.95
) -> Difference:
    """The AUROC of the first network's scores (n,) less that of the second's, on the same frames."""
    first, second = influence.auroc(one, truth), influence.auroc(other, truth)
    return group_difference(first, second, groups, len(truth), level=level)


def group_interval(
    statistic: Influence,
    groups: np.ndarray | None,
    n: int,
    *,
    limits: tuple[float, float] | None = _SHARE,
    level: float = 0.95,
) -> Interval:
    """Any statistic on n frames with its interval, from the influence of each frame.

    Args:
        groups: (n,) the group of each frame; `None`: frames taken as independent.
        limits: the least and the largest value that the statistic can have, as (-1, 1) of a kappa; `None`: there are
            none, and the interval is Student's.

    Raises:
        InvalidConfigError: other numbers of frames, or a level that is not between 0 and 1.
    """
    place, count = _numbered(groups, n)
    if not statistic.parts:
        nan = float("nan")
        return Interval(nan, nan, nan, n, count, _method(statistic, None, count), carriers=0)
    spread = _spread(statistic, place)
    low, high = _ends(statistic, spread, limits, level)
    method = _method(statistic, spread, count) if limits else f"Student's t, {_variance(count)}"
    return Interval(statistic.value, low, high, n, count, method, carriers=spread.carriers)


def group_difference(
    one: Influence,
    other: Influence,
    groups: np.ndarray | None,
    n: int,
    *,
    limits: tuple[float, float] = _SHARE,
    level: float = 0.95,
) -> Difference:
    """The first statistic less the second, each between `limits`, on the same n frames; p is that of the interval.

    Networks that agree on every frame differ in no group: then the interval is that of none among so many groups.
    """
    place, count = _numbered(groups, n)
    statistic = chained(one.value - other.value, (1, -1), (one, other))
    if not statistic.parts:
        nan = float("nan")
        return Difference(nan, nan, nan, nan, n, count, _method(statistic, None, count), carriers=0)
    spread = _spread(statistic._replace(alike=one.alike and other.alike), place)
    widest = limits[1] - limits[0]
    value, method = statistic.value, _method(statistic, spread, count)
    if max(spread.variance, spread.least) < _ROUNDING and abs(value) < 1e-12:
        reach = widest * _normal(level) ** 2 / (spread.effective + _normal(level) ** 2)
        return Difference(0.0, -reach, reach, 1.0, n, count, method, carriers=spread.carriers)
    low, high = _ends(statistic, spread, (-widest, widest), level)
    p = _p(value, spread, widest)
    return Difference(value, low, high, p, n, count, method, carriers=spread.carriers)


def _numbered(groups: np.ndarray | None, n: int) -> tuple[np.ndarray, int | None]:
    """The number of each frame's group (n,), and how many groups there are."""
    if groups is None:
        return np.arange(n), None
    if len(groups) != n:
        raise InvalidConfigError(f"a group for each of {n} frames; got {len(groups)} groups")
    names, place = np.unique(np.asarray(groups), return_inverse=True)
    return place, len(names)


def _method(statistic: Influence, spread: _Spread | None, count: int | None) -> str:
    if spread is not None and spread.variance < _ROUNDING and spread.least < _ROUNDING:
        return f"Wilson over {'groups, which do not vary' if count else f'frames, {INDEPENDENT}'}"
    return f"{'log odds' if statistic.ranks else 'Wilson'} and Student's t, {_variance(count)}"


def _variance(count: int | None) -> str:
    return INDEPENDENT if count is None else "variance by group"


def _spread(statistic: Influence, place: np.ndarray) -> _Spread:
    sums, shares = _by_group(statistic, place)
    alike = shares @ shares.T
    sizes = 1 / np.diag(alike)
    effective = float(sizes.min())
    freedom = 0.0
    if effective > 1 + 1e-9:
        # Satterthwaite's, the variance of each part being as 1 / size, and parts as alike as the groups they share.
        each = 1 / (sizes * np.sqrt(sizes - 1))
        freedom = float((1 / sizes).sum() ** 2 / (each @ (alike**2 * np.outer(sizes, sizes)) @ each))
    least = float((statistic.effect**2).sum()) if statistic.alike else 0.0
    carriers = int((shares > 0).sum(axis=1).min())
    return _Spread(float(sums @ sums), least, freedom, effective, carriers)


def _by_group(statistic: Influence, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Influence (g,) of each group, enlarged by leverage, and its share (parts, g) of the weight of each part."""
    count = int(place.max()) + 1
    sums, shares = np.zeros(count), np.zeros((len(statistic.parts), count))
    for row, (effect, weight) in zip(shares, statistic.parts, strict=True):
        if len(effect) != len(place):
            raise InvalidConfigError(f"a group for each of {len(effect)} frames; got {len(place)}")
        row[:] = np.bincount(place, weight, count) / weight.sum()
        rest = 1 - row
        # One group that carries all has no others to be compared with: its own sum is 0.
        own = np.bincount(place, effect, count)
        sums += np.divide(own, np.sqrt(rest), out=np.zeros(count), where=rest > 1e-12)
    return sums, shares


def _ends(
    statistic: Influence, spread: _Spread, limits: tuple[float, float] | None, level: float
) -> tuple[float, float]:
    value, z = statistic.value, _normal(level)
    squared = float("inf")  # of the reach
    if spread.freedom:
        t = float(-scipy.special.stdtrit(spread.freedom, (1 - level) / 2))
        squared = max(t**2 * spread.variance, z**2 * spread.least)
    if limits is None:
        reach = float(np.sqrt(squared)) if spread.freedom else float("nan")
        return value - reach, value + reach
    least, width = limits[0], limits[1] - limits[0]
    share, squared = (value - least) / width, squared / width**2
    low, high = _wilson(share, spread.effective / z**2)  # as if the frames of a group were copies
    room = share * (1 - share)
    if room > 1e-12 and _ROUNDING < squared < float("inf"):
        ends = _logit(share, np.sqrt(squared)) if statistic.ranks else _wilson(share, room / squared)
        low, high = max(low, ends[0]), min(high, ends[1])
    low, high = max(0.0, min(low, share)), min(1.0, max(high, share))  # but for rounding
    return least + width * low, least + width * high


def _wilson(share: float, ratio: float) -> tuple[float, float]:
    """Wilson's interval; `ratio`: number of frames over the squared quantile, 0 for the widest interval."""
    middle = (ratio * share + 1 / 2) / (ratio + 1)
    reach = float(np.sqrt(ratio * share * (1 - share) + 1 / 4) / (ratio + 1))
    return middle - reach, middle + reach


def _logit(share: float, reach: float) -> tuple[float, float]:
    """The interval that is symmetric in the log odds; `reach`: on the scale of the share."""
    odds, reach = scipy.special.logit(share), reach / (share * (1 - share))
    return float(scipy.special.expit(odds - reach)), float(scipy.special.expit(odds + reach))


def _p(value: float, spread: _Spread, widest: float) -> float:
    """The two-sided p of no difference, one of at most `widest`: 1 less the level at which the interval holds 0."""
    value, variance, least = value / widest, spread.variance / widest**2, spread.least / widest**2
    as_copies = float(2 * scipy.stats.norm.sf(abs(value) * np.sqrt(spread.effective)))
    scaled = abs(value) * np.sqrt(1 - value**2)
    if scaled < 1e-12 or not spread.freedom or max(variance, least) < _ROUNDING:
        return as_copies
    with np.errstate(divide="ignore"):
        by_group = float(2 * scipy.stats.t.sf(scaled / np.sqrt(variance), spread.freedom))
        alone = float(2 * scipy.stats.norm.sf(scaled / np.sqrt(least)))
    return min(max(by_group, alone), as_copies)


def fewer_groups(truth: np.ndarray, groups: np.ndarray | None) -> int:
    """Count the groups with the label in any frame, and those without it in any: the fewer."""
    truth = np.asarray(truth, bool)
    names = np.arange(len(truth)) if groups is None else np.asarray(groups)
    return min(len(np.unique(names[truth])), len(np.unique(names[~truth])))


def _normal(level: float) -> float:
    if not 0 < level < 1:
        raise InvalidConfigError(f"a level is between 0 and 1, got {level}")
    return float(-scipy.special.ndtri((1 - level) / 2))
