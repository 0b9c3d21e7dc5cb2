"""Frames that tests are made of."""

import numpy as np
from hypothesis import strategies as st


@st.composite
def scored(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Scores with ties, and a truth with both labels."""
    truth = draw(st.lists(st.booleans(), min_size=4, max_size=40).filter(lambda t: 1 < sum(t) < len(t) - 1))
    scores = draw(st.lists(st.integers(0, 12), min_size=len(truth), max_size=len(truth)))
    return np.array(scores) / 12, np.array(truth)


def resampled(groups: np.ndarray, resamples: int, *, seed: int = 0) -> np.ndarray:
    """How often each resample of whole groups drew each frame (k, n)."""
    names, place = np.unique(groups, return_inverse=True)
    rng = np.random.default_rng(seed)
    return rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)[:, place]
