"""What stands beside a network's row: other networks on the same frames, and the paper's tables."""

import dataclasses

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics

from lag_zoo.errors import InvalidConfigError
from lag_zoo.evaluate import Report, compare, evaluate
from lag_zoo.evaluate.beside import with_others
from lag_zoo.evaluate.comparison import compare_means, mean_auroc
from lag_zoo.evaluate.pages import html, markdown
from lag_zoo.evaluate.paper_table import one_light, paper_rows, paper_table, paper_tasks
from lag_zoo.evaluate.scores import Scores
from lag_zoo.metrics.levels import pool


def drawn(
    skill: float, *, names: tuple[str, ...] = ("normal", "GA", "IM"), seed: int = 0, **fields: object
) -> Scores:
    """Scores of 40 patients of three frames each."""
    rng = np.random.default_rng(seed)
    targets = np.repeat(np.arange(40) % len(names), 3)
    logits = skill * np.eye(len(names))[targets] + rng.normal(size=(120, len(names)))
    return Scores(
        label_names=names,
        task="multiclass",
        images=tuple(f"{i}.png" for i in range(120)),
        logits=logits,
        targets=targets,
        groups=np.array([f"p{i // 3}" for i in range(120)]),
        grouping="patient",
        found=120,
        **fields,  # type: ignore[arg-type]
    )


def reordered(scores: Scores, order: tuple[int, ...]) -> Scores:
    """The same, its labels in another order and its frames too."""
    turned = dataclasses.replace(
        scores,
        label_names=tuple(scores.label_names[i] for i in order),
        logits=scores.logits[:, order],
        targets=np.argsort(order)[scores.targets],
    )
    return turned.taken(np.arange(len(scores))[::-1])


def test_repeats_are_told_by_their_mean() -> None:
    strong, weak = ([drawn(skill, seed=seed) for seed in range(3)] for skill in (1.5, 0.5))
    weak = [scores.taken(np.arange(120)[::-1]) for scores in weak]
    each = [
        [sklearn.metrics.roc_auc_score(s.targets == 2, s.probabilities[:, 2]) for s in repeats]
        for repeats in (strong, weak)
    ]
    means = mean_auroc(strong, n_resamples=200)
    assert list(means) == ["normal", "GA", "IM"]
    assert means["IM"].value == pytest.approx(np.mean(each[0]))
    assert means["IM"].groups == 40
    difference = compare_means(strong, weak, n_resamples=200)["IM"]
    assert difference.value == pytest.approx(np.mean(each[0]) - np.mean(each[1]))
    assert difference.low > 0
    assert difference.p < 0.05
    alone = [dataclasses.replace(s, grouping=None) for s in strong]
    assert mean_auroc(alone, n_resamples=100)["IM"].method.endswith("frames taken as independent")


def reported(scores: Scores, **options: object) -> tuple[Scores, Report]:
    return scores, evaluate(scores, n_resamples=20, **options)  # type: ignore[arg-type]


class TestOthers:
    def test_the_difference_is_that_of_the_areas(self) -> None:
        good, poor = drawn(3.0), drawn(0.3, seed=1)
        report = with_others(
            evaluate(good, n_resamples=20), good, {"plain at 448": reported(poor)}, n_resamples=200
        )
        (other,) = report.beside
        assert [row.label for row in other.rows] == ["normal", "GA", "IM"]
        for row, mine, differences in zip(other.rows, report.rows, other.differences, strict=True):
            for name in ("auroc", "sensitivity", "specificity"):
                difference = getattr(differences, name)
                assert difference.value == pytest.approx(mine.measures[name].value - row.measures[name].value)
                assert difference.low < difference.value < difference.high
            assert differences.auroc.low > 0
            assert differences.auroc.p < 0.05
        assert [d.auroc for d in other.differences] == [
            part.difference for part in compare(good, poor, n_resamples=200)
        ]

    def test_of_frames_by_delong_and_mcnemar(self) -> None:
        good, poor = (dataclasses.replace(s, grouping=None) for s in (drawn(3.0), drawn(0.3, seed=1)))
        report = with_others(evaluate(good, n_resamples=20), good, {"a": reported(poor)}, n_resamples=200)
        for number, differences in enumerate(report.beside[0].differences):
            truth = good.targets == number
            one, other = (scores.probabilities[:, number] >= 0.5 for scores in (good, poor))
            right = [int((one & ~other & truth).sum()), int((~one & other & truth).sum())]
            assert differences.sensitivity.value == pytest.approx((right[0] - right[1]) / truth.sum())
            assert differences.sensitivity.p == pytest.approx(
                scipy.stats.binomtest(right[0], sum(right)).pvalue
            )
            assert "McNemar, frames taken as independent" in differences.specificity.method
            assert "DeLong" in differences.auroc.method
            assert differences.auroc.groups is differences.specificity.groups is None

    def test_each_fold_has_its_thresholds(self) -> None:
        good, poor = drawn(3.0), drawn(0.3, seed=1)
        limits = np.random.default_rng(0).uniform(0.2, 0.7, good.logits.shape)
        good, poor = (dataclasses.replace(s, thresholds=limits) for s in (good, poor))
        stored = {"operating_point": "stored"}
        report = with_others(
            reported(good, **stored)[1], good, {"a": reported(poor, **stored)}, n_resamples=200
        )
        for mine, row, d in zip(
            report.rows, report.beside[0].rows, report.beside[0].differences, strict=True
        ):
            for name in ("sensitivity", "specificity"):
                own = mine.measures[name].value - row.measures[name].value
                assert getattr(d, name).value == pytest.approx(own)

    @pytest.mark.usefixtures("no_pictures")
    def test_it_stands_in_all_three_forms(self) -> None:
        good, poor = drawn(3.0), drawn(0.3, seed=1)
        report = with_others(
            evaluate(good, n_resamples=20), good, {"plain at 448": reported(poor)}, n_resamples=200
        )
        (other,) = report.beside
        page, text = html(report, title="t"), markdown(report, title="t")
        assert page.count("plain at 448") == text.count("plain at 448") == 3
        table = [line for line in text.splitlines() if "the reported one" in line or "plain at 448" in line]
        assert [line.split(" | ")[:2] for line in table[:2]] == [
            ["| normal", "the reported one"], ["| normal", "plain at 448"],
        ]  # fmt: skip
        assert {line.count("|") for line in table} == {13}
        for number, row in enumerate(other.rows):
            for name in ("auroc", "auprc", "sensitivity", "specificity"):
                assert f"{row.measures[name].value:.3f} (" in table[2 * number + 1]
            for difference in other.differences[number]:
                assert f"| {difference.value:.3f} (" in table[2 * number + 1]
                assert f"p {difference.p:.3f} |" in table[2 * number + 1]
        data = report.to_dict()["beside"][0]
        assert data["name"] == "plain at 448"
        assert data["differences"][2]["auroc"]["p"] == other.differences[2].auroc.p
        assert data["rows"][2]["measures"]["sensitivity"]["n"] > 0

    def test_other_orders_of_labels_and_frames(self) -> None:
        good, poor = drawn(3.0), drawn(0.3, seed=1)
        report = evaluate(good, n_resamples=20)
        plain = with_others(report, good, {"a": reported(poor)}, n_resamples=200)
        turned = with_others(report, good, {"a": reported(reordered(poor, (2, 0, 1)))}, n_resamples=200)
        assert turned.beside[0].differences == plain.beside[0].differences
        assert [row.label for row in turned.beside[0].rows] == ["normal", "GA", "IM"]
        assert [row.confusion for row in turned.beside[0].rows] == [
            row.confusion for row in plain.beside[0].rows
        ]

    def test_by_patient_the_differences_are_of_patients(self) -> None:
        good, poor = drawn(1.0), drawn(0.3, seed=1)
        how = {"level": "patient", "pooling": "mean"}
        turned = reported(reordered(poor, (1, 2, 0)), **how)
        report = with_others(reported(good, **how)[1], good, {"a": turned}, n_resamples=200)
        for number, (row, differences) in enumerate(
            zip(report.rows, report.beside[0].differences, strict=True)
        ):
            difference = differences.auroc
            truth = good.targets == number
            areas = [
                sklearn.metrics.roc_auc_score(pooled.truth, pooled.probabilities)
                for pooled in (
                    pool(s.probabilities[:, number], truth, s.groups, by="mean") for s in (good, poor)
                )
            ]
            assert difference.value == pytest.approx(areas[0] - areas[1])
            assert row.n == difference.n == difference.groups == 40
            assert row.measures["auroc"].value == pytest.approx(areas[0])

    def test_what_cannot_stand_beside(self) -> None:
        scores = drawn(1.0)
        report = evaluate(scores, n_resamples=100)
        others = {"strange": reported(drawn(1.0, names=("a", "b", "c")))}
        with pytest.raises(InvalidConfigError, match=r"strange tells a, b, c .* normal, GA, IM"):
            with_others(report, scores, others)
        with pytest.raises(InvalidConfigError, match="measure both alike"):
            with_others(report, scores, {"by patient": reported(scores, level="patient")})
        fewer = scores.taken(np.arange(90))
        with pytest.raises(InvalidConfigError, match="30 frames are in one of them only"):
            with_others(report, scores, {"fewer": reported(fewer)})


class TestThePapersTables:
    def test_against_normal_where_labels_exclude_each_other(self) -> None:
        scores = drawn(2.0, temperature=2.0)
        rows = paper_rows(evaluate(scores, n_resamples=100), scores, n_resamples=100)
        assert list(rows) == ["im", "ga"]
        for task, number in (("im", 2), ("ga", 1)):
            two = scores.targets != 3 - number
            truth = scores.targets[two] == number
            called = (scores.logits[:, number] >= scores.logits[:, 0])[two]
            assert (rows[task].against, rows[task].n) == ("normal", two.sum())
            measures = {name: interval.value for name, interval in rows[task].measures.items()}
            assert measures["sensitivity"] == pytest.approx(sklearn.metrics.recall_score(truth, called))
            assert measures["specificity"] == pytest.approx(sklearn.metrics.recall_score(~truth, ~called))
            assert measures["ppv"] == pytest.approx(sklearn.metrics.precision_score(truth, called))

    def test_a_rule_is_applied_to_the_two(self) -> None:
        scores, validation = drawn(1.0), drawn(1.0, seed=1)
        validation = dataclasses.replace(validation, images=tuple(f"v{i}" for i in validation.images))
        how = {"operating_point": "sens>=0.9", "validation": validation, "n_resamples": 100}
        report = evaluate(scores, **how)  # type: ignore[arg-type]
        rows = paper_rows(report, scores, **how)  # type: ignore[arg-type]
        assert rows["im"].rule == "sens>=0.9 on 81 validation frames"

    def test_a_stored_threshold_is_not_of_pairs(self) -> None:
        stored = {"normal": 0.1, "GA": 0.2, "IM": 0.3}
        scores = drawn(1.0, operating_points=stored)
        report = evaluate(scores, operating_point="stored", n_resamples=100)
        row = paper_rows(report, scores, operating_point="stored", n_resamples=100)["im"]
        assert (row.threshold, row.rule) == (0.5, "0.5: none is stored for pairs")
        two = drawn(1.0, names=("normal", "im"), operating_points={"normal": 0.6, "im": 0.3})
        report = evaluate(two, operating_point="stored", n_resamples=100)
        row = paper_rows(report, two, operating_point="stored", n_resamples=100)["im"]
        assert (row.against, row.threshold, row.rule) == ("normal", 0.3, "stored with the weights")

    def test_else_against_the_rest(self) -> None:
        scores = drawn(2.0, names=("other", "GA", "IM"))
        report = evaluate(scores, n_resamples=100)
        assert paper_rows(report, scores, n_resamples=100) == {"im": report.rows[2], "ga": report.rows[1]}
        marks = np.eye(3, dtype=int)[drawn(2.0).targets]
        several = dataclasses.replace(drawn(2.0), task="multilabel", targets=marks)
        report = evaluate(several, n_resamples=100)
        assert paper_rows(report, several, n_resamples=100)["ga"] is report.rows[1]

    def test_measured_and_reported_are_told_apart(self) -> None:
        scores = drawn(2.0)
        rows = paper_rows(evaluate(scores, n_resamples=100), scores, n_resamples=100)
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
        assert "IM against normal, threshold 0.500 (as asked for)" in measured[0]
        assert "not reproduced here | - | 97.83 | 96.69 | 98.82 | 98.79 | 96.92 |" in text
        assert "cluster bootstrap, 100 resamples" in text
        assert "No intervals, one split" in text, "the caveats"
        assert "No model here is a medical device" in text

    def test_both_lights_where_none_is_told(self) -> None:
        scores = drawn(2.0, columns={"modality": ("wli",) * 60 + ("lci",) * 60})
        assert one_light(scores) == ""
        rows = paper_rows(evaluate(scores, n_resamples=100), scores, n_resamples=100)
        text = paper_table(rows, model="m", data="d", modality=one_light(scores))
        assert text.count("reported by the paper, WLI") == text.count("reported by the paper, LCI") == 18
        assert one_light(drawn(1.0)) == one_light(drawn(1.0, columns={"modality": ("nbi",) * 120})) == ""
        assert one_light(drawn(1.0, columns={"modality": ("lci",) * 120})) == "lci"

    def test_other_labels_have_no_table(self) -> None:
        assert paper_tasks(["normal", "im"]) == {"im": "im"}
        with pytest.raises(InvalidConfigError, match="are of IM and GA; the labels here are a, b"):
            paper_tasks(["a", "b"])
