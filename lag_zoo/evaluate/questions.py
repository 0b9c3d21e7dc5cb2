"""The questions a report answers: a label against the rest, or against another one; and where the line is drawn."""

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


class Question(NamedTuple):
    """A question with two answers: which frames, how likely each, and what is true."""

    label: str
    against: str
    frames: np.ndarray  # (n,) bool, of all
    probabilities: np.ndarray  # of those
    truth: np.ndarray
    thresholds: np.ndarray | None = None  # of those, where they differ from frame to frame


class Line(NamedTuple):
    """A threshold, how it came about, and whether it was chosen on the very frames that are reported."""

    threshold: float
    rule: str
    apparent: bool


class Options(NamedTuple):
    """How to answer; as the arguments of `evaluate`."""

    operating_point: str
    level: Level
    pooling: Pooling
    validation: Scores | None
    apparent: bool
    prevalence: float | None
    draws: int
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
    def tellable(self) -> bool:
        """Whether there is something to tell apart."""
        return bool(self.truth.any() and not self.truth.all())


def one_against_rest(scores: Scores) -> Iterator[Question]:
    """Each label against the rest, among frames of which it is known."""
    probabilities = scores.probabilities
    for number, name in enumerate(scores.label_names):
        if scores.targets.ndim == 1:
            known, truth = scores.targets >= 0, scores.targets == number
        else:
            known, truth = scores.targets[:, number] >= 0, scores.targets[:, number] == 1
        own = None if scores.thresholds is None else scores.thresholds[known, number]
        yield Question(name, "rest", known, probabilities[known, number], truth[known], own)


def one_against_one(scores: Scores) -> Iterator[Question]:
    """Each label against each other, among frames that have one of the two, where labels are exclusive."""
    if scores.targets.ndim != 1:
        return
    probabilities = scores.probabilities
    for one, name in enumerate(scores.label_names):
        for other in range(one + 1, len(scores.label_names)):
            either = np.isin(scores.targets, (one, other))
            both = probabilities[either][:, (one, other)]
            share = both[:, 0] / both.sum(axis=1).clip(1e-300)
            yield Question(name, scores.label_names[other], either, share, scores.targets[either] == one)


def answers(
    question: Question, scores: Scores, options: Options, settled: Mapping[str, Line] | None = None
) -> Answers:
    """What is counted and where the line is drawn.

    Args:
        settled: the line of each label, where it is drawn already: of a subgroup, the one of all frames.

    Raises:
        InvalidConfigError: a threshold that has no honest source, or a level that the data do not name.
    """
    groups = scores.groups[question.frames]
    probabilities, truth, own = question.probabilities, question.truth, question.thresholds
    association = None
    if options.level != "frame":
        units = scores.units(options.level)[question.frames]
        # A group is in one fold as a whole, so the thresholds of its frames are the same.
        own = None if own is None else pool(own, truth, units, by="mean").probabilities
        pooled = pool(probabilities, truth, units, by=options.pooling)
        # Examinations of one patient are no more independent than its frames.
        groups = groups[np.unique(units, return_index=True)[1]]
        probabilities, truth = pooled.probabilities, pooled.truth
        association = frames_and_label(pooled)
    if own is not None and options.operating_point == "stored":
        return Answers(probabilities, truth, groups, own, OF_EACH_FOLD, False, association)
    line = (settled or {}).get(question.label) or _line(question, scores, options, probabilities, truth)
    limits = np.full(len(truth), line.threshold)
    return Answers(probabilities, truth, groups, limits, line.rule, line.apparent, association)


def _line(
    question: Question, scores: Scores, options: Options, probabilities: np.ndarray, truth: np.ndarray
) -> Line:
    rule = options.operating_point
    if rule == "stored":
        return _stored(question, scores)
    number = number_or_rule(rule)
    if number is not None:
        return Line(number, "as asked for", False)
    if not truth.any() or truth.all():
        return Line(float("nan"), rule, False)  # nothing to tell apart: no line, and no row either
    if options.apparent:
        return Line(
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
    questions = [*one_against_rest(options.validation), *one_against_one(options.validation)]
    same = next(q for q in questions if (q.label, q.against) == (question.label, question.against))
    known, held = same.probabilities, same.truth
    if options.level != "frame":
        units = options.validation.units(options.level)[same.frames]
        pooled = pool(known, held, units, by=options.pooling)
        known, held = pooled.probabilities, pooled.truth
    chosen = choose_threshold(rule, known, held)
    return Line(chosen, f"{rule} on {len(held)} validation {options.level}s", False)


def _stored(question: Question, scores: Scores) -> Line:
    """The stored threshold of a label, or what stands in for one that has none, which its rule then says."""
    if question.against != "rest":
        return Line(0.5, "0.5: none is stored for pairs", False)
    if not set(scores.label_names) & set(scores.operating_points):
        raise InvalidConfigError(
            f"no operating point of {question.label} is stored with the weights (those of a run that is not over have "
            "none: resume it). Say a probability, or a rule (youden, sens>=0.95) and validation frames"
        )
    if question.label in scores.operating_points:
        threshold, rule = scores.operating_points[question.label], "stored with the weights"
    elif scores.targets.ndim == 1 and len(scores.label_names) == 2:
        (other,) = set(scores.label_names) - {question.label}
        # Called where the other is not. A frame on the line is the other's, so the line is a hair above the rest of 1:
        # as far as two probabilities that add up to 1 may be off by rounding.
        threshold = 1 - scores.operating_points[other] + 2.0**-51
        rule = f"stored with the weights for {other}: where that is not called"
    else:
        return Line(0.5, UNSET, False)
    if set(scores.parts) & set(TRAINED_ON):
        return Line(threshold, f"{rule}, apparent: chosen on such frames", True)
    if "yes" in scores.columns.get(APPARENT, ()):
        return Line(threshold, f"{rule}, apparent: they know such frames", True)
    return Line(threshold, rule, False)
