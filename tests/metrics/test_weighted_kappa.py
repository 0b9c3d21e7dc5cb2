"""Quadratic weighted kappa: the value against scikit-learn's, its interval against resampled groups."""

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from lag_zoo.metrics import influence
from lag_zoo.metrics.agreement import cohen_kappa, confusion_matrix
from lag_zoo.metrics.clustered import group_difference, group_interval

pairs = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=30)


def drawn(seed: int, *, patients: int = 60, each: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Calls, truth and groups: the frames of a patient are alike, and so are the mistakes on them."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(patients), each)
    targets = rng.integers(0, 4, patients)[groups]
    off = rng.normal(0, 0.7, patients)[groups] + rng.normal(0, 0.5, len(groups))
    return np.clip(np.round(targets + off), 0, 3).astype(int), targets, groups


@given(pairs)
def test_it_is_that_of_scikit_learn_and_of_the_confusion_matrix(found: list[tuple[int, int]]) -> None:
    called, targets = np.array(found).T
    value = influence.quadratic_weighted_kappa(called, targets).value
    if len(set(called) | set(targets)) == 1:
        assert np.isnan(value)
        return
    labels = list(range(5))
    assert value == pytest.approx(
        sklearn.metrics.cohen_kappa_score(called, targets, labels=labels, weights="quadratic")
    )
    matrix = confusion_matrix(called, targets, labels=5)
    assert value == pytest.approx(float(cohen_kappa(matrix, distance="quadratic")))


def test_nothing_has_none() -> None:
    assert np.isnan(influence.quadratic_weighted_kappa(np.zeros(0), np.zeros(0)).value)


@pytest.mark.parametrize("seed", range(3))
def test_influence_is_the_derivative_by_the_weight_of_a_frame(seed: int) -> None:
    called, targets, _ = drawn(seed, patients=10)
    found, step = influence.quadratic_weighted_kappa(called, targets), 1e-4
    assert found.effect.sum() == pytest.approx(0, abs=1e-12)
    for frame in range(0, len(targets), 7):
        ends = []
        for change in (step, -step):
            weights = np.ones(len(targets))
            weights[frame] += change
            ends.append(
                sklearn.metrics.cohen_kappa_score(
                    called, targets, labels=range(4), weights="quadratic", sample_weight=weights
                )
            )
        assert found.effect[frame] == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-6)


def test_the_interval_is_that_of_resampled_patients() -> None:
    called, targets, groups = drawn(1)
    found = influence.quadratic_weighted_kappa(called, targets)
    interval = group_interval(found, groups, len(targets), limits=(-1.0, 1.0))
    frames = group_interval(found, None, len(targets), limits=(-1.0, 1.0))
    rng, values = np.random.default_rng(0), []
    for _ in range(2000):
        places = np.concatenate([np.flatnonzero(groups == g) for g in rng.integers(0, 60, 60)])
        values.append(influence.quadratic_weighted_kappa(called[places], targets[places]).value)
    low, high = np.quantile(values, [0.025, 0.975])
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.02)
    assert interval.high - interval.low > 1.3 * (frames.high - frames.low)
    assert interval.groups == 60


def test_kappas_may_differ_by_more_than_one() -> None:
    called, targets, groups = drawn(0)
    one, other = (influence.quadratic_weighted_kappa(calls, targets) for calls in (called, 3 - called))
    found = group_difference(one, other, groups, len(targets), limits=(-1.0, 1.0))
    assert 1 < found.low < found.value < found.high < 2
    assert found.value == pytest.approx(one.value - other.value)
    assert found.p < 1e-6
    # p is that of the interval: at the level 1 - p it begins to hold 0.
    near = influence.quadratic_weighted_kappa(np.where(groups < 8, 0, called), targets)
    doubtful = group_difference(one, near, groups, len(targets), limits=(-1.0, 1.0))
    assert 1e-6 < doubtful.p < 0.5
    at = group_difference(one, near, groups, len(targets), limits=(-1.0, 1.0), level=1 - doubtful.p)
    assert at.low == pytest.approx(0, abs=1e-6)
    same = group_difference(one, one, groups, len(targets), limits=(-1.0, 1.0))
    shares = group_difference(one, one, groups, len(targets))
    assert (same.value, same.high) == (0, pytest.approx(2 * shares.high))


def test_the_interval_covers() -> None:
    """As often as it says, of patients drawn from a population whose value is known."""
    truth = influence.quadratic_weighted_kappa(*drawn(99, patients=20_000)[:2]).value
    covered = []
    for seed in range(300):
        called, targets, groups = drawn(seed, patients=30)
        found = influence.quadratic_weighted_kappa(called, targets)
        interval = group_interval(found, groups, len(targets), limits=(-1.0, 1.0))
        covered.append(interval.low <= truth <= interval.high)
    assert np.mean(covered) > 0.92
