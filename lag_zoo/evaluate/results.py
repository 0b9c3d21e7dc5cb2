"""What one contrast comes to: a row of a report, each number with its interval."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lag_zoo.brief import brief
from lag_zoo.evaluate.contrasts import Answers, Contrast, EvaluationOptions
from lag_zoo.evaluate.curves import Curves, curves_of
from lag_zoo.metrics import calibration
from lag_zoo.metrics.calibration_line import slopes_and_intercepts
from lag_zoo.metrics.confusion import Confusion, at_prevalence, confusion_at, rates
from lag_zoo.metrics.intervals import INDEPENDENT, Interval, cluster_bootstraps, weighted_bootstraps, wilson
from lag_zoo.metrics.levels import Association
from lag_zoo.metrics.ranking import auprc, auroc, delong_interval

MEASURES = ("accuracy", "sensitivity", "specificity", "ppv", "npv", "f1", "auroc", "auprc")
CALIBRATION = ("brier", "ece", "slope", "intercept")
BINS = 10


class AtPrevalence(NamedTuple):
    """Predictive values where another share has the label."""

    prevalence: float
    ppv: Interval
    npv: Interval


@dataclass(frozen=True, kw_only=True)
class LabelResult:
    """What one contrast came to.

    Attributes:
        label: a label; `against`: `rest`, or another label.
        n: frames (or examinations, patients); `groups`: independent groups among them; `positives`: how many have it.
        groups_with: groups that have it in any of theirs; `groups_without`: groups that lack it in any.
        threshold: probability from which it is called, of several the median; `rule`: how it was chosen, and on what;
            `apparent`: on these very frames, so that what stands on it is too good.
        confusion: tp, fp, tn and fn at the threshold.
        measures: accuracy, sensitivity, specificity, ppv, npv, f1, auroc and auprc, each with its interval.
        at_prevalence: predictive values at a prevalence that was asked for.
        calibration: brier, ece (over ten bins of equally many frames), slope and intercept, each with its interval.
        curves: what the pictures show.
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
    at_prevalence: AtPrevalence | None
    calibration: dict[str, Interval]
    curves: Curves
    frames_and_label: Association | None = None

    __repr__ = brief

    @property
    def prevalence(self) -> float:
        """The share that has the label."""
        return self.positives / self.n


def result_of(
    contrast: Contrast, found: Answers, options: EvaluationOptions, *, grouped: bool
) -> LabelResult:
    """The row of a contrast, from what is counted; `grouped`: intervals by group."""
    probabilities, truth, groups = found.probabilities, found.truth, found.groups
    margins = probabilities - found.thresholds
    measures = _measures(probabilities, margins, truth, groups, options, grouped=grouped)
    at_prevalence = None
    if options.prevalence is not None:
        at_prevalence = AtPrevalence(
            options.prevalence, measures.pop("at_prevalence ppv"), measures.pop("at_prevalence npv")
        )
    low, threshold, high = np.quantile(found.thresholds, [0, 0.5, 1]).tolist()
    return LabelResult(
        label=contrast.label,
        against=contrast.against,
        n=len(truth),
        groups=_count(groups) if grouped else None,
        positives=int(truth.sum()),
        groups_with=_count(groups[truth]) if grouped else None,
        groups_without=_count(groups[~truth]) if grouped else None,
        threshold=threshold,
        rule=found.rule if f"{low:.3f}" == f"{high:.3f}" else f"{found.rule}: {low:.3f} to {high:.3f}",
        apparent=found.apparent,
        confusion=confusion_at(margins, truth, 0.0),
        measures=measures,
        at_prevalence=at_prevalence,
        calibration=_calibration(probabilities, truth, groups, options, grouped=grouped),
        curves=curves_of(probabilities, margins, truth, bins=BINS),
        frames_and_label=found.association,
    )


def _count(groups: np.ndarray) -> int:
    return len(np.unique(groups))


def _measures(
    probabilities: np.ndarray,
    margins: np.ndarray,
    truth: np.ndarray,
    groups: np.ndarray,
    options: EvaluationOptions,
    *,
    grouped: bool,
) -> dict[str, Interval]:
    """Each measure with its interval; `margins`: how far each probability lies above its threshold."""

    def all_of_them(p: np.ndarray, m: np.ndarray, t: np.ndarray) -> np.ndarray:
        at = rates(confusion_at(m, t, 0.0))
        elsewhere = (
            ()
            if options.prevalence is None
            else at_prevalence(at.sensitivity, at.specificity, options.prevalence)
        )
        return np.array([*at, auroc(p, t), auprc(p, t), *elsewhere])

    names = MEASURES if options.prevalence is None else (*MEASURES, "at_prevalence ppv", "at_prevalence npv")
    units, how = _units(groups, options, grouped=grouped)
    drawn = cluster_bootstraps(all_of_them, units, probabilities, margins, truth, **how)
    found = dict(zip(names, _told(drawn, options, grouped=grouped), strict=True))
    called = margins >= 0
    shares = {
        "accuracy": (called == truth, np.ones_like(truth)),
        "sensitivity": (called, truth),
        "specificity": (~called, ~truth),
        "ppv": (truth, called),
        "npv": (~truth, ~called),
    }
    if not grouped:
        found |= {
            name: wilson(int((hit & among).sum()), int(among.sum())) for name, (hit, among) in shares.items()
        }
        low, high = delong_interval(probabilities, truth)
        found["auroc"] = Interval(
            auroc(probabilities, truth), low, high, len(truth), None, f"DeLong, {INDEPENDENT}"
        )
    counts = {name: _count(groups[among]) for name, (_, among) in shares.items()}
    # A rank needs both: there are no more of them than of the rarer.
    fewer = min(_count(groups[truth]), _count(groups[~truth]))
    counts |= dict.fromkeys(("f1", "auroc", "auprc"), fewer)
    return {name: _with_width(interval, counts.get(name, fewer)) for name, interval in found.items()}


def _with_width(interval: Interval, count: int) -> Interval:
    """The interval; where all resamples came to the same, that of as large a share of so many groups."""
    if interval.low != interval.high:
        return interval
    share = round(interval.value * count, 9)
    low, high = wilson(math.floor(share), count).low, wilson(math.ceil(share), count).high
    what = "frames" if interval.groups is None else "groups"
    method = f"Wilson over {what}, where all resamples came to the same"
    return interval._replace(low=low, high=high, method=method)


def _calibration(
    probabilities: np.ndarray,
    truth: np.ndarray,
    groups: np.ndarray,
    options: EvaluationOptions,
    *,
    grouped: bool,
) -> dict[str, Interval]:
    def errors(p: np.ndarray, t: np.ndarray) -> np.ndarray:
        return np.array([calibration.brier(p, t), calibration.ece(p, t, bins=BINS, equal_mass=True)])

    def line(weights: np.ndarray) -> np.ndarray:
        return slopes_and_intercepts(probabilities, truth, weights)

    units, how = _units(groups, options, grouped=grouped)
    drawn = cluster_bootstraps(errors, units, probabilities, truth, **how)
    drawn += weighted_bootstraps(line, units, **how)
    found = dict(zip(CALIBRATION, _told(drawn, options, grouped=grouped), strict=True))
    return {**found, "ece": _reflected(found["ece"])}


def _reflected(interval: Interval) -> Interval:
    """The basic bootstrap interval, cut at 0: resampling adds to an error that cannot be negative, so that percentiles
    lie above it. Source: Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 5.2."""
    low, high = (max(0.0, 2 * interval.value - end) for end in (interval.high, interval.low))
    return interval._replace(low=low, high=high, method=f"{interval.method}, of ECE reflected")


def _units(
    groups: np.ndarray, options: EvaluationOptions, *, grouped: bool
) -> tuple[np.ndarray, dict[str, int]]:
    """Groups to draw, frames where there are none, and the options of the bootstrap."""
    units = groups if grouped else np.arange(len(groups))
    return units, {"n_resamples": options.n_resamples, "seed": options.seed}


def _told(drawn: list[Interval], options: EvaluationOptions, *, grouped: bool) -> list[Interval]:
    """The intervals; of single frames they say so."""
    if grouped:
        return drawn
    method = f"bootstrap, {options.n_resamples} resamples, {INDEPENDENT}"
    return [interval._replace(groups=None, method=method) for interval in drawn]
