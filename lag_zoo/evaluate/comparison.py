"""Two networks on the same frames: which is better, by how much, and whether the difference could be chance.

Each may have been measured several times on the same frames, as by a cross-validation that was repeated: then it is
their mean that counts. Repeats share their frames, so they are no further evidence: groups are drawn, repeats are not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from lag_zoo.errors import InvalidConfigError
from lag_zoo.evaluate.scores import Scores
from lag_zoo.metrics.intervals import INDEPENDENT, Difference, Interval, cluster_bootstrap, paired_difference
from lag_zoo.metrics.ranking import auroc, delong_test

Measured = TypeVar("Measured", Interval, Difference)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One label's AUROC of the first network less that of the second, paired.

    Attributes:
        label: against the rest.
        one: the AUROC of the first network; `other`: of the second.
        difference: with interval and p; by the same resamples of groups, else by DeLong.
    """

    label: str
    one: float
    other: float
    difference: Difference


def compare(one: Scores, other: Scores, *, n_resamples: int = 2000, seed: int = 0) -> list[Comparison]:
    """The AUROC of each label, the first scores' less the second's, on the very same frames.

    Raises:
        InvalidConfigError: other frames, labels or truths.
    """
    other = in_order_of(one, other)
    found = []
    for number, name in enumerate(one.label_names):
        truth, known = _truth(one, number)
        first, second = one.probabilities[known, number], other.probabilities[known, number]
        if one.grouping is None:
            test = delong_test(first, second, truth)
            method = f"DeLong, {INDEPENDENT}"
            difference = Difference(test.difference, test.low, test.high, test.p, len(truth), None, method)
        else:
            difference = paired_difference(
                auroc, one.groups[known], first, second, truth, n_resamples=n_resamples, seed=seed
            )
        areas = {"one": auroc(first, truth), "other": auroc(second, truth)}
        found.append(Comparison(label=name, difference=difference, **areas))
    return found


def mean_auroc(repeats: Sequence[Scores], *, n_resamples: int = 2000, seed: int = 0) -> dict[str, Interval]:
    """The AUROC of each label, the mean over repeats on the same frames, with its interval by group, else by frame.

    Raises:
        InvalidConfigError: repeats of other frames, labels or truths.
    """
    first = repeats[0]
    found = {}
    for number, name in enumerate(first.label_names):
        truth, known = _truth(first, number)
        interval = cluster_bootstrap(
            _mean_auroc,
            _groups(first)[known],
            _stacked(repeats, number, first)[known],
            truth,
            n_resamples=n_resamples,
            seed=seed,
        )
        found[name] = interval if first.grouping is not None else _of_frames(interval)
    return found


def compare_means(
    one: Sequence[Scores], other: Sequence[Scores], *, n_resamples: int = 2000, seed: int = 0
) -> dict[str, Difference]:
    """The mean AUROC of each label over one's repeats, less that over the other's, on the very same frames.

    Raises:
        InvalidConfigError: other frames, labels or truths.
    """
    first = one[0]
    found = {}
    for number, name in enumerate(first.label_names):
        truth, known = _truth(first, number)
        ours, theirs = (_stacked(repeats, number, first)[known] for repeats in (one, other))
        difference = paired_difference(
            _mean_auroc, _groups(first)[known], ours, theirs, truth, n_resamples=n_resamples, seed=seed
        )
        found[name] = difference if first.grouping is not None else _of_frames(difference)
    return found


def _truth(scores: Scores, number: int) -> tuple[np.ndarray, np.ndarray]:
    """What is true of the frames of which a label is known (k,), and which those are (n,)."""
    targets = scores.targets if scores.targets.ndim == 1 else scores.targets[:, number]
    known = targets >= 0
    return (targets == number if scores.targets.ndim == 1 else targets == 1)[known], known


def _stacked(repeats: Sequence[Scores], number: int, first: Scores) -> np.ndarray:
    """A label's probabilities (n, repeats), the frames in the order of `first`."""
    return np.stack([in_order_of(first, one).probabilities[:, number] for one in repeats], axis=1)


def _mean_auroc(probabilities: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean([auroc(column, truth) for column in probabilities.T]))


def _groups(scores: Scores) -> np.ndarray:
    return scores.groups if scores.grouping is not None else np.arange(len(scores))


def _of_frames(found: Measured) -> Measured:
    return found._replace(groups=None, method=f"{found.method}, {INDEPENDENT}")


def in_order_of(one: Scores, other: Scores) -> Scores:
    """The other's scores with its frames in the order of the first's.

    Raises:
        InvalidConfigError: other frames, labels or truths.
    """
    if set(one.images) != set(other.images) or one.label_names != other.label_names:
        raise InvalidConfigError(
            f"only scores of the same frames and labels can be compared; {len(set(one.images) ^ set(other.images))} "
            "frames are in one of them only"
        )
    place = {image: number for number, image in enumerate(other.images)}
    ordered = other.taken(np.array([place[image] for image in one.images]))
    if not np.array_equal(ordered.targets, one.targets):
        raise InvalidConfigError("the two scores do not agree on what is true of the frames")
    return ordered
