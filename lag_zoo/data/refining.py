"""A deal of groups made better: groups are moved, and change places, as long as that brings the parts closer to what is
wanted of them.

Dealing goes through the groups once, so what it gives can mostly be bettered where they are few, as patients are. Each
step takes the move or the exchange that gains most; parts never lose their last group of a label.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

_MOST_MOVES = 1 << 16  # numbers of a table of all moves: of more groups a deal is close enough by itself
_MOST_EXCHANGES = 1 << 19
_STEPS = 2000
_LACKING = 1e3  # cost of a label that a part has not
_SIZE = 2.0  # weight of a part's size beside that of a category's share


class Groups(NamedTuple):
    """The groups that are dealt, G of them.

    Attributes:
        frames: (G,) how many each has.
        counts: (G, C) how many of them are of each category, such as a label or a hospital.
        weights: (C,) of the categories.
        needed: (C,) bool, the categories that each part has to have.
    """

    frames: Floats
    counts: Floats
    weights: Floats
    needed: npt.NDArray[np.bool_]


def refine(part: Numbers, groups: Groups, shares: Floats) -> Numbers:
    """Better a deal: the part of each group (G,), 0 to K - 1.

    Args:
        part: (G,) the deal.
        shares: (K,) of the frames, that the parts are to have; they add up to 1.

    >>> labels = np.array([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    >>> groups = Groups(frames=np.ones(4), counts=labels, weights=np.ones(2), needed=np.ones(2, bool))
    >>> refine(np.array([0, 0, 1, 1]), groups, np.array([0.5, 0.5]))
    array([1, 0, 0, 1])
    """
    part = part.copy()
    if len(part) * len(shares) * groups.counts.shape[1] > _MOST_MOVES:
        return part
    for _ in range(_STEPS):
        state = _State(part, groups, shares)
        gain, group, where = state.best_move()
        exchange, one, other = state.best_exchange()
        if max(gain, exchange) <= 1e-12:
            break
        if gain >= exchange:
            part[group] = where
        else:
            part[one], part[other] = part[other], part[one]
    return part


def cost(part: Numbers, groups: Groups, shares: Floats) -> float:
    """Return the distance of a deal from what is wanted: squares of what sizes and shares are off, added up."""
    return float(_State(part, groups, shares).costs.sum())


class _State:
    """A deal, and what it would be if a group changed its part."""

    def __init__(self, part: Numbers, groups: Groups, shares: Floats) -> None:
        self.part, self.groups, self.shares = part, groups, shares
        count = len(shares)
        self.frames = np.bincount(part, groups.frames, count).astype(float)
        self.counts: Floats = np.stack([np.bincount(part, each, count) for each in groups.counts.T], axis=1)
        self.costs = self._cost(self.frames, self.counts, np.arange(count))

    def _cost(self, frames: Floats, counts: Floats, part: Numbers) -> Floats:
        """The cost (...) of parts of so many frames (...) and so many of each category (..., C)."""
        whole = self.groups.frames.sum()
        size = frames / whole - self.shares[part]
        off = counts / np.maximum(frames, 1)[..., None] - self.groups.counts.sum(0) / whole
        lacking = (counts[..., self.groups.needed] < 0.5).sum(-1)
        return np.asarray(_SIZE * size**2 + (self.groups.weights * off**2).sum(-1) + _LACKING * lacking)

    def best_move(self) -> tuple[float, int, int]:
        """The gain of the best move, the group, and the part that it goes to."""
        part, groups = self.part, self.groups
        to = np.broadcast_to(np.arange(len(self.shares)), (len(part), len(self.shares)))
        left = self._cost(self.frames[part] - groups.frames, self.counts[part] - groups.counts, part)
        reached = self._cost(
            self.frames[to] + groups.frames[:, None], self.counts[to] + groups.counts[:, None], to
        )
        gains = (self.costs[part] - left)[:, None] + self.costs[to] - reached
        gains[to == part[:, None]] = -np.inf
        group, where = np.unravel_index(int(gains.argmax()), gains.shape)
        return float(gains[group, where]), int(group), int(where)

    def best_exchange(self) -> tuple[float, int, int]:
        """The gain of the best exchange of two groups, and which they are."""
        part, groups = self.part, self.groups
        if len(part) ** 2 * groups.counts.shape[1] > _MOST_EXCHANGES:
            return -np.inf, 0, 0
        one, other = np.triu_indices(len(part), 1)
        apart = part[one] != part[other]
        one, other = one[apart], other[apart]
        if not len(one):
            return -np.inf, 0, 0
        frames = groups.frames[other] - groups.frames[one]
        counts = groups.counts[other] - groups.counts[one]
        a, b = part[one], part[other]
        after = self._cost(self.frames[a] + frames, self.counts[a] + counts, a)
        after += self._cost(self.frames[b] - frames, self.counts[b] - counts, b)
        gains = self.costs[a] + self.costs[b] - after
        best = int(gains.argmax())
        return float(gains[best]), int(one[best]), int(other[best])
