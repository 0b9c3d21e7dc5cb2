"""Rules by which the probabilities of frames become one of their examination."""

import re

import numpy as np

from lag_zoo.errors import InvalidConfigError

Pooling = str
"""`maximum`, `mean`, `top3` (or another number) or `noisy-or`."""

_TOP = re.compile(r"top([1-9]\d*)")


def pool_frames(probabilities: np.ndarray, *, by: Pooling) -> np.ndarray:
    """Pool probabilities (..., n, C) of n frames into (..., C), label by label; by a rule.

    `top3`: the mean of the three highest, or of as many as there are, and so any other number; `noisy-or`: that not all
    frames are without it, as if they were independent.

    Raises:
        InvalidConfigError: no such way.

    >>> pool_frames(np.array([[0.5, 0.1], [0.5, 0.3]]), by="noisy-or").round(2).tolist()
    [0.75, 0.37]
    """
    require_pooling(by)
    if by == "maximum":
        return np.asarray(probabilities.max(axis=-2))
    if top := _TOP.fullmatch(by):
        return np.asarray(np.sort(probabilities, axis=-2)[..., -int(top[1]) :, :].mean(axis=-2))
    if by == "noisy-or":
        return np.asarray(1 - np.prod(1 - probabilities, axis=-2))
    return np.asarray(probabilities.mean(axis=-2))


def require_pooling(by: str) -> None:
    """Refuse what is no way to pool frames.

    Raises:
        InvalidConfigError: with those that there are.
    """
    if by not in ("maximum", "mean", "noisy-or") and not _TOP.fullmatch(by):
        raise InvalidConfigError(
            f"no way {by!r} to pool frames; there are maximum, mean, top3 (or another number) and noisy-or"
        )
