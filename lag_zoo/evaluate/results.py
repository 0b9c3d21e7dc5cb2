"""Results: the numbers of one contrast, each with its interval."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lag_zoo.brief import brief
from lag_zoo.evaluate.contrasts import Contrast
from lag_zoo.evaluate.curves import BINS, Curves, curves_of
from lag_zoo.evaluate.operating_points import OperatingPoint
from lag_zoo.evaluate.options import EvaluationOptions
from lag_zoo.evaluate.units import Units
from lag_zoo.metrics import calibration, influence
from lag_zoo.metrics.calibration_curve import INTEGRATED, integrated_errors
from lag_zoo.metrics.clustered import fewer_groups, group_interval, reliance
from lag_zoo.metrics.influence import Influence
from lag_zoo.metrics.intervals import INDEPENDENT, Interval, weighted_bootstraps
from lag_zoo.metrics.levels import Association, Pooled, frames_and_label


class Confusion(NamedTuple):
    """Frames called rightly and wrongly."""

    tp: int
    fp: int
    tn: int
    fn: int


class Sample(NamedTuple):
    """The units of a contrast: probability, call, truth (bool) and group of each (n,), and the options.

    `failed`: (n,) bool, units that nothing was said of and that count as called wrongly; their probability is NaN.
    """

    probabilities: np.ndarray
    called: np.ndarray
    truth: np.ndarray
    failed: np.ndarray
    groups: np.ndarray | None

    @property
    def right(self) -> np.ndarray:
        """Units that were called as they are (n,) bool."""
        return np.asarray((self.called == self.truth) & ~self.failed)

    @property
    def calls(self) -> np.ndarray:
        """Units that were called one way or the other (n,) bool: all but the failed."""
        return ~self.failed

    def answered(self) -> "Sample":
        """Return the units that have a probability."""
        kept = ~self.failed
        groups = None if self.groups is None else self.groups[kept]
        return Sample(
            self.probabilities[kept], self.called[kept], self.truth[kept], self.failed[kept], groups
        )


class Metric(NamedTuple):
    """A number of a contrast: its key in reports, its titles, and its influence on a sample.

    `needs_probabilities`: calls alone do not give it, and units without a probability are not in its sample.
    """

    key: str
    title: str
    name: str
    influence: Callable[[Sample], Influence]
    needs_probabilities: bool = False


def _f1(sample: Sample) -> Influence:
    # A failed unit that has the label is missed; one that lacks it is called.
    return influence.f1(np.where(sample.failed, ~sample.truth, sample.called), sample.truth)


def _ranked(statistic: Callable[[np.ndarray, np.ndarray], Influence]) -> Callable[[Sample], Influence]:
    def of(sample: Sample) -> Influence:
        if not len(sample.truth):
            return influence.UNDEFINED
        return statistic(sample.probabilities, sample.truth)

    return of


METRICS: tuple[Metric, ...] = (
    Metric("accuracy", "Acc", "accuracy", lambda s: influence.share(s.right, np.ones(len(s.truth), bool))),
    Metric("sensitivity", "Sen", "sensitivity", lambda s: influence.share(s.right, s.truth)),
    Metric("specificity", "Spe", "specificity", lambda s: influence.share(s.right, ~s.truth)),
    Metric("ppv", "PPV", "positive predictive value", lambda s: influence.share(s.truth, s.called & s.calls)),
    Metric(
        "npv", "NPV", "negative predictive value", lambda s: influence.share(~s.truth, ~s.called & s.calls)
    ),
    Metric("f1", "F1", "F1", _f1),
    Metric("auroc", "AUROC", "area under the ROC curve", _ranked(influence.auroc), True),
    Metric("auprc", "AUPRC", "average precision", _ranked(influence.auprc), True),
)
"""The measures of every contrast, in the order of the tables; the first five in the paper's order. To add one: an
entry here, and its influence in `lag_zoo.metrics.influence`."""

ONE_CLASS = ("accuracy", "sensitivity", "specificity")
"""Measures that exist where all units have a label, or all lack it; predictive values and F1 would follow from that
alone."""

CALIBRATION_TITLES = {
    "brier": "Brier",
    "ece": "ECE",
    "ici": "ICI",
    "e50": "E50",
    "e90": "E90",
    "observed_over_expected": "O:E",
    "offset_intercept": "offset intercept",
    "slope": "slope",
    "intercept": "intercept",
}


class AtPrevalence(NamedTuple):
    """Predictive values where another part of the patients has the label."""

    prevalence: float
    ppv: Interval
    npv: Interval


@dataclass(frozen=True, kw_only=True)
class LabelResult:
    """The numbers of one contrast.

    Attributes:
        label: a label, or `at least` a grade; `against`: `rest`, another label, or `below`.
        n: frames, examinations or patients; `groups`: independent groups among them, `None` where not known;
            `positives`: how many have the label.
        groups_with: groups that have it in any of theirs; `groups_without`: groups that lack it in any.
        threshold: probability from which it is called, of several the median; `rule`: how it was chosen, and on what;
            `apparent`: on these very frames, so that what stands on it is too good.
        confusion: tp, fp, tn and fn at the threshold.
        measures: the numbers of `METRICS`, each with its interval; NaN where one does not exist.
        unreliable: why the intervals are not to be relied on, with the simulated coverage; empty: no reason.
        at_prevalence: predictive values at a prevalence that was asked for.
        calibration: the measures of `lag_zoo.metrics.calibration` and `calibration_curve`, each with its interval;
            empty without both classes or without probabilities.
        curves: the points of the pictures; `None` without both classes or without probabilities.
        frames_and_label: of examinations and patients: whether those with the label have more frames.
    """

    label: str
    against: str
    n: int
    groups: int | None
    positives: int
    groups_with: int | None
    groups_without: int | None
    threshold: float
    rule: str
    apparent: bool
    confusion: Confusion
    measures: dict[str, Interval]
    unreliable: str
    at_prevalence: AtPrevalence | None
    calibration: dict[str, Interval]
    curves: Curves | None
    frames_and_label: Association | None = None

    __repr__ = brief

    @property
    def prevalence(self) -> float:
        """The part of the units that has the label."""
        return self.positives / self.n

    @property
    def has_both_classes(self) -> bool:
        """True where some units have the label and some lack it."""
        return 0 < self.positives < self.n


def result_of(
    contrast: Contrast,
    units: Units,
    point: OperatingPoint,
    called: np.ndarray,
    options: EvaluationOptions,
    *,
    with_probabilities: bool = True,
    full: bool = True,
) -> LabelResult:
    """Measure a contrast.

    Args:
        contrast: of `units`.
        point: its operating point.
        called: (k,) bool, which units of the contrast are called.
        options: of the evaluation.
        with_probabilities: measure ranks and calibration; calls alone have none.
        full: with calibration and the points of the pictures, which take the longest.
    """
    sample = _sample(contrast, units, called, options)
    answered = sample.answered()
    groups, n = sample.groups, len(sample.truth)
    measured = {}
    for metric in METRICS:
        own = answered if metric.needs_probabilities else sample
        known = with_probabilities or not metric.needs_probabilities
        known &= metric.key in ONE_CLASS or bool(own.truth.any() and not own.truth.all())
        found = metric.influence(own) if known else influence.UNDEFINED
        measured[metric.key] = group_interval(found, own.groups, len(own.truth))
    both = bool(answered.truth.any() and not answered.truth.all()) and with_probabilities
    margins = contrast.probabilities - point.each
    return LabelResult(
        label=contrast.label,
        against=contrast.against,
        n=n,
        groups=_count(groups),
        positives=int(sample.truth.sum()),
        groups_with=None if groups is None else _count(groups[sample.truth]),
        groups_without=None if groups is None else _count(groups[~sample.truth]),
        threshold=point.threshold,
        rule=point.rule,
        apparent=point.apparent,
        confusion=_confusion(sample),
        measures=measured,
        unreliable=_unreliable(sample, units),
        at_prevalence=_at_prevalence(measured, options),
        calibration=_calibration(answered, options) if both and full else {},
        curves=curves_of(contrast.probabilities, margins, contrast.truth, answered.groups, options)
        if both and full
        else None,
        frames_and_label=_association(contrast, units),
    )


def _sample(contrast: Contrast, units: Units, called: np.ndarray, options: EvaluationOptions) -> Sample:
    groups = units.groups[contrast.places]
    probabilities, truth = contrast.probabilities, contrast.truth
    failed = np.zeros(len(truth), bool)
    if options.unreadable_as_failures and units.failed is not None and contrast.other is None:
        known = units.failed.known[:, contrast.number]
        count = int(known.sum())
        probabilities = np.concatenate([probabilities, np.full(count, np.nan)])
        truth = np.concatenate([truth, units.failed.truth[known, contrast.number]])
        groups = np.concatenate([groups, units.failed.groups[known]])
        called = np.concatenate([called, np.zeros(count, bool)])
        failed = np.concatenate([failed, np.ones(count, bool)])
    return Sample(probabilities, called.astype(bool), truth, failed, groups if units.grouped else None)


def _count(groups: np.ndarray | None) -> int | None:
    return None if groups is None else len(np.unique(groups))


def _confusion(sample: Sample) -> Confusion:
    right, truth = sample.right, sample.truth
    return Confusion(
        tp=int((right & truth).sum()),
        fp=int((~right & ~truth).sum()),
        tn=int((right & ~truth).sum()),
        fn=int((~right & truth).sum()),
    )


def _unreliable(sample: Sample, units: Units) -> str:
    """Say that few groups with or without the label make the intervals doubtful, with their simulated coverage."""
    names = np.arange(len(sample.truth)) if sample.groups is None else sample.groups
    word, fewest = min(
        (
            (word, len(np.unique(names[part])))
            for word, part in (("with", sample.truth), ("without", ~sample.truth))
        ),
        key=lambda found: found[1],
    )
    coverage = reliance(fewest)
    if coverage is None:
        return ""
    return (
        f"only {fewest} {unit_word(units, fewest)} {word} it: intervals not to be relied on (wide; in simulations they "
        f"held the truth {coverage[0]:.0%} to {coverage[1]:.0%} of the time)"
    )


def unit_word(units: Units, count: int) -> str:
    """Return the word for independent groups: patients or examinations, or the units where the data name no groups."""
    word = {"frame": "frame", "exam": "examination", "patient": "patient"}[units.grouping or units.level]
    return word if count == 1 else f"{word}s"


def _at_prevalence(measured: Mapping[str, Interval], options: EvaluationOptions) -> AtPrevalence | None:
    """Predictive values by Bayes's rule; their limits square and add those of sensitivity and specificity.

    Source: Zou and Donner, Construction of confidence limits about effect measures, Statistics in Medicine 2008.
    """
    if options.prevalence is None:
        return None
    sensitivity, specificity = measured["sensitivity"], measured["specificity"]
    ppv = _of_bayes(sensitivity, specificity, options.prevalence)
    return AtPrevalence(options.prevalence, ppv, _of_bayes(specificity, sensitivity, 1 - options.prevalence))


def _of_bayes(right: Interval, other: Interval, common: float) -> Interval:
    def at(rate: float, of_other: float) -> float:
        true, false = rate * common, (1 - of_other) * (1 - common)
        return true / (true + false) if true + false > 0 else float("nan")

    value = at(right.value, other.value)
    low, high = (
        np.hypot(value - at(getattr(right, end), other.value), value - at(right.value, getattr(other, end)))
        for end in ("low", "high")
    )
    method = "Bayes's rule, limits of sensitivity and specificity squared and added"
    low, high = np.clip([value - low, value + high], 0, 1).tolist()
    return Interval(value, low, high, right.n, right.groups, method, carriers=right.carriers)


def _calibration(sample: Sample, options: EvaluationOptions) -> dict[str, Interval]:
    probabilities, truth = sample.probabilities, sample.truth
    groups = np.arange(len(truth)) if sample.groups is None else sample.groups

    def measured(weights: np.ndarray, *, firth: bool = True) -> np.ndarray:
        # Firth's penalty gives a resample a line even where a threshold parts its labels: none is lost.
        return np.hstack([
            calibration.calibration_measures(probabilities, truth, weights, bins=BINS, firth=firth),
            integrated_errors(probabilities, truth, weights, groups=groups),
        ])  # fmt: skip

    drawn = weighted_bootstraps(
        measured,
        groups,
        n_resamples=options.n_resamples,
        seed=options.seed,
        carriers=fewer_groups(truth, groups),
    )
    likeliest = measured(np.ones((1, len(truth))), firth=False)[0]
    # Where a threshold parts all labels no finite line is the likeliest, and Firth's stays.
    drawn = [
        one if np.isinf(value) else one._replace(value=float(value))
        for one, value in zip(drawn, likeliest, strict=True)
    ]
    if sample.groups is None:
        drawn = [
            one._replace(groups=None, method=f"bootstrap, {options.n_resamples} resamples, {INDEPENDENT}")
            for one in drawn
        ]
    found = dict(zip((*calibration.MEASURES, *INTEGRATED), drawn, strict=True))
    return {key: _reflected(one) if key in _ERRORS else one for key, one in found.items()}


_ERRORS = ("ece", *INTEGRATED)


def _reflected(interval: Interval) -> Interval:
    """The basic bootstrap interval, cut at 0: resampling adds to an error that cannot be negative, so that percentiles
    lie above it. Source: Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 5.2."""
    # numpy's maximum leaves a limit that does not exist NaN.
    low, high = (float(np.maximum(0, 2 * interval.value - end)) for end in (interval.high, interval.low))
    high = float(np.maximum(high, interval.value))  # few resamples may all lie above the value
    return interval._replace(low=low, high=high, method=f"{interval.method}, reflected")


def _association(contrast: Contrast, units: Units) -> Association | None:
    if units.level == "frame":
        return None
    frames = units.frames[contrast.places]
    return frames_and_label(Pooled(np.arange(len(frames)), contrast.probabilities, contrast.truth, frames))
