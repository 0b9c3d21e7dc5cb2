"""Comparison: networks on the same frames, which is better, by how much, and whether it could be chance.

A network may have been measured several times on the same frames, as by a cross-validation that was repeated: then its
mean counts. Repeats share their frames, so they are no further evidence: the variance is that between groups.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lag_zoo.errors import InvalidConfigError
from lag_zoo.evaluate.analysis import Analysis
from lag_zoo.evaluate.called import CalledResult
from lag_zoo.evaluate.contrasts import Contrast
from lag_zoo.evaluate.results import LabelResult
from lag_zoo.evaluate.scores import Scores
from lag_zoo.metrics import influence
from lag_zoo.metrics.clustered import auroc_difference, group_difference, group_interval, share_difference
from lag_zoo.metrics.influence import Influence
from lag_zoo.metrics.intervals import Difference, Interval

if TYPE_CHECKING:
    from lag_zoo.evaluate.report import Report


class Differences(NamedTuple):
    """The reported network less another, on the same frames; the rates at each one's own threshold."""

    auroc: Difference
    sensitivity: Difference
    specificity: Difference


@dataclass(frozen=True, kw_only=True)
class NetworkComparison:
    """Another network on the same frames.

    Attributes:
        name: of the network; `rows`: its results, in the order of the report's; `called`: its calls for all labels.
        differences: the reported network less this one, a row each; `accuracy`: of the called label, `None` where
            nothing is called; `weighted_kappa`: the quadratic one of the called grade, `None` of other labels.
    """

    name: str
    rows: tuple[LabelResult, ...]
    differences: tuple[Differences, ...]
    called: CalledResult | None
    accuracy: Difference | None
    weighted_kappa: Difference | None = None


def with_comparisons(
    report: "Report",
    analysis: Analysis,
    others: Mapping[str, Analysis],
    *,
    progress: Callable[[], None] = lambda: None,
) -> "Report":
    """Return the report with other networks, and the paired differences of the reported one from each.

    Args:
        report: of `analysis`.
        analysis: of the reported network.
        others: by name, with the same options, of scores of the same frames and labels; in any order.
        progress: called after each row of the report, for each of the others.

    Raises:
        InvalidConfigError: other frames, labels, truths or another level.
    """
    found = [_compared(analysis, name, other, progress) for name, other in others.items()]
    return dataclasses.replace(report, comparisons=(*report.comparisons, *found))


def _compared(
    analysis: Analysis, name: str, other: Analysis, progress: Callable[[], None]
) -> NetworkComparison:
    _require_alike(analysis, name, other)
    aligned = Analysis(
        in_order_of(analysis.scores, other.scores),
        other.options,
        None if other.validation is None else other.validation.with_label_order(analysis.scores.label_names),
    )
    rows, differences = [], []
    measured = {(row.label, row.against): row for row in aligned.rows(full=False)}
    theirs = {(contrast.label, contrast.against): contrast for contrast in aligned.contrasts}
    for contrast in analysis.contrasts:
        key = (contrast.label, contrast.against)
        if contrast.other is None and key in measured:
            rows.append(measured[key])
            differences.append(_differences(analysis, contrast, aligned, theirs[key]))
            progress()
    return NetworkComparison(
        name=name,
        rows=tuple(rows),
        differences=tuple(differences),
        called=aligned.called_label(),
        accuracy=_accuracy(analysis, aligned),
        weighted_kappa=_weighted_kappa(analysis, aligned),
    )


def _differences(one: Analysis, contrast: Contrast, other: Analysis, theirs: Contrast) -> Differences:
    groups, truth = _groups(one, contrast.places), contrast.truth
    ours, others = one.called(contrast) == truth, other.called(theirs) == truth
    calls_only = one.scores.calls_only or other.scores.calls_only
    if calls_only:
        area = group_difference(influence.UNDEFINED, influence.UNDEFINED, groups, len(truth))
    else:
        area = auroc_difference(contrast.probabilities, theirs.probabilities, truth, groups)
    rates = (share_difference(ours, others, among, groups) for among in (truth, ~truth))
    return Differences(area, *rates)


def _accuracy(one: Analysis, other: Analysis) -> Difference | None:
    """The accuracy of the called label, one's less the other's, over the units that have a single truth."""
    targets = one.units.targets
    kept = (targets >= 0).reshape(len(targets), -1).all(axis=1)
    if not kept.any():
        return None
    right = [(a.calls == targets).reshape(len(targets), -1).all(axis=1)[kept] for a in (one, other)]
    return share_difference(right[0], right[1], np.ones(int(kept.sum()), bool), _groups(one, kept))


def _weighted_kappa(one: Analysis, other: Analysis) -> Difference | None:
    """Quadratic weighted kappa of the called grade, one's less the other's; `None` without grades, or of one alone."""
    targets = one.units.targets
    kept = targets >= 0
    if not one.units.rules.ordered or len(np.unique(targets[kept])) < 2:
        return None
    first, second = (
        influence.quadratic_weighted_kappa(analysis.calls[kept], targets[kept]) for analysis in (one, other)
    )
    return group_difference(first, second, _groups(one, kept), int(kept.sum()), limits=(-1.0, 1.0))


def _groups(analysis: Analysis, places: Any) -> np.ndarray | None:
    return analysis.units.groups[places] if analysis.units.grouped else None


def _require_alike(one: Analysis, name: str, other: Analysis) -> None:
    if set(other.scores.label_names) != set(one.scores.label_names) or other.scores.task != one.scores.task:
        raise InvalidConfigError(
            f"{name} has the labels {_labels(other.scores)}; the reported network {_labels(one.scores)}: only networks "
            "of the same labels can be compared"
        )
    mine, theirs = ((a.units.level, a.units.pooling) for a in (one, other))
    if mine != theirs:
        raise InvalidConfigError(
            f"{name} was measured by {theirs[0]}, pooled by {theirs[1]}; the reported network by {mine[0]}, pooled by "
            f"{mine[1]}: measure both alike"
        )


def _labels(scores: Scores) -> str:
    return f"{', '.join(scores.label_names)} ({scores.task})"


# -- AUROC of scores, repeated or not -------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One label's AUROC of the first network less that of the second, paired.

    Attributes:
        label: against the rest; or at least a grade.
        one: the AUROC of the first network; `other`: of the second.
        difference: with interval and p, by group.
    """

    label: str
    one: float
    other: float
    difference: Difference


def compare(one: Scores, other: Scores) -> list[Comparison]:
    """Compare the AUROC of each label, the first scores' less the second's, on the very same frames.

    Raises:
        InvalidConfigError: other frames, labels or truths.
    """
    found = []
    differences = compare_means([one], [other])
    for (label, number), difference in zip(_claims(one).items(), differences.values(), strict=True):
        first, second = (
            _mean_influence(scores, number)[0].value for scores in ([one], [in_order_of(one, other)])
        )
        found.append(Comparison(label=label, one=first, other=second, difference=difference))
    return found


def mean_auroc(repeats: Sequence[Scores]) -> dict[str, Interval]:
    """Measure the AUROC of each label, the mean over repeats on the same frames, with its interval by group.

    Raises:
        InvalidConfigError: repeats of other frames, labels or truths.
    """
    found = {}
    for label, number in _claims(repeats[0]).items():
        mean, groups = _mean_influence(repeats, number)
        found[label] = group_interval(mean, groups, _count(mean, repeats[0]))
    return found


def compare_means(one: Sequence[Scores], other: Sequence[Scores]) -> dict[str, Difference]:
    """Compare the mean AUROC of each label over one's repeats with that over the other's, on the very same frames.

    Raises:
        InvalidConfigError: other frames, labels or truths.
    """
    others = [in_order_of(one[0], scores) for scores in other]
    found = {}
    for label, number in _claims(one[0]).items():
        (first, groups), (second, _) = _mean_influence(one, number), _mean_influence(others, number)
        found[label] = group_difference(first, second, groups, _count(first, one[0]))
    return found


def _claims(scores: Scores) -> dict[str, int]:
    """The claims that are evaluated, in words, with the numbers of their labels."""
    names, rules = scores.label_names, scores.rules
    return {rules.claim(names[number]): number for number in rules.numbers(len(names))}


def _mean_influence(repeats: Sequence[Scores], number: int) -> tuple[Influence, np.ndarray | None]:
    """The mean AUROC of a label over repeats, and the groups of the frames of which it is known (k,)."""
    first = repeats[0]
    units = first.at("frame")
    known = units.known[:, number]
    areas = [
        influence.auroc(
            in_order_of(first, scores).at("frame").probabilities[known, number], units.truth[known, number]
        )
        for scores in repeats
    ]
    return influence.mean(areas), first.frames.groups[known] if units.grouped else None


def _count(statistic: Influence, scores: Scores) -> int:
    return len(statistic.parts[0].effect) if statistic.parts else len(scores)


def in_order_of(one: Scores, other: Scores) -> Scores:
    """Return the other's scores with frames and labels in the order of the first's.

    Raises:
        InvalidConfigError: other frames, labels or truths.
    """
    if set(one.frames.images) != set(other.frames.images) or set(one.label_names) != set(other.label_names):
        apart = len(set(one.frames.images) ^ set(other.frames.images))
        raise InvalidConfigError(
            f"only scores of the same frames and labels can be compared; {apart} frames are in one of them only"
        )
    place = {image: number for number, image in enumerate(other.frames.images)}
    ordered = other.take(np.array([place[image] for image in one.frames.images], dtype=int))
    ordered = ordered.with_label_order(one.label_names)
    apart = (ordered.frames.targets != one.frames.targets).reshape(len(one), -1).any(axis=1)
    if apart.any():
        first = one.frames.images[int(np.argmax(apart))]
        raise InvalidConfigError(
            f"the two scores do not agree on the truth of {int(apart.sum())} of {len(one)} frames, the first is {first}"
        )
    return ordered
