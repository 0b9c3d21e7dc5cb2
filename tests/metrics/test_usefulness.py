"""Referral and decision curves."""

import numpy as np
import pytest

from lag_zoo.metrics import usefulness


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
