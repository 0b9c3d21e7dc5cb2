"""Statistics of many resamples at once: a resample is how often it drew each frame, a row of weights (k, n).

Frames are sorted once; what a statistic sums up to some score, or some rank, is then a cumulative sum of each row.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from lag_zoo.errors import InvalidConfigError

_AT_ONCE = (
    1 << 14
)  # weights: arrays of 128 KiB stay in a core's cache, and need no fresh pages from the system


class Ranked(NamedTuple):
    """Sums over the frames of k resamples in the order of a key, frames of one key taken together as a run.

    Attributes:
        frames: (k, u + 1) up to each of u runs, from 0 to all.
        sums: of each value that was given, (k, u + 1) likewise.
    """

    frames: np.ndarray
    sums: tuple[np.ndarray, ...]


def checked_weights(weights: np.ndarray, n: int) -> np.ndarray:
    """Weights (k, n) as float64.

    Raises:
        InvalidConfigError: of another number of frames, negative, or not finite.
    """
    weights = np.asarray(weights, dtype=np.float64)
    if weights.ndim != 2 or weights.shape[1] != n:
        raise InvalidConfigError(
            f"weights are (k, n), one for each of {n} frames; got the shape {weights.shape}"
        )
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise InvalidConfigError("a weight says how often a frame was drawn; got negative or infinite ones")
    return weights


def in_blocks(statistic: Callable[[np.ndarray], np.ndarray], weights: np.ndarray) -> np.ndarray:
    """A statistic, from weights (k, n) to (k, ...), taken of a few rows at a time: the same, and twice as fast."""
    rows = max(1, _AT_ONCE // max(1, weights.shape[1]))
    parts = [statistic(weights[first : first + rows]) for first in range(0, max(1, len(weights)), rows)]
    return np.concatenate(parts)


def ranked(key: np.ndarray, weights: np.ndarray, *values: np.ndarray) -> Ranked:
    """Cumulative weights, and weighted values (n,) each, in the order of a key (n,), under weights (k, n).

    >>> ranked(np.array([0.9, 0.1, 0.9]), np.ones((1, 3)), np.array([1, 0, 1])).sums[0]
    array([[0., 0., 2.]])
    """
    order = np.argsort(key, kind="stable")
    last = np.flatnonzero(np.diff(key[order], append=np.inf))  # of each run
    weights = weights[:, order]

    def up_to(each: np.ndarray) -> np.ndarray:
        return np.pad(np.cumsum(each, axis=1)[:, last], ((0, 0), (1, 0)))

    return Ranked(up_to(weights), tuple(up_to(weights * value[order]) for value in values))


def place_of(cumulative: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The last place (k, g) of each row of cumulative counts (k, u), ascending, that is not beyond `at` (k, g).

    >>> place_of(np.array([[0, 2, 2, 5]]), np.array([[0, 1, 2, 4, 5]]))
    array([[0, 0, 2, 2, 3]])
    """
    # All rows are searched as one: each lies above the one before.
    rows = np.arange(len(cumulative))[:, None]
    height = cumulative[:, -1:].max(initial=0) + 1
    found = np.searchsorted((cumulative + rows * height).ravel(), (at + rows * height).ravel(), side="right")
    return np.asarray(found.reshape(at.shape) - rows * cumulative.shape[1] - 1)


def at_place(values: np.ndarray, place: np.ndarray, part: np.ndarray | float = 0.0) -> np.ndarray:
    """Values (k, u) at places (k, g), and a part (k, g) of the way to the next; the last is its own next."""
    last = values.shape[1] - 1
    here = np.take_along_axis(values, np.minimum(place, last), axis=1)
    following = np.take_along_axis(values, np.minimum(place + 1, last), axis=1)
    return np.asarray(here + part * (following - here))


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """A part over the whole, of arrays; NaN where both are 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.asarray(part) / np.asarray(whole))
