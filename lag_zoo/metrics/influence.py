"""Influence: how far each frame moves a statistic. Summed by group it gives a variance without resampling.

Each statistic is a value and one or more parts. A part has the effect of each frame (n,), the first derivative of the
statistic by the weight of that frame, and the weight with which the frame counts (n,): the groups with a weight are
those that carry the information. The sensitivity has one part (frames with the label), the AUROC two.

Source: Hampel, The influence curve and its role in robust estimation, JASA 1974; for totals of clusters: Binder, On the
variances of asymptotically normal estimators from complex surveys, International Statistical Review 1983.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lag_zoo.errors import InvalidConfigError
from lag_zoo.metrics import ranking
from lag_zoo.metrics.checks import scores_and_truth


class Part(NamedTuple):
    """Effects (n,) and weights (n,) of the frames."""

    effect: np.ndarray
    weight: np.ndarray


class Influence(NamedTuple):
    """A value and its parts; NaN without parts where the statistic does not exist.

    `alike`: frames of a group err alike or independently, never in opposite ways, so that groups can only add to the
    variance of independent frames. `ranks`: near 1 the standard deviation falls as the distance from 1, as that of an
    AUROC does; that of a share falls as its root.
    """

    value: float
    parts: tuple[Part, ...] = ()
    alike: bool = False
    ranks: bool = False

    @property
    def effect(self) -> np.ndarray:
        """The effect of each frame (n,), all parts together."""
        total: np.ndarray = np.sum([part.effect for part in self.parts], axis=0)
        return total


UNDEFINED = Influence(float("nan"))


def ratio(numerators: np.ndarray, denominators: np.ndarray) -> Influence:
    """Return the ratio of two totals: `numerators` (n,) summed, over `denominators` (n,) summed.

    >>> ratio(np.array([1.0, 0.0, 1.0]), np.ones(3)).value.__round__(4)
    0.6667
    """
    numerators, denominators = np.asarray(numerators, np.float64), np.asarray(denominators, np.float64)
    if numerators.shape != denominators.shape or numerators.ndim != 1:
        raise InvalidConfigError(
            "a ratio takes two numbers a frame; got arrays of the shapes "
            f"{numerators.shape} and {denominators.shape}"
        )
    total = denominators.sum()
    if not total:
        return UNDEFINED
    value = numerators.sum() / total
    return Influence(float(value), (Part((numerators - value * denominators) / total, denominators),))


def share(hit: np.ndarray, among: np.ndarray) -> Influence:
    """Return the share of frames in `among` (n,) that are in `hit` (n,), both bool: a sensitivity, an accuracy, a PPV.

    >>> share(np.array([True, False, True]), np.array([True, True, False])).value
    0.5
    """
    hit, among = np.asarray(hit, bool), np.asarray(among, bool)
    return ratio(hit & among, among)._replace(alike=True)


def f1(called: np.ndarray, truth: np.ndarray) -> Influence:
    """Return F1, twice the true positives over the sum of called and true, both (n,) bool.

    >>> f1(np.array([1, 1, 0, 0]), np.array([1, 0, 1, 0])).value
    0.5
    """
    called, truth = np.asarray(called, bool), np.asarray(truth, bool)
    return ratio(2.0 * (called & truth), called.astype(float) + truth)


def auroc(scores: np.ndarray, truth: np.ndarray) -> Influence:
    """Return the area under the ROC curve; NaN without both labels.

    The effects are the placements of DeLong, DeLong and Clarke-Pearson, Biometrics 1988.

    >>> auroc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])).value
    0.75
    """
    scores, truth = scores_and_truth(scores, truth)
    value = ranking.auroc(scores, truth)
    if np.isnan(value):
        return UNDEFINED
    positive, negative = scores[truth], scores[~truth]
    above, below = _share_outranked(positive, negative), 1 - _share_outranked(negative, positive)
    effects = np.zeros((2, len(truth)))
    effects[0, truth], effects[1, ~truth] = (above - value) / len(positive), (below - value) / len(negative)
    return Influence(value, (Part(effects[0], truth), Part(effects[1], ~truth)), ranks=True)


def auprc(scores: np.ndarray, truth: np.ndarray) -> Influence:
    """Return the area under the precision-recall curve, as average precision; NaN without both labels.

    >>> auprc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])).value.__round__(4)
    0.8333
    """
    scores, truth = scores_and_truth(scores, truth)
    if truth.all() or not truth.any():
        return UNDEFINED
    order = np.argsort(-scores, kind="stable")
    hits = truth[order].astype(float)
    # Frames of one score are called together: each takes the counts at the last of its run.
    last = np.flatnonzero(np.diff(scores[order], append=-np.inf))
    run = np.searchsorted(last, np.arange(len(hits)))
    first = np.append(0, last[:-1] + 1)[run]
    called = last[run] + 1.0
    precision = np.cumsum(hits)[last[run]] / called
    positives = hits.sum()
    value = float((precision * hits).sum() / positives)
    # A frame changes the precision at each true frame of its own score or a lower one.
    up = _from_here_on(hits / called)[first]
    down = _from_here_on(hits * precision / called)[first]
    effect = np.empty(len(hits))
    effect[order] = (hits * (precision - value + up) - down) / positives
    return Influence(value, (Part(effect * truth, truth), Part(effect * ~truth, ~truth)), ranks=True)


def kappa(called: np.ndarray, targets: np.ndarray) -> Influence:
    """Return Cohen's kappa of called labels (n,) with true ones (n,), both of any number of labels.

    Source: Cohen, Educational and Psychological Measurement 1960. NaN where all frames are, and are called, one label.

    >>> kappa(np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2])).value.__round__(4)
    0.6364
    """
    called, targets = np.asarray(called), np.asarray(targets)
    labels = np.union1d(called, targets)
    ours, theirs = (labels == called[:, None]).astype(float), (labels == targets[:, None]).astype(float)
    agreed = share(called == targets, np.ones(len(targets), bool))
    by_chance = float(ours.mean(axis=0) @ theirs.mean(axis=0))
    if not len(targets) or by_chance == 1:
        return UNDEFINED
    chance = (ours @ theirs.mean(axis=0) + theirs @ ours.mean(axis=0) - 2 * by_chance) / len(targets)
    value = (agreed.value - by_chance) / (1 - by_chance)
    effect = agreed.effect / (1 - by_chance) - (1 - agreed.value) * chance / (1 - by_chance) ** 2
    return Influence(float(value), (Part(effect, np.ones(len(targets))),))


def quadratic_weighted_kappa(called: np.ndarray, targets: np.ndarray) -> Influence:
    """Return Cohen's kappa of called grades (n,) with true ones (n,), numbers, weighted by their squared distance.

    It is 1 less the mean squared distance over that of calls and truths of different frames. Source: Cohen,
    Psychological Bulletin 1968. NaN where all frames are, and are called, one grade.

    >>> quadratic_weighted_kappa(np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2])).value.__round__(4)
    0.8
    """
    called, targets = np.asarray(called, np.float64), np.asarray(targets, np.float64)
    if len(np.union1d(called, targets)) < 2:
        return UNDEFINED
    every = np.ones(len(targets))
    observed = ratio((called - targets) ** 2, every)
    # Of each call the mean over all truths, and of each truth that over all calls: either's mean is that of all pairs.
    by_call = (called - targets.mean()) ** 2 + targets.var()
    by_truth = (targets - called.mean()) ** 2 + called.var()
    by_chance = float(by_call.mean())
    chance = (by_call + by_truth - 2 * by_chance) / len(targets)
    value = 1 - observed.value / by_chance
    effect = -observed.effect / by_chance + observed.value * chance / by_chance**2
    return Influence(float(value), (Part(effect, every),))


def fleiss_kappa(ratings: np.ndarray, *, labels: int) -> Influence:
    """Return Fleiss' kappa of ratings (n, raters), numbers of labels, -1 where a rater gave none.

    It is `lag_zoo.metrics.agreement.fleiss_kappa`: NaN where no frame has two ratings, or all are of one label.

    Source: Fleiss, Psychological Bulletin 1971.

    >>> fleiss_kappa(np.array([[0, 0, 0], [1, 1, 0], [1, 1, 1], [0, 0, -1]]), labels=2).value.__round__(3)
    0.657
    """
    ratings = np.asarray(ratings)
    counts = np.stack([(ratings == label).sum(axis=1) for label in range(labels)], axis=1)
    given = counts.sum(axis=1)
    paired, rated = given > 1, given > 0
    agreed = (counts * (counts - 1)).sum(axis=1) / np.where(paired, given * (given - 1), 1)
    used = [ratio(counts[:, label] / given.clip(1), rated) for label in range(labels)]
    observed = ratio(agreed, paired)
    if not paired.any() or any(one.value == 1 for one in used):
        return UNDEFINED
    by_chance = sum(one.value**2 for one in used)
    chance = np.sum([2 * one.value * one.effect for one in used], axis=0)
    value = (observed.value - by_chance) / (1 - by_chance)
    effect = observed.effect / (1 - by_chance) - (1 - observed.value) * chance / (1 - by_chance) ** 2
    return Influence(float(value), (Part(effect, paired),))


def balanced_accuracy(called: np.ndarray, targets: np.ndarray) -> Influence:
    """Return the mean over the true labels of the share that is called right, labels (n,) of any number.

    >>> balanced_accuracy(np.array([0, 1, 1, 1]), np.array([0, 1, 0, 1])).value
    0.75
    """
    called, targets = np.asarray(called), np.asarray(targets)
    return mean([share(called == label, targets == label) for label in np.unique(targets)])


def macro_f1(called: np.ndarray, targets: np.ndarray) -> Influence:
    """Return the mean of F1 over the labels that are true or called of any frame, labels (n,) of any number.

    >>> macro_f1(np.array([0, 1, 1, 1]), np.array([0, 1, 0, 1])).value.__round__(4)
    0.7333
    """
    called, targets = np.asarray(called), np.asarray(targets)
    return mean([f1(called == label, targets == label) for label in np.union1d(called, targets)])


def mean(several: Sequence[Influence]) -> Influence:
    """Return the mean of statistics on the same frames, as over labels or repeats."""
    if not several:
        return UNDEFINED
    value = float(np.mean([one.value for one in several]))
    found = chained(value, [1 / len(several)] * len(several), several)
    return found._replace(ranks=all(one.ranks for one in several))


def chained(value: float, slopes: Sequence[float], of: Sequence[Influence]) -> Influence:
    """Return a function of statistics on the same frames, from its value and its derivative by each of them.

    >>> one, other = share(np.array([1, 1]), np.array([1, 1])), share(np.array([1, 0]), np.array([1, 1]))
    >>> chained(one.value - other.value, (1, -1), (one, other)).effect
    array([-0.25,  0.25])
    """
    if not np.isfinite(value) or not all(one.parts for one in of):
        return UNDEFINED
    parts = (
        Part(slope * part.effect, part.weight)
        for slope, one in zip(slopes, of, strict=True)
        for part in one.parts
    )
    return Influence(float(value), tuple(parts))


def _share_outranked(scores: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Share of the others (m,) that each score (n,) lies above, ties counting half."""
    others = np.sort(others)
    below, not_above = (np.searchsorted(others, scores, side) for side in ("left", "right"))
    return np.asarray((below + not_above) / (2 * len(others)))


def _from_here_on(values: np.ndarray) -> np.ndarray:
    return np.cumsum(values[::-1])[::-1]
