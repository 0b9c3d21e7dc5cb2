"""Calibration as a line: log odds of the truth on the log odds of a probability, its slope and its two intercepts.

Two intercepts go by one name in papers, and differ. The *offset intercept* is calibration in the large: the slope is
held at 1, and the intercept says whether probabilities are too low or too high on the whole. The *joint intercept* is
fitted together with the slope (Cox 1958), and is where the line crosses probability 0.5. Say which (Van Calster et
al., BMC Medicine 2019; TRIPOD+AI, BMJ 2024).

Where some threshold parts the labels without a mistake the largest likelihood lies at infinity, and the slope is
infinite here. Resamples of a few patients are often so. To leave them out takes the steepest slopes away; to count
them as infinite leaves an interval without an end, and slopes of the largest likelihood are too steep on average
besides. Firth's penalty (Biometrika 1993; Heinze and Schemper, Stat Med 2002) takes that bias away, and its lines are
finite: intervals are of them. `python -m benchmarks.calibration_intervals` prints how often each kind of interval holds
the true slope.
"""

import numpy as np
import scipy.special

from lag_zoo.errors import InvalidConfigError
from lag_zoo.metrics.checks import scores_and_truth
from lag_zoo.metrics.weighted import checked_weights, in_blocks

TINY = 1e-12
"""Probabilities nearer to 0 or 1 count as this near."""

_STEPS = 200  # of Newton's method; data nearly parted by a threshold take some 30, others fewer than 10
_SETTLED = 1e-9  # a last step, relative to the fitted log odds: the next one would be as its square
_FIRTH_STEPS, _FIRTH_SETTLED = 1000, 1e-6  # its steps shrink by a fraction each: enough for a resample
_ROUNDING = 1e-15  # of a log likelihood, for each frame


def probabilities_and_truth(probabilities: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (n,) as float64 and truth (n,) as bool.

    Raises:
        InvalidConfigError: as `scores_and_truth`, and where a probability is not from 0 to 1.
    """
    probabilities, truth = scores_and_truth(probabilities, truth)
    if probabilities.min() < 0 or probabilities.max() > 1:
        raise InvalidConfigError(
            f"probabilities are from 0 to 1; got {probabilities.min():.3g} to {probabilities.max():.3g}"
        )
    return probabilities, truth


def log_odds(probabilities: np.ndarray) -> np.ndarray:
    """Log odds of probabilities, which are held off 0 and 1 by `TINY`."""
    return np.asarray(scipy.special.logit(np.clip(probabilities, TINY, 1 - TINY)))


def slope_and_intercept(probabilities: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Slope and joint intercept of the truth's log odds on those of the probability: 1 and 0 where calibrated.

    The largest likelihood, as R's `glm(truth ~ qlogis(probabilities), binomial)` finds it. A slope below 1: too sure of
    itself. Source: Cox, Biometrika 1958.

    Where some threshold parts the labels the slope is infinite (minus infinity the wrong way round), and with it the
    intercept: that of the limit of slightly penalised fits, whose line crosses 0.5 in the middle of the gap (Rosset,
    Zhu and Hastie, NIPS 2003), NaN if that is at a probability of 0.5. Both are NaN without both labels, and where
    there is one probability only.

    >>> slope, intercept = slope_and_intercept(np.array([0.2, 0.4, 0.6, 0.8]), np.array([0, 1, 0, 1]))
    >>> round(slope, 4), abs(intercept) < 1e-9
    (1.1018, True)
    >>> slope_and_intercept(np.array([0.2, 0.3, 0.4, 0.8]), np.array([0, 0, 1, 1]))
    (inf, inf)
    """
    slope, intercept = slopes_and_intercepts(probabilities, truth, np.ones((1, len(truth))))[0]
    return float(slope), float(intercept)


def slopes_and_intercepts(
    probabilities: np.ndarray, truth: np.ndarray, weights: np.ndarray, *, firth: bool = False
) -> np.ndarray:
    """`slope_and_intercept` (k, 2) under k weightings (k, n) of the frames, as how often each resample drew each.

    Args:
        firth: of the likelihood with Firth's penalty, for intervals: a line is finite also where labels are parted.

    Raises:
        InvalidConfigError: weights of another number of frames.

    >>> chances, truth = np.array([0.2, 0.4, 0.6, 0.8]), np.array([0, 1, 0, 1])
    >>> slopes_and_intercepts(chances, truth, np.array([[1, 1, 1, 1], [2, 1, 1, 2]]))[:, 0].round(4)
    array([1.1018, 1.6156])
    >>> slopes_and_intercepts(chances, np.array([0, 0, 1, 1]), np.ones((1, 4)), firth=True)[:, 0].round(2)
    array([1.38])
    """
    probabilities, truth = probabilities_and_truth(probabilities, truth)
    odds, weights = log_odds(probabilities), checked_weights(weights, len(truth))
    of_all = _lines(odds, truth, np.ones((1, len(truth))), np.zeros(2), firth)[0]
    near = of_all if np.isfinite(of_all).all() else np.zeros(2)
    return in_blocks(lambda some: _lines(odds, truth, some, near, firth), weights)


def offset_intercept(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Calibration in the large: what to add to the log odds so that they are right on the whole; 0 where they are.

    The largest likelihood, as R's `glm(truth ~ 1, binomial, offset = qlogis(probabilities))` finds it. Below 0:
    probabilities are too high. Infinite where no frame, or each, has the label. Source: Steyerberg, Clinical
    Prediction Models, 2nd edition 2019, section 15.3.

    >>> round(offset_intercept(np.full(4, 0.5), np.array([0, 1, 1, 1])), 4)  # the log of 3
    1.0986
    """
    return float(offset_intercepts(probabilities, truth, np.ones((1, len(truth))))[0])


def offset_intercepts(probabilities: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """`offset_intercept` (k,) under k weightings (k, n) of the frames.

    Raises:
        InvalidConfigError: weights of another number of frames.
    """
    probabilities, truth = probabilities_and_truth(probabilities, truth)
    odds = log_odds(probabilities)
    return in_blocks(lambda some: _offsets(odds, truth, some), checked_weights(weights, len(truth)))


def _offsets(odds: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Newton's method on a falling function of one number, held between bounds that close in on its root."""
    signs = np.where(truth, 1.0, -1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = np.asarray(scipy.special.logit(weights @ truth / weights.sum(axis=1)))
    found = np.where(np.isfinite(at), np.nan, at)  # infinite where there is one label only
    left = np.flatnonzero(np.isfinite(at))
    # The mean probability is the share that has the label: no frame's log odds may end up all above it, or below.
    low, high, at, weights = at[left] - odds.max(), at[left] - odds.min(), np.zeros(len(left)), weights[left]
    at = np.clip(at, low, high)
    for _ in range(_STEPS):
        wrong = scipy.special.expit(-signs * (odds + at[:, None]))  # how far off each frame is
        missing = (weights * wrong) @ signs
        low, high = np.where(missing >= 0, at, low), np.where(missing <= 0, at, high)
        with np.errstate(divide="ignore", invalid="ignore"):
            there = at + missing / (weights * wrong * (1 - wrong)).sum(axis=1)
        inside = (there >= low) & (there <= high)  # NaN is not
        there = np.where(inside, there, (low + high) / 2)
        settled = np.abs(there - at) <= _SETTLED * (1 + np.abs(at))
        found[left[settled]] = there[settled]
        left, at, low, high, weights = (x[~settled] for x in (left, there, low, high, weights))
        if not len(left):
            break
    found[left] = (
        at  # where the function is all but flat, rounding hides the root: the mean is right all the same
    )
    return found


def _lines(
    odds: np.ndarray, truth: np.ndarray, weights: np.ndarray, start: np.ndarray, firth: bool
) -> np.ndarray:
    """Newton's method in two dimensions where there is a largest likelihood; elsewhere, what the line runs off to."""
    signs = np.where(truth, 1.0, -1.0)
    found, overlap = _parted(odds, truth, weights > 0)
    if firth:  # a line for all but one label, or one probability
        overlap, found = ~np.isnan(found[:, 0]) | overlap, np.full_like(found, np.nan)
    left = np.flatnonzero(overlap)
    weights = weights[left]
    outermost = np.array([[odds.min(), 1.0], [odds.max(), 1.0]])
    largest = np.array([np.abs(odds).max(), 1.0])
    at = np.tile(start, (len(left), 1))
    steps, enough = (_FIRTH_STEPS, _FIRTH_SETTLED) if firth else (_STEPS, _SETTLED)
    likelihood, step = _look(at, odds, signs, weights, firth)
    for _ in range(steps):
        likelihood_there, step_there = _look(at + step, odds, signs, weights, firth)
        size = 1 + np.abs(at + step) @ largest
        # A step too far, where the likelihood is lower (beyond rounding) or nothing is left to go by, is halved.
        better = likelihood_there >= likelihood - _ROUNDING * size * weights.sum(axis=1)
        better &= np.isfinite(step_there).all(axis=1)
        at = np.where(better[:, None], at + step, at)
        likelihood = np.where(better, likelihood_there, likelihood)
        step = np.where(better[:, None], step_there, step / 2)
        settled = better & (np.abs(step @ outermost.T).max(axis=1) <= enough * size)
        found[left[settled]] = (at + step)[settled]
        left, at, step, likelihood, weights = (x[~settled] for x in (left, at, step, likelihood, weights))
        if not len(left):
            break
    return found


def _parted(odds: np.ndarray, truth: np.ndarray, there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of k parts (k, n) of the frames: the line (k, 2) where a threshold parts the labels, and where none does (k,)."""
    low, high = np.where(there, odds, np.inf), np.where(there, odds, -np.inf)
    lowest, highest = low[:, truth].min(axis=1, initial=np.inf), high[:, truth].max(axis=1, initial=-np.inf)
    other_lowest = low[:, ~truth].min(axis=1, initial=np.inf)
    other_highest = high[:, ~truth].max(axis=1, initial=-np.inf)
    rightly, wrongly = lowest >= other_highest, highest <= other_lowest  # both: one label, or one probability
    with np.errstate(invalid="ignore"):
        slope = np.where(rightly, np.inf, -np.inf)
        middle = np.where(rightly, lowest + other_highest, highest + other_lowest) / 2
        middle[np.abs(middle) < 1e-9] = 0  # but for rounding
        lines = np.stack([slope, -slope * middle], axis=1)
    lines[rightly == wrongly] = np.nan
    return lines, ~rightly & ~wrongly


def _look(
    at: np.ndarray, odds: np.ndarray, signs: np.ndarray, weights: np.ndarray, firth: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The log likelihood (k,) at slopes and intercepts (k, 2), and Newton's step from there (k, 2).

    Each sum is of terms that are exact however small, and the slope's is taken about the frames' centre, where it does
    not mix with the intercept's: so probabilities of 1e-12 and clusters far out cost no digits.
    """
    right = signs * (at[:, :1] * odds + at[:, 1:])  # log odds of the truth
    small = np.exp(-np.abs(right))
    likelihood = -(weights * (np.maximum(-right, 0) + np.log1p(small))).sum(axis=1)
    wrong = np.where(right >= 0, small, 1) / (1 + small)
    missing = weights * signs * wrong  # truth less probability
    information = weights * small / (1 + small) ** 2
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        total = information.sum(axis=1)
        centre = (information * odds).sum(axis=1) / total
        apart = odds - centre[:, None]
        spread = (information * apart**2).sum(axis=1)
        if firth:
            likelihood += 0.5 * (np.log(total) + np.log(spread))  # half the log determinant
            leverage = information * (1 / total[:, None] + apart**2 / spread[:, None])
            missing += leverage * signs * (wrong - 0.5)  # a half less the probability
        slope = (missing * apart).sum(axis=1) / spread
        intercept = missing.sum(axis=1) / total - slope * centre
    return likelihood, np.stack([slope, intercept], axis=1)
