"""Other networks beside the one that is reported: their rows on the very same frames, and the paired differences."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from lag_zoo.errors import InvalidConfigError
from lag_zoo.evaluate.comparison import compare
from lag_zoo.evaluate.report import Beside, Report
from lag_zoo.evaluate.scores import Scores
from lag_zoo.metrics.intervals import Difference, paired_difference
from lag_zoo.metrics.levels import Pooling, pool
from lag_zoo.metrics.ranking import auroc


def with_others(
    report: Report, scores: Scores, others: Mapping[str, tuple[Scores, Report]], *, draws: int = 2000
) -> Report:
    """The report with other networks' rows, and by how much the reported one's AUROC is above each of theirs.

    The differences are paired: on the same frames, by the same resamples of patients or examinations, else by DeLong;
    at the report's level.

    Args:
        report: of `scores`.
        others: by name, their scores of the same frames and labels, and what `evaluate` made of these.

    Raises:
        InvalidConfigError: other frames, labels, or another level.
    """
    found = []
    for name, (theirs, measured) in others.items():
        if set(theirs.label_names) != set(scores.label_names) or theirs.task != scores.task:
            raise InvalidConfigError(
                f"{name} tells {_told(theirs)}; the reported network {_told(scores)}: only networks of the same labels "
                "can stand beside each other"
            )
        if (measured.level, measured.pooling) != (report.level, report.pooling):
            raise InvalidConfigError(
                f"{name} was measured by {measured.level}, pooled by {measured.pooling}; the reported network by "
                f"{report.level}, pooled by {report.pooling}: measure both alike"
            )
        theirs = _in_order_of(scores, theirs)
        rows = {row.label: row for row in measured.rows}
        ordered = tuple(rows[row.label] for row in report.rows)
        differences = tuple(_differences(report, scores, theirs, draws))
        found.append(Beside(name, ordered, differences))
    return dataclasses.replace(report, beside=(*report.beside, *found))


def _told(scores: Scores) -> str:
    return f"{', '.join(scores.label_names)} ({scores.task})"


def _in_order_of(one: Scores, other: Scores) -> Scores:
    """The other's scores with its labels in the order of the first's."""
    if one.label_names == other.label_names:
        return other
    places = [other.label_names.index(name) for name in one.label_names]
    if other.targets.ndim == 1:
        number = {old: new for new, old in enumerate(places)}
        targets = np.array([number.get(int(target), -1) for target in other.targets])
    else:
        targets = other.targets[:, places]
    return dataclasses.replace(
        other,
        label_names=one.label_names,
        logits=other.logits[:, places],
        targets=targets,
        thresholds=None if other.thresholds is None else other.thresholds[:, places],
    )


def _differences(report: Report, one: Scores, other: Scores, draws: int) -> list[Difference]:
    """Of each label, in the report's order."""
    compared = {part.label: part.difference for part in compare(one, other, draws=draws)}
    if report.level == "frame" or report.pooling is None:
        return [compared[row.label] for row in report.rows]
    place = {image: number for number, image in enumerate(other.images)}
    other = other.taken(np.array([place[image] for image in one.images]))
    units = one.units(report.level)
    return [_pooled(one, other, row.label, units, report.pooling, draws) for row in report.rows]


def _pooled(one: Scores, other: Scores, label: str, units: np.ndarray, by: Pooling, draws: int) -> Difference:
    """One label's, of examinations or patients; both scores are of the same frames in the same order."""
    number = one.label_names.index(label)
    targets = (one.targets == number) if one.targets.ndim == 1 else one.targets[:, number]
    known = one.targets >= 0 if one.targets.ndim == 1 else targets >= 0
    truth, units = targets[known] == 1, units[known]
    first, second = (
        pool(scores.probabilities[known, number], truth, units, by=by) for scores in (one, other)
    )
    # Examinations of one patient are no more independent than its frames.
    groups = one.groups[known][np.unique(units, return_index=True)[1]]
    return paired_difference(
        auroc, groups, first.probabilities, second.probabilities, first.truth, draws=draws
    )
