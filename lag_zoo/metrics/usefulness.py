"""What a model is good for: what abstaining gains, and whether acting on it beats treating all or none."""

from typing import NamedTuple

import numpy as np

from lag_zoo.metrics.checks import scores_and_truth
from lag_zoo.metrics.confusion import confusion_at, rates


class Referral(NamedTuple):
    """How right a model is on what is left when a share of frames, the least certain, is referred: (k,) each."""

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
    probabilities: np.ndarray, truth: np.ndarray, *, threshold: float, shares: np.ndarray | None = None
) -> Referral:
    """How right a model is on the frames nearest the threshold being left to somebody else.

    >>> curve = referral_curve(np.array([0.1, 0.45, 0.55, 0.9]), np.array([0, 1, 0, 1]), threshold=0.5)
    >>> float(curve.accuracy[0]), float(curve.accuracy[curve.share == 0.5][0])
    (0.5, 1.0)
    """
    probabilities, truth = scores_and_truth(probabilities, truth)
    shares = np.arange(0, 0.95, 0.05).round(2) if shares is None else shares
    order = np.argsort(np.abs(probabilities - threshold), kind="stable")
    kept = [order[min(round(share * len(order)), len(order) - 1) :] for share in shares]
    found = [rates(confusion_at(probabilities[k], truth[k], threshold)) for k in kept]
    return Referral(
        np.asarray(shares),
        np.array([r.accuracy for r in found]),
        np.array([r.sensitivity for r in found]),
        np.array([r.specificity for r in found]),
    )


def decision_curve(
    probabilities: np.ndarray, truth: np.ndarray, *, thresholds: np.ndarray | None = None
) -> Decision:
    """Net benefit over the thresholds at which one would act. Source: Vickers and Elkin, Med Decis Making 2006.

    >>> curve = decision_curve(np.array([0.1, 0.9]), np.array([0, 1]), thresholds=np.array([0.5]))
    >>> float(curve.model[0]), float(curve.treat_all[0])
    (0.5, 0.0)
    """
    probabilities, truth = scores_and_truth(probabilities, truth)
    thresholds = np.arange(0.01, 1.0, 0.01).round(2) if thresholds is None else thresholds
    odds = thresholds / (1 - thresholds)
    n, prevalence = len(truth), truth.mean()
    counts = [confusion_at(probabilities, truth, t) for t in thresholds]
    benefit = np.array([c.tp / n - c.fp / n * o for c, o in zip(counts, odds, strict=True)])
    return Decision(np.asarray(thresholds), benefit, prevalence - (1 - prevalence) * odds)
