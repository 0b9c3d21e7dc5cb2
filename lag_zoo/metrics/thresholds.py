"""Thresholds by a rule. A threshold belongs to the data it was chosen on, never to those it is reported on.

Every threshold between two neighbouring scores makes the same calls. A rule takes the middle: so it lies as far from
the frames on one side as from those on the other, and of two labels the line of one is 1 less the line of the other.
"""

import re
from typing import NamedTuple

import numpy as np

from lag_zoo.errors import InvalidConfigError
from lag_zoo.metrics.checks import scores_and_truth

_WANTED = re.compile(r"(sens|spec)\s*>=\s*(0?\.\d+|1(?:\.0*)?|0)")


class _Places(NamedTuple):
    """Places for a threshold (m,), from below all scores to above all: the threshold, the width of the gap between
    scores, and frames called rightly among those with the label and without."""

    threshold: np.ndarray
    gap: np.ndarray
    tp: np.ndarray
    tn: np.ndarray


def choose_threshold(rule: str, scores: np.ndarray, truth: np.ndarray) -> float:
    """The threshold that a rule gives on scores (n,) and truth (n,): a score of it or more is called positive.

    Rules: a number; `youden` (sensitivity plus specificity largest: Youden, Cancer 1950); `sens>=0.95`: of the places
    between scores, the highest whose sensitivity is at least that; `spec>=0.9`: the lowest whose specificity is. The
    threshold is the middle between the two; below all scores it is the lowest, above all just above the highest.

    Of several places that are best by `youden` the one is taken whose sensitivity and specificity are most alike, of
    two such the one in the wider gap. Where two are equal in all of this, as in scores of few values, it is the
    middle between them: no choice of one would treat both labels alike.

    Whatever the rule, labels that change places have mirrored thresholds: those of `1 - scores` and `~truth` are 1 less
    these (with `sens` for `spec`).

    Raises:
        InvalidConfigError: no such rule, or only one label.

    >>> choose_threshold("youden", np.array([0.1, 0.3, 0.5, 0.8]), np.array([0, 0, 1, 1]))
    0.4
    >>> choose_threshold("sens>=0.9", np.array([0.1, 0.4, 0.3, 0.8]), np.array([0, 0, 1, 1]))
    0.2
    """
    number = number_or_rule(rule)
    if number is not None:
        return number
    wanted = _WANTED.fullmatch(rule.strip())
    scores, truth = scores_and_truth(scores, truth)
    with_it = int(truth.sum())
    without = len(truth) - with_it
    if not with_it or not without:
        raise InvalidConfigError(
            f"{rule} needs frames with the label and without; all {len(truth)} are alike"
        )
    places = _places(scores, truth)
    if wanted is None:
        return _youden(places, with_it, without)
    share = float(wanted[2])
    if wanted[1] == "sens":
        return float(places.threshold[np.flatnonzero(places.tp / with_it >= share)[-1]])
    return float(places.threshold[np.flatnonzero(places.tn / without >= share)[0]])


def _places(scores: np.ndarray, truth: np.ndarray) -> _Places:
    values, place = np.unique(scores, return_inverse=True)
    low, high = values[:-1], values[1:]
    middle = low + (high - low) / 2
    middle = np.where(middle > low, middle, high)  # nothing lies between neighbours among floats

    def below(among: np.ndarray) -> np.ndarray:
        return np.append(0, np.cumsum(np.bincount(place[among], minlength=len(values))))

    return _Places(
        threshold=np.concatenate([values[:1], middle, [np.nextafter(values[-1], np.inf)]]),
        gap=np.concatenate([[np.inf], high - low, [np.inf]]),
        tp=truth.sum() - below(truth),
        tn=below(~truth),
    )


def _youden(places: _Places, with_it: int, without: int) -> float:
    # Rates times both counts: whole numbers, which tie exactly.
    sensitivity, specificity = places.tp * without, places.tn * with_it
    total, apart = sensitivity + specificity, np.abs(sensitivity - specificity)
    best = np.flatnonzero(total == total.max())
    best = best[
        apart[best] == apart[best].min()
    ]  # at most two: the rates of one are those of the other, exchanged
    widest = places.gap[best].max()
    best = best[places.gap[best] >= widest - 1e-12]  # widths that differ by rounding are the same
    return float(places.threshold[best].mean())


def number_or_rule(text: str) -> float | None:
    """The probability that a text is; `None`: it is a rule.

    Raises:
        InvalidConfigError: neither.

    >>> number_or_rule("0.3"), number_or_rule("youden")
    (0.3, None)
    """
    if text == "youden" or _WANTED.fullmatch(text.strip()):
        return None
    try:
        number = float(text)
    except ValueError:
        raise InvalidConfigError(
            f"no rule {text!r} for a threshold: a number, youden, sens>=0.95 or spec>=0.9"
        ) from None
    if not 0 <= number <= 1:
        raise InvalidConfigError(f"an operating point is a probability from 0 to 1, got {text}")
    return number
