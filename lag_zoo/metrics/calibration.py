"""Calibration: errors, bins, and observed over expected. A probability of 0.8 should be right eight times out of ten.

The slope and the two intercepts are in `calibration_line`, the smooth curve in `calibration_curve`.
"""

from typing import NamedTuple

import numpy as np

from lag_zoo.errors import InvalidConfigError
from lag_zoo.metrics.calibration_line import (
    offset_intercepts,
    probabilities_and_truth,
    slopes_and_intercepts,
)
from lag_zoo.metrics.weighted import at_place, checked_weights, in_blocks, place_of, ranked, ratio

MEASURES = ("brier", "ece", "observed_over_expected", "offset_intercept", "slope", "intercept")
"""The columns of `calibration_measures`."""


class Bins(NamedTuple):
    """Frames in order of their probability, in bins: mean probability, share that has the label, and how many (k,)."""

    probability: np.ndarray
    share: np.ndarray
    frames: np.ndarray


def calibration_measures(
    probabilities: np.ndarray, truth: np.ndarray, weights: np.ndarray, *, bins: int = 10, firth: bool = False
) -> np.ndarray:
    """All `MEASURES` (k, 6) of probabilities (n,) against truth (n,) under k weightings (k, n) of the frames.

    A weight says how often a resample drew a frame. NaN: the resample does not define the measure. Infinite: the
    largest likelihood lies there, as where some threshold parts the labels; such a resample is a fact about the data,
    and counts towards an interval. The ECE is over bins of equally many frames.

    Args:
        firth: slope and intercept are those of Firth's penalised likelihood. An interval is of such resamples, the
            value that stands with it is not: `calibration_line` says why.

    Source of the set: Van Calster et al., Calibration: the Achilles heel of predictive analytics, BMC Medicine 2019.

    >>> found = calibration_measures(np.array([0.2, 0.4, 0.6, 0.8]), np.array([0, 1, 0, 1]), np.ones((1, 4)), bins=2)
    >>> dict(zip(MEASURES[:3], found[0].round(3).tolist()))
    {'brier': 0.2, 'ece': 0.2, 'observed_over_expected': 1.0}
    """
    probabilities, truth = probabilities_and_truth(probabilities, truth)
    weights = checked_weights(weights, len(truth))
    singles = (
        briers(probabilities, truth, weights),
        eces(probabilities, truth, weights, bins=bins, equal_mass=True),
        observed_over_expecteds(probabilities, truth, weights),
        offset_intercepts(probabilities, truth, weights),
    )
    return np.column_stack([*singles, slopes_and_intercepts(probabilities, truth, weights, firth=firth)])


def brier(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Mean squared distance of probabilities (n,) from truth (n,). Source: Brier, Monthly Weather Review 1950.

    >>> brier(np.array([1.0, 0.5]), np.array([1, 0]))
    0.125
    """
    return float(briers(probabilities, truth, _once(truth))[0])


def briers(probabilities: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """`brier` (k,) under weights (k, n)."""
    probabilities, truth = probabilities_and_truth(probabilities, truth)
    weights = checked_weights(weights, len(truth))
    return ratio(weights @ (probabilities - truth) ** 2, weights.sum(axis=1))


def observed_over_expected(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """O:E: frames that have the label, over the sum of their probabilities; 1 where calibrated in the large.

    Below 1: probabilities are too high on the whole. Source: Debray et al., BMJ 2017;356:i6460.

    >>> observed_over_expected(np.array([0.5, 0.5, 0.25, 0.75]), np.array([0, 0, 0, 1]))
    0.5
    """
    return float(observed_over_expecteds(probabilities, truth, _once(truth))[0])


def observed_over_expecteds(probabilities: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """`observed_over_expected` (k,) under weights (k, n); infinite where a label was expected of no frame."""
    probabilities, truth = probabilities_and_truth(probabilities, truth)
    weights = checked_weights(weights, len(truth))
    return ratio(weights @ truth, weights @ probabilities)


def reliability_curve(
    probabilities: np.ndarray, truth: np.ndarray, *, bins: int = 10, equal_mass: bool = False
) -> Bins:
    """The bins of a reliability diagram, of equal width or of equally many frames; empty ones are left out.

    Frames of one probability are in one bin, so that the result does not depend on the order of the frames.
    """
    probabilities, truth = probabilities_and_truth(probabilities, truth)
    sums = _bin_sums(probabilities, truth, _once(truth), bins=bins, equal_mass=equal_mass)
    frames, probability, share = (np.diff(part[0]) for part in sums)
    there = frames > 0
    return Bins(
        probability[there] / frames[there], share[there] / frames[there], frames[there].round().astype(int)
    )


def ece(probabilities: np.ndarray, truth: np.ndarray, *, bins: int = 10, equal_mass: bool = False) -> float:
    """Expected calibration error: how far share and probability are apart in a bin, on average over frames.

    Source: Naeini, Cooper and Hauskrecht, AAAI 2015. It depends on the bins, so say which.

    >>> ece(np.array([0.9] * 10), np.array([1] * 9 + [0])) < 1e-9
    True
    """
    return float(eces(probabilities, truth, _once(truth), bins=bins, equal_mass=equal_mass)[0])


def eces(
    probabilities: np.ndarray,
    truth: np.ndarray,
    weights: np.ndarray,
    *,
    bins: int = 10,
    equal_mass: bool = False,
) -> np.ndarray:
    """`ece` (k,) under weights (k, n); bins of equally many frames are each resample's own."""
    probabilities, truth = probabilities_and_truth(probabilities, truth)

    def of_some(weights: np.ndarray) -> np.ndarray:
        frames, probability, share = _bin_sums(
            probabilities, truth, weights, bins=bins, equal_mass=equal_mass
        )
        return ratio(np.abs(np.diff(probability - share, axis=1)).sum(axis=1), frames[:, -1])

    return in_blocks(of_some, checked_weights(weights, len(truth)))


def _bin_sums(
    probabilities: np.ndarray, truth: np.ndarray, weights: np.ndarray, *, bins: int, equal_mass: bool
) -> tuple[np.ndarray, ...]:
    """Frames, sum of probabilities, and frames that have the label (k, bins + 1): up to each edge of the bins."""
    if bins < 1:
        raise InvalidConfigError(f"at least one bin, got {bins}")
    frames, sums = ranked(probabilities, weights, probabilities, truth)
    if equal_mass:
        # The frame of this rank opens a bin, with all others of its probability.
        ranks = np.floor(frames[:, -1:] * np.arange(1, bins) / bins)
        inner = place_of(frames, ranks)
    else:
        values = np.unique(probabilities)
        inner = np.searchsorted(
            np.minimum((values * bins).astype(int), bins - 1), np.arange(1, bins), side="left"
        )
        inner = np.broadcast_to(inner, (len(weights), bins - 1))
    edges = np.pad(inner, ((0, 0), (1, 0)))
    edges = np.pad(edges, ((0, 0), (0, 1)), constant_values=frames.shape[1] - 1)
    return tuple(at_place(part, edges) for part in (frames, *sums))


def _once(truth: np.ndarray) -> np.ndarray:
    return np.ones((1, len(truth)))
