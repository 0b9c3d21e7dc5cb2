"""Evaluation of grades: each "at least this one", the called grade, and tables of predictions."""

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from lag_zoo.cli.results_table import called_table
from lag_zoo.cli.sink import PlainConsole
from lag_zoo.errors import DataError, InvalidConfigError
from lag_zoo.evaluate import Analysis, EvaluationOptions, Scores, compare, evaluate, evaluate_predictions
from lag_zoo.evaluate.comparison import mean_auroc, with_comparisons
from lag_zoo.evaluate.into_card import measurements
from lag_zoo.evaluate.operating_points import operating_points
from lag_zoo.evaluate.pages import markdown
from lag_zoo.evaluate.paper_table import paper_rows
from lag_zoo.evaluate.report import report_of
from lag_zoo.evaluate.scores import Calibration
from lag_zoo.evaluate.tidy import tidy_csv
from lag_zoo.evaluate.units import frames_as_units
from lag_zoo.tasks import rules_of

GRADES = ("none", "mild", "severe")
RULES = rules_of("ordinal")


def drawn(
    n: int = 160, *, seed: int = 0, skill: float = 1.5, names: tuple[str, ...] = GRADES, **fields: Any
) -> Scores:
    """Scores of patients of four frames each, whose grades differ by one at most; the same frames for each skill."""
    rng = np.random.default_rng(seed)
    patients = np.arange(n) // 4
    own = rng.integers(0, len(names), n)[patients]
    targets = np.clip(own - (rng.uniform(size=n) < 0.4), 0, None)
    signs = np.where(targets[:, None] >= np.arange(len(names)), 1, -1)
    logits = skill * signs + rng.normal(size=(n, len(names)))
    logits[:, 0] = 0
    return Scores.from_arrays(
        logits,
        targets,
        label_names=names,
        task="ordinal",
        images=[f"{i}.png" for i in range(n)],
        groups=[f"p{p}" for p in patients],
        **fields,
    )


def table(scores: Scores, **more: list[Any]) -> dict[str, list[Any]]:
    """The scores as a table of predictions."""
    names, frames = scores.label_names, scores.frames
    return {
        "label": [names[target] for target in frames.targets],
        "patient": frames.groups.tolist(),
        **{f"p_{name}": scores.probabilities[:, k].tolist() for k, name in enumerate(names)},
        **more,
    }


class TestReports:
    def test_rows_are_of_at_least_each_grade(self) -> None:
        scores = drawn()
        report = evaluate(scores, n_resamples=100)
        assert [(row.label, row.against) for row in report.rows] == [
            ("at least mild", "below"),
            ("at least severe", "below"),
        ]
        assert report.pairs == ()
        assert report.warnings == ()
        targets, chances = scores.frames.targets, scores.probabilities
        for grade, row in enumerate(report.rows, 1):
            claim = chances[:, grade:].sum(axis=1)
            assert row.positives == (targets >= grade).sum()
            area = sklearn.metrics.roc_auc_score(targets >= grade, claim)
            assert row.measures["auroc"].value == pytest.approx(area)
            brier = sklearn.metrics.brier_score_loss(targets >= grade, claim)
            assert row.calibration["brier"].value == pytest.approx(brier)
            assert (
                row.calibration["slope"].low < row.calibration["slope"].value < row.calibration["slope"].high
            )
            assert row.threshold == 0.5

    def test_the_called_grade_has_the_measures_of_grades(self) -> None:
        scores = drawn()
        told = evaluate(scores, n_resamples=100).to_dict()
        targets = scores.frames.targets
        called = (scores.probabilities[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:] >= 0.5).sum(axis=1)
        wanted = {
            "accuracy": sklearn.metrics.accuracy_score(targets, called),
            "adjacent_accuracy": np.mean(np.abs(targets - called) <= 1),
            "mean_absolute_error": sklearn.metrics.mean_absolute_error(targets, called),
            "quadratic_weighted_kappa": sklearn.metrics.cohen_kappa_score(
                targets, called, weights="quadratic"
            ),
            "balanced_accuracy": sklearn.metrics.balanced_accuracy_score(targets, called),
            "macro_f1": sklearn.metrics.f1_score(targets, called, average="macro"),
        }
        for name, value in wanted.items():
            assert told[name]["value"] == pytest.approx(value)
            assert told[name]["low"] < value <= told[name]["high"] or name == "adjacent_accuracy"
            assert told[name]["groups"] == 40
        assert told["mean_absolute_error"]["high"] < 2
        matrix = sklearn.metrics.confusion_matrix(targets, called)
        assert told["called"]["confusion"] == matrix.tolist()
        assert "kappa" not in told

    def test_pages_name_them(self) -> None:
        report = evaluate(drawn(), n_resamples=100)
        page = markdown(report)
        for said in (
            "quadratic weighted kappa",
            "mean absolute error",
            "adjacent accuracy",
            "| at least mild |",
        ):
            assert said in page
        assert "against below" not in page
        assert "the highest grade of which the probability of at least this one reaches its threshold" in page
        assert "given the right one of 3 grades" in report.summary
        assert "the mean error was" in report.summary
        assert "called,,,,quadratic_weighted_kappa" in tidy_csv(report)

    def test_few_grades_in_the_truth(self) -> None:
        scores = drawn()
        lowest = scores.take(np.flatnonzero(scores.frames.targets == 0))
        told = evaluate(lowest, n_resamples=100).to_dict()
        assert told["quadratic_weighted_kappa"]["value"] is None
        assert told["mean_absolute_error"]["value"] is not None
        assert any("No frame has at least mild or at least severe" in said for said in told["warnings"])

    def test_two_grades_have_one_row(self) -> None:
        scores = drawn(names=("low", "normal"))  # the higher one is reported, whatever it is called
        report = evaluate(scores, n_resamples=100)
        assert [row.label for row in report.rows] == ["at least normal"]
        assert report.called is not None
        assert report.called.measures["quadratic_weighted_kappa"].value < 1
        with pytest.raises(InvalidConfigError, match="each has a row of its own"):
            evaluate(scores, positive="low")

    def test_unreadable_frames_count_as_called_furthest_off(self) -> None:
        scores = drawn()
        lost = scores.frames.take(np.arange(8))
        flow = dataclasses.replace(scores.flow, skipped=lost)
        kept = dataclasses.replace(scores.take(np.arange(8, 160)), flow=flow)
        report = evaluate(kept, n_resamples=100, unreadable_as_failures=True)
        assert report.called is not None
        called = np.where(lost.targets < 1, 2, 0)
        calls = np.concatenate([Analysis(kept, EvaluationOptions()).calls, called])
        truth = np.concatenate([kept.frames.targets, lost.targets])
        measures = report.called.measures
        assert measures["mean_absolute_error"].value == pytest.approx(np.abs(calls - truth).mean())
        assert measures["quadratic_weighted_kappa"].value == pytest.approx(
            sklearn.metrics.cohen_kappa_score(calls, truth, weights="quadratic")
        )
        assert report.called.n == 160

    def test_subgroups_count_those_with_at_least_a_grade(self) -> None:
        scores = drawn(columns={"device": ["a", "b"] * 80})
        (one, _) = evaluate(scores, n_resamples=100).subgroups
        targets = scores.frames.targets[::2]
        assert one.labels == {"at least mild": (targets >= 1).sum(), "at least severe": (targets >= 2).sum()}

    def test_operating_points_are_by_the_grades_names(self) -> None:
        scores = drawn()
        points = operating_points(scores)
        assert list(points) == ["mild", "severe"]
        stored = dataclasses.replace(scores, calibration=Calibration(operating_points={"severe": 0.2}))
        report = evaluate(stored, n_resamples=100)
        assert [row.threshold for row in report.rows] == [0.5, 0.2]
        claims = RULES.claims(scores.probabilities)
        wanted = np.where(claims[:, 2] >= 0.2, 2, claims[:, 1] >= 0.5)
        assert (Analysis(stored, EvaluationOptions()).calls == wanted).all()

    def test_a_card_gets_them(self) -> None:
        report = dataclasses.replace(
            evaluate(drawn(), n_resamples=100),
            about={"data": "x", "split": None, "date": "2026-01-01", "lag_zoo": "0", "precision": "fp32"},
        )
        found = {one.metric: one for one in measurements(report)}
        assert {"AUROC of at least mild", "quadratic weighted kappa", "mean absolute error"} <= set(found)
        assert found["quadratic weighted kappa"].groups == 40


class TestUnits:
    @given(st.lists(st.lists(st.integers(-1, 2), min_size=1, max_size=4), min_size=2, max_size=5))
    def test_an_examination_has_the_highest_grade_of_its_frames(self, grades: list[list[int]]) -> None:
        targets = np.array([grade for frames in grades for grade in frames])
        groups = [number for number, frames in enumerate(grades) for _ in frames]
        logits = np.random.default_rng(0).normal(size=(len(targets), 3))
        scores = Scores.from_arrays(logits, targets, label_names=GRADES, task="ordinal", groups=groups)
        for pooling in ("maximum", "mean", "noisy-or", "top2"):
            units = scores.at("patient", pooling)
            assert (np.diff(units.probabilities, axis=1) <= 0).all()
            assert units.probabilities[:, 0] == pytest.approx(1)
            # Frames of which nothing is known may have a higher grade, unless one has the highest.
            wanted = [max(frames) if -1 not in frames or 2 in frames else -1 for frames in grades]
            assert units.targets.tolist() == wanted
        assert (frames_as_units(scores).targets == targets).all()

    def test_the_level_that_is_reported_is_called_by_pooled_claims(self) -> None:
        scores = drawn()
        report = evaluate(scores, n_resamples=100, level="patient")
        claims = RULES.claims(scores.probabilities).reshape(40, 4, 3).max(axis=1)
        truth = scores.frames.targets.reshape(40, 4).max(axis=1)
        called = (claims[:, 1:] >= 0.5).sum(axis=1)
        assert report.called is not None
        assert report.called.left_out == 0
        assert report.called.measures["accuracy"].value == pytest.approx((called == truth).mean())


class TestComparisons:
    def test_networks_are_compared_by_each_claim(self) -> None:
        one, other = drawn(skill=2.0), drawn(skill=0.3)
        analysis = Analysis(one, EvaluationOptions(n_resamples=100))
        report = with_comparisons(
            report_of(analysis), analysis, {"other": Analysis(other, EvaluationOptions(n_resamples=100))}
        )
        (found,) = report.comparisons
        assert found.called is not None
        assert found.called.measures["quadratic_weighted_kappa"].value > 0
        assert all(difference.auroc.value > 0 for difference in found.differences)
        assert found.accuracy is not None
        assert found.accuracy.value > 0
        assert report.called is not None
        kappas = [
            called.measures["quadratic_weighted_kappa"].value for called in (report.called, found.called)
        ]
        assert found.weighted_kappa is not None
        assert found.weighted_kappa.value == pytest.approx(kappas[0] - kappas[1])
        assert found.weighted_kappa.low > 0
        assert found.weighted_kappa.groups == 40
        page, tidy = markdown(report), tidy_csv(report)
        assert "| quadratic weighted kappa | the reported one's less it |" in page
        assert "difference,other,,,quadratic_weighted_kappa" in tidy
        named = [comparison.label for comparison in compare(one, other)]
        assert named == ["at least mild", "at least severe"] == list(mean_auroc([one, other]))
        assert compare(one, other)[0].one == report.rows[0].measures["auroc"].value

    def test_another_order_is_another_question(self) -> None:
        with pytest.raises(InvalidConfigError, match="from the lowest on"):
            compare(drawn(), drawn(names=("mild", "none", "severe")))

    def test_scores_are_read_as_they_were_written(self, tmp_path: Path) -> None:
        scores = drawn()
        scores.write(tmp_path / "scores.csv")
        again = Scores.read(tmp_path / "scores.csv")
        assert again.task == "ordinal"
        assert (again.probabilities == scores.probabilities).all()
        assert (again.frames.targets == scores.frames.targets).all()


class TestTablesOfPredictions:
    def test_a_table_gives_the_numbers_of_its_scores(self) -> None:
        scores = drawn()
        report = evaluate_predictions(table(scores), task="ordinal", n_resamples=100)
        direct = evaluate(scores, n_resamples=100)
        assert report.called is not None
        assert direct.called is not None
        for name, interval in direct.called.measures.items():
            assert report.called.measures[name] == pytest.approx(interval)
        assert [row.label for row in report.rows] == ["at least mild", "at least severe"]

    def test_the_order_is_that_of_the_columns_or_the_one_that_is_named(self) -> None:
        columns = table(drawn())
        turned = {name: columns[name] for name in ("label", "patient", "p_severe", "p_none", "p_mild")}
        told = evaluate_predictions(turned, task="ordinal", n_resamples=100)
        named = evaluate_predictions(turned, task="ordinal", labels=GRADES, n_resamples=100)
        direct = evaluate_predictions(columns, task="ordinal", n_resamples=100)
        assert [row.label for row in told.rows] == ["at least none", "at least mild"]
        assert named.called is not None
        assert direct.called is not None
        assert named.called.measures == direct.called.measures

    def test_without_the_task_labels_have_no_order(self) -> None:
        report = evaluate_predictions(table(drawn()), n_resamples=100)
        assert report.called is not None
        assert "quadratic_weighted_kappa" not in report.called.measures

    def test_sums_of_given_probabilities_are_no_other_by_rounding(self) -> None:
        columns = {
            "label": ["a", "b", "c"] * 8,
            "p_a": [0.7, 0.5, 0.1] * 8,
            "p_b": [0.1, 0.4, 0.2] * 8,
            "p_c": [0.2, 0.1, 0.7] * 8,
        }
        report = evaluate_predictions(columns, task="ordinal", n_resamples=100)
        assert report.scores is not None
        claims = report.scores.at("frame").probabilities
        assert claims[:3, 1].tolist() == [0.3, 0.5, 0.9]

    def test_calls_are_grades_too(self) -> None:
        scores = drawn()
        called = [GRADES[call] for call in Analysis(scores, EvaluationOptions()).calls]
        columns = {name: values for name, values in table(scores).items() if not name.startswith("p_")}
        report = evaluate_predictions(
            {**columns, "called": called}, task="ordinal", labels=GRADES, level="patient", n_resamples=100
        )
        assert report.called is not None
        highest = np.array([GRADES.index(name) for name in called]).reshape(40, 4).max(axis=1)
        truth = scores.frames.targets.reshape(40, 4).max(axis=1)
        assert report.called.measures["mean_absolute_error"].value == pytest.approx(
            np.abs(highest - truth).mean()
        )

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (
                lambda t: {**{k: v for k, v in t.items() if k[:2] != "p_"}, "called": t["label"]},
                "order of the grades",
            ),
            (
                lambda t: {"logit_" + k[2:] if k[:2] == "p_" else k: v for k, v in t.items()},
                "give probabilities",
            ),
            (
                lambda t: {"none" if k == "label" else k: v for k, v in t.items()} | {"none": [0, 1] * 80},
                "grades",
            ),
        ],
    )
    def test_what_does_not_say_the_order_is_refused(self, change: Any, said: str) -> None:
        with pytest.raises(DataError, match=said):
            evaluate_predictions(change(table(drawn())), task="ordinal")

    def test_one_column_of_two_does_not_say_which_is_the_lower(self) -> None:
        two = {"label": ["low", "high"] * 8, "p_high": [0.2, 0.8] * 8}
        with pytest.raises(DataError, match="order of the grades"):
            evaluate_predictions(two, task="ordinal")
        report = evaluate_predictions(two, task="ordinal", labels=("low", "high"), n_resamples=100)
        assert report.rows[0].label == "at least high"

    def test_raters_alone_have_no_grades(self) -> None:
        rated = {"ana": ["a", "b"] * 4, "ben": ["a", "b"] * 4}
        with pytest.raises(InvalidConfigError, match="does not look at the order"):
            evaluate_predictions(rated, raters=("ana", "ben"), task="ordinal")

    def test_the_papers_table_has_none(self) -> None:
        with pytest.raises(InvalidConfigError, match="without an order"):
            paper_rows(drawn(names=("normal", "IM", "GA")), EvaluationOptions())


def test_the_report_in_json(tmp_path: Path) -> None:
    report = evaluate(drawn(), n_resamples=100)
    report.save(tmp_path)
    told = json.loads((tmp_path / "report.json").read_text())
    assert told["quadratic_weighted_kappa"]["low"] < told["quadratic_weighted_kappa"]["value"] < 1
    assert (tmp_path / "figures" / "at_least_mild.svg").is_file()


def test_the_table_on_the_screen_fits_80_columns() -> None:
    report = evaluate(drawn(), n_resamples=100)
    assert report.called is not None
    text = io.StringIO()
    PlainConsole(file=text, width=80).print(called_table(report.called))
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert "\u2026" not in text.getvalue()
    assert f"{report.called.measures['quadratic_weighted_kappa'].value:.3f}" in text.getvalue()
