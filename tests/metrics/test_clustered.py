"""Intervals by group without resampling: against direct formulas, outside references, and simulated truth."""

import itertools
import time

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.coverage import MEASURES, Design, carrier_designs, coverage_here, drawn, truths, weighted
from lag_zoo.errors import InvalidConfigError
from lag_zoo.metrics import influence
from lag_zoo.metrics.clustered import (
    auroc_difference,
    auroc_interval,
    group_difference,
    group_interval,
    reliance,
    share_difference,
    share_interval,
)
from lag_zoo.metrics.intervals import INDEPENDENT
from tests.metrics.references import delong_interval, delong_test


def frames(seed: int, *, patients: int = 12, labels: str = "mixed") -> tuple[np.ndarray, ...]:
    """Scores of two networks, truth and groups; frames of a patient are alike."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(patients), rng.integers(1, 9, patients))
    truth = rng.random(len(groups)) < 0.4 if labels == "mixed" else groups % 3 == 0
    truth[:2], truth[-2:] = True, False
    scores = truth + rng.normal(size=patients)[groups] + rng.normal(size=len(groups))
    return np.round(scores, 1), np.round(scores + rng.normal(size=len(groups)), 1), truth, groups


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["auroc", "auprc", "f1", "share", "kappa", "balanced_accuracy", "macro_f1"])
def test_influence_is_the_derivative_by_the_weight_of_a_frame(name: str, seed: int) -> None:
    scores, _, truth, _ = frames(seed)
    called = scores > 0.5
    reference = {
        "auroc": lambda w: sklearn.metrics.roc_auc_score(truth, scores, sample_weight=w),
        "auprc": lambda w: sklearn.metrics.average_precision_score(truth, scores, sample_weight=w),
        "f1": lambda w: sklearn.metrics.f1_score(truth, called, sample_weight=w),
        "share": lambda w: sklearn.metrics.recall_score(truth, called, sample_weight=w),
        "kappa": lambda w: sklearn.metrics.cohen_kappa_score(truth, called, sample_weight=w),
        "balanced_accuracy": lambda w: sklearn.metrics.balanced_accuracy_score(
            truth, called, sample_weight=w
        ),
        "macro_f1": lambda w: sklearn.metrics.f1_score(truth, called, sample_weight=w, average="macro"),
    }[name]
    first = scores if name.startswith("au") else called
    found = getattr(influence, name)(first, truth)
    even = np.ones(len(truth))
    assert found.value == pytest.approx(reference(even))
    step = 1e-4
    for frame in range(0, len(truth), 7):
        aside = step * (np.arange(len(truth)) == frame)
        slope = (reference(even + aside) - reference(even - aside)) / (2 * step)
        assert found.effect[frame] == pytest.approx(slope, abs=1e-6)


def test_predictive_values_at_a_prevalence_move_as_bayes_says() -> None:
    scores, _, truth, _ = frames(0)
    called = scores > 0.5

    def reference(w: np.ndarray) -> np.ndarray:
        sensitivity, specificity = (w * called)[truth].sum() / w[truth].sum(), (w * ~called)[~truth].sum()
        specificity /= w[~truth].sum()
        positive = sensitivity * 0.2 / (sensitivity * 0.2 + (1 - specificity) * 0.8)
        return np.array([positive, specificity * 0.8 / (specificity * 0.8 + (1 - sensitivity) * 0.2)])

    found = influence.predictive_values(called, truth, 0.2)
    even, aside = np.ones(len(truth)), 1e-5 * (np.arange(len(truth)) == 3)
    assert [one.value for one in found] == pytest.approx(reference(even))
    slopes = (reference(even + aside) - reference(even - aside)) / 2e-5
    assert [one.effect[3] for one in found] == pytest.approx(slopes, abs=1e-6)


def obuchowski(scores: np.ndarray, truth: np.ndarray, groups: np.ndarray) -> float:
    """Obuchowski's variance of an AUROC by loops over pairs of frames, without the corrections for few groups."""
    positive, negative = np.flatnonzero(truth), np.flatnonzero(~truth)
    above = np.zeros((len(positive), len(negative)))
    for (i, one), (j, other) in itertools.product(enumerate(positive), enumerate(negative)):
        above[i, j] = (scores[one] > scores[other]) + 0.5 * (scores[one] == scores[other])
    area, total = above.mean(), 0.0
    for group in np.unique(groups):
        with_label, without = groups[positive] == group, groups[negative] == group
        mine = (above.mean(axis=1)[with_label] - area).sum() / len(positive)
        theirs = (above.mean(axis=0)[without] - area).sum() / len(negative)
        total += (mine + theirs) ** 2
    return float(total)


@pytest.mark.parametrize("seed", range(4))
def test_the_variance_of_an_auroc_is_obuchowskis(seed: int) -> None:
    scores, _, truth, groups = frames(seed)
    found = influence.auroc(scores, truth)
    sums = np.bincount(groups, found.effect)
    assert sums @ sums == pytest.approx(obuchowski(scores, truth, groups))


def test_of_single_frames_it_is_delongs() -> None:
    scores, other, truth, _ = frames(0, patients=200)
    found = influence.auroc(scores, truth)
    low, high = delong_interval(scores, truth)
    spread = (high - low) / 2 / scipy.stats.norm.isf(0.025)
    assert np.sqrt(found.effect @ found.effect) == pytest.approx(spread, rel=0.01)
    interval = auroc_interval(scores, truth, None)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.01)
    difference, test = auroc_difference(scores, other, truth, None), delong_test(scores, other, truth)
    assert (difference.value, difference.low, difference.high) == pytest.approx(test[:3], abs=0.003)
    assert difference.p == pytest.approx(test[3], rel=0.1)


@given(st.integers(0, 40), st.integers(1, 40))
def test_a_share_of_single_frames_is_wilsons(hits: int, more: int) -> None:
    n = hits + more
    expected = scipy.stats.binomtest(hits, n).proportion_ci(method="wilson")
    found = share_interval(np.arange(n) < hits, np.ones(n, bool), None)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert found.groups is None
    assert found.carriers == n


@given(st.integers(2, 12), st.integers(1, 6), st.data())
def test_copies_of_a_frame_are_one_frame(groups: int, copies: int, data: st.DataObject) -> None:
    """Where the frames of each group are copies, the interval is Wilson's of the groups."""
    right = np.array(data.draw(st.lists(st.booleans(), min_size=groups, max_size=groups)))
    expected = scipy.stats.binomtest(int(right.sum()), groups).proportion_ci(method="wilson")
    found = share_interval(
        right.repeat(copies), np.ones(groups * copies, bool), np.arange(groups).repeat(copies)
    )
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert found.carriers == groups


@pytest.mark.parametrize("frames_each", [1, 5])
def test_a_mean_without_limits_is_students_of_the_means_of_the_groups(frames_each: int) -> None:
    values = np.random.default_rng(0).gamma(2.0, size=(12, frames_each))
    expected = scipy.stats.ttest_1samp(values.mean(axis=1), 0).confidence_interval()
    mean = influence.ratio(values.ravel(), np.ones(values.size))
    found = group_interval(mean, np.arange(12).repeat(frames_each), values.size, limits=None)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


@given(st.integers(0, 10_000))
def test_the_interval_lies_within_the_limits_and_holds_the_value(seed: int) -> None:
    scores, _, truth, groups = frames(
        seed, patients=4 + seed % 7, labels="by patient" if seed % 2 else "mixed"
    )
    called = scores > np.random.default_rng(seed).normal()
    everyone = np.ones(len(truth), bool)
    kappa = group_interval(influence.kappa(called, truth), groups, len(truth), limits=(-1, 1))
    if np.isfinite(kappa.value):
        assert -1 <= kappa.low <= kappa.value <= kappa.high <= 1
    for found in (
        share_interval(called, truth, groups),
        share_interval(called == truth, everyone, groups),
        auroc_interval(scores, truth, groups),
        group_interval(influence.f1(called, truth), groups, len(truth)),
        group_interval(influence.auprc(scores, truth), groups, len(truth)),
        group_interval(influence.balanced_accuracy(called, truth), groups, len(truth)),
    ):
        assert 0 <= found.low <= found.value <= found.high <= 1
        assert found.high - found.low > 0


@given(st.integers(0, 10_000))
def test_p_says_what_the_interval_says(seed: int) -> None:
    scores, other, truth, groups = frames(seed, patients=5 + seed % 20)
    level = 0.8  # often near the limit
    for found in (
        auroc_difference(scores, other, truth, groups, level=level),
        share_difference(scores > 0.5, other > 1, truth, groups, level=level),
        share_difference(scores > 0.5, other > 1, ~truth, groups, level=level),
    ):
        assert -1 <= found.low <= found.value <= found.high <= 1
        if abs(found.p - (1 - level)) > 1e-9:
            assert (found.p < 1 - level) == (not found.low <= 0 <= found.high)


@given(st.integers(0, 10_000))
def test_order_names_and_direction_do_not_matter(seed: int) -> None:
    scores, other, truth, groups = frames(seed)
    order = np.random.default_rng(seed).permutation(len(truth))
    named = np.array([f"patient {number}" for number in groups])
    for function in (influence.auroc, influence.auprc):
        there = group_interval(function(scores, truth), groups, len(truth))
        back = group_interval(function(scores[order], truth[order]), named[order], len(truth))
        assert there[1:3] == pytest.approx(back[1:3])
    there, back = (auroc_difference(*two, truth, groups) for two in ((scores, other), (other, scores)))
    assert (there.low, there.high, there.p) == pytest.approx((-back.high, -back.low, back.p))
    mirrored = auroc_interval(-scores, truth, groups)
    upright = auroc_interval(scores, truth, groups)
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - upright.high, 1 - upright.low))


def test_repeats_that_agree_are_no_further_evidence() -> None:
    scores, _, truth, groups = frames(1)
    once = auroc_interval(scores, truth, groups)
    thrice = group_interval(influence.mean([influence.auroc(scores, truth)] * 3), groups, len(truth))
    assert thrice[:3] == pytest.approx(once[:3])


def test_the_rarer_class_sets_the_width_however_many_groups_lack_the_label() -> None:
    """A hundred more patients without the label leave the interval of a sensitivity alone, and of an AUROC wide."""
    rng = np.random.default_rng(0)
    few, many = np.arange(12).repeat(4), np.arange(112).repeat(4)
    scores = rng.normal(size=448) + 2 * (many < 3)
    for number, groups in ((48, few), (448, many)):
        found = share_interval(scores[:number] > 1.5, groups < 3, groups)
        assert found.carriers == 3
        area = auroc_interval(scores[:number], groups < 3, groups)
        assert area.carriers == 3
        assert area.high - area.low > 0.1
    alone = share_interval(scores[:12] > 1.5, np.ones(12, bool), few[:12])
    assert found[1:3] == pytest.approx(alone[1:3])


def test_at_the_ends_the_carrying_groups_count() -> None:
    groups = np.arange(10).repeat(5)
    truth = groups < 4
    expected = scipy.stats.binomtest(4, 4).proportion_ci(method="wilson").low
    assert share_interval(truth, truth, groups).low == pytest.approx(expected)
    parted = auroc_interval(np.where(truth, 2.0, 1.0) + groups / 100, truth, groups)
    assert (parted.value, parted.high) == (1, 1)
    assert parted.low == pytest.approx(expected)


def test_networks_that_agree_on_every_frame() -> None:
    scores, _, truth, groups = frames(3)
    same = auroc_difference(scores, scores, truth, groups)
    assert (same.value, same.p) == (0, 1)
    assert -0.6 < same.low < 0 < same.high < 0.6
    carrying = group_difference(*[influence.share(scores > 0, truth)] * 2, groups, len(truth))
    assert carrying.low == pytest.approx(-carrying.high)


def test_gains_and_losses_that_cancel_in_each_group_leave_a_width() -> None:
    groups = np.arange(30).repeat(4)
    one = np.arange(120) % 4 == 0
    other = np.arange(120) % 4 == 1
    found = share_difference(one, other, np.ones(120, bool), groups)
    assert (found.value, found.p) == (0, 1)
    assert found.high == pytest.approx(1.96 * np.sqrt(0.5 / 120), rel=0.02)  # as of independent frames


def test_a_single_carrying_group_still_has_an_interval() -> None:
    groups = np.arange(6).repeat(5)
    truth = groups == 2
    scores = np.random.default_rng(0).normal(size=30) + truth
    for found in (share_interval(scores > 0, truth, groups), auroc_interval(scores, truth, groups)):
        assert found.carriers == 1
        assert found.high - found.low > 0.6
    difference = auroc_difference(scores, -scores, truth, groups)
    assert difference.p > 0.3


@given(st.integers(1, 10**12), st.booleans(), st.booleans())
def test_one_group_that_outweighs_all_others(weight: int, first: bool, last: bool) -> None:
    """Is nearly a group alone: the interval is as wide as that of one, and no number overflows."""
    hit, weights = np.array([first, not first, last]), np.array([weight, 1.0, 1.0])
    statistic = influence.ratio(hit * weights, weights)
    found = group_interval(statistic, np.array([0, 1, 2]), 3)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.high - found.low > (0.75 if weight > 100 else 0.5)


def test_what_does_not_exist_is_nan() -> None:
    nobody, groups = np.zeros(6, bool), np.arange(6)
    for found in (
        share_interval(nobody, nobody, groups),
        group_interval(influence.f1(nobody, nobody), groups, 6),
        auroc_interval(np.arange(6.0), nobody, groups),
        auroc_difference(np.arange(6.0), np.arange(6.0), nobody, groups),
        group_interval(influence.kappa(nobody, nobody), groups, 6),
    ):
        assert np.isnan([found.value, found.low, found.high]).all()
        assert found.carriers == 0


def test_what_is_refused() -> None:
    scores, truth = np.arange(6.0), np.arange(6) % 2 == 0
    with pytest.raises(InvalidConfigError, match="a group for each of 6 frames; got 5"):
        auroc_interval(scores, truth, np.arange(5))
    with pytest.raises(InvalidConfigError, match="between 0 and 1"):
        share_interval(truth, truth, None, level=95)
    with pytest.raises(InvalidConfigError, match="two numbers a frame"):
        influence.ratio(np.ones(3), np.ones(4))


@pytest.mark.parametrize("carriers", [3, 8])
def test_coverage_where_few_patients_have_the_label(carriers: int) -> None:
    """The nominal 95% interval holds the truth at least 92 times in 100."""
    rng, patients, runs = np.random.default_rng(0), 40, 300
    groups = np.arange(patients).repeat(4)
    truth = groups < carriers
    held = {"sensitivity": 0, "auroc": 0}
    for _ in range(runs):
        noise = np.sqrt(0.5) * (rng.normal(size=patients)[groups] + rng.normal(size=len(groups)))
        scores = noise + np.where(truth, 1.0, -1.0)
        sensitivity, area = share_interval(scores > 0, truth, groups), auroc_interval(scores, truth, groups)
        held["sensitivity"] += sensitivity.low <= scipy.stats.norm.cdf(1) <= sensitivity.high
        held["auroc"] += area.low <= scipy.stats.norm.cdf(np.sqrt(2)) <= area.high
    assert min(held.values()) / runs > 0.92


def test_a_report_takes_little_time() -> None:
    """Three labels of 1,000 frames with ten measures each: two seconds are asked for, with all else."""
    scores, other, truth, groups = frames(0, patients=220)
    everyone, called = np.ones(len(truth), bool), scores > 0.5
    started = time.perf_counter()
    for _ in range(3):
        for hit, among in ((called, truth), (~called, ~truth), (truth, called), (called == truth, everyone)):
            share_interval(hit, among, groups)
        group_interval(influence.f1(called, truth), groups, len(truth))
        auroc_interval(scores, truth, groups)
        group_interval(influence.auprc(scores, truth), groups, len(truth))
        auroc_difference(scores, other, truth, groups)
        share_difference(called, other > 0.5, truth, groups)
        share_difference(called, other > 0.5, ~truth, groups)
    assert time.perf_counter() - started < 1


def test_the_method_says_how_the_interval_was_made() -> None:
    scores, _, truth, groups = frames(0)
    assert auroc_interval(scores, truth, groups).method == "log odds and Student's t, variance by group"
    assert share_interval(truth, truth, groups).method == "Wilson over groups, which do not vary"
    for alone in (auroc_interval(scores, truth, None), share_interval(truth, truth, None)):
        assert INDEPENDENT in alone.method


@pytest.mark.parametrize("carriers", [2, 4])
def test_the_coverage_of_few_groups_is_as_the_table_has_it(carriers: int) -> None:
    runs = 200
    least, largest = reliance(carriers)
    for measure in ("sensitivity", "AUROC"):
        found = coverage_here(carrier_designs(carriers)[4], [measure], runs)[measure].coverage
        error = 3 * np.sqrt(max(least * (1 - least), 0.01) / runs)
        assert least - error <= found <= largest + error


def test_enough_groups_need_no_warning() -> None:
    assert [reliance(carriers) is None for carriers in (0, 1, 4, 5, 100)] == [True, False, False, True, True]


def test_the_benchmark_knows_the_true_values_and_covers_them() -> None:
    """Its numbers from a grid agree with a huge sample, and its bootstrap by weights with that of the frames drawn."""
    design = Design("huge", 20_000, 0.3, 0.1, apart=(1.5, 1.2))
    study = drawn(design, np.random.default_rng(0))
    for name, true in truths(design, 0.3).items():
        measure = MEASURES[name.removeprefix("difference of ")]
        value = measure(study.scores, study.truth).value
        if name.startswith("difference"):
            value -= measure(study.other, study.truth).value
        assert value == pytest.approx(true, abs=0.012), name
    few = drawn(Design("few", 12, 0.5, 0.5, rounded=True), np.random.default_rng(0))
    counts = np.random.default_rng(1).multinomial(12, np.full(12, 1 / 12), 5)
    for name, measure in MEASURES.items():
        resampled = weighted(name, few.scores, few.truth, few.groups, counts.astype(float))
        for count, found in zip(counts, resampled, strict=True):
            chosen = np.arange(len(few.truth)).repeat(count[few.groups])
            assert found == pytest.approx(measure(few.scores[chosen], few.truth[chosen]).value)
