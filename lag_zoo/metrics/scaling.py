"""Temperature and label prior: what sets a network's probabilities right once it is trained."""

import numpy as np
import scipy.optimize
import scipy.special

from lag_zoo.errors import InvalidConfigError
from lag_zoo.specs import Task

HIGHEST_TEMPERATURE = 20.0
"""The temperature beyond which none is looked for: logits divided by so much say nothing."""

_RIDGE = 1e-5  # settles what the data leave open


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
