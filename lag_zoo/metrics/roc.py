"""The ROC curve at given specificities, for its band: sensitivities of many resamples at once.

A band that is pointwise holds the sensitivity at any one specificity; it says nothing of the curve as a whole.

>>> from lag_zoo.metrics.intervals import weighted_bootstraps
>>> scores, truth, patients = np.arange(80) % 11, np.arange(80) % 11 + np.arange(80) % 5 > 8, np.arange(80) // 2
>>> at = np.array([0.5, 0.9])
>>> band = weighted_bootstraps(lambda weights: roc_sensitivities(scores, truth, weights, at), patients)
>>> [0 < point.low <= point.value <= point.high <= 1 for point in band]
[True, True]
"""

import numpy as np

from lag_zoo.errors import InvalidConfigError
from lag_zoo.metrics.checks import scores_and_truth
from lag_zoo.metrics.weighted import at_place, checked_weights, in_blocks, place_of, ranked, ratio

SPECIFICITIES = np.linspace(0, 1, 101).round(2)


def roc_sensitivities(
    scores: np.ndarray, truth: np.ndarray, weights: np.ndarray, specificities: np.ndarray = SPECIFICITIES
) -> np.ndarray:
    """The sensitivity (k, g) that scores (n,) reach at specificities (g,), under k weightings (k, n) of the frames.

    On the straight lines between the points of the empirical curve, so that the area under it is the AUROC; where the
    curve is upright, at its upper end. NaN without both labels. Source: Fawcett, Pattern Recognition Letters 2006
    (vertical averaging).

    Raises:
        InvalidConfigError: specificities beyond 0 and 1, or weights of another number of frames.

    >>> scores, truth = np.array([0.1, 0.4, 0.3, 0.8]), np.array([0, 0, 1, 1])
    >>> roc_sensitivities(scores, truth, np.ones((1, 4)), np.array([0, 0.5, 1]))
    array([[1. , 1. , 0.5]])
    """
    scores, truth = scores_and_truth(scores, truth)
    specificities = np.asarray(specificities, dtype=np.float64)
    if not ((specificities >= 0) & (specificities <= 1)).all():
        raise InvalidConfigError(
            f"specificities are from 0 to 1; got {specificities.min()} to {specificities.max()}"
        )

    def of_some(weights: np.ndarray) -> np.ndarray:
        _, (true, false) = ranked(-scores, weights, truth, ~truth)
        at = (1 - specificities) * false[:, -1:]
        place = place_of(false, at + 1e-6)  # a count that is met but for rounding
        start = at_place(false, place)
        part = np.maximum(ratio(at - start, at_place(false, place + 1) - start), 0)
        found = at_place(true, place, np.nan_to_num(part))
        return np.where(false[:, -1:] > 0, ratio(found, true[:, -1:]), np.nan)

    return in_blocks(of_some, checked_weights(weights, len(truth)))
