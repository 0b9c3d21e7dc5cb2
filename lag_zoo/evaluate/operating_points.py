"""Operating points: the threshold of each label, how it was chosen, and on what."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from lag_zoo.errors import InvalidConfigError
from lag_zoo.evaluate.contrasts import Contrast, contrasts_of
from lag_zoo.evaluate.options import AUTO, STORED, EvaluationOptions
from lag_zoo.evaluate.scores import IN_TRAINING_DATA, Scores
from lag_zoo.evaluate.units import Units
from lag_zoo.metrics.thresholds import choose_threshold, number_or_rule
from lag_zoo.tasks import DEFAULT_THRESHOLD, decide, whole_thresholds

OF_EACH_FOLD = "of each fold, from its inner validation frames"
UNSET = "0.5: none is stored"
AS_CALLED = "as called"
TRAINED_ON = ("train", "val")
"""Splits whose frames a network trained on the same manifest has seen, or was chosen by."""


class OperatingPoint(NamedTuple):
    """The threshold of a contrast.

    Attributes:
        threshold: a probability; of several, as of folds, the median.
        rule: how it was chosen, in words; `apparent`: on the very frames that are reported.
        each: (k,) threshold of each unit of the contrast.
    """

    threshold: float
    rule: str
    apparent: bool
    each: np.ndarray


class OperatingPoints:
    """The operating points of an evaluation, chosen once for all frames and used for every part of the report.

    Args:
        scores: those that are reported.
        units: these, at the level that is counted.
        options: with the rule.
        validation: scores of other frames, to choose thresholds on.

    Raises:
        InvalidConfigError: a threshold that has no honest source.
    """

    def __init__(
        self, scores: Scores, units: Units, options: EvaluationOptions, validation: Scores | None
    ) -> None:
        if scores.calls_only:  # there is no threshold to choose: a call is a probability of 0 or 1
            options = dataclasses.replace(options, operating_point=str(DEFAULT_THRESHOLD), apparent=False)
        self.options, self._calls_only = options, scores.calls_only
        self.stored = options.operating_point == STORED or (
            options.operating_point == AUTO and _has_stored(scores)
        )
        self._why_apparent = _why_apparent(scores)
        self._folds = scores.calibration.thresholds is not None
        self._validation: Units | None = None
        self._contrasts: Sequence[Contrast] = ()
        if options.uses_rule and not options.apparent:
            self._require_validation(scores, validation)
        if validation is not None and options.uses_rule:
            self._validation = validation.at(options.level, options.pooling, positive=options.positive)
            self._contrasts = contrasts_of(self._validation, pairs=True)
        if self.stored and not _has_stored(scores):
            raise InvalidConfigError(
                f"no operating point of {', '.join(units.label_names)} is stored with the weights (those of a run that "
                "is not over have none: resume it). Say a probability, or a rule (youden, sens>=0.95) and validation "
                "frames"
            )
        self._chosen: dict[tuple[str, str], OperatingPoint] = {}

    def of(self, contrast: Contrast, units: Units) -> OperatingPoint:
        """Return the operating point of a contrast; one that was chosen for all frames holds for each part of them."""
        if self.stored and contrast.other is None:
            return self._of_weights(contrast, units)
        found = self._chosen_once(contrast)
        return found._replace(each=np.full(len(contrast.truth), found.threshold))

    def call(self, units: Units, contrasts: Sequence[Contrast]) -> np.ndarray:
        """Return the calls for units, in the form of targets, as the Predictor would make them at these points.

        Args:
            contrasts: of all units, with those of each label against the rest.
        """
        # An examination has the positive label if any frame has it: it is called by that label's point alone.
        by_positive = units.positive is not None and units.level != "frame"
        if self.stored and not by_positive:
            return decide(units.probabilities, units.thresholds, units.rules.name)
        # Of a network without operating points the likeliest label is called, also where two are as likely.
        unset = self.options.operating_point == AUTO and not by_positive
        points = np.full(units.probabilities.shape, np.nan)
        for contrast in contrasts:
            if contrast.other is None and not unset:
                points[:, contrast.number] = self._everywhere(contrast, units)
        return decide(units.probabilities, points, units.rules.name)

    def _everywhere(self, contrast: Contrast, units: Units) -> np.ndarray:
        """The threshold of a label for every unit (m,), also where it is not known whether it has the label."""
        if self.stored:
            return self._of_weights(contrast._replace(places=np.ones(len(units), bool)), units).each
        return np.full(len(units), self._chosen_once(contrast).threshold)

    def _chosen_once(self, contrast: Contrast) -> OperatingPoint:
        key = (contrast.label, contrast.against)
        if key not in self._chosen:
            self._chosen[key] = self._choose(contrast)
        return self._chosen[key]

    def _of_weights(self, contrast: Contrast, units: Units) -> OperatingPoint:
        limits = units.thresholds[contrast.places]
        each, rule = limits[:, contrast.number], OF_EACH_FOLD if self._folds else "stored with the weights"
        if np.isnan(each).any():
            names = units.label_names
            if units.positive is not None:
                other = 1 - contrast.number
                each = whole_thresholds(limits, contrast.number)[:, contrast.number]
                rule = f"{rule} for {names[other]}: where that is not called"
            else:
                each = np.where(np.isnan(each), DEFAULT_THRESHOLD, each)
                rule = UNSET
        apparent = bool(self._why_apparent) and rule != UNSET and not self._folds
        if apparent:
            rule = f"{rule}, apparent: {self._why_apparent}"
        if not len(each):
            return OperatingPoint(float("nan"), rule, apparent, each)
        low, median, high = np.quantile(each, [0, 0.5, 1]).tolist()
        rule = rule if f"{low:.3f}" == f"{high:.3f}" else f"{rule}: {low:.3f} to {high:.3f}"
        return OperatingPoint(median, rule, apparent, each)

    def _choose(self, contrast: Contrast) -> OperatingPoint:
        rule, none = self.options.operating_point, np.empty(0)
        if self._calls_only:
            return OperatingPoint(DEFAULT_THRESHOLD, AS_CALLED, False, none)
        if self.stored:
            return OperatingPoint(DEFAULT_THRESHOLD, "0.5: none is stored for pairs", False, none)
        if rule == AUTO:
            return OperatingPoint(DEFAULT_THRESHOLD, UNSET, False, none)
        number = number_or_rule(rule)
        if number is not None:
            return OperatingPoint(number, "as asked for", False, none)
        if self.options.apparent:
            if not contrast.truth.any() or contrast.truth.all():
                return OperatingPoint(DEFAULT_THRESHOLD, f"0.5: {rule} needs both classes", False, none)
            chosen = choose_threshold(rule, contrast.probabilities, contrast.truth)
            return OperatingPoint(chosen, f"{rule}, apparent: on these very frames", True, none)
        same = next(c for c in self._contrasts if (c.label, c.against) == (contrast.label, contrast.against))
        if not same.truth.any() or same.truth.all():
            raise InvalidConfigError(
                f"{rule} for {contrast.label}: {int(same.truth.sum())} of {len(same.truth)} validation "
                f"{self.options.level}s have it; a threshold needs some with it and some without. Say a probability"
            )
        chosen = choose_threshold(rule, same.probabilities, same.truth)
        said = f"{rule} on {len(same.truth)} validation {self.options.level}s"
        return OperatingPoint(chosen, said, False, none)

    def _require_validation(self, scores: Scores, validation: Scores | None) -> None:
        rule = self.options.operating_point
        if validation is None:
            raise InvalidConfigError(
                f"{rule} needs frames to choose a threshold on that are not the ones reported: a split val, or "
                "--apparent to choose it on these, which the report then says"
            )
        if set(validation.frames.images) & set(scores.frames.images):
            raise InvalidConfigError(
                "validation frames are among those reported: a threshold chosen so is apparent"
            )


def operating_points(scores: Scores, *, rule: str = "youden") -> dict[str, float]:
    """Choose the threshold of each label by a rule, on these scores: for others, never for these.

    That of a grade is the probability of at least this one from which it is called; the lowest needs none.

    Raises:
        InvalidConfigError: no such rule, or a label that all frames have, or none.
    """
    units = scores.at("frame")
    found: dict[str, float] = {}
    for number in units.rules.numbers(len(units.label_names)):
        name, known = units.label_names[number], units.known[:, number]
        found[name] = choose_threshold(rule, units.probabilities[known, number], units.truth[known, number])
    return found


def has_operating_points(points: Mapping[str, float], label_names: Sequence[str]) -> bool:
    """Tell whether some of the labels have an operating point."""
    return bool(set(points) & set(label_names))


def _has_stored(scores: Scores) -> bool:
    calibration = scores.calibration
    return calibration.thresholds is not None or has_operating_points(
        calibration.operating_points, scores.label_names
    )


def _why_apparent(scores: Scores) -> str:
    """Say why stored thresholds are apparent on these frames; empty: they are not, as far as that is known."""
    if set(scores.frames.fold) & set(TRAINED_ON):
        return "chosen on such frames"
    return "they know such frames" if "yes" in scores.frames.columns.get(IN_TRAINING_DATA, ()) else ""
