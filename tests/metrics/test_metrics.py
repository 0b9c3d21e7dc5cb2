"""Statistics against scikit-learn, scipy, published examples, and second implementations."""

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
from hypothesis import given

from lag_zoo.errors import InvalidConfigError
from lag_zoo.metrics import calibration, influence, intervals, levels, ranking
from tests.metrics.references import bootstrapped, delong_interval
from tests.metrics.scored import scored


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
        assert influence.auprc(scores, truth).value == pytest.approx(
            sklearn.metrics.average_precision_score(truth, scores)
        )

    def test_one_label_only(self) -> None:
        assert np.isnan(ranking.auroc(np.arange(3.0), np.ones(3)))
        assert np.isnan(influence.auprc(np.arange(3.0), np.zeros(3)).value)


class TestIntervals:
    def test_groups_widen_what_near_copies_narrow(self) -> None:
        """Of simulated near-copies the interval by groups holds the true area, and the naive one does not."""
        true = scipy.stats.norm.cdf(1 / np.sqrt(2 * (1 + 0.05**2)))
        by_group = naive = 0
        for seed in range(150):
            scores, truth, groups = clustered(30, 10, seed)
            (found,) = bootstrapped(ranking.auroc, groups, scores, truth, n_resamples=150, seed=seed)
            low, high = delong_interval(scores, truth)
            by_group += found.low <= true <= found.high
            naive += low <= true <= high
        assert by_group / 150 > 0.87
        assert naive / 150 < 0.6

    def test_each_frame_a_group_is_the_bootstrap(self) -> None:
        values = np.random.default_rng(0).normal(size=200)
        (found,) = bootstrapped(np.mean, np.arange(200), values, n_resamples=4000)
        other = scipy.stats.bootstrap((values,), np.mean, method="percentile", n_resamples=4000, rng=1)
        assert found.low == pytest.approx(other.confidence_interval.low, abs=0.02)
        assert found.high == pytest.approx(other.confidence_interval.high, abs=0.02)

    def test_fewer_carrying_groups_take_the_percentiles_further_out(self) -> None:
        scores, truth, groups = clustered(20, 3, 4)
        sets = [
            bootstrapped(ranking.auroc, groups, scores, truth, n_resamples=500, carriers=carriers)[0]
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
        one, two = (bootstrapped(ranking.auroc, groups, scores, truth, n_resamples=50)[0] for _ in range(2))
        assert one == two
        assert (one.n, one.groups) == (60, 20)

    def test_what_is_undefined_is_counted(self) -> None:
        scores, truth, groups = clustered(4, 2, 0)
        (found,) = bootstrapped(ranking.auroc, groups, scores, truth, n_resamples=400)
        # Four groups, two of each label: one label is missing in 2 of 16 resamples.
        assert 25 < found.undefined < 80

    def test_paired_is_narrower_than_unpaired(self) -> None:
        scores, truth, groups = clustered(40, 3, 0)
        better = scores + 0.3 * truth
        found = intervals.paired_difference(ranking.auroc, groups, better, scores, truth, n_resamples=500)
        (alone,) = bootstrapped(ranking.auroc, groups, scores, truth, n_resamples=500)
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

    def test_bad_input(self) -> None:
        with pytest.raises(InvalidConfigError, match="at least two, got 1"):
            intervals.paired_difference(np.mean, np.zeros(5), np.zeros(5), np.zeros(5))
        with pytest.raises(InvalidConfigError, match=r"the lengths \[4, 5\]"):
            intervals.paired_difference(np.mean, np.arange(5), np.zeros(5), np.zeros(4))

    def test_a_single_group_has_a_value_and_no_limits(self) -> None:
        (found,) = intervals.weighted_bootstraps(
            lambda w: (w * [1.0, 3.0]).sum(1, keepdims=True), np.zeros(2)
        )
        assert (found.value, found.n, found.groups, found.undefined) == (4.0, 2, 1, 0)
        assert np.isnan([found.low, found.high]).all()


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
    for function in (ranking.auroc, influence.auprc, calibration.brier):
        with pytest.raises(InvalidConfigError, match=said):
            function(np.array(scores), np.array(truth))
