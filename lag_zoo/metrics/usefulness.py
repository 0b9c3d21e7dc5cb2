"""Usefulness of a model: the gain from referring doubtful frames, and the net benefit of acting on its calls.

Each curve is also there under many weightings of the frames at once, for its band: `weighted_bootstraps` draws groups,
and takes the percentiles of every point.

>>> from lag_zoo.metrics.intervals import weighted_bootstraps
>>> patients = np.repeat(np.arange(30), 4)
>>> probabilities, truth, thresholds = np.arange(120) % 7 / 7, np.arange(120) % 5 > 2, np.array([0.2, 0.4])
>>> band = weighted_bootstraps(lambda weights: net_benefits(probabilities, truth, weights, thresholds), patients)
>>> [point.low < point.value < point.high for point in band]
[True, True]
"""

from typing import NamedTuple

import numpy as np

from lag_zoo.metrics.checks import scores_and_truth
from lag_zoo.metrics.weighted import at_place, checked_weights, in_blocks, place_of, ranked, ratio

SHARES = np.arange(0, 0.95, 0.05).round(2)
"""Of frames that are referred."""

THRESHOLDS = np.arange(0.01, 1.0, 0.01).round(2)
"""Probabilities at which one might act."""


class Referral(NamedTuple):
    """Rates on the frames that are left when a share, the least certain, is referred: (k,) each."""

    share: np.ndarray
    accuracy: np.ndarray
    sensitivity: np.ndarray
    specificity: np.ndarray


class Decision(NamedTuple):
    """Net benefit at each threshold (k,): of the model, of treating all; of treating none it is 0."""

    threshold: np.ndarray
    model: np.ndarray
    treat_all: np.ndarray


def referral_curve(
    probabilities: np.ndarray, truth: np.ndarray, *, threshold: float, shares: np.ndarray = SHARES
) -> Referral:
    """Rates on the frames that are left when those nearest the threshold are referred.

    Of frames that are equally near, as many as are to be referred count as their average.

    >>> curve = referral_curve(np.array([0.1, 0.45, 0.55, 0.9]), np.array([0, 1, 0, 1]), threshold=0.5)
    >>> float(curve.accuracy[0]), float(curve.accuracy[curve.share == 0.5][0])
    (0.5, 1.0)
    """
    once = np.ones((1, len(truth)))
    found = referrals(probabilities, truth, once, threshold=threshold, shares=shares)[0]
    return Referral(np.asarray(shares), *np.split(found, 3))


def referrals(
    probabilities: np.ndarray,
    truth: np.ndarray,
    weights: np.ndarray,
    *,
    threshold: float,
    shares: np.ndarray = SHARES,
) -> np.ndarray:
    """`referral_curve` under k weightings (k, n): accuracy at each of g shares, then sensitivity, specificity (k, 3g).

    NaN where no frame is left that defines it.
    """
    probabilities, truth = scores_and_truth(probabilities, truth)
    called, shares = probabilities >= threshold, np.asarray(shares)
    # What is right of the frames with the label and without, and how many those are.
    parts = (called & truth, ~called & ~truth, truth, ~truth)

    def of_some(weights: np.ndarray) -> np.ndarray:
        frames, sums = ranked(np.abs(probabilities - threshold), weights, *parts)
        total = frames[:, -1:]
        ranks = np.minimum(np.rint(shares * total), np.maximum(total - 1, 0))
        place = place_of(frames, ranks)
        start = at_place(frames, place)
        part = ratio(
            ranks - start, at_place(frames, place + 1) - start
        )  # of the frames that are equally near
        kept = [each[:, -1:] - at_place(each, place, part) for each in sums]
        tp, tn, positive, negative = (np.where(each < 1e-9, 0, each) for each in kept)
        return np.hstack([
            ratio(tp + tn, positive + negative), ratio(tp, positive), ratio(tn, negative),
        ])  # fmt: skip

    return in_blocks(of_some, checked_weights(weights, len(truth)))


def decision_curve(
    probabilities: np.ndarray, truth: np.ndarray, *, thresholds: np.ndarray = THRESHOLDS
) -> Decision:
    """Net benefit over the thresholds at which one would act. Source: Vickers and Elkin, Med Decis Making 2006.

    >>> curve = decision_curve(np.array([0.1, 0.9]), np.array([0, 1]), thresholds=np.array([0.5]))
    >>> float(curve.model[0]), float(curve.treat_all[0])
    (0.5, 0.0)
    """
    once, thresholds = np.ones((1, len(truth))), np.asarray(thresholds)
    benefit = net_benefits(probabilities, truth, once, thresholds)[0]
    return Decision(thresholds, benefit, net_benefits(np.ones(len(truth)), truth, once, thresholds)[0])


def net_benefits(
    probabilities: np.ndarray, truth: np.ndarray, weights: np.ndarray, thresholds: np.ndarray = THRESHOLDS
) -> np.ndarray:
    """Net benefit of the model at each of t thresholds (k, t) under k weightings (k, n) of the frames.

    That of treating all: probabilities of 1.
    """
    probabilities, truth = scores_and_truth(probabilities, truth)
    thresholds = np.asarray(thresholds)
    below = np.searchsorted(np.unique(probabilities), thresholds, side="left")
    odds = thresholds / (1 - thresholds)

    def of_some(weights: np.ndarray) -> np.ndarray:
        _, sums = ranked(probabilities, weights, truth, ~truth)
        place = np.broadcast_to(below, (len(weights), len(below)))
        tp, fp = (each[:, -1:] - at_place(each, place) for each in sums)
        return ratio(tp - fp * odds, weights.sum(axis=1, keepdims=True))

    return in_blocks(of_some, checked_weights(weights, len(truth)))
