"""Other networks beside the one that is reported: their rows on the very same frames, and the paired differences."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from lag_zoo.errors import InvalidConfigError
from lag_zoo.evaluate.comparison import in_order_of
from lag_zoo.evaluate.contrasts import OF_EACH_FOLD
from lag_zoo.evaluate.report import Beside, Differences, Report
from lag_zoo.evaluate.results import LabelResult
from lag_zoo.evaluate.scores import Scores
from lag_zoo.metrics.intervals import INDEPENDENT, Difference, mcnemar, paired_difference
from lag_zoo.metrics.levels import Pooling, pool
from lag_zoo.metrics.ranking import auroc, delong_test


def with_others(
    report: Report,
    scores: Scores,
    others: Mapping[str, tuple[Scores, Report]],
    *,
    n_resamples: int = 2000,
    progress: Callable[[], None] = lambda: None,
) -> Report:
    """The report with other networks' rows, and how far the reported one is from each.

    The differences of AUROC, sensitivity and specificity are paired: on the same frames, by the same resamples of
    patients or examinations; else by DeLong, and by McNemar's test on the frames with the label and without. At the
    report's level, and at each network's own thresholds.

    Args:
        report: of `scores`.
        others: by name, their scores of the same frames and labels, and what `evaluate` made of these.
        progress: called after each row of the report, for each of the others.

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
        theirs = _with_labels_of(scores, theirs)
        rows = {row.label: row for row in measured.rows}
        ordered = tuple(rows[row.label] for row in report.rows)
        theirs = in_order_of(scores, theirs)
        differences = []
        for row, their_row in zip(report.rows, ordered, strict=True):
            differences.append(_differences(report, scores, theirs, row, their_row, n_resamples))
            progress()
        found.append(Beside(name, ordered, tuple(differences)))
    return dataclasses.replace(report, beside=(*report.beside, *found))


def _told(scores: Scores) -> str:
    return f"{', '.join(scores.label_names)} ({scores.task})"


def _with_labels_of(one: Scores, other: Scores) -> Scores:
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


class _Side(NamedTuple):
    """One network's probabilities, and what it calls, of what is counted (n,)."""

    probabilities: np.ndarray
    called: np.ndarray


def _differences(
    report: Report, one: Scores, other: Scores, row: LabelResult, their_row: LabelResult, n_resamples: int
) -> Differences:
    """One label's; both scores are of the same frames and labels in the same order."""
    number = one.label_names.index(row.label)
    targets = (one.targets == number) if one.targets.ndim == 1 else one.targets[:, number]
    known = one.targets >= 0 if one.targets.ndim == 1 else targets >= 0
    units = np.arange(len(one)) if report.level == "frame" else one.units(report.level)
    truth, units, groups = targets[known] == 1, units[known], one.groups[known]
    by: Pooling = report.pooling or "mean"
    pooled = pool(np.zeros(len(truth)), truth, units, by="mean")
    groups = groups[np.unique(units, return_index=True)[1]]
    first, second = (
        _side(scores.probabilities[known, number], _limits(scores, at, known, number), truth, units, by)
        for scores, at in ((one, row), (other, their_row))
    )
    if one.grouping is None:
        return _ungrouped(first, second, pooled.truth, n_resamples)
    area = paired_difference(
        auroc, groups, first.probabilities, second.probabilities, pooled.truth, n_resamples=n_resamples
    )
    return Differences(area, *_of_rates(first, second, pooled.truth, groups, n_resamples))


def _of_rates(
    one: _Side, other: _Side, truth: np.ndarray, groups: np.ndarray, n_resamples: int
) -> Iterator[Difference]:
    """Those of sensitivity and specificity; only the groups count that have frames with the label, or without."""
    for among in (truth, ~truth):
        ours, theirs = (side.called[among] == truth[among] for side in (one, other))
        if len(np.unique(groups[among])) > 1:
            yield paired_difference(_share, groups[among], ours, theirs, n_resamples=n_resamples)
        else:
            nan, method = float("nan"), "one group alone, no interval"
            yield Difference(_share(ours) - _share(theirs), nan, nan, nan, int(among.sum()), 1, method)


def _limits(scores: Scores, row: LabelResult, known: np.ndarray, number: int) -> np.ndarray:
    """The threshold of each frame (n,)."""
    if row.rule.startswith(OF_EACH_FOLD) and scores.thresholds is not None:
        return np.asarray(scores.thresholds[known, number])
    return np.full(int(known.sum()), row.threshold)


def _side(
    probabilities: np.ndarray, limits: np.ndarray, truth: np.ndarray, units: np.ndarray, by: Pooling
) -> _Side:
    pooled = pool(probabilities, truth, units, by=by).probabilities
    return _Side(pooled, pooled >= pool(limits, truth, units, by="mean").probabilities)


def _share(right: np.ndarray) -> float:
    return float(right.mean())


def _ungrouped(one: _Side, other: _Side, truth: np.ndarray, n_resamples: int) -> Differences:
    """Frames taken as independent: DeLong, and McNemar's p beside a bootstrap's interval."""
    test = delong_test(one.probabilities, other.probabilities, truth)
    area = Difference(
        test.difference, test.low, test.high, test.p, len(truth), None, f"DeLong, {INDEPENDENT}"
    )
    method = f"interval by {n_resamples} paired resamples, p by McNemar, {INDEPENDENT}"
    rates = [
        drawn._replace(p=mcnemar(one.called[among], other.called[among]), groups=None, method=method)
        for drawn, among in zip(
            _of_rates(one, other, truth, np.arange(len(truth)), n_resamples), (truth, ~truth), strict=True
        )
    ]
    return Differences(area, *rates)
