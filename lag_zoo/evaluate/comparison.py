"""Two networks on the same frames: which is better, by how much, and whether the difference could be chance."""

from dataclasses import dataclass

import numpy as np

from lag_zoo.errors import InvalidConfigError
from lag_zoo.evaluate.scores import Scores
from lag_zoo.metrics.intervals import INDEPENDENT, Difference, paired_difference
from lag_zoo.metrics.ranking import auroc, delong_test


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One label's AUROC of the first network less that of the second, paired.

    Attributes:
        label: against the rest.
        one, other: the AUROC of each.
        difference: with interval and p; by the same resamples of groups, else by DeLong.
    """

    label: str
    one: float
    other: float
    difference: Difference


def compare(one: Scores, other: Scores, *, draws: int = 2000, seed: int = 0) -> list[Comparison]:
    """The AUROC of each label, the first scores' less the second's, on the very same frames.

    Raises:
        InvalidConfigError: other frames, labels or truths.
    """
    other = in_order_of(one, other)
    found = []
    for number, name in enumerate(one.label_names):
        truth = one.targets == number if one.targets.ndim == 1 else one.targets[:, number] == 1
        known = one.targets >= 0 if one.targets.ndim == 1 else one.targets[:, number] >= 0
        first, second = one.probabilities[known, number], other.probabilities[known, number]
        truth = truth[known]
        if one.grouping is None:
            test = delong_test(first, second, truth)
            method = f"DeLong, {INDEPENDENT}"
            difference = Difference(test.difference, test.low, test.high, test.p, len(truth), None, method)
        else:
            difference = paired_difference(
                auroc, one.groups[known], first, second, truth, draws=draws, seed=seed
            )
        areas = {"one": auroc(first, truth), "other": auroc(second, truth)}
        found.append(Comparison(label=name, difference=difference, **areas))
    return found


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
