"""An analysis: scores at the level that is counted, with their contrasts, operating points and calls.

Report and comparison both start from it, so that they count the same units and the same calls.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from lag_zoo.errors import InvalidConfigError
from lag_zoo.evaluate.called import CalledResult, called_result
from lag_zoo.evaluate.contrasts import Contrast, contrasts_of
from lag_zoo.evaluate.operating_points import OperatingPoints
from lag_zoo.evaluate.options import EvaluationOptions
from lag_zoo.evaluate.results import LabelResult, result_of
from lag_zoo.evaluate.scores import SUBGROUPS, Scores
from lag_zoo.evaluate.units import Units


class Subgroup(NamedTuple):
    """The frames with one value in a column: how many, of each label how many units, and the results."""

    column: str
    value: str
    frames: int
    labels: dict[str, int]
    rows: tuple[LabelResult, ...]


class Analysis:
    """Scores, ready to be counted.

    Args:
        scores: of a network.
        options: of the evaluation.
        validation: scores of other frames, to choose thresholds on.

    Raises:
        InvalidConfigError: a threshold that has no honest source, a level that the data do not name, a positive label
            that is none, calls that cannot be pooled so, or units of one group alone.
    """

    def __init__(self, scores: Scores, options: EvaluationOptions, validation: Scores | None = None) -> None:
        _require_pooling_of_calls(scores, options)
        self.scores, self.options, self.validation = scores, options, validation
        self.units = scores.at(options.level, options.pooling, positive=options.positive)
        _require_groups(self.units, scores)
        self.points = OperatingPoints(scores, self.units, options, validation)
        self.contrasts = contrasts_of(self.units, pairs=options.pairs)
        self.calls = self.points.call(self.units, self.contrasts)

    def called(self, contrast: Contrast) -> np.ndarray:
        """Return which units of a contrast are called (k,) bool."""
        return _called(contrast, self.units, self.calls, self.points)

    def rows(
        self, *, full: bool = True, progress: Callable[[], None] = lambda: None
    ) -> Iterator[LabelResult]:
        """Measure each contrast that has any units; `progress` is called after each."""
        yield from _rows(self, self.units, self.contrasts, self.calls, full, progress)

    def called_label(self) -> CalledResult | None:
        """Measure the calls for all labels at once."""
        return called_result(
            self.units,
            self.calls,
            rule=self._rule(),
            failures=self.options.unreadable_as_failures,
        )

    def subgroups(self, progress: Callable[[], None] = lambda: None) -> Iterator[Subgroup]:
        """Measure the frames of each value of a column, at the thresholds of all frames.

        Where a subgroup has one class, the rate that exists is reported.
        """
        for column, value, places in parts_of(self.scores):
            part = self.scores.take(places)
            units = part.at(self.options.level, self.options.pooling, positive=self.options.positive)
            contrasts = contrasts_of(units, pairs=False)
            calls = self.points.call(units, self.contrasts)
            rows = tuple(_rows(self, units, contrasts, calls, False, progress))
            names = {
                number: units.label_names[number] for number in units.rules.numbers(len(units.label_names))
            }
            counts = {
                units.rules.claim(name): int(units.truth[:, number].sum()) for number, name in names.items()
            }
            yield Subgroup(column, value or "not known", len(part), counts, rows)

    def _rule(self) -> str:
        if self.scores.calls_only:
            return "as given"
        return self.units.rules.call_in_words


def count_rows(scores: Scores, options: EvaluationOptions) -> int:
    """Count the calls of `progress` by `rows` and `subgroups`."""
    units = scores.at("frame", positive=options.positive)
    rest = len(contrasts_of(units, pairs=False))
    every = len(contrasts_of(units, pairs=options.pairs))
    return every + rest * sum(1 for _ in parts_of(scores))


def parts_of(scores: Scores) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield columns with several values, each of their values, and the places of its frames (k,)."""
    for column in SUBGROUPS:
        values = np.array(scores.frames.columns.get(column, ()))
        different = sorted(set(values.tolist()))
        for value in different if len(different) > 1 else ():
            yield column, value, np.flatnonzero(values == value)


def _rows(
    analysis: Analysis,
    units: Units,
    contrasts: list[Contrast],
    calls: np.ndarray,
    full: bool,
    progress: Callable[[], None],
) -> Iterator[LabelResult]:
    for contrast in contrasts:
        both = contrast.truth.any() and not contrast.truth.all()
        if len(contrast.truth) and (both or contrast.other is None):
            yield result_of(
                contrast,
                units,
                analysis.points.of(contrast, units),
                _called(contrast, units, calls, analysis.points),
                analysis.options,
                with_probabilities=not analysis.scores.calls_only,
                full=full,
            )
        progress()


def _called(contrast: Contrast, units: Units, calls: np.ndarray, points: OperatingPoints) -> np.ndarray:
    """Mark the units that are called: of two exclusive labels as the Predictor does, else each label by itself."""
    if units.positive is not None:
        return np.asarray(calls[contrast.places] == contrast.number)
    return np.asarray(contrast.probabilities >= points.of(contrast, units).each)


def _require_pooling_of_calls(scores: Scores, options: EvaluationOptions) -> None:
    """Refuse to take the largest of calls: an examination of frames that are called otherwise has two largest.

    Grades have one.
    """
    unordered = scores.rules.exclusive and not scores.rules.ordered
    several = scores.calls_only and unordered and len(scores.label_names) > 2
    if several and options.level != "frame" and options.pooling != "mean":
        raise InvalidConfigError(
            f"calls of {len(scores.label_names)} labels cannot be pooled by {options.pooling}, for frames of one "
            f"{options.level} may be called otherwise: pool by mean, the label that is called most often"
        )


def _require_groups(units: Units, scores: Scores) -> None:
    if units.grouped and len(np.unique(units.groups)) < 2:
        raise InvalidConfigError(
            f"all {len(scores)} frames are of one {scores.frames.grouping}: an interval by {scores.frames.grouping} "
            "needs at least two"
        )
