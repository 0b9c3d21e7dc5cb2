"""The smooth calibration curve against R, resamples written out, and what a band promises."""

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from lag_zoo.errors import InvalidConfigError
from lag_zoo.metrics.calibration_curve import integrated_errors, smooth_curve
from tests.metrics.scored import resampled

PLACES = np.arange(300)
ODDS = (PLACES * 37 % 101 + 0.5) / 101 * 6 - 3.5 + PLACES * PLACES % 13 / 26
TRUTH = scipy.special.expit(0.6 * ODDS + 0.3 + 0.08 * ODDS**2) > (PLACES * 53 % 97 + 0.5) / 97
PROBABILITIES = scipy.special.expit(ODDS)


def clustered(
    patients: int, each: int, seed: int, *, alike: float = 0.8
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Calibrated probabilities, and a truth that the frames of a patient share, all but."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(patients), each)
    odds = rng.normal(0, 1.5, patients)[groups] + rng.normal(0, 0.2, len(groups))
    own, frames = rng.uniform(size=patients)[groups], rng.uniform(size=len(groups))
    draws = np.where(rng.uniform(size=len(groups)) < alike, own, frames)
    return scipy.special.expit(odds), draws < scipy.special.expit(odds), groups


def test_against_r() -> None:
    """R 4.2.2, with `library(splines)`:

    x <- qlogis(p); k <- quantile(x, c(.05, .35, .65, .95))
    b <- ns(x, knots = k[2:3], Boundary.knots = k[c(1, 4)])
    f <- glm(y ~ b, binomial, control = glm.control(epsilon = 1e-14, maxit = 100)); mu <- fitted(f)
    at <- seq(min(p), max(p), length.out = 5); X <- cbind(1, b); XA <- cbind(1, predict(b, qlogis(at)))
    bread <- solve(t(X) %*% (X * (mu * (1 - mu)))); s <- rowsum(X * (y - mu), group); G <- nrow(s)
    V <- bread %*% crossprod(s) %*% bread * G / (G - 1)
    eta <- XA %*% coef(f); r <- qt(.975, G - 1) * sqrt(rowSums((XA %*% V) * XA))
    plogis(eta); plogis(eta - r); plogis(eta + r)
    e <- abs(mu - p); c(mean(e), median(e), quantile(e, .9))
    """
    found = smooth_curve(PROBABILITIES, TRUTH, groups=PLACES // 5, points=5)
    expected = [
        [0.0301692895, 0.2592436124, 0.4883179353, 0.7173922582, 0.9464665811],
        [0.4268777616, 0.4004449720, 0.5455848236, 0.7124172199, 0.8996572226],
        [0.2334931983, 0.3179360621, 0.4607778536, 0.6156123165, 0.6908536397],
        [0.6455391541, 0.4890143436, 0.6278269490, 0.7930386950, 0.9729522264],
    ]
    np.testing.assert_allclose(found[:4], expected, atol=1e-9)
    assert found.reason == ""
    errors = integrated_errors(PROBABILITIES, TRUTH, np.ones((1, 300)), groups=PLACES // 5)
    assert errors[0] == pytest.approx([0.1300769746, 0.0738940852, 0.3229707020], abs=1e-9)


def test_a_weight_is_so_many_frames() -> None:
    """But for the knots, which stay: so the frames are repeated with all of them alike."""
    weights = resampled(np.arange(60), 5, seed=1)
    blocks = np.repeat(weights, 5, axis=1)
    found = integrated_errors(PROBABILITIES, TRUTH, blocks)
    twice = integrated_errors(np.tile(PROBABILITIES, 2), np.tile(TRUTH, 2), np.hstack([blocks, 0 * blocks]))
    np.testing.assert_allclose(found, twice, atol=1e-7)  # knots are quantiles of 600 frames, all but the same
    several = np.full((3, 300), [[1], [2], [5]])
    errors = integrated_errors(PROBABILITIES, TRUTH, several)
    np.testing.assert_allclose(errors[:, 0], errors[0, 0], rtol=1e-9)
    assert integrated_errors(PROBABILITIES, TRUTH, np.zeros((1, 300)))[0] == pytest.approx(
        np.nan, nan_ok=True
    )


def test_near_copies_do_not_narrow_the_band() -> None:
    probabilities, truth, groups = clustered(60, 8, 0)
    grouped = smooth_curve(probabilities, truth, groups=groups)
    alone = smooth_curve(probabilities, truth)
    np.testing.assert_allclose(grouped.observed, alone.observed, atol=0.1)
    assert np.median((grouped.high - grouped.low) / (alone.high - alone.low)) > 1.5


def test_the_band_holds_the_diagonal_of_calibrated_probabilities() -> None:
    """At a given probability some 95 times in 100, by groups; with near-copies counted as frames, far less often."""
    held = np.zeros(2)
    for seed in range(150):
        probabilities, truth, groups = clustered(100, 4, seed)
        for place, names in enumerate((groups, None)):
            curve = smooth_curve(probabilities, truth, groups=names)
            at = np.searchsorted(curve.probability, [0.3, 0.5, 0.7])
            inside = (curve.low[at] <= curve.probability[at]) & (curve.probability[at] <= curve.high[at])
            held[place] += inside.mean()
    assert 0.9 < held[0] / 150 < 0.99
    assert held[1] / 150 < 0.85


def test_where_the_data_carry_no_curve_the_reason_is_said() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.uniform(size=100)
    truth = rng.uniform(size=100) < probabilities
    few = smooth_curve(probabilities[:12], truth[:12])
    assert "a curve needs 10 of both" in few.reason
    patients = smooth_curve(probabilities, truth, groups=np.arange(100) % 9)
    assert patients.reason == "9 groups with the label and 9 without: a curve needs 10 of both"
    assert smooth_curve(probabilities, np.ones(100)).reason.startswith(
        "100 frames with the label and 0 without"
    )
    assert "are parted" in smooth_curve(probabilities, probabilities > 0.5).reason
    assert "2 different probabilities" in smooth_curve(probabilities.round(), truth).reason
    for empty in (few, patients):
        assert [len(part) for part in empty[:4]] == [0, 0, 0, 0]
    nan = integrated_errors(probabilities[:12], truth[:12], np.ones((2, 12)))
    assert nan.shape == (2, 3)
    assert np.isnan(nan).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(20, 120), st.integers(0, 10_000), st.floats(0.1, 20), st.integers(1, 12))
def test_a_curve_is_whole_or_empty(frames: int, seed: int, spread: float, digits: int) -> None:
    """Whatever the probabilities: of 0 and 1, tied, nearly parted."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(0, spread, frames)
    truth = rng.uniform(size=frames) < scipy.special.expit(rng.normal(1, 1) * odds)
    curve = smooth_curve(scipy.special.expit(odds).round(digits), truth, groups=np.arange(frames) // 2)
    assert bool(curve.reason) == (len(curve.observed) == 0)
    for part in (curve.observed, curve.low, curve.high):
        assert np.isfinite(part).all()
        assert ((part >= 0) & (part <= 1)).all()
    assert (curve.low <= curve.observed).all()
    assert (curve.observed <= curve.high).all()


def test_bad_input() -> None:
    with pytest.raises(InvalidConfigError, match="one group a frame: 300 frames, 299 groups"):
        smooth_curve(PROBABILITIES, TRUTH, groups=PLACES[1:])
    with pytest.raises(InvalidConfigError, match="a level is between 0 and 1, got 95"):
        smooth_curve(PROBABILITIES, TRUTH, level=95)
    with pytest.raises(InvalidConfigError, match="probabilities are from 0 to 1"):
        smooth_curve(ODDS, TRUTH)
