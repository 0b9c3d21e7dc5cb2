"""Whether a probability of 0.8 is right eight times out of ten, and what mends it."""

from typing import NamedTuple

import numpy as np
import scipy.optimize
import scipy.special
from sklearn.linear_model import LogisticRegression

from lag_zoo.errors import InvalidConfigError
from lag_zoo.metrics.checks import scores_and_truth
from lag_zoo.specs import Task

_TINY = 1e-12
_RIDGE = 1e-5  # settles what the data leave open


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
    parts = [np.flatnonzero(place == number) for number in range(bins) if (place == number).any()]
    return Bins(
        np.array([probabilities[part].mean() for part in parts]),
        np.array([truth[part].mean() for part in parts]),
        np.array([len(part) for part in parts]),
    )


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

    NaN without both labels, and where some threshold parts them without a mistake: then any steeper slope fits better.
    A slope below 1: too sure of itself. Source: Cox, Biometrika 1958.
    """
    probabilities, truth = _checked(probabilities, truth)
    if truth.all() or not truth.any() or probabilities[truth].min() >= probabilities[~truth].max():
        return float("nan"), float("nan")
    odds = scipy.special.logit(np.clip(probabilities, _TINY, 1 - _TINY))
    fitted = LogisticRegression(C=np.inf, max_iter=1000).fit(odds[:, None], truth)
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


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

    found = scipy.optimize.minimize_scalar(loss, bounds=(np.log(0.05), np.log(20.0)), method="bounded")
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
    bounds = [(np.log(0.05), np.log(20.0)), *[(-10.0, 10.0)] * count]
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
