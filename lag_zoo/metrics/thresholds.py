"""Where to draw the line. A threshold belongs to the data it was chosen on, never to those it is reported on."""

import re

import numpy as np

from lag_zoo.errors import InvalidConfigError
from lag_zoo.metrics.checks import scores_and_truth

_WANTED = re.compile(r"(sens|spec)\s*>=\s*(0?\.\d+|1(?:\.0*)?|0)")


def choose_threshold(rule: str, scores: np.ndarray, truth: np.ndarray) -> float:
    """The threshold that a rule gives on scores (n,) and truth (n,): a score of it or more is called positive.

    Rules: a number; `youden` (sensitivity plus specificity largest: Youden, Cancer 1950); `sens>=0.95`: the highest
    threshold whose sensitivity is at least that; `spec>=0.9`: the lowest whose specificity is.

    Raises:
        InvalidConfigError: no such rule, or only one label.

    >>> choose_threshold("sens>=0.9", np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
    0.35
    """
    number = number_or_rule(rule)
    if number is not None:
        return number
    wanted = _WANTED.fullmatch(rule.strip())
    scores, truth = scores_and_truth(scores, truth)
    if truth.all() or not truth.any():
        raise InvalidConfigError(
            f"{rule} needs frames with the label and without; all {len(truth)} are alike"
        )
    # Candidates: each score, and one above them all, where nothing is called.
    candidates = np.append(np.unique(scores), np.nextafter(scores.max(), np.inf))
    positive, negative = np.sort(scores[truth]), np.sort(scores[~truth])
    sensitivity = 1 - np.searchsorted(positive, candidates, side="left") / len(positive)
    specificity = np.searchsorted(negative, candidates, side="left") / len(negative)
    if wanted is None:
        return float(candidates[np.argmax(sensitivity + specificity)])
    share = float(wanted[2])
    if wanted[1] == "sens":
        return float(candidates[np.flatnonzero(sensitivity >= share)[-1]])
    return float(candidates[np.flatnonzero(specificity >= share)[0]])


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
