"""Agreement about labels: of calls with the truth, and of raters with one another.

A frame has one label of c; labels are numbers from 0 to c - 1. Each measure of calls is taken from a confusion matrix,
or from a stack of them (k, c, c) at once, which `confusion_matrices` makes of the resamples of a bootstrap:

>>> truth, called = np.array([0, 1, 2, 2]), np.array([0, 2, 2, 2])
>>> resamples = confusion_matrices(called, truth, np.array([[1, 1, 1, 1], [4, 0, 0, 0]]), labels=3)
>>> accuracy(resamples)
array([0.75, 1.  ])
"""

from typing import Literal

import numpy as np

from lag_zoo.errors import InvalidConfigError
from lag_zoo.metrics.weighted import checked_weights, ratio

Distance = Literal["nominal", "linear", "quadratic"]
"""Distance of two labels: equal for all, or, of ordered ones, the steps between them or the steps squared."""

MISSING = -1
"""A rating that was not given."""


def confusion_matrix(called: np.ndarray, truth: np.ndarray, *, labels: int) -> np.ndarray:
    """Frames of each true label (rows) that were called each label (columns): counts (c, c).

    Args:
        called: (n,) numbers of labels; `truth`: (n,) likewise.
        labels: how many there are (c), whether or not each occurs.

    Raises:
        InvalidConfigError: no frames, lengths that differ, or numbers that are no labels.

    >>> confusion_matrix(np.array([0, 1, 1]), np.array([0, 0, 1]), labels=2)
    array([[1, 1],
           [0, 1]])
    """
    return np.asarray(
        confusion_matrices(called, truth, np.ones((1, len(truth))), labels=labels)[0], dtype=int
    )


def confusion_matrices(
    called: np.ndarray, truth: np.ndarray, weights: np.ndarray, *, labels: int
) -> np.ndarray:
    """`confusion_matrix` (k, c, c) under k weightings (k, n) of the frames, as how often each resample drew each."""
    called, truth = np.asarray(called), np.asarray(truth)
    if called.ndim != 1 or called.shape != truth.shape or not len(truth):
        raise InvalidConfigError(
            f"called and truth are one label a frame each; got the shapes {called.shape} and {truth.shape}"
        )
    for name, given in (("called", called), ("truth", truth)):
        _require_labels(name, given, labels, lowest=0)
    cells = np.eye(labels * labels)[truth.astype(int) * labels + called.astype(int)]
    return np.asarray((checked_weights(weights, len(truth)) @ cells).reshape(len(weights), labels, labels))


def accuracy(matrix: np.ndarray) -> np.ndarray:
    """The share that is called rightly (...), of confusion matrices (..., c, c); NaN without frames.

    >>> float(accuracy(np.array([[8, 2], [0, 10]])))
    0.9
    """
    return ratio(_diagonal(matrix).sum(axis=-1), np.asarray(matrix).sum(axis=(-2, -1)))


def balanced_accuracy(matrix: np.ndarray) -> np.ndarray:
    """Mean sensitivity (...) over the labels that are true of some frame, of confusion matrices (..., c, c).

    As scikit-learn's. Source: Brodersen et al., ICPR 2010.

    >>> float(balanced_accuracy(np.array([[5, 5], [0, 90]])))
    0.75
    """
    return _mean(ratio(_diagonal(matrix), np.asarray(matrix).sum(axis=-1)))


def macro_f1(matrix: np.ndarray) -> np.ndarray:
    """Mean F1 (...) over the labels that are true of some frame or called on one, of confusion matrices (..., c, c).

    As scikit-learn's: a label that is never called rightly counts as 0, one that does not occur is left out.

    >>> round(float(macro_f1(np.array([[5, 5, 0], [0, 90, 0], [0, 0, 0]]))), 4)
    0.8198
    """
    matrix = np.asarray(matrix)
    return _mean(ratio(2 * _diagonal(matrix), matrix.sum(axis=-1) + matrix.sum(axis=-2)))


def cohen_kappa(matrix: np.ndarray, *, distance: Distance = "nominal") -> np.ndarray:
    """Agreement beyond chance (...) of two raters, or of calls with the truth, from confusion matrices (..., c, c).

    1: they agree on every frame; 0: as often as two would who know nothing of each other's frames. NaN where chance
    alone agrees always: both use one label only. Sources: Cohen, Educational and Psychological Measurement 1960;
    weighted: Cohen, Psychological Bulletin 1968.

    Args:
        distance: of labels that are ordered (grades of a disease), `linear` or `quadratic` make a near miss count less.

    Raises:
        InvalidConfigError: no such distance.

    >>> round(float(cohen_kappa(np.array([[20, 5], [10, 15]]))), 3)
    0.4
    """
    matrix = np.asarray(matrix, dtype=np.float64)
    steps = np.abs(np.subtract.outer(*[np.arange(matrix.shape[-1])] * 2))
    distances = {"nominal": steps > 0, "linear": steps, "quadratic": steps**2}
    if distance not in distances:
        raise InvalidConfigError(f"no distance {distance!r} of labels; there are {', '.join(distances)}")
    apart = distances[distance]
    rows, columns = matrix.sum(axis=-1), matrix.sum(axis=-2)
    by_chance = (rows[..., :, None] * columns[..., None, :] * apart).sum(axis=(-2, -1))
    found = (matrix * apart).sum(axis=(-2, -1))
    return np.asarray(1 - ratio(found * matrix.sum(axis=(-2, -1)), by_chance))


def fleiss_kappa(ratings: np.ndarray, *, labels: int) -> float:
    """Agreement beyond chance of several raters, who need not be the same for each frame.

    Args:
        ratings: (n, raters) numbers of labels; `MISSING` (-1) where a rater gave none. A frame with fewer than two
            ratings says how often labels are used, not whether raters agree on them.
        labels: how many there are.

    NaN where no frame has two ratings, or all ratings are of one label.

    Sources: Fleiss, Psychological Bulletin 1971; with ratings missing: Gwet, Handbook of Inter-Rater Reliability, 4th
    edition 2014, section 2.

    Raises:
        InvalidConfigError: no (n, raters), or numbers that are no labels.

    >>> round(fleiss_kappa(np.array([[0, 0, 0], [1, 1, 0], [1, 1, 1], [0, 0, -1]]), labels=2), 3)
    0.657
    """
    return float(fleiss_kappas(ratings, np.ones((1, len(ratings))), labels=labels)[0])


def fleiss_kappas(ratings: np.ndarray, weights: np.ndarray, *, labels: int) -> np.ndarray:
    """`fleiss_kappa` (k,) under k weightings (k, n) of the frames."""
    ratings = np.asarray(ratings)
    if ratings.ndim != 2 or not ratings.size:
        raise InvalidConfigError(f"ratings are (n, raters); got the shape {ratings.shape}")
    _require_labels("ratings", ratings, labels, lowest=MISSING)
    weights = checked_weights(weights, len(ratings))
    counts = np.stack([(ratings == label).sum(axis=1) for label in range(labels)], axis=1)
    given = counts.sum(axis=1)
    pairs = given > 1
    agreed = ratio((counts * (counts - 1)).sum(axis=1), given * (given - 1))
    observed = ratio(weights[:, pairs] @ agreed[pairs], weights[:, pairs].sum(axis=1))
    rated = given > 0
    used = ratio(
        weights[:, rated] @ (counts[rated] / given[rated, None]), weights[:, rated].sum(axis=1)[:, None]
    )
    by_chance = (used**2).sum(axis=1)
    # Written with 1 - by_chance as products, so that one label only is 0 exactly.
    return ratio(observed - by_chance, (used * (1 - used)).sum(axis=1))


def _require_labels(name: str, given: np.ndarray, labels: int, *, lowest: int) -> None:
    wrong = given[~np.isin(given, np.arange(lowest, labels))]
    if len(wrong):
        raise InvalidConfigError(
            f"{name}: labels are numbers from {lowest} to {labels - 1}; got {np.unique(wrong)[:5].tolist()}"
        )


def _diagonal(matrix: np.ndarray) -> np.ndarray:
    return np.asarray(np.diagonal(matrix, axis1=-2, axis2=-1))


def _mean(values: np.ndarray) -> np.ndarray:
    """The mean of those that are not NaN along the last axis; NaN where all are."""
    there = ~np.isnan(values)
    return ratio(np.where(there, values, 0).sum(axis=-1), there.sum(axis=-1))
