"""Whether a probability of 0.8 is right eight times out of ten, and what mends it."""

from typing import NamedTuple

import numpy as np
import scipy.optimize
import scipy.special

from lag_zoo.errors import InvalidConfigError
from lag_zoo.metrics.checks import scores_and_truth
from lag_zoo.specs import Task

HIGHEST_TEMPERATURE = 20.0
"""The temperature beyond which none is looked for: logits divided by so much say nothing."""

_TINY = 1e-12
_RIDGE = 1e-5  # settles what the data leave open
_STEPS = 200  # of Newton's method; data nearly parted by a threshold take some 30, others fewer than 10
_SETTLED = 1e-9  # a last step, relative to the fitted log odds: the next one would be as its square
_ROUNDING = 1e-15  # of a log likelihood, for each frame


class Bins(NamedTuple):
    """Frames in order of their probability, in bins: mean probability, share that has the label, and how many (k,)."""

    probability: np.ndarray
    share: np.ndarray
    frames: np.ndarray


def brier(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Mean squared distance of probabilities (n,) from truth (n,). Source: Brier, Monthly Weather Review 1950.

    >>> brier(np.array([1.0, 0.5]), np.array([1, 0]))
    0.125
    """
    probabilities, truth = _checked(probabilities, truth)
    return float(((probabilities - truth) ** 2).mean())


def reliability_curve(
    probabilities: np.ndarray, truth: np.ndarray, *, bins: int = 10, equal_mass: bool = False
) -> Bins:
    """The bins of a reliability diagram, of equal width or of equally many frames; empty ones are left out.

    Frames of one probability are in one bin, so that what is found does not depend on the order of the frames.
    """
    probabilities, truth = _checked(probabilities, truth)
    if equal_mass:
        firsts = np.arange(1, bins) * len(probabilities) // bins
        place = np.searchsorted(np.sort(probabilities)[firsts], probabilities, side="right")
    else:
        place = np.minimum((probabilities * bins).astype(int), bins - 1)
    frames = np.bincount(place, minlength=bins)
    there = frames > 0
    frames, sums = frames[there], [np.bincount(place, part, bins)[there] for part in (probabilities, truth)]
    return Bins(sums[0] / frames, sums[1] / frames, frames)


def ece(probabilities: np.ndarray, truth: np.ndarray, *, bins: int = 10, equal_mass: bool = False) -> float:
    """Expected calibration error: how far share and probability are apart in a bin, on average over frames.

    Source: Naeini, Cooper and Hauskrecht, AAAI 2015. It depends on the bins, so say which.

    >>> ece(np.array([0.9] * 10), np.array([1] * 9 + [0])) < 1e-9
    True
    """
    found = reliability_curve(probabilities, truth, bins=bins, equal_mass=equal_mass)
    return float((np.abs(found.probability - found.share) * found.frames).sum() / found.frames.sum())


def slope_and_intercept(probabilities: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Slope and intercept of the truth's log odds on those of the probability: 1 and 0 where calibrated.

    The largest likelihood, as R's `glm(truth ~ qlogis(probabilities), binomial)` finds it. NaN without both labels, and
    where some threshold parts them without a mistake: then any steeper slope fits better. A slope below 1: too sure of
    itself. Source: Cox, Biometrika 1958.

    >>> slope, intercept = slope_and_intercept(np.array([0.2, 0.4, 0.6, 0.8]), np.array([0, 1, 0, 1]))
    >>> round(slope, 4), abs(intercept) < 1e-9
    (1.1018, True)
    """
    slope, intercept = slopes_and_intercepts(probabilities, truth, np.ones((1, len(truth))))[0]
    return float(slope), float(intercept)


def slopes_and_intercepts(probabilities: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """`slope_and_intercept` (k, 2) under k weightings (k, n) of the frames, as how often each resample drew each.

    Raises:
        InvalidConfigError: weights of another number of frames.

    >>> chances, truth = np.array([0.2, 0.4, 0.6, 0.8]), np.array([0, 1, 0, 1])
    >>> slopes_and_intercepts(chances, truth, np.array([[1, 1, 1, 1], [2, 1, 1, 2]]))[:, 0].round(4)
    array([1.1018, 1.6156])
    """
    probabilities, truth = _checked(probabilities, truth)
    if weights.shape[1:] != truth.shape:
        raise InvalidConfigError(f"a weight each of {len(truth)} frames; got the shape {weights.shape}")
    odds = scipy.special.logit(np.clip(probabilities, _TINY, 1 - _TINY))
    signs = np.where(truth, 1.0, -1.0)
    found = np.full((len(weights), 2), np.nan)
    left = np.flatnonzero(_overlap(odds, truth, weights > 0))
    weights = weights[left].astype(float)
    outermost = np.array([[odds.min(), 1.0], [odds.max(), 1.0]])
    largest = np.array([np.abs(odds).max(), 1.0])
    at = np.zeros((len(left), 2))
    likelihood, step = _look(at, odds, signs, weights)
    for _ in range(_STEPS):
        likelihood_there, step_there = _look(at + step, odds, signs, weights)
        size = 1 + np.abs(at + step) @ largest
        # A step too far, where the likelihood is lower (beyond rounding) or nothing is left to go by, is halved.
        better = likelihood_there >= likelihood - _ROUNDING * size * weights.sum(axis=1)
        better &= np.isfinite(step_there).all(axis=1)
        at = np.where(better[:, None], at + step, at)
        likelihood = np.where(better, likelihood_there, likelihood)
        step = np.where(better[:, None], step_there, step / 2)
        settled = better & (np.abs(step @ outermost.T).max(axis=1) <= _SETTLED * size)
        found[left[settled]] = (at + step)[settled]
        left, at, step, likelihood, weights = (x[~settled] for x in (left, at, step, likelihood, weights))
        if not len(left):
            break
    return found


def _overlap(odds: np.ndarray, truth: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Of k parts (k, n) of the frames, those in which no threshold parts the labels, either way round (k,)."""
    low, high = np.where(there, odds, np.inf), np.where(there, odds, -np.inf)
    overlap = (low[:, truth].min(axis=1, initial=np.inf) < high[:, ~truth].max(axis=1, initial=-np.inf)) & (
        low[:, ~truth].min(axis=1, initial=np.inf) < high[:, truth].max(axis=1, initial=-np.inf)
    )
    return np.asarray(overlap)


def _look(
    at: np.ndarray, odds: np.ndarray, signs: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The log likelihood (k,) at slopes and intercepts (k, 2), and Newton's step from there (k, 2).

    Each sum is of terms that are exact however small, and the slope's is taken about the frames' centre, where it does
    not mix with the intercept's: so probabilities of 1e-12 and clusters far out cost no digits.
    """
    right = signs * (at[:, :1] * odds + at[:, 1:])  # log odds of the truth
    small = np.exp(-np.abs(right))
    likelihood = -(weights * (np.maximum(-right, 0) + np.log1p(small))).sum(axis=1)
    missing = weights * signs * np.where(right >= 0, small, 1) / (1 + small)  # truth less probability
    information = weights * small / (1 + small) ** 2
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        centre = (information * odds).sum(axis=1) / information.sum(axis=1)
        apart = odds - centre[:, None]
        slope = (missing * apart).sum(axis=1) / (information * apart**2).sum(axis=1)
        intercept = missing.sum(axis=1) / information.sum(axis=1) - slope * centre
    return likelihood, np.stack([slope, intercept], axis=1)


def fit_temperature(logits: np.ndarray, targets: np.ndarray, *, task: Task) -> float:
    """The temperature by which logits (n, C) are divided so that the labels are likeliest.

    Args:
        targets: (n,) numbers of exclusive labels, or (n, C) of 0, 1 and -1 (unknown).

    Source: Guo et al., On calibration of modern neural networks, ICML 2017.

    Raises:
        InvalidConfigError: no known label.
    """
    logits, targets = np.asarray(logits, dtype=np.float64), np.asarray(targets)
    if not (targets >= 0).any():
        raise InvalidConfigError("a temperature needs frames whose label is known")

    def loss(log_temperature: float) -> float:
        return negative_log_likelihood(logits / np.exp(log_temperature), targets, task=task)

    found = scipy.optimize.minimize_scalar(
        loss, bounds=(np.log(0.05), np.log(HIGHEST_TEMPERATURE)), method="bounded"
    )
    return float(np.exp(found.x))


def fit_temperature_and_intercepts(
    logits: np.ndarray, targets: np.ndarray, *, task: Task
) -> tuple[float, np.ndarray]:
    """As `fit_temperature`, and an intercept (C,) that is added to each label's logit once it is divided.

    For networks that were trained as if labels were equally frequent: their probabilities are off by the labels' true
    frequency, which no temperature mends. Intercepts stay within 10; of equally good ones the smallest are taken.

    Raises:
        InvalidConfigError: no known label.
    """
    logits, targets = np.asarray(logits, dtype=np.float64), np.asarray(targets)
    if not (targets >= 0).any():
        raise InvalidConfigError("a temperature needs frames whose label is known")

    def loss(x: np.ndarray) -> float:
        shifted = logits / np.exp(x[0]) + x[1:]
        return negative_log_likelihood(shifted, targets, task=task) + _RIDGE * float((x[1:] ** 2).sum())

    count = logits.shape[1]
    bounds = [(np.log(0.05), np.log(HIGHEST_TEMPERATURE)), *[(-10.0, 10.0)] * count]
    found = scipy.optimize.minimize(loss, np.zeros(1 + count), bounds=bounds, method="L-BFGS-B")
    return float(np.exp(found.x[0])), np.asarray(found.x[1:])


def negative_log_likelihood(logits: np.ndarray, targets: np.ndarray, *, task: Task) -> float:
    """Mean over known labels of minus the log of the probability that the logits (n, C) give them."""
    known = targets >= 0
    if task == "multiclass":
        each = scipy.special.log_softmax(logits, axis=1)
        return float(-each[np.flatnonzero(known), targets[known]].mean())
    signed = np.where(targets == 1, logits, -logits)
    return float(-scipy.special.log_expit(signed)[known].mean())


def probabilities_of(logits: np.ndarray, *, task: Task, temperature: float = 1.0) -> np.ndarray:
    """Probabilities (n, C) from logits (n, C)."""
    logits = np.asarray(logits, dtype=np.float64) / temperature
    found = scipy.special.softmax(logits, axis=1) if task == "multiclass" else scipy.special.expit(logits)
    return np.asarray(found)


def _checked(probabilities: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    probabilities, truth = scores_and_truth(probabilities, truth)
    if probabilities.min() < 0 or probabilities.max() > 1:
        raise InvalidConfigError(
            f"probabilities are from 0 to 1; got {probabilities.min():.3g} to {probabilities.max():.3g}"
        )
    return probabilities, truth
