"""Statistics against scikit-learn, scipy, published examples, and second implementations."""

from itertools import product

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from lag_zoo.errors import InvalidConfigError
from lag_zoo.metrics import calibration, confusion, intervals, levels, ranking, thresholds, usefulness


@st.composite
def scored(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Scores with ties, and a truth with both labels."""
    truth = draw(st.lists(st.booleans(), min_size=4, max_size=40).filter(lambda t: 1 < sum(t) < len(t) - 1))
    scores = draw(st.lists(st.integers(0, 12), min_size=len(truth), max_size=len(truth)))
    return np.array(scores) / 12, np.array(truth)


def clustered(
    clusters: int, each: int, seed: int, shift: float = 1.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Near-copies: scores and truth are the cluster's, with a little noise."""
    rng = np.random.default_rng(seed)
    truth = rng.permutation(clusters) % 2
    scores = rng.normal(shift * truth, 1)
    groups = np.repeat(np.arange(clusters), each)
    return scores[groups] + rng.normal(0, 0.05, len(groups)), truth[groups], groups


class TestRanking:
    @given(scored())
    def test_against_scikit_learn(self, data: tuple[np.ndarray, np.ndarray]) -> None:
        scores, truth = data
        assert ranking.auroc(scores, truth) == pytest.approx(sklearn.metrics.roc_auc_score(truth, scores))
        assert ranking.auprc(scores, truth) == pytest.approx(
            sklearn.metrics.average_precision_score(truth, scores)
        )

    @given(scored(), st.integers(0, 99))
    def test_delong_against_pairs(self, data: tuple[np.ndarray, np.ndarray], seed: int) -> None:
        """DeLong's definition, pair by pair."""
        one, truth = data
        other = np.random.default_rng(seed).permutation(one)
        area, covariance = ranking._delong(np.stack([one, other]), truth)
        components = []
        for scores in (one, other):
            x, y = scores[truth], scores[~truth]
            wins = (x[:, None] > y) + 0.5 * (x[:, None] == y)
            components.append((wins.mean(1), wins.mean(0), wins.mean()))
        assert area == pytest.approx([c[2] for c in components])
        for i, j in product((0, 1), repeat=2):
            expected = (
                np.cov(components[i][0], components[j][0])[0, 1] / truth.sum()
                + np.cov(components[i][1], components[j][1])[0, 1] / (~truth).sum()
            )
            assert covariance[i, j] == pytest.approx(expected, abs=1e-12)

    def test_delong_covers(self) -> None:
        """Of simulated independent frames the 95% interval holds the true area about 95 times in 100."""
        true = scipy.stats.norm.cdf(1 / np.sqrt(2))
        held = 0
        for seed in range(400):
            scores, truth, _ = clustered(120, 1, seed)
            low, high = ranking.delong_interval(scores, truth)
            held += low <= true <= high
        assert 0.92 < held / 400 < 0.98

    def test_scores_whose_difference_has_no_spread_are_not_tested(self) -> None:
        scores, truth, _ = clustered(40, 1, 0)
        parted = np.array([0.1, 0.2, 0.8, 0.9]), np.full(4, 0.5), np.array([0, 0, 1, 1])
        for one, other, held, difference in ((scores, scores, truth, 0.0), (*parted, 0.5)):
            found = ranking.delong_test(one, other, held)
            assert found.difference == difference
            assert np.isnan(found[1:]).all()

    def test_one_label_only(self) -> None:
        assert np.isnan(ranking.auroc(np.arange(3.0), np.ones(3)))
        assert np.isnan(ranking.auprc(np.arange(3.0), np.zeros(3)))
        assert np.isnan(ranking.delong_interval(np.arange(3.0), np.array([1, 0, 0]))).all()


class TestConfusion:
    @given(scored(), st.floats(0, 1))
    def test_against_scikit_learn(self, data: tuple[np.ndarray, np.ndarray], threshold: float) -> None:
        scores, truth = data
        called = scores >= threshold
        found = confusion.confusion_at(scores, truth, threshold)
        (tn, fp), (fn, tp) = sklearn.metrics.confusion_matrix(truth, called, labels=[False, True])
        assert found == (tp, fp, tn, fn)
        numbers = confusion.rates(found)
        assert numbers.accuracy == pytest.approx(sklearn.metrics.accuracy_score(truth, called))
        assert numbers.sensitivity == pytest.approx(sklearn.metrics.recall_score(truth, called))
        assert numbers.specificity == pytest.approx(sklearn.metrics.recall_score(~truth, ~called))
        if called.any():
            assert numbers.ppv == pytest.approx(sklearn.metrics.precision_score(truth, called))
            assert numbers.f1 == pytest.approx(sklearn.metrics.f1_score(truth, called))
        else:
            assert np.isnan(numbers.ppv)

    def test_a_published_example(self) -> None:
        """Altman and Bland, Statistics Notes: Diagnostic tests 2, BMJ 1994;309:102: liver scans of 344 patients."""
        found = confusion.rates(confusion.Confusion(tp=231, fp=32, tn=54, fn=27))
        assert [round(x, 2) for x in (found.sensitivity, found.specificity, found.ppv, found.npv)] == [
            0.90, 0.63, 0.88, 0.67,
        ]  # fmt: skip
        # The same note, at a prevalence of 0.25: predictive values of 0.45 and 0.95.
        assert [round(x, 2) for x in confusion.at_prevalence(231 / 258, 54 / 86, 0.25)] == [0.45, 0.95]

    @given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 50), st.integers(1, 50))
    def test_at_its_own_prevalence_nothing_changes(self, tp: int, fp: int, tn: int, fn: int) -> None:
        found = confusion.rates(confusion.Confusion(tp, fp, tn, fn))
        own = (tp + fn) / (tp + fp + tn + fn)
        assert confusion.at_prevalence(found.sensitivity, found.specificity, own) == pytest.approx(
            (found.ppv, found.npv)
        )


class TestIntervals:
    def test_wilson_s_published_example(self) -> None:
        """Newcombe, Stat Med 1998;17:857, Table I, method 3 (score): 81 of 263, 15 of 148, 0 of 20, 1 of 29."""
        for k, n, low, high in (
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ):
            found = intervals.wilson(k, n)
            assert (round(found.low, 4), round(found.high, 4)) == (low, high)

    def test_groups_widen_what_near_copies_narrow(self) -> None:
        """Of simulated near-copies the interval by groups holds the true area, and the naive one does not."""
        true = scipy.stats.norm.cdf(1 / np.sqrt(2 * (1 + 0.05**2)))
        by_group = naive = 0
        for seed in range(150):
            scores, truth, groups = clustered(30, 10, seed)
            found = intervals.cluster_bootstrap(
                ranking.auroc, groups, scores, truth, n_resamples=150, seed=seed
            )
            low, high = ranking.delong_interval(scores, truth)
            by_group += found.low <= true <= found.high
            naive += low <= true <= high
        assert by_group / 150 > 0.87
        assert naive / 150 < 0.6

    def test_each_frame_a_group_is_the_bootstrap(self) -> None:
        values = np.random.default_rng(0).normal(size=200)
        found = intervals.cluster_bootstrap(np.mean, np.arange(200), values, n_resamples=4000)
        other = scipy.stats.bootstrap((values,), np.mean, method="percentile", n_resamples=4000, rng=1)
        assert found.low == pytest.approx(other.confidence_interval.low, abs=0.02)
        assert found.high == pytest.approx(other.confidence_interval.high, abs=0.02)

    def test_fewer_carrying_groups_take_the_percentiles_further_out(self) -> None:
        scores, truth, groups = clustered(20, 3, 4)
        sets = [
            intervals.cluster_bootstrap(
                ranking.auroc, groups, scores, truth, n_resamples=500, carriers=carriers
            )
            for carriers in (None, len(np.unique(groups)), 4, 1)
        ]
        assert sets[0] == sets[1]
        assert sets[2].low < sets[0].low
        assert sets[2].carriers == 4
        assert np.isnan([sets[3].low, sets[3].high]).all()

    def test_a_difference_counts_the_resamples_in_which_it_does_not_exist(self) -> None:
        groups, truth = (
            np.arange(8).repeat(3),
            np.arange(24) < 3,
        )  # one group has the label: often it is not drawn
        scores = np.random.default_rng(0).normal(size=24)
        found = intervals.paired_difference(ranking.auroc, groups, scores, -scores, truth, n_resamples=200)
        assert 0.2 < found.undefined / 200 < 0.5
        few = intervals.paired_difference(
            ranking.auroc, groups, scores, -scores, truth, n_resamples=200, carriers=1
        )
        assert np.isnan([few.low, few.high, few.p]).all()

    def test_the_same_seed_is_the_same_interval(self) -> None:
        scores, truth, groups = clustered(20, 3, 0)
        one, two = (
            intervals.cluster_bootstrap(ranking.auroc, groups, scores, truth, n_resamples=50)
            for _ in range(2)
        )
        assert one == two
        assert (one.n, one.groups) == (60, 20)

    def test_what_is_undefined_is_counted(self) -> None:
        scores, truth, groups = clustered(4, 2, 0)
        found = intervals.cluster_bootstrap(ranking.auroc, groups, scores, truth, n_resamples=400)
        # Four groups, two of each label: one label is missing in 2 of 16 n_resamples.
        assert 25 < found.undefined < 80

    def test_paired_is_narrower_than_unpaired(self) -> None:
        scores, truth, groups = clustered(40, 3, 0)
        better = scores + 0.3 * truth
        found = intervals.paired_difference(ranking.auroc, groups, better, scores, truth, n_resamples=500)
        alone = intervals.cluster_bootstrap(ranking.auroc, groups, scores, truth, n_resamples=500)
        assert 0 < found.low < found.value < found.high
        assert found.high - found.low < alone.high - alone.low
        assert found.p < 0.05
        same = intervals.paired_difference(ranking.auroc, groups, scores, scores, truth, n_resamples=100)
        assert same.value == 0.0
        assert np.isnan([same.low, same.high, same.p]).all()

    @pytest.mark.parametrize("seed", range(20))
    def test_p_says_what_the_interval_says(self, seed: int) -> None:
        scores, truth, groups = clustered(6, 3, seed)
        other = scores + np.random.default_rng(seed).normal(0.2, 0.4, len(scores))
        found = intervals.paired_difference(ranking.auroc, groups, other, scores, truth, n_resamples=999)
        assert (found.low > 0 or found.high < 0) == (found.p < 0.05)

    def test_mcnemar(self) -> None:
        one = np.array([True] * 20 + [False] * 10)
        other = np.array([True] * 12 + [False] * 8 + [True] * 2 + [False] * 8)
        assert intervals.mcnemar(one, other) == pytest.approx(scipy.stats.binomtest(8, 10).pvalue)
        assert intervals.mcnemar(one, one) == 1.0

    def test_bad_input(self) -> None:
        with pytest.raises(InvalidConfigError, match="at least two, got 1"):
            intervals.cluster_bootstrap(np.mean, np.zeros(5), np.zeros(5))
        with pytest.raises(InvalidConfigError, match=r"the lengths \[4, 5\]"):
            intervals.cluster_bootstrap(np.mean, np.arange(5), np.zeros(4))
        with pytest.raises(InvalidConfigError, match="7 of 5 is no share"):
            intervals.wilson(7, 5)


class TestThresholds:
    @given(scored())
    def test_youden_is_the_best_of_all(self, data: tuple[np.ndarray, np.ndarray]) -> None:
        scores, truth = data
        chosen = thresholds.choose_threshold("youden", scores, truth)

        def youden(threshold: float) -> float:
            found = confusion.rates(confusion.confusion_at(scores, truth, threshold))
            return found.sensitivity + found.specificity

        assert youden(chosen) == pytest.approx(max(youden(t) for t in [*np.unique(scores), 2.0]))

    @given(scored(), st.sampled_from([0.5, 0.8, 0.95, 1.0]))
    def test_a_sensitivity_is_reached_and_no_more_is_given_up(
        self, data: tuple[np.ndarray, np.ndarray], wanted: float
    ) -> None:
        scores, truth = data
        chosen = thresholds.choose_threshold(f"sens>={wanted}", scores, truth)
        assert confusion.rates(confusion.confusion_at(scores, truth, chosen)).sensitivity >= wanted
        higher = [t for t in np.unique(scores) if t > chosen]
        assert all(
            confusion.rates(confusion.confusion_at(scores, truth, t)).sensitivity < wanted for t in higher
        )
        chosen = thresholds.choose_threshold(f"spec>={wanted}", scores, truth)
        assert confusion.rates(confusion.confusion_at(scores, truth, chosen)).specificity >= wanted
        lower = [t for t in np.unique(scores) if t < chosen]
        assert all(
            confusion.rates(confusion.confusion_at(scores, truth, t)).specificity < wanted for t in lower
        )

    def test_rules(self) -> None:
        assert thresholds.choose_threshold("0.5", np.zeros(1), np.zeros(1)) == 0.5
        for rule in ("best", "sens>=2", "sens>0.9"):
            with pytest.raises(InvalidConfigError, match="no rule"):
                thresholds.choose_threshold(rule, np.arange(4.0), np.array([0, 1, 0, 1]))
        with pytest.raises(InvalidConfigError, match="all 4 are alike"):
            thresholds.choose_threshold("youden", np.arange(4.0), np.ones(4))


class TestCalibration:
    def test_frames_of_one_probability_are_in_one_bin(self) -> None:
        """Whatever their order: sorted by label, they would else fill bins of their own."""
        truth = np.arange(1000) < 300
        assert calibration.ece(np.full(1000, 0.3), truth, equal_mass=True) == pytest.approx(0)
        two = np.repeat([0.2, 0.7], 500)
        found = calibration.reliability_curve(two, truth, equal_mass=True)
        assert found.probability == pytest.approx([0.2, 0.7])
        assert found.frames.tolist() == [500, 500]

    @given(scored())
    def test_against_scikit_learn(self, data: tuple[np.ndarray, np.ndarray]) -> None:
        probabilities, truth = data
        assert calibration.brier(probabilities, truth) == pytest.approx(
            sklearn.metrics.brier_score_loss(truth, probabilities)
        )
        share, mean = calibration_curve(truth, probabilities, n_bins=10)
        found = calibration.reliability_curve(probabilities, truth)
        # scikit-learn closes its bins on the right, ours on the left: alike but for values on an edge.
        if not np.isin(probabilities, np.linspace(0, 1, 11)[1:-1].round(12)).any():
            assert found.share == pytest.approx(share)
            assert found.probability == pytest.approx(mean)
        assert found.frames.sum() == len(truth)
        assert 0 <= calibration.ece(probabilities, truth, equal_mass=True) <= 1

    def test_a_calibrated_model(self) -> None:
        rng = np.random.default_rng(0)
        probabilities = rng.uniform(0.02, 0.98, 40_000)
        truth = rng.uniform(size=40_000) < probabilities
        assert calibration.slope_and_intercept(probabilities, truth) == pytest.approx((1, 0), abs=0.05)
        assert calibration.ece(probabilities, truth) < 0.02

    @pytest.mark.parametrize("task", ["multiclass", "multilabel"])
    @pytest.mark.parametrize("true", [0.4, 1.0, 3.0])
    def test_a_temperature_is_found_again(self, task: str, true: float) -> None:
        rng = np.random.default_rng(1)
        logits = rng.normal(0, 2, (20_000, 3))
        probabilities = calibration.probabilities_of(logits, task=task)  # type: ignore[arg-type]
        if task == "multiclass":
            targets = (probabilities.cumsum(1) < rng.uniform(size=(20_000, 1))).sum(1)
        else:
            targets = (rng.uniform(size=logits.shape) < probabilities).astype(int)
            targets[rng.uniform(size=logits.shape) < 0.3] = -1
        found = calibration.fit_temperature(logits * true, targets, task=task)  # type: ignore[arg-type]
        assert found == pytest.approx(true, rel=0.05)

    @pytest.mark.parametrize("task", ["multiclass", "multilabel"])
    def test_a_shifted_prior_is_found_again(self, task: str) -> None:
        rng = np.random.default_rng(2)
        logits = rng.normal(0, 2, (20_000, 3))
        moved = np.array([1.0, -2.0, 0.5])  # as a network that was trained on balanced batches would be off
        probabilities = calibration.probabilities_of(logits + moved, task=task)  # type: ignore[arg-type]
        if task == "multiclass":
            targets = (probabilities.cumsum(1) < rng.uniform(size=(20_000, 1))).sum(1)
        else:
            targets = (rng.uniform(size=logits.shape) < probabilities).astype(int)
        temperature, found = calibration.fit_temperature_and_intercepts(logits * 2, targets, task=task)  # type: ignore[arg-type]
        assert temperature == pytest.approx(2, rel=0.05)
        if task == "multiclass":  # only differences matter
            found, moved = found - found.mean(), moved - moved.mean()
        assert found == pytest.approx(moved, abs=0.1)

    def test_likelihood(self) -> None:
        rng = np.random.default_rng(0)
        logits, targets = rng.normal(size=(50, 3)), rng.integers(0, 3, 50)
        expected = sklearn.metrics.log_loss(targets, calibration.probabilities_of(logits, task="multiclass"))
        assert calibration.negative_log_likelihood(logits, targets, task="multiclass") == pytest.approx(
            expected
        )

    def test_bad_input(self) -> None:
        with pytest.raises(InvalidConfigError, match="probabilities are from 0 to 1; got -1 to 3"):
            calibration.brier(np.array([-1.0, 3.0]), np.array([0, 1]))
        with pytest.raises(InvalidConfigError, match="label is known"):
            calibration.fit_temperature(np.zeros((2, 1)), np.full((2, 1), -1), task="multilabel")
        assert np.isnan(calibration.slope_and_intercept(np.array([0.3, 0.4]), np.ones(2))).all()


class TestUsefulness:
    def test_abstaining_on_the_uncertain(self) -> None:
        rng = np.random.default_rng(0)
        probabilities = rng.uniform(size=5000)
        truth = rng.uniform(size=5000) < probabilities
        curve = usefulness.referral_curve(probabilities, truth, threshold=0.5)
        assert curve.accuracy[0] == pytest.approx(0.75, abs=0.02)
        assert (np.diff(curve.accuracy) > -0.01).all()
        assert curve.accuracy[-1] > 0.95

    def test_net_benefit(self) -> None:
        """Vickers and Elkin's definition: tp/n - fp/n * pt/(1 - pt)."""
        probabilities, truth = np.array([0.1, 0.3, 0.6, 0.8]), np.array([0, 1, 0, 1])
        curve = usefulness.decision_curve(probabilities, truth, thresholds=np.array([0.2, 0.5]))
        assert curve.model == pytest.approx([2 / 4 - 1 / 4 * 0.25, 1 / 4 - 1 / 4])
        assert curve.treat_all == pytest.approx([0.5 - 0.5 * 0.25, 0.5 - 0.5])


class TestLevels:
    def test_pooling(self) -> None:
        probabilities = np.array([0.1, 0.5, 0.2, 0.4, 0.3])
        groups, truth = np.array([1, 1, 1, 1, 2]), np.array([0, 1, 0, 0, 0])
        for by, expected in (
            ("maximum", 0.5),
            ("mean", 0.3),
            ("top3", 1.1 / 3),
            ("noisy-or", 1 - 0.9 * 0.5 * 0.8 * 0.6),
        ):
            found = levels.pool(probabilities, truth, groups, by=by)  # type: ignore[arg-type]
            assert found.probabilities == pytest.approx([expected, 0.3])
            assert found.truth.tolist() == [True, False]
            assert found.frames.tolist() == [4, 1]
        with pytest.raises(InvalidConfigError, match="no way 'median'"):
            levels.pool(probabilities, truth, groups, by="median")  # type: ignore[arg-type]

    def test_more_frames_more_findings(self) -> None:
        """The maximum over noise alone tells who has many frames; the association says so."""
        rng = np.random.default_rng(0)
        counts = rng.integers(1, 30, 80)
        truth = counts > 15
        groups = np.repeat(np.arange(80), counts)
        pooled = levels.pool(rng.uniform(size=len(groups)), truth[groups], groups, by="maximum")
        assert ranking.auroc(pooled.probabilities, pooled.truth) > 0.7
        assert levels.frames_and_label(pooled).correlation > 0.8
        assert np.isnan(levels.frames_and_label(pooled._replace(frames=np.ones(80))).correlation)


@pytest.mark.parametrize(
    ("scores", "truth", "said"),
    [
        ([], [], "no frames"),
        ([0.1], [0, 1], "one number a frame"),
        ([0.1, np.nan], [0, 1], "1 of 2 scores are not finite"),
        ([0.1, 0.2], [0, 2], "truth is 0 or 1"),
        ([[0.1]], [[1]], "one number a frame"),
    ],
)
def test_bad_input_is_named(scores: list[float], truth: list[int], said: str) -> None:
    for function in (ranking.auroc, ranking.auprc, calibration.brier):
        with pytest.raises(InvalidConfigError, match=said):
            function(np.array(scores), np.array(truth))
