"""Slope and intercepts of calibration against R, statsmodels, scipy, and what makes a likelihood the largest."""

import numpy as np
import pytest
import scipy.optimize
import scipy.special
from hypothesis import example, given
from hypothesis import strategies as st

from lag_zoo.errors import InvalidConfigError
from lag_zoo.metrics.calibration_line import (
    offset_intercept,
    offset_intercepts,
    slope_and_intercept,
    slopes_and_intercepts,
)
from lag_zoo.metrics.intervals import weighted_bootstraps
from tests.metrics.references import bootstrapped

PLACES = np.arange(200)
SPREAD = (PLACES * 37 % 101 + 0.5) / 101
SATURATED = np.where(PLACES % 9 == 0, (PLACES + 0.5) / 200, np.where(PLACES % 2, 1e-12, 1 - 1e-12))


@pytest.mark.parametrize(
    ("probabilities", "truth", "line", "offset"),
    [
        (SPREAD, PLACES * 53 % 97 / 97 < SPREAD, (0.7493195835, 0.0510449520), 0.0574963566),
        (1 - SPREAD, PLACES * 53 % 97 / 97 < SPREAD, (-0.7493195835, 0.0510449520), 0.0628570655),
        (
            np.array([0.2, 0.5, 0.9])[PLACES * PLACES % 7 % 3],
            PLACES * 29 % 11 < 4,
            (-0.0463398471, -0.5344556483),
            -1.1127228516,
        ),
        (
            SATURATED,
            (PLACES % 2 == 0) ^ (PLACES % 50 == 0),
            (0.1506230655, -0.4188640185),
            -0.9585612358,  # by mpmath with 40 digits; R stops at -0.9585639
        ),
        (np.array([0.1, 0.4, 0.3]), np.array([0, 0, 1]), (0.8849038796, 0.2408447014), 0.3491498475),
    ],
    ids=["spread", "the wrong way round", "tied", "saturated", "three frames"],
)
def test_against_r(
    probabilities: np.ndarray, truth: np.ndarray, line: tuple[float, float], offset: float
) -> None:
    """Expected by R 4.2.2, the line also by statsmodels 0.15.0:

    control <- glm.control(epsilon = 1e-14, maxit = 200)
    coef(glm(truth ~ qlogis(p), binomial, control = control))
    coef(glm(truth ~ 1, binomial, offset = qlogis(p), control = control))
    """
    assert slope_and_intercept(probabilities, truth) == pytest.approx(line, abs=1e-9)
    assert offset_intercept(probabilities, truth) == pytest.approx(offset, abs=1e-9)


def line_at(found: np.ndarray, odds: np.ndarray, truth: np.ndarray) -> tuple[float, np.ndarray]:
    """Minus the mean log likelihood of a slope and an intercept, and its gradient."""
    fitted = found[0] * odds + found[1]
    missing = scipy.special.expit(fitted) - truth
    value = -scipy.special.log_expit(np.where(truth, fitted, -fitted)).mean()
    return float(value), np.array([(missing * odds).mean(), missing.mean()])


@st.composite
def told(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Log odds up to 27 either way, few or many values, and any truth."""
    values = draw(st.lists(st.integers(-270, 270), min_size=1, max_size=8))
    frames = draw(st.lists(st.tuples(st.sampled_from(values), st.booleans()), min_size=2, max_size=30))
    return np.array([odds for odds, _ in frames]) / 10, np.array([truth for _, truth in frames])


@given(told())
@example((np.array([-27.0, 27.0] * 20), np.array([False, True] * 19 + [True, False])))
@example((np.array([-27.0, 0.1, 0.0, 27.0]), np.array([False, False, True, True])))
def test_nothing_fits_better(data: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, truth = scipy.special.expit(data[0]), data[1]
    odds = scipy.special.logit(probabilities)
    found = np.array(slope_and_intercept(probabilities, truth))
    thresholds = np.unique(odds)
    right = [np.where(odds > t, truth, ~truth)[odds != t] for t in thresholds]  # those on it may be of either
    if any(part.all() or not part.any() for part in right):
        assert not np.isfinite(found).any(), "a threshold parts the labels"
    else:
        assert np.abs(line_at(found, odds, truth)[1]).max() < 1e-9


def test_against_scipy() -> None:
    rng = np.random.default_rng(0)
    for n in (12, 40, 400):
        for _ in range(10):
            odds = rng.normal(0, rng.uniform(0.5, 4), n)
            truth = rng.uniform(size=n) < scipy.special.expit(rng.normal() * odds + rng.normal())
            found = np.array(slope_and_intercept(scipy.special.expit(odds), truth))
            if not np.isfinite(found).all():
                continue
            other = scipy.optimize.minimize(
                line_at, [0, 0], args=(odds, truth), jac=True, method="BFGS", options={"gtol": 1e-10}
            )
            assert found == pytest.approx(other.x, abs=1e-6, rel=1e-6)


def test_a_weight_is_so_many_frames() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.uniform(size=9)
    truth = rng.uniform(size=9) < probabilities
    weights = rng.integers(0, 4, (60, 9))
    found = slopes_and_intercepts(probabilities, truth, weights)
    each = [slope_and_intercept(np.repeat(probabilities, w), np.repeat(truth, w)) for w in weights]
    np.testing.assert_allclose(found, each, rtol=1e-9, atol=1e-9)
    assert 0 < np.isinf(found[:, 0]).sum() < 60
    offsets = offset_intercepts(probabilities, truth, weights)
    one_by_one = [
        offset_intercept(np.repeat(probabilities, w), np.repeat(truth, w)) for w in weights if w.any()
    ]
    np.testing.assert_allclose(offsets[weights.any(axis=1)], one_by_one, rtol=1e-9, atol=1e-9)
    with pytest.raises(InvalidConfigError, match=r"of 9 frames; got the shape \(60, 8\)"):
        slopes_and_intercepts(probabilities, truth, weights[:, 1:])


@given(told())
@example((np.array([-13.7, -13.7, 25.5, 25.5, -13.7]), np.array([False, False, False, True, True])))
def test_the_offset_intercept_makes_the_mean_right(data: tuple[np.ndarray, np.ndarray]) -> None:
    probabilities, truth = scipy.special.expit(data[0]), data[1]
    found = offset_intercept(probabilities, truth)
    if truth.all() or not truth.any():
        assert found == (np.inf if truth.all() else -np.inf)
    else:
        odds = scipy.special.logit(np.clip(probabilities, 1e-12, 1 - 1e-12))
        assert scipy.special.expit(odds + found).mean() == pytest.approx(truth.mean(), abs=1e-9)


@pytest.mark.parametrize(
    ("probabilities", "truth", "expected"),
    [
        ([0.2, 0.3, 0.4, 0.8], [0, 0, 1, 1], (np.inf, np.inf)),  # parted between 0.3 and 0.4, below a half
        ([0.2, 0.6, 0.7, 0.8], [0, 0, 1, 1], (np.inf, -np.inf)),
        ([0.2, 0.6, 0.6, 0.8], [0, 0, 1, 1], (np.inf, -np.inf)),  # parted but for a tie
        ([0.2, 0.4, 0.6, 0.8], [0, 0, 1, 1], (np.inf, np.nan)),  # in the middle
        ([0.2, 0.3, 0.4, 0.8], [1, 1, 0, 0], (-np.inf, -np.inf)),  # the wrong way round
        ([0.3, 0.3, 0.3], [0, 1, 1], (np.nan, np.nan)),  # one probability
        ([0.3, 0.4, 0.5], [1, 1, 1], (np.nan, np.nan)),  # one label
    ],
)
def test_where_a_threshold_parts_the_labels(
    probabilities: list[float], truth: list[int], expected: tuple[float, float]
) -> None:
    np.testing.assert_array_equal(slope_and_intercept(np.array(probabilities), np.array(truth)), expected)


def test_an_infinite_intercept_is_where_slightly_penalised_fits_go() -> None:
    odds, truth = np.array([-2.0, 0.0, 0.5, 3.0]), np.array([0, 0, 1, 1])
    for moved, sign in ((odds, -1), (odds - 1, 1)):

        def loss(line: np.ndarray, odds: np.ndarray = moved) -> float:
            return line_at(line, odds, truth)[0] + 1e-7 * float(line[0] ** 2)

        fitted = scipy.optimize.minimize(loss, [1.0, 0.0], method="BFGS").x
        found = slope_and_intercept(scipy.special.expit(moved), truth)
        assert np.sign(found).tolist() == np.sign(fitted).tolist() == [1, sign]
        assert np.isinf(found).all()


@given(told())
@example((np.array([-3.0, -1.0, 1.0, 2.0]), np.array([False, False, True, True])))
def test_with_firth_s_penalty_nothing_near_is_likelier(data: tuple[np.ndarray, np.ndarray]) -> None:
    odds, truth = data[0] / 5, data[1]

    def penalised(line: np.ndarray) -> float:
        fitted = line[0] * odds + line[1]
        information = scipy.special.expit(fitted) * scipy.special.expit(-fitted)
        columns = np.stack([odds, np.ones_like(odds)], axis=1)
        with np.errstate(invalid="ignore"):  # information that is all but none
            determinant = np.linalg.slogdet((columns * information[:, None]).T @ columns)[1]
        return float(scipy.special.log_expit(np.where(truth, fitted, -fitted)).sum() + determinant / 2)

    found = slopes_and_intercepts(scipy.special.expit(odds), truth, np.ones((1, len(odds))), firth=True)[0]
    if truth.all() or not truth.any() or len(np.unique(odds)) == 1:
        assert np.isnan(found).all()
    else:
        best = penalised(found)
        for step in ((0.01, 0), (-0.01, 0), (0, 0.01), (0, -0.01), (0.01, 0.01), (0.01, -0.01)):
            assert penalised(found + np.array(step)) < best + 1e-7


def test_firth_s_line_against_r() -> None:
    """brglm2 0.9 on R 4.2.2: glm(truth ~ qlogis(p), binomial, method = "brglmFit", type = "AS_mean")"""
    parted = np.array([0.2, 0.3, 0.4, 0.8]), np.array([0, 0, 1, 1])
    for data, expected in (
        ((SPREAD, PLACES * 53 % 97 / 97 < SPREAD), (0.73291028, 0.05036262)),
        (parted, (1.01839612, 0.25128513)),
    ):
        (found,) = slopes_and_intercepts(*data, np.ones((1, len(data[0]))), firth=True)
        assert found == pytest.approx(expected, abs=1e-6)


def test_firth_s_line_of_many_frames_is_the_likeliest() -> None:
    weights = np.array([np.ones(200), 40 * np.ones(200)])
    truth = PLACES * 53 % 97 / 97 < SPREAD
    few, many = slopes_and_intercepts(SPREAD, truth, weights, firth=True)
    likeliest = np.array(slope_and_intercept(SPREAD, truth))
    assert 0 < likeliest[0] - few[0] < 0.02
    assert many == pytest.approx(likeliest, abs=1e-3)


def test_all_resamples_at_once_are_one_by_one() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.uniform(size=30)
    truth, groups = rng.uniform(size=30) < probabilities, rng.integers(0, 6, 30)
    at_once = weighted_bootstraps(
        lambda weights: slopes_and_intercepts(probabilities, truth, weights), groups, n_resamples=300, seed=1
    )
    one_by_one = bootstrapped(
        lambda p, t: np.array(slope_and_intercept(p, t)),
        groups,
        probabilities,
        truth,
        n_resamples=300,
        seed=1,
    )
    for one, other in zip(at_once, one_by_one, strict=True):
        assert one[:3] == pytest.approx(other[:3], rel=1e-9)
        assert one[3:] == other[3:]


def test_blocks_of_resamples_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.arange(10.0)

    def mean(weights: np.ndarray) -> np.ndarray:
        return weights @ values[:, None] / weights.sum(axis=1, keepdims=True)

    (whole,) = weighted_bootstraps(mean, np.arange(10), n_resamples=50)
    monkeypatch.setattr("lag_zoo.metrics.intervals._AT_ONCE", 70)
    assert weighted_bootstraps(mean, np.arange(10), n_resamples=50) == [whole]
