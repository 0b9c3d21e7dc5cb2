"""Temperature and label prior: what sets a network's probabilities right once it is trained.

Twenty frames that a network tells apart without a mistake are likeliest at a temperature of 0, where each probability
is 0 or 1. So the fit starts from what is known before a frame is seen. The temperature of a network is some 0.4 to 2.7
(95% of a normal prior on its logarithm). One that was trained as if labels were equally frequent is off by the log of
how frequent they are (Saerens, Latinne and Decaestecker, Neural Computation 2002), give or take a factor of four. Few
frames then change little, and of 500 the prior is hardly noticed: `python -m benchmarks.temperature` prints both.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.optimize
import scipy.special

from lag_zoo.errors import InvalidConfigError
from lag_zoo.specs import Task
from lag_zoo.tasks import rules_of

LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.05, 20.0
"""Between these a temperature is looked for: logits divided by 20 say nothing, by 0.05 leave no doubt."""

FEW_FRAMES = 50
"""Fewer frames than these are remarked on."""

_WIDTH = 0.5  # standard deviation of the prior on the log of the temperature
_WIDTH_OF_INTERCEPTS = 0.7  # about the log of how frequent each label is


class TemperatureFit(NamedTuple):
    """A correction of logits (n, C): `logits / temperature + intercepts`.

    Attributes:
        temperature: above 1 for a network that was too sure of itself.
        intercepts: (C,), zeros where none were asked for.
        frames: how many it was fitted on.
        remarks: sentences on what makes it doubtful, if anything.
    """

    temperature: float
    intercepts: np.ndarray
    frames: int
    remarks: tuple[str, ...]


def fit_temperature(
    logits: np.ndarray, targets: np.ndarray, *, task: Task, intercepts: bool = False, prior: float = _WIDTH
) -> TemperatureFit:
    """The temperature, and if asked for the intercepts, by which the labels are likeliest, with a prior on both.

    Args:
        logits: (n, C).
        targets: (n,) numbers of exclusive labels, or (n, C) of 0 and 1; -1: unknown.
        intercepts: fit one for each label too, for networks that were trained as if labels were equally frequent:
            their probabilities are off by the labels' true frequency, which no temperature mends.
        prior: standard deviation of the normal prior on the log of the temperature; infinite: none.

    Source: Guo et al., On calibration of modern neural networks, ICML 2017; the prior is this library's.

    Raises:
        InvalidConfigError: no known label, or a prior that is not positive.

    >>> logits = np.array([[2.0, -2.0], [-1.0, 1.0]] * 40)
    >>> fit = fit_temperature(logits, np.array([0, 1, 0, 0] * 20), task="multiclass")
    >>> round(fit.temperature, 2), fit.frames, fit.remarks
    (1.81, 80, ())
    """
    logits, targets = np.asarray(logits, dtype=np.float64), np.asarray(targets)
    known = int((targets >= 0).sum())
    if not known:
        raise InvalidConfigError("a temperature needs frames whose label is known")
    if not prior > 0:
        raise InvalidConfigError(f"the width of a prior is positive, got {prior}")
    centres = _FREQUENCIES[task](targets, logits.shape[1]) if intercepts else np.zeros(0)

    def likelihood(x: np.ndarray) -> float:
        shifted = logits / np.exp(x[0]) + (x[1:] if intercepts else 0.0)
        return negative_log_likelihood(shifted, targets, task=task)

    def loss(x: np.ndarray) -> float:
        penalty = (x[0] / prior) ** 2 + (((x[1:] - centres) / _WIDTH_OF_INTERCEPTS) ** 2).sum()
        return likelihood(x) + float(penalty) / (2 * known)

    ends = np.log(LOWEST_TEMPERATURE), np.log(HIGHEST_TEMPERATURE)
    found = scipy.optimize.minimize(
        loss,
        np.append(0, centres),
        bounds=[ends, *[(None, None)] * len(centres)],
        method="L-BFGS-B",
        options={"ftol": 1e-12},
    ).x
    frames = int((targets >= 0).reshape(len(targets), -1).any(axis=1).sum())
    # Were it not for the prior, would it go to an end?
    lowest, highest = (likelihood(np.append(end, found[1:])) for end in ends)
    parted, alike = lowest < likelihood(found), highest <= likelihood(found)
    return TemperatureFit(
        temperature=float(np.exp(found[0])),
        intercepts=np.asarray(found[1:]) if intercepts else np.zeros(logits.shape[1]),
        frames=frames,
        remarks=tuple(_remarks(frames, float(np.exp(found[0])), parted, alike)),
    )


def _of_exclusive_labels(targets: np.ndarray, count: int) -> np.ndarray:
    """Logs of how frequent each of so many labels is, with half a frame more of each; their mean is 0."""
    found = np.log(np.bincount(targets[targets >= 0], minlength=count) + 0.5)
    return np.asarray(found - found.mean())


def _of_each_label(targets: np.ndarray, count: int) -> np.ndarray:
    """Log odds of each label among the frames of which it is known, with half a frame more with and without it."""
    return np.asarray(np.log((targets == 1).sum(axis=0) + 0.5) - np.log((targets == 0).sum(axis=0) + 0.5))


def _of_each_grade(targets: np.ndarray, count: int) -> np.ndarray:
    """Log odds of going on to each of so many grades, less those of equally frequent grades; 0 of the lowest."""
    frames = np.bincount(targets[targets >= 0], minlength=count) + 0.5
    at_least = frames[::-1].cumsum()[::-1]
    return np.append(0, np.log(at_least[1:] / frames[:-1]) - np.log(np.arange(count - 1, 0, -1)))


_FREQUENCIES: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "multiclass": _of_exclusive_labels,
    "multilabel": _of_each_label,
    "ordinal": _of_each_grade,
}


def _remarks(frames: int, temperature: float, parted: bool, alike: bool) -> list[str]:
    found = []
    if frames < FEW_FRAMES:
        found.append(
            f"Calibrated on {frames} frames, fewer than {FEW_FRAMES}: its temperature of {temperature:.2f} rests on "
            "what is usual as much as on them."
        )
    if parted:
        found.append(
            "The frames it was calibrated on are told apart without a serious mistake, so that they do not say how "
            "sure it may be: probabilities near 0 and 1 are not backed by them."
        )
    if alike:
        found.append("The frames it was calibrated on are hardly told apart: it has learned next to nothing.")
    return found


def negative_log_likelihood(logits: np.ndarray, targets: np.ndarray, *, task: Task) -> float:
    """Mean over known labels of minus the log of the probability that the logits (n, C) give them."""
    return float(-rules_of(task).log_likelihoods(logits, targets).mean())
