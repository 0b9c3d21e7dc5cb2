"""Dealing groups: as scikit-learn deals them, to the last bit."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from lag_zoo.data import dealing
from lag_zoo.data.dealing import deal


def as_scikit_learn(strata: np.ndarray, groups: np.ndarray, count: int, seed: int) -> np.ndarray:
    piles = np.full(len(strata), -1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of strata smaller than the piles are many
        folds = StratifiedGroupKFold(count, shuffle=True, random_state=seed).split(strata, strata, groups)
        for number, (_, held_out) in enumerate(folds):
            piles[held_out] = number
    return piles


@settings(max_examples=60)
@given(
    frames=st.integers(25, 120),
    strata=st.integers(1, 6),
    groups=st.integers(20, 120),
    count=st.integers(2, 20),
    seed=st.integers(0, 999),
)
def test_as_scikit_learn(frames: int, strata: int, groups: int, count: int, seed: int) -> None:
    drawn = np.random.default_rng(seed)
    strata_of = 3 * drawn.integers(0, strata, frames) - 1
    groups_of = np.array([f"p{number}" for number in drawn.integers(0, groups, frames)])
    count = min(count, len(set(groups_of)), max(np.unique(strata_of, return_counts=True)[1]))
    if count > 1:
        dealt = deal(strata_of, groups_of, count, seed=seed)
        assert dealt.tolist() == as_scikit_learn(strata_of, groups_of, count, seed).tolist()


def test_a_table_made_in_parts_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    strata, groups = np.arange(300) % 7, np.arange(300) // 3
    whole = deal(strata, groups, 5, seed=1)
    monkeypatch.setattr(dealing, "_CELLS", 20)
    assert deal(strata, groups, 5, seed=1).tolist() == whole.tolist()


def test_a_group_is_not_torn() -> None:
    groups = np.arange(300) % 60
    piles = deal(np.arange(300) % 4, groups, 6, seed=0)
    assert all(len(set(piles[groups == group])) == 1 for group in range(60))
