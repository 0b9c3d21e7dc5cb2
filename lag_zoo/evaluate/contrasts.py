"""The contrasts a report answers: a label against the rest, or against another one; and where the line is drawn."""

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

import numpy as np

from lag_zoo.errors import InvalidConfigError
from lag_zoo.evaluate.scores import APPARENT, Scores
from lag_zoo.metrics.levels import Association, Pooling, frames_and_label, pool
from lag_zoo.metrics.thresholds import choose_threshold, number_or_rule

Level = Literal["frame", "exam", "patient"]
OF_EACH_FOLD = "of each fold, from its inner validation frames"
UNSET = "0.5: none is stored"
TRAINED_ON = ("train", "val")
"""Splits whose frames a network trained on the same manifest has seen, or was chosen by."""


class Contrast(NamedTuple):
    """A contrast with two answers: which frames, how likely each, and what is true."""

    label: str
    against: str
    frames: np.ndarray  # (n,) bool, of all
    probabilities: np.ndarray  # of those
    truth: np.ndarray
    thresholds: np.ndarray | None = None  # of those, where they differ from frame to frame


class OperatingPoint(NamedTuple):
    """A threshold, how it came about, and whether it was chosen on the very frames that are reported."""

    threshold: float
    rule: str
    apparent: bool


class EvaluationOptions(NamedTuple):
    """How to answer; as the arguments of `evaluate`."""

    operating_point: str
    level: Level
    pooling: Pooling
    validation: Scores | None
    apparent: bool
    prevalence: float | None
    n_resamples: int
    seed: int


class Answers(NamedTuple):
    """What is counted, frames or examinations or patients: probability, truth, group and threshold of each (n,)."""

    probabilities: np.ndarray
    truth: np.ndarray
    groups: np.ndarray
    thresholds: np.ndarray
    rule: str
    apparent: bool
    association: Association | None

    @property
    def has_both_classes(self) -> bool:
        """Whether there is something to tell apart."""
        return bool(self.truth.any() and not self.truth.all())


def against_rest(scores: Scores) -> Iterator[Contrast]:
    """Each label against the rest, among frames of which it is known."""
    probabilities = scores.probabilities
    for number, name in enumerate(scores.label_names):
        if scores.targets.ndim == 1:
            known, truth = scores.targets >= 0, scores.targets == number
        else:
            known, truth = scores.targets[:, number] >= 0, scores.targets[:, number] == 1
        own = None if scores.thresholds is None else scores.thresholds[known, number]
        yield Contrast(name, "rest", known, probabilities[known, number], truth[known], own)


def against_each_other(scores: Scores) -> Iterator[Contrast]:
    """Each label against each other, among frames that have one of the two, where labels are exclusive."""
    if scores.targets.ndim != 1:
        return
    probabilities = scores.probabilities
    for one, name in enumerate(scores.label_names):
        for other in range(one + 1, len(scores.label_names)):
            either = np.isin(scores.targets, (one, other))
            both = probabilities[either][:, (one, other)]
            share = both[:, 0] / both.sum(axis=1).clip(1e-300)
            yield Contrast(name, scores.label_names[other], either, share, scores.targets[either] == one)


def answers(
    contrast: Contrast,
    scores: Scores,
    options: EvaluationOptions,
    settled: Mapping[str, OperatingPoint] | None = None,
) -> Answers:
    """What is counted and where the line is drawn.

    Args:
        settled: the line of each label, where it is drawn already: of a subgroup, the one of all frames.

    Raises:
        InvalidConfigError: a threshold that has no honest source, or a level that the data do not name.
    """
    groups = scores.groups[contrast.frames]
    probabilities, truth, own = contrast.probabilities, contrast.truth, contrast.thresholds
    association = None
    if options.level != "frame":
        units = scores.units(options.level)[contrast.frames]
        # A group is in one fold as a whole, so the thresholds of its frames are the same.
        own = None if own is None else pool(own, truth, units, by="mean").probabilities
        pooled = pool(probabilities, truth, units, by=options.pooling)
        # Examinations of one patient are no more independent than its frames.
        groups = groups[np.unique(units, return_index=True)[1]]
        probabilities, truth = pooled.probabilities, pooled.truth
        association = frames_and_label(pooled)
    if own is not None and options.operating_point == "stored":
        return Answers(probabilities, truth, groups, own, OF_EACH_FOLD, False, association)
    line = (settled or {}).get(contrast.label) or _line(contrast, scores, options, probabilities, truth)
    limits = np.full(len(truth), line.threshold)
    return Answers(probabilities, truth, groups, limits, line.rule, line.apparent, association)


def _line(
    contrast: Contrast,
    scores: Scores,
    options: EvaluationOptions,
    probabilities: np.ndarray,
    truth: np.ndarray,
) -> OperatingPoint:
    rule = options.operating_point
    if rule == "stored":
        return _stored(contrast, scores)
    number = number_or_rule(rule)
    if number is not None:
        return OperatingPoint(number, "as asked for", False)
    if not truth.any() or truth.all():
        return OperatingPoint(float("nan"), rule, False)  # nothing to tell apart: no line, and no row either
    if options.apparent:
        return OperatingPoint(
            choose_threshold(rule, probabilities, truth), f"{rule}, apparent: on these very frames", True
        )
    if options.validation is None:
        raise InvalidConfigError(
            f"{rule} needs frames to choose a threshold on that are not the ones reported: a split val, or --apparent "
            "to choose it on these, which the report then says"
        )
    if set(options.validation.images) & set(scores.images):
        raise InvalidConfigError(
            "validation frames are among those reported: a threshold chosen so is apparent"
        )
    contrasts = [*against_rest(options.validation), *against_each_other(options.validation)]
    same = next(q for q in contrasts if (q.label, q.against) == (contrast.label, contrast.against))
    known, held = same.probabilities, same.truth
    if options.level != "frame":
        units = options.validation.units(options.level)[same.frames]
        pooled = pool(known, held, units, by=options.pooling)
        known, held = pooled.probabilities, pooled.truth
    chosen = choose_threshold(rule, known, held)
    return OperatingPoint(chosen, f"{rule} on {len(held)} validation {options.level}s", False)


def _stored(contrast: Contrast, scores: Scores) -> OperatingPoint:
    """The stored threshold of a label, or what stands in for one that has none, which its rule then says."""
    if contrast.against != "rest":
        return OperatingPoint(0.5, "0.5: none is stored for pairs", False)
    if not set(scores.label_names) & set(scores.operating_points):
        raise InvalidConfigError(
            f"no operating point of {contrast.label} is stored with the weights (those of a run that is not over have "
            "none: resume it). Say a probability, or a rule (youden, sens>=0.95) and validation frames"
        )
    if contrast.label in scores.operating_points:
        threshold, rule = scores.operating_points[contrast.label], "stored with the weights"
    elif scores.targets.ndim == 1 and len(scores.label_names) == 2:
        (other,) = set(scores.label_names) - {contrast.label}
        # Called where the other is not. A frame on the line is the other's, so the line is a hair above the rest of 1:
        # as far as two probabilities that add up to 1 may be off by rounding.
        threshold = 1 - scores.operating_points[other] + 2.0**-51
        rule = f"stored with the weights for {other}: where that is not called"
    else:
        return OperatingPoint(0.5, UNSET, False)
    if set(scores.fold) & set(TRAINED_ON):
        return OperatingPoint(threshold, f"{rule}, apparent: chosen on such frames", True)
    if "yes" in scores.columns.get(APPARENT, ()):
        return OperatingPoint(threshold, f"{rule}, apparent: they know such frames", True)
    return OperatingPoint(threshold, rule, False)
