"""Errors, bins, and observed over expected, against scikit-learn and the frames of each resample written out."""

import time

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from lag_zoo.errors import InvalidConfigError
from lag_zoo.metrics import calibration
from lag_zoo.metrics.calibration_line import offset_intercept, slope_and_intercept
from tests.metrics.scored import resampled, scored


def test_frames_of_one_probability_are_in_one_bin() -> None:
    """Whatever their order: sorted by label, they would else fill bins of their own."""
    truth = np.arange(1000) < 300
    assert calibration.ece(np.full(1000, 0.3), truth, equal_mass=True) == pytest.approx(0)
    two = np.repeat([0.2, 0.7], 500)
    found = calibration.reliability_curve(two, truth, equal_mass=True)
    assert found.probability == pytest.approx([0.2, 0.7])
    assert found.frames.tolist() == [500, 500]


@given(scored())
def test_against_scikit_learn(data: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, truth = data
    assert calibration.brier(probabilities, truth) == pytest.approx(
        sklearn.metrics.brier_score_loss(truth, probabilities)
    )
    share, mean = calibration_curve(truth, probabilities, n_bins=10)
    found = calibration.reliability_curve(probabilities, truth)
    # scikit-learn closes its bins on the right, ours on the left: alike but for values on an edge.
    if not np.isin(probabilities, np.linspace(0, 1, 11)[1:-1].round(12)).any():
        assert found.share == pytest.approx(share)
        assert found.probability == pytest.approx(mean)
    assert found.frames.sum() == len(truth)
    assert 0 <= calibration.ece(probabilities, truth, equal_mass=True) <= 1


def test_a_calibrated_model() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.uniform(0.02, 0.98, 40_000)
    truth = rng.uniform(size=40_000) < probabilities
    assert slope_and_intercept(probabilities, truth) == pytest.approx((1, 0), abs=0.05)
    assert calibration.ece(probabilities, truth) < 0.02


@given(scored(), st.integers(0, 99), st.integers(1, 12), st.booleans())
def test_a_weight_is_so_many_frames(
    data: tuple[np.ndarray, np.ndarray], seed: int, bins: int, equal_mass: bool
) -> None:
    probabilities, truth = data
    weights = np.random.default_rng(seed).integers(0, 3, (5, len(truth)))
    weights[:, 0] += 1
    errors = calibration.eces(probabilities, truth, weights, bins=bins, equal_mass=equal_mass)
    found = calibration.calibration_measures(probabilities, truth, weights, bins=bins)
    for number, row in enumerate(weights):
        one = np.repeat(probabilities, row), np.repeat(truth, row)
        assert errors[number] == pytest.approx(calibration.ece(*one, bins=bins, equal_mass=equal_mass))
        expected = [
            calibration.brier(*one),
            calibration.ece(*one, bins=bins, equal_mass=True),
            calibration.observed_over_expected(*one),
            offset_intercept(*one),
            *slope_and_intercept(*one),
        ]
        intercept, others = 3, [0, 1, 2, 4, 5]
        np.testing.assert_allclose(found[number, others], np.array(expected)[others], rtol=1e-7, atol=1e-9)
        # Where a certain answer is wrong the likelihood is so flat in this intercept that rounding moves it.
        flat = np.isin(probabilities, (0, 1)).any()
        assert found[number, intercept] == pytest.approx(
            expected[intercept], rel=1e-3 if flat else 1e-7, abs=1e-9, nan_ok=True
        )


def binned(probabilities: np.ndarray, truth: np.ndarray, bins: int) -> float:
    """The ECE over bins of equally many frames, as one would write it."""
    firsts = np.arange(1, bins) * len(probabilities) // bins
    place = np.searchsorted(np.sort(probabilities)[firsts], probabilities, side="right")
    apart = [abs((probabilities - truth)[place == bin].sum()) for bin in range(bins)]
    return sum(apart) / len(truth)


@given(scored(), st.integers(1, 12))
def test_bins_of_equally_many_frames(data: tuple[np.ndarray, np.ndarray], bins: int) -> None:
    assert calibration.ece(*data, bins=bins, equal_mass=True) == pytest.approx(binned(*data, bins))


def test_observed_over_expected_is_what_the_offset_intercept_sets_right() -> None:
    rng = np.random.default_rng(0)
    odds = rng.normal(-1, 2, 400)
    truth = rng.uniform(size=400) < 1 / (1 + np.exp(1 - odds))
    probabilities = 1 / (1 + np.exp(-odds))
    found = offset_intercept(probabilities, truth)
    assert calibration.observed_over_expected(probabilities, truth) < 0.8
    moved = 1 / (1 + np.exp(-odds - found))
    assert calibration.observed_over_expected(moved, truth) == pytest.approx(1, abs=1e-12)


def test_what_a_resample_does_not_define_and_what_it_parts() -> None:
    """Of four frames: all, only those without the label, only those that a threshold parts, and none."""
    probabilities, truth = np.array([0.1, 0.6, 0.3, 0.9]), np.array([0, 0, 1, 1])
    weights = np.array([[1, 1, 1, 1], [2, 2, 0, 0], [2, 0, 0, 2], [0, 0, 0, 0]])
    whole, without, parted, nothing = (
        dict(zip(calibration.MEASURES, row, strict=True))
        for row in calibration.calibration_measures(probabilities, truth, weights)
    )
    assert np.isfinite(list(whole.values())).all()
    assert (without["observed_over_expected"], without["offset_intercept"]) == (0, -np.inf)
    assert np.isnan([without["slope"], without["intercept"]]).all()
    assert parted["slope"] == np.inf
    assert np.isfinite([parted["offset_intercept"], parted["brier"], parted["ece"]]).all()
    assert np.isnan(list(nothing.values())).all()


def test_of_twelve_patients_the_parted_resamples_count() -> None:
    """Left out, they would take the steepest slopes away, and the interval would end below them."""
    rng = np.random.default_rng(3)
    truth = np.arange(12) % 2 == 0
    probabilities = 1 / (1 + np.exp(-1.4 * rng.normal(np.where(truth, 1, -1))))
    weights = resampled(np.arange(12), 2000)
    slopes = calibration.calibration_measures(probabilities, truth, weights)[:, -2]
    infinite, undefined = np.isinf(slopes).mean(), np.isnan(slopes).mean()
    assert 0.1 < infinite < 0.5
    assert undefined < 0.01
    assert np.isfinite(slope_and_intercept(probabilities, truth)).all()
    assert np.quantile(slopes[~np.isnan(slopes)], 0.975, method="higher") == np.inf
    penalised = calibration.calibration_measures(probabilities, truth, weights, firth=True)
    assert (np.isnan(penalised[:, -2]) == np.isnan(slopes)).all()
    high = np.quantile(penalised[~np.isnan(slopes), -2], 0.975)
    assert np.quantile(slopes[np.isfinite(slopes)], 0.975) < high < 5


def test_two_thousand_resamples_of_a_thousand_frames_are_quick() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.beta(0.6, 0.9, 1000)
    truth = rng.uniform(size=1000) < probabilities
    weights = resampled(np.arange(1000) // 8, 2000)
    begun = time.process_time()
    found = calibration.calibration_measures(probabilities, truth, weights)
    assert time.process_time() - begun < 2  # some 0.4 s
    assert np.isfinite(found).all()


def test_bad_input() -> None:
    with pytest.raises(InvalidConfigError, match="probabilities are from 0 to 1; got -1 to 3"):
        calibration.brier(np.array([-1.0, 3.0]), np.array([0, 1]))
    with pytest.raises(InvalidConfigError, match="at least one bin, got 0"):
        calibration.ece(np.array([0.1, 0.3]), np.array([0, 1]), bins=0)
