"""Referral and decision curves."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lag_zoo.metrics import usefulness
from lag_zoo.metrics.roc import roc_sensitivities
from tests.metrics.references import rates_at
from tests.metrics.scored import resampled, scored


def test_abstaining_on_the_uncertain() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.uniform(size=5000)
    truth = rng.uniform(size=5000) < probabilities
    curve = usefulness.referral_curve(probabilities, truth, threshold=0.5)
    assert curve.accuracy[0] == pytest.approx(0.75, abs=0.02)
    assert (np.diff(curve.accuracy) > -0.01).all()
    assert curve.accuracy[-1] > 0.95


def test_net_benefit() -> None:
    """Vickers and Elkin's definition: tp/n - fp/n * pt/(1 - pt)."""
    probabilities, truth = np.array([0.1, 0.3, 0.6, 0.8]), np.array([0, 1, 0, 1])
    curve = usefulness.decision_curve(probabilities, truth, thresholds=np.array([0.2, 0.5]))
    assert curve.model == pytest.approx([2 / 4 - 1 / 4 * 0.25, 1 / 4 - 1 / 4])
    assert curve.treat_all == pytest.approx([0.5 - 0.5 * 0.25, 0.5 - 0.5])


def counted(probabilities: np.ndarray, truth: np.ndarray, thresholds: np.ndarray) -> list[float]:
    """Net benefit, threshold by threshold."""
    calls = [(probabilities >= threshold, threshold / (1 - threshold)) for threshold in thresholds]
    return [((called & truth).sum() - (called & ~truth).sum() * odds) / len(truth) for called, odds in calls]


@given(scored(), st.integers(0, 99))
def test_a_weight_is_so_many_frames(data: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    probabilities, truth = data
    weights = np.random.default_rng(seed).integers(0, 3, (4, len(truth)))
    weights[:, 0] += 1
    thresholds, shares = np.array([0.05, 0.25, 0.5, 0.9]), np.array([0, 0.3, 0.5, 0.8])
    benefits = usefulness.net_benefits(probabilities, truth, weights, thresholds)
    referred = usefulness.referrals(probabilities, truth, weights, threshold=0.4, shares=shares)
    for number, row in enumerate(weights):
        one = np.repeat(probabilities, row), np.repeat(truth, row)
        assert benefits[number] == pytest.approx(counted(*one, thresholds))
        alone = usefulness.referral_curve(*one, threshold=0.4, shares=shares)
        np.testing.assert_allclose(referred[number], np.concatenate(alone[1:]), atol=1e-12)


def test_referral_frame_by_frame() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.uniform(size=37)
    truth = rng.uniform(size=37) < probabilities
    curve = usefulness.referral_curve(probabilities, truth, threshold=0.3)
    order = np.argsort(np.abs(probabilities - 0.3))
    for share, *found in zip(*curve, strict=True):
        kept = order[min(round(share * 37), 36) :]
        expected = rates_at(probabilities[kept], truth[kept], 0.3)
        np.testing.assert_allclose(found, expected, atol=1e-12)


@given(scored(), st.integers(0, 99))
def test_the_order_of_the_frames_does_not_matter(data: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    """Also of those that are equally near the threshold, some of which are referred."""
    order = np.random.default_rng(seed).permutation(len(data[0]))
    one, other = (
        usefulness.referral_curve(*(part[chosen] for part in data), threshold=0.5)
        for chosen in (slice(None), order)
    )
    np.testing.assert_allclose(one, other, atol=1e-12)


def test_bands_are_quick() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.uniform(size=1000)
    truth = rng.uniform(size=1000) < probabilities
    weights = resampled(np.arange(1000) // 8, 500)
    begun = time.process_time()
    bands = (
        usefulness.net_benefits(probabilities, truth, weights),
        usefulness.referrals(probabilities, truth, weights, threshold=0.5),
        roc_sensitivities(probabilities, truth, weights),
    )
    assert time.process_time() - begun < 1  # some 0.1 s
    assert [band.shape for band in bands] == [(500, 99), (500, 57), (500, 101)]
    assert all(np.isfinite(band).all() for band in bands)
