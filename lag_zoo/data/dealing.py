"""Groups dealt into piles: whole, and so that each pile has each stratum in like shares.

The rule is that of scikit-learn's `StratifiedGroupKFold` with shuffling: groups whose strata are most uneven come
first, and each goes to the pile that leaves the shares most alike, of equally good ones to the smallest. So are the
numbers, to the last bit. It stands here once more because there a group is tried pile by pile, and groups times strata
lie in memory: 100,000 groups take minutes. Here they take seconds.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

_CELLS = 1 << 22  # of a table of groups by strata, so many at once


def deal(strata: np.ndarray, groups: np.ndarray, count: int, *, seed: int) -> Numbers:
    """The pile of each frame (n,), 0 to `count` - 1.

    Args:
        strata: (n,) what is kept in like shares; `groups` (n,) what stays together, at least `count` of them.
        seed: of the order in which groups that are equally uneven are dealt.

    >>> deal(np.array([0, 1] * 4), np.array(list("aabbccdd")), 2, seed=0)
    array([1, 1, 0, 0, 0, 0, 1, 1])
    """
    _, stratum, sizes = np.unique(strata, return_inverse=True, return_counts=True)
    names, group = np.unique(groups, return_inverse=True)
    # Of each group only the strata that it has, so that memory is that of the frames.
    cells, held = np.unique(group * len(sizes) + stratum, return_counts=True)
    of_group, columns = np.divmod(cells, len(sizes))
    starts = np.searchsorted(of_group, np.arange(len(names) + 1)).tolist()
    shuffled = np.arange(len(names))
    np.random.RandomState(seed).shuffle(shuffled)
    uneven = _unevenness(starts, columns, held, len(sizes))
    piles = _Piles(count, sizes)
    pile_of = np.empty(len(names), np.int64)
    for number in shuffled[np.argsort(-uneven[shuffled], kind="stable")].tolist():
        own = slice(starts[number], starts[number + 1])
        pile_of[number] = piles.take(columns[own], held[own])
    return pile_of[group]


def _unevenness(starts: Sequence[int], columns: Numbers, held: Numbers, strata: int) -> Floats:
    """The standard deviation of each group's counts over all strata (groups,)."""
    groups, step = len(starts) - 1, max(1, _CELLS // strata)
    found = np.empty(groups)
    for first in range(0, groups, step):
        last = min(first + step, groups)
        own = slice(starts[first], starts[last])
        rows = np.repeat(np.arange(last - first), np.diff(starts[first : last + 1]))
        table = np.zeros((last - first, strata))
        table[rows, columns[own]] = held[own]
        found[first:last] = table.std(axis=1)
    return found


class _Piles:
    """Piles that take one group after the other.

    Args:
        sizes: (strata,) how many frames each stratum has in all.
    """

    def __init__(self, count: int, sizes: Numbers) -> None:
        self.sizes = sizes
        self.held = np.zeros((count, len(sizes)))
        self.frames = [0] * count
        # Row by row the spread of each stratum over the piles, if the pile of that row took the group at hand.
        self.spreads = np.zeros((count, len(sizes)))
        self.each = np.arange(count)

    def take(self, strata: Numbers, frames: Numbers) -> int:
        """The pile that takes a group of so many frames of each of these strata."""
        sizes, held = self.sizes[strata], self.held[:, strata]
        trials = np.repeat((held / sizes)[:, None], len(self.each), axis=1)  # (piles, trials, strata)
        trials[self.each, self.each] = (held + frames) / sizes
        spreads = self._spread(trials)
        self.spreads[:, strata] = spreads
        best = self._best((np.add.reduce(self.spreads, axis=1) / len(self.sizes)).tolist())
        self.spreads[:, strata] = spreads[best]
        self.held[best, strata] += frames
        self.frames[best] += int(frames.sum())
        return best

    def _spread(self, trials: Floats) -> Floats:
        """The standard deviation over the piles, added up in the order in which numpy does it for a table."""
        if len(self.sizes) == 1:  # such a table is a row, and numpy adds rows up in pairs
            return np.asarray(np.ascontiguousarray(trials[:, :, 0].T).std(axis=1)[:, None])
        apart = trials - np.add.reduce(trials, axis=0) / len(self.each)
        return np.asarray(np.sqrt(np.add.reduce(apart * apart, axis=0) / len(self.each)))

    def _best(self, spreads: Sequence[float]) -> int:
        """The pile of the least mean spread; one that is as good to five digits, where it has fewer frames."""
        best = 0
        for pile, spread in enumerate(spreads):
            least = spreads[best]
            alike = abs(spread - least) <= 1e-8 + 1e-5 * abs(least)
            if spread < least or (alike and self.frames[pile] < self.frames[best]):
                best = pile
        return best
