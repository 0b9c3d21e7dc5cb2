"""Networks on the same frames: the paired differences, whatever order they come in; and the paper's tables."""

import dataclasses
import functools

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from lag_zoo.errors import InvalidConfigError
from lag_zoo.evaluate import Analysis, Calibration, EvaluationOptions, Report, Scores, compare, evaluate
from lag_zoo.evaluate.comparison import compare_means, in_order_of, mean_auroc, with_comparisons
from lag_zoo.evaluate.pages import html, markdown
from lag_zoo.evaluate.paper_table import one_light, paper_rows, paper_table, paper_tasks
from lag_zoo.evaluate.report import report_of
from lag_zoo.metrics.clustered import auroc_difference, share_difference
from lag_zoo.metrics.levels import pool
from tests.evaluate.drawn_scores import of_skill, with_frames

OPTIONS = EvaluationOptions(n_resamples=20)


def analysed(scores: Scores, **options: object) -> Analysis:
    return Analysis(scores, dataclasses.replace(OPTIONS, **options))  # type: ignore[arg-type]


def compared(scores: Scores, other: Scores, **options: object) -> Report:
    """The report of the scores with the other network `a`."""
    one = analysed(scores, **options)
    return with_comparisons(report_of(one), one, {"a": analysed(other, **options)})


@functools.cache
def reported_once() -> Report:
    return report_of(analysed(of_skill(1.0)))


def reordered(scores: Scores, order: tuple[int, ...]) -> Scores:
    """The same, its labels in another order and its frames too."""
    turned = scores.with_label_order([scores.label_names[i] for i in order])
    return turned.take(np.arange(len(scores))[::-1])


def test_repeats_are_told_by_their_mean() -> None:
    strong, weak = ([of_skill(skill, seed=seed) for seed in range(3)] for skill in (1.5, 0.5))
    weak = [scores.take(np.arange(120)[::-1]) for scores in weak]
    each = [
        [sklearn.metrics.roc_auc_score(s.frames.targets == 2, s.probabilities[:, 2]) for s in repeats]
        for repeats in (strong, weak)
    ]
    means = mean_auroc(strong)
    assert list(means) == ["normal", "GA", "IM"]
    assert means["IM"].value == pytest.approx(np.mean(each[0]))
    assert (means["IM"].n, means["IM"].groups) == (120, 40)
    difference = compare_means(strong, weak)["IM"]
    assert difference.value == pytest.approx(np.mean(each[0]) - np.mean(each[1]))
    assert difference.low > 0
    assert difference.p < 0.05
    alone = [with_frames(s, grouping=None) for s in strong]
    assert mean_auroc(alone)["IM"].method.endswith("frames taken as independent")


def test_repeats_are_no_further_evidence() -> None:
    """The same scores three times say as much as once."""
    scores = of_skill(1.0)
    assert mean_auroc([scores] * 3)["IM"][:3] == pytest.approx(mean_auroc([scores])["IM"][:3])


class TestOthers:
    def test_the_difference_is_that_of_the_areas(self) -> None:
        good, poor = of_skill(3.0), of_skill(0.3, seed=1)
        report = compared(good, poor)
        (other,) = report.comparisons
        assert [row.label for row in other.rows] == ["normal", "GA", "IM"]
        for row, mine, differences in zip(other.rows, report.rows, other.differences, strict=True):
            for name in ("auroc", "sensitivity", "specificity"):
                difference = getattr(differences, name)
                assert difference.value == pytest.approx(mine.measures[name].value - row.measures[name].value)
                assert difference.low < difference.value < difference.high
            assert differences.auroc.low > 0
            assert differences.auroc.p < 0.05
        assert [d.auroc for d in other.differences] == [part.difference for part in compare(good, poor)]

    def test_the_intervals_are_by_group(self) -> None:
        good, poor = of_skill(3.0), of_skill(0.3, seed=1)
        for number, found in enumerate(compared(good, poor).comparisons[0].differences):
            truth = good.frames.targets == number
            one, other = (scores.probabilities[:, number] for scores in (good, poor))
            groups = good.frames.groups
            assert found.auroc == auroc_difference(one, other, truth, groups)
            right = [(p >= 0.5) == truth for p in (one, other)]
            assert found.sensitivity == share_difference(right[0], right[1], truth, groups)
            assert found.specificity == share_difference(right[0], right[1], ~truth, groups)

    def test_of_frames_without_groups(self) -> None:
        good, poor = (of_skill(skill, seed=seed, grouping=None) for skill, seed in ((3.0, 0), (0.3, 1)))
        for number, differences in enumerate(compared(good, poor).comparisons[0].differences):
            truth = good.frames.targets == number
            one, other = (scores.probabilities[:, number] >= 0.5 for scores in (good, poor))
            apart = int((one & ~other & truth).sum()) - int((~one & other & truth).sum())
            assert differences.sensitivity.value == pytest.approx(apart / truth.sum())
            assert differences.auroc.groups is differences.specificity.groups is None
            assert all(d.method.endswith("frames taken as independent") for d in differences)

    def test_each_fold_has_its_thresholds(self) -> None:
        limits = np.random.default_rng(0).uniform(0.2, 0.7, (120, 3))
        good, poor = (
            of_skill(skill, seed=seed, calibration=Calibration(thresholds=limits))
            for skill, seed in ((3.0, 0), (0.3, 1))
        )
        report = compared(good, poor, operating_point="stored")
        (other,) = report.comparisons
        for mine, row, d in zip(report.rows, other.rows, other.differences, strict=True):
            for name in ("sensitivity", "specificity"):
                own = mine.measures[name].value - row.measures[name].value
                assert getattr(d, name).value == pytest.approx(own)

    def test_the_called_label_is_compared_too(self) -> None:
        good, poor = of_skill(3.0), of_skill(0.3, seed=1)
        (other,) = compared(good, poor).comparisons
        accuracies = [
            float((scores.logits.argmax(axis=1) == scores.frames.targets).mean()) for scores in (good, poor)
        ]
        assert other.called is not None
        assert other.accuracy is not None
        assert other.called.measures["accuracy"].value == pytest.approx(accuracies[1])
        assert other.accuracy.value == pytest.approx(accuracies[0] - accuracies[1])
        assert other.accuracy.low > 0

    @pytest.mark.usefixtures("no_pictures")
    def test_it_stands_in_all_three_forms(self) -> None:
        good, poor = of_skill(3.0), of_skill(0.3, seed=1)
        one = analysed(good)
        report = with_comparisons(report_of(one), one, {"plain at 448": analysed(poor)})
        (other,) = report.comparisons
        page, text = html(report), markdown(report)
        assert page.count("plain at 448") == text.count("plain at 448") >= 3 + 1, "labels, and the called one"
        lines = [line for line in text.splitlines() if "| plain at 448 |" in line]
        for row, differences in zip(other.rows, other.differences, strict=True):
            own = " ".join(line for line in lines if line.startswith(f"| {row.label} |"))
            for name in ("auroc", "auprc", "sensitivity", "specificity"):
                assert f"| {row.measures[name].value:.3f} (" in own
            for difference in differences:
                assert f"| {difference.value:.3f} ({difference.low:.3f} to {difference.high:.3f}), p " in own
        assert other.accuracy is not None
        assert any(f"| {other.accuracy.value:.3f} (" in line for line in lines)
        data = report.to_dict()["comparisons"][0]
        assert data["name"] == "plain at 448"
        assert data["differences"][2]["auroc"]["p"] == other.differences[2].auroc.p
        assert data["rows"][2]["measures"]["sensitivity"]["n"] > 0

    @settings(max_examples=8)
    @given(st.permutations(range(3)), st.permutations(range(120)), st.booleans())
    def test_other_orders_of_labels_and_frames(
        self, labels: list[int], frames: list[int], stored: bool
    ) -> None:
        points = {"normal": 0.3, "IM": 0.4} if stored else {}
        good, poor = of_skill(1.0), of_skill(0.3, seed=1, calibration=Calibration(operating_points=points))
        turned = poor.with_label_order([poor.label_names[i] for i in labels]).take(np.array(frames))
        report = reported_once()
        (plain,), (other,) = (
            with_comparisons(report, analysed(good), {"a": analysed(scores)}).comparisons
            for scores in (poor, turned)
        )
        assert other.differences == plain.differences
        assert other.accuracy == plain.accuracy
        assert other.called == plain.called
        assert [row.label for row in other.rows] == ["normal", "GA", "IM"]
        assert [row.confusion for row in other.rows] == [row.confusion for row in plain.rows]
        assert compare(good, turned) == compare(good, poor)

    def test_in_order_of(self) -> None:
        limits = np.random.default_rng(0).uniform(0.2, 0.7, (120, 3))
        scores = of_skill(1.0, columns={"device": [str(i % 7) for i in range(120)]}, fold=["a", "b"] * 60)
        scores = dataclasses.replace(scores, calibration=Calibration(temperature=2.0, thresholds=limits))
        back = in_order_of(scores, reordered(scores, (2, 0, 1)))
        assert back.label_names == scores.label_names
        assert back.frames.images == scores.frames.images
        assert back.frames.columns == scores.frames.columns
        assert back.frames.fold == scores.frames.fold
        assert np.array_equal(back.probabilities, scores.probabilities)
        assert np.array_equal(back.frames.targets, scores.frames.targets)
        assert np.array_equal(back.calibration.thresholds, limits)  # type: ignore[arg-type]

    def test_by_patient_the_differences_are_of_patients(self) -> None:
        good, poor = of_skill(1.0), of_skill(0.3, seed=1)
        report = compared(good, reordered(poor, (1, 2, 0)), level="patient", pooling="mean")
        (other,) = report.comparisons
        for number, (row, differences) in enumerate(zip(report.rows, other.differences, strict=True)):
            difference = differences.auroc
            truth = good.frames.targets == number
            areas = [
                sklearn.metrics.roc_auc_score(pooled.truth, pooled.probabilities)
                for pooled in (
                    pool(s.probabilities[:, number], truth, s.frames.groups, by="mean") for s in (good, poor)
                )
            ]
            assert difference.value == pytest.approx(areas[0] - areas[1])
            assert row.n == difference.n == difference.groups == 40
            assert row.measures["auroc"].value == pytest.approx(areas[0])

    def test_two_networks_that_are_the_same(self) -> None:
        """Do not differ, and the interval says how much they might on as many other patients."""
        scores = of_skill(1.0)
        (same,) = compared(scores, scores).comparisons
        for differences in same.differences:
            for d in differences:
                assert (d.value, d.p) == (0, 1)
                assert -0.3 < d.low < 0 < d.high < 0.3

    def test_what_cannot_be_compared(self) -> None:
        scores = of_skill(1.0)
        one = analysed(scores)
        report = report_of(one)
        for other, said in (
            (analysed(of_skill(1.0, names=("a", "b", "c"))), r"x has the labels a, b, c .* normal, GA, IM"),
            (analysed(scores, level="patient"), "measure both alike"),
            (analysed(scores.take(np.arange(90))), "30 frames are in one of them only"),
            (
                analysed(with_frames(scores, targets=scores.frames.targets[::-1].copy())),
                "do not agree on the truth",
            ),
        ):
            with pytest.raises(InvalidConfigError, match=said):
                with_comparisons(report, one, {"x": other})


class TestThePapersTables:
    def test_against_normal_where_labels_exclude_each_other(self) -> None:
        scores = of_skill(2.0, calibration=Calibration(temperature=2.0))
        rows = paper_rows(scores, OPTIONS)
        assert list(rows) == ["im", "ga"]
        targets = scores.frames.targets
        for task, number in (("im", 2), ("ga", 1)):
            two = targets != 3 - number
            truth = targets[two] == number
            called = (scores.logits[:, number] >= scores.logits[:, 0])[two]
            assert (rows[task].against, rows[task].n) == ("normal", two.sum())
            measures = {name: interval.value for name, interval in rows[task].measures.items()}
            assert measures["sensitivity"] == pytest.approx(sklearn.metrics.recall_score(truth, called))
            assert measures["specificity"] == pytest.approx(sklearn.metrics.recall_score(~truth, ~called))
            assert measures["ppv"] == pytest.approx(sklearn.metrics.precision_score(truth, called))

    def test_a_rule_is_applied_to_the_two(self) -> None:
        scores, validation = of_skill(1.0), of_skill(1.0, seed=1)
        validation = with_frames(validation, images=tuple(f"v{i}" for i in validation.frames.images))
        asked = dataclasses.replace(OPTIONS, operating_point="sens>=0.9")
        rows = paper_rows(scores, asked, validation=validation)
        assert rows["im"].rule == "sens>=0.9 on 81 validation frames"

    def test_a_stored_threshold_is_not_of_pairs(self) -> None:
        stored = dataclasses.replace(OPTIONS, operating_point="stored")
        points = Calibration(operating_points={"normal": 0.1, "GA": 0.2, "IM": 0.3})
        row = paper_rows(of_skill(1.0, calibration=points), stored)["im"]
        assert (row.threshold, row.rule) == (0.5, "0.5: none is stored for pairs")
        points = Calibration(operating_points={"im": 0.3})
        two = of_skill(1.0, names=("normal", "im"), calibration=points)
        for options in (stored, OPTIONS):
            row = paper_rows(two, options)["im"]
            assert (row.against, row.threshold, row.rule) == ("normal", 0.3, "stored with the weights")

    def test_the_label_of_the_paper_is_the_positive_one(self) -> None:
        """Whichever of two labels comes first."""
        scores = of_skill(1.0, names=("normal", "IM"))
        turned = paper_rows(scores.with_label_order(("IM", "normal")), OPTIONS)["im"]
        assert (turned.label, turned.against) == ("IM", "normal")
        assert turned.measures == paper_rows(scores, OPTIONS)["im"].measures

    def test_else_against_the_rest(self) -> None:
        scores = of_skill(2.0, names=("other", "GA", "IM"))
        report = evaluate(scores, OPTIONS)
        rows = paper_rows(scores, OPTIONS)
        assert {task: row.measures for task, row in rows.items()} == {
            "im": report.rows[2].measures, "ga": report.rows[1].measures,
        }  # fmt: skip
        assert {row.against for row in rows.values()} == {"rest"}
        marks = np.eye(3, dtype=int)[of_skill(2.0).frames.targets]
        several = dataclasses.replace(with_frames(of_skill(2.0), targets=marks), task="multilabel")
        assert paper_rows(several, OPTIONS)["ga"].measures == evaluate(several, OPTIONS).rows[1].measures

    def test_measured_and_reported_are_told_apart(self) -> None:
        rows = paper_rows(of_skill(2.0), OPTIONS)
        text = paper_table(rows, model="my model", data="my data", modality="lci")
        lines = [line for line in text.splitlines() if line.startswith("| ")]
        measured = [line for line in lines if "| **measured** on my data, " in line]
        reported = [line for line in lines if "| reported by the paper, LCI; not reproduced here |" in line]
        assert len(measured) == 2
        assert len(reported) == 2 * 9, "nine networks for IM and for GA"
        assert len(lines) == 2 + 18 + 2 * 2
        assert {line.count("|") for line in lines} == {9}
        row = rows["im"]
        accuracy = row.measures["accuracy"]
        shown = f"{100 * accuracy.value:.1f} ({100 * accuracy.low:.1f} to {100 * accuracy.high:.1f})"
        assert f"| {row.n}, {row.groups} groups | {shown} |" in measured[0]
        assert "IM against normal, threshold 0.500 (0.5: none is stored for pairs)" in measured[0]
        assert "not reproduced here | - | 97.83 | 96.69 | 98.82 | 98.79 | 96.92 |" in text
        assert f"95% intervals of ours: {accuracy.method}." in text
        assert "No intervals, one split" in text, "the caveats"
        assert "No model here is a medical device" in text

    def test_both_lights_where_none_is_told(self) -> None:
        scores = of_skill(2.0, columns={"modality": ["wli"] * 60 + ["lci"] * 60})
        assert one_light(scores) == ""
        text = paper_table(paper_rows(scores, OPTIONS), model="m", data="d", modality=one_light(scores))
        assert text.count("reported by the paper, WLI") == text.count("reported by the paper, LCI") == 18
        assert one_light(of_skill(1.0)) == one_light(of_skill(1.0, columns={"modality": ["nbi"] * 120})) == ""
        assert one_light(of_skill(1.0, columns={"modality": ["lci"] * 120})) == "lci"

    def test_other_labels_have_no_table(self) -> None:
        assert paper_tasks(["normal", "im"]) == {"im": "im"}
        with pytest.raises(InvalidConfigError, match="are of IM and GA; the labels here are a, b"):
            paper_tasks(["a", "b"])
