"""Right and wrong at a threshold: the paper's five numbers, and F1."""

from typing import NamedTuple

import numpy as np

from lag_zoo.errors import InvalidConfigError
from lag_zoo.metrics.checks import scores_and_truth
from lag_zoo.metrics.weighted import checked_weights, ratio


class Confusion(NamedTuple):
    """Frames called rightly and wrongly."""

    tp: int
    fp: int
    tn: int
    fn: int


class Rates(NamedTuple):
    """Rates of a confusion; NaN where nothing defines one. The first five in the paper's order."""

    accuracy: float
    sensitivity: float
    specificity: float
    ppv: float
    npv: float
    f1: float


def confusion_at(scores: np.ndarray, truth: np.ndarray, threshold: float) -> Confusion:
    """Scores (n,) against truth (n,): a score of the threshold or more is called positive.

    >>> confusion_at(np.array([0.2, 0.5, 0.9]), np.array([0, 1, 0]), 0.5)
    Confusion(tp=1, fp=1, tn=1, fn=0)
    """
    scores, truth = scores_and_truth(scores, truth)
    called = scores >= threshold
    return Confusion(
        tp=int((called & truth).sum()),
        fp=int((called & ~truth).sum()),
        tn=int((~called & ~truth).sum()),
        fn=int((~called & truth).sum()),
    )


def rates(confusion: Confusion) -> Rates:
    """Accuracy, sensitivity, specificity, predictive values and F1.

    >>> rates(Confusion(tp=90, fp=20, tn=80, fn=10)).sensitivity
    0.9
    """
    tp, fp, tn, fn = confusion
    return Rates(
        accuracy=_share(tp + tn, tp + fp + tn + fn),
        sensitivity=_share(tp, tp + fn),
        specificity=_share(tn, tn + fp),
        ppv=_share(tp, tp + fp),
        npv=_share(tn, tn + fn),
        f1=_share(2 * tp, 2 * tp + fp + fn),
    )


def resampled_rates(
    scores: np.ndarray, truth: np.ndarray, weights: np.ndarray, *, threshold: float
) -> np.ndarray:
    """The `Rates` (k, 6) of scores (n,) at a threshold under k weightings (k, n): how often a resample drew each frame.

    >>> resampled_rates(np.array([0.2, 0.5, 0.9]), np.array([0, 1, 0]), np.array([[1, 1, 1], [3, 1, 0]]), threshold=0.5)
    array([[0.66666667, 1.        , 0.5       , 0.5       , 1.        ,
            0.66666667],
           [1.        , 1.        , 1.        , 1.        , 1.        ,
            1.        ]])
    """
    scores, truth = scores_and_truth(scores, truth)
    called = scores >= threshold
    cells = np.stack([called & truth, called & ~truth, ~called & ~truth, ~called & truth], axis=1)
    tp, fp, tn, fn = (checked_weights(weights, len(truth)) @ cells).T
    parts = np.stack([tp + tn, tp, tn, tp, tn, 2 * tp], axis=1)
    wholes = np.stack([tp + fp + tn + fn, tp + fn, tn + fp, tp + fp, tn + fn, 2 * tp + fp + fn], axis=1)
    return ratio(parts, wholes)


def at_prevalence(sensitivity: float, specificity: float, prevalence: float) -> tuple[float, float]:
    """Positive and negative predictive value where so many have it, by Bayes's rule.

    Raises:
        InvalidConfigError: a prevalence that is no share.

    >>> [round(value, 3) for value in at_prevalence(0.9, 0.8, 0.05)]
    [0.191, 0.993]
    """
    if not 0 <= prevalence <= 1:
        raise InvalidConfigError(f"a prevalence is a share from 0 to 1, got {prevalence}")
    tp, fp = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    tn, fn = specificity * (1 - prevalence), (1 - sensitivity) * prevalence
    return _share(tp, tp + fp), _share(tn, tn + fn)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
