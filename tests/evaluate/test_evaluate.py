"""Reports: what stands in them is what scikit-learn and scipy say, with an honest threshold or none."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
import scipy.special
import sklearn.metrics
from matplotlib.backends.backend_agg import FigureCanvasAgg

from lag_zoo.errors import InvalidConfigError
from lag_zoo.evaluate import Analysis, Calibration, EvaluationOptions, Flow, Scores, count_rows, evaluate
from lag_zoo.evaluate.baselines import with_baselines
from lag_zoo.evaluate.comparison import with_comparisons
from lag_zoo.evaluate.figures import contrast_figure
from lag_zoo.evaluate.pages import html, markdown
from lag_zoo.evaluate.report import report_of
from lag_zoo.evaluate.results import _reflected
from lag_zoo.metrics import calibration
from tests.evaluate.drawn_scores import NAMES, drawn, with_frames
from tests.metrics.references import bootstrapped, wilson

POINTS = {"normal": 0.3, "GA": 0.4, "IM": 0.2}
STORED = Calibration(operating_points=POINTS)


class TestNumbers:
    def test_against_scikit_learn(self) -> None:
        scores = drawn()
        report = evaluate(scores, n_resamples=10)
        probabilities = scipy.special.softmax(scores.logits, axis=1)
        assert [row.label for row in report.rows] == list(NAMES)
        for number, row in enumerate(report.rows):
            truth, called = scores.frames.targets == number, probabilities[:, number] >= 0.5
            measures = {name: interval.value for name, interval in row.measures.items()}
            assert measures == pytest.approx(
                {
                    "accuracy": sklearn.metrics.accuracy_score(truth, called),
                    "sensitivity": sklearn.metrics.recall_score(truth, called),
                    "specificity": sklearn.metrics.recall_score(~truth, ~called),
                    "ppv": sklearn.metrics.precision_score(truth, called),
                    "npv": sklearn.metrics.precision_score(~truth, ~called),
                    "f1": sklearn.metrics.f1_score(truth, called),
                    "auroc": sklearn.metrics.roc_auc_score(truth, probabilities[:, number]),
                    "auprc": sklearn.metrics.average_precision_score(truth, probabilities[:, number]),
                }
            )
            assert (row.n, row.groups, row.positives) == (240, 60, truth.sum())
            groups = scores.frames.groups
            assert (row.groups_with, row.groups_without) == tuple(
                len(np.unique(groups[part])) for part in (truth, ~truth)
            )
            assert all(i.low < i.value < i.high for i in row.measures.values())
            assert all(i.method.endswith("variance by group") for i in row.measures.values())

    def test_label_against_label(self) -> None:
        scores = drawn()
        pairs = {(row.label, row.against): row for row in evaluate(scores, n_resamples=10).pairs}
        assert set(pairs) == {("normal", "GA"), ("normal", "IM"), ("GA", "IM")}
        either = scores.frames.targets != 0
        row = pairs["GA", "IM"]
        assert row.n == either.sum()
        assert row.measures["auroc"].value == pytest.approx(
            sklearn.metrics.roc_auc_score(
                scores.frames.targets[either] == 1, (scores.logits[:, 1] - scores.logits[:, 2])[either]
            )
        )

    def test_pairs_of_many_labels_have_to_be_asked_for(self) -> None:
        rng = np.random.default_rng(0)
        for count, asked, expected in ((6, None, 15), (7, None, 0), (7, True, 21), (3, False, 0)):
            scores = Scores.from_arrays(
                rng.normal(size=(4 * count, count)),
                np.arange(4 * count) % count,
                label_names=tuple(map(str, range(count))),
                groups=np.arange(4 * count) // 2,
            )
            report = evaluate(scores, n_resamples=2, pairs=asked)
            assert len(report.pairs) == expected
            warned = [warning for warning in report.warnings if "pairs=True" in warning]
            assert len(warned) == ((count, asked) == (7, None))
            assert all("7 labels" in warning and "21" in warning for warning in warned)
            assert ("### Label against label" in markdown(report)) == (expected > 0)

    def test_unknown_labels_are_left_out(self) -> None:
        scores = drawn(task="multilabel")
        report = evaluate(scores, n_resamples=10)
        assert report.pairs == ()
        for number, row in enumerate(report.rows):
            known = scores.frames.targets[:, number] >= 0
            assert row.n == known.sum() < len(scores)
            assert row.measures["auroc"].value == pytest.approx(
                sklearn.metrics.roc_auc_score(
                    scores.frames.targets[known, number], scores.logits[known, number]
                )
            )

    def test_by_group_is_wider(self) -> None:
        grouped, alone = (
            evaluate(drawn(grouping=grouping), n_resamples=10).rows[0] for grouping in ("patient", None)
        )
        for name in ("accuracy", "auroc", "sensitivity"):
            one, other = grouped.measures[name], alone.measures[name]
            assert one.value == other.value
            assert one.high - one.low > 1.3 * (other.high - other.low)
            assert "frames taken as independent" in other.method
        assert alone.groups is None
        tp, _, tn, _ = alone.confusion
        assert alone.measures["accuracy"][:3] == pytest.approx(((tp + tn) / 240, *wilson(tp + tn, 240)))

    def test_restated_for_a_prevalence(self) -> None:
        row = evaluate(drawn(), n_resamples=10, prevalence=0.05).rows[2]
        assert row.at_prevalence is not None
        assert row.at_prevalence.ppv.high < row.measures["ppv"].value
        assert row.at_prevalence.ppv.low < row.at_prevalence.ppv.value < row.at_prevalence.ppv.high
        own = evaluate(drawn(), n_resamples=10, prevalence=row.prevalence).rows[2]
        assert own.at_prevalence is not None
        told = (own.at_prevalence.ppv.value, own.at_prevalence.npv.value)
        assert told == pytest.approx((row.measures["ppv"].value, row.measures["npv"].value))

    @pytest.mark.parametrize("grouping", ["patient", None])
    def test_calibration_has_intervals(self, grouping: str | None) -> None:
        scores = drawn(grouping=grouping)
        row = evaluate(scores, n_resamples=10).rows[2]
        truth, probabilities = scores.frames.targets == 2, scores.probabilities[:, 2]
        assert row.calibration["brier"].value == pytest.approx(
            sklearn.metrics.brier_score_loss(truth, probabilities)
        )
        assert row.calibration["observed_over_expected"].value == pytest.approx(
            truth.sum() / probabilities.sum()
        )
        for name in ("brier", "ece", "observed_over_expected", "offset_intercept", "slope", "intercept"):
            interval = row.calibration[name]
            assert interval.low < interval.high
            assert ("cluster" in interval.method) == (grouping is not None)
            assert interval.groups == (60 if grouping else None)

    @pytest.mark.parametrize("grouping", ["patient", None])
    def test_where_all_is_right_the_intervals_still_have_a_width(self, grouping: str | None) -> None:
        scores = drawn(grouping=grouping)
        targets = scores.frames.targets
        row = evaluate(dataclasses.replace(scores, logits=20.0 * np.eye(3)[targets]), n_resamples=10).rows[0]
        truth = targets == 0
        units = scores.frames.groups if grouping else np.arange(240)
        of_all, with_it, without = (len(np.unique(units[m])) for m in (truth | True, truth, ~truth))
        expected = {
            "accuracy": of_all,
            "sensitivity": with_it,
            "specificity": without,
            "ppv": with_it,
            "npv": without,
            "auroc": min(with_it, without),
        }
        for name, count in expected.items():
            interval = row.measures[name]
            assert (interval.value, interval.low) == pytest.approx((1.0, wilson(count, count)[0])), name
        slope = row.calibration["slope"]
        assert 0 < slope.low <= slope.value < np.inf, "any steeper slope fits better: Firth's is reported"

    def test_few_with_a_label_are_told(self) -> None:
        patients, frames, many = (
            evaluate(drawn(n, grouping=grouping), n_resamples=10)
            for n, grouping in ((40, "patient"), (16, None), (400, "patient"))
        )
        assert patients.rows[0].unreliable.startswith(
            "only 4 patients without it: intervals not to be relied on"
        )
        assert any("intervals are not to be relied on" in warning for warning in patients.warnings)
        assert any("frames have, or lack, normal" in warning for warning in frames.warnings)
        assert not any("have, or lack" in warning for warning in many.warnings)
        assert {row.unreliable for row in many.rows} == {""}

    def test_by_patient(self) -> None:
        report = evaluate(drawn(), level="patient", pooling="mean", n_resamples=10)
        assert {row.n for row in report.rows} == {60}
        assert report.rows[0].frames_and_label is not None
        with pytest.raises(InvalidConfigError, match="do not name every frame's exam"):
            evaluate(drawn(), level="exam")

    def test_by_examination_within_patients(self) -> None:
        scores = drawn(columns={"exam": [str(i // 2 % 2) for i in range(240)]})
        # Two a patient, named alike in each.
        report = evaluate(scores, level="exam", pooling="mean", n_resamples=200)
        row = report.rows[0]
        assert (row.n, row.groups, report.subgroups) == (120, 60, ())
        assert row.measures["auroc"].groups == 60, "examinations of one patient are not independent"
        pairs = scores.probabilities[:, 0].reshape(-1, 2).mean(axis=1)
        truth = (scores.frames.targets == 0).reshape(-1, 2)[:, 0]
        assert row.measures["auroc"].value == pytest.approx(sklearn.metrics.roc_auc_score(truth, pairs))

    def test_subgroups(self) -> None:
        device = ["AB"[i // 120] for i in range(240)]
        report = evaluate(drawn(columns={"device": device, "anatomy": ["antrum"] * 240}), n_resamples=10)
        assert [(part.column, part.value, part.rows[0].n) for part in report.subgroups] == [
            ("device", "A", 120), ("device", "B", 120),
        ]  # fmt: skip

    def test_frames_of_one_patient_alone_are_refused(self) -> None:
        scores = drawn()
        with pytest.raises(InvalidConfigError, match="all 240 frames are of one patient"):
            evaluate(with_frames(scores, groups=np.full(240, "one")), n_resamples=10)

    @pytest.mark.usefixtures("no_pictures")
    def test_why_frames_were_excluded_and_what_labels_rest_on(self) -> None:
        flow = Flow(
            found=243, excluded=3, reasons={"blurred": 2, "no consent": 1}, references={"histology": 240}
        )
        report = evaluate(drawn(flow=flow), n_resamples=10)
        assert report.flow == flow
        for page in (markdown(report), html(report)):
            assert "2 blurred, 1 no consent" in page
            assert "Reference standard: 240 histology." in page

    def test_thresholds_of_folds_are_told_as_a_range(self) -> None:
        thresholds = np.repeat([[0.2], [0.4]], 120, axis=0).repeat(3, axis=1)
        scores = drawn(calibration=Calibration(thresholds=thresholds), fold=["fold1"] * 120 + ["fold2"] * 120)
        row = evaluate(scores, operating_point="stored", n_resamples=10).rows[0]
        assert row.rule.endswith("from its inner validation frames: 0.200 to 0.400")
        assert row.curves is not None
        assert row.curves.referral[1][0] == pytest.approx(row.measures["accuracy"].value), "nobody referred"

    def test_an_error_lies_in_its_interval(self) -> None:
        for seed in range(3):
            measured = evaluate(drawn(240, seed=seed), n_resamples=30, pairs=False).rows[0].calibration
            for name in ("ece", "ici", "e50", "e90"):
                error = measured[name]
                assert np.isfinite(error.value)
                assert 0 <= error.low <= error.value <= error.high, name
                assert error.method.endswith("reflected")
        for seed in range(20):
            scores = drawn(80, seed=seed)
            arrays = scores.probabilities[:, 0], scores.frames.targets == 0
            ece = _reflected(
                bootstrapped(calibration.ece, scores.frames.groups, *arrays, n_resamples=10, seed=0)[0]
            )
            assert 0 <= ece.low <= ece.value <= ece.high


class TestFewGroups:
    def test_an_auroc_that_two_patients_carry_is_wide(self) -> None:
        """However many patients are without the label."""
        rng = np.random.default_rng(0)
        truth = np.repeat(np.arange(200) < 2, 5)
        logits = np.stack([np.zeros(1000), 2.0 * truth + rng.normal(size=1000)], axis=1)
        scores = Scores.from_arrays(
            logits, truth.astype(int), label_names=["normal", "IM"], groups=np.arange(1000) // 5
        )
        row = evaluate(scores, n_resamples=20).rows[0]
        area = row.measures["auroc"]
        assert (row.groups, row.groups_with, area.carriers) == (200, 2, 2)
        assert area.value > 0.85
        assert area.high - area.low > 0.5
        assert row.measures["specificity"].high - row.measures["specificity"].low < 0.1, "198 carry it"

    def test_a_label_that_one_patient_has(self) -> None:
        """What cannot be resampled has no interval; nothing is refused for it."""
        scores = drawn()
        groups = np.where(scores.frames.targets == 0, scores.frames.groups, "one")
        report = evaluate(with_frames(scores, groups=groups), n_resamples=10)
        pairs = {(row.label, row.against): row for row in report.pairs}
        assert set(pairs) == {("normal", "GA"), ("normal", "IM"), ("GA", "IM")}
        alone = pairs["GA", "IM"]
        assert (alone.groups, alone.groups_with) == (1, 1)
        area = alone.measures["auroc"]
        assert area.high - area.low > 0.75
        assert np.isfinite(alone.calibration["brier"].value)
        assert np.isnan(alone.calibration["brier"].low)
        json.dumps(report.to_dict(), allow_nan=False)


@pytest.mark.parametrize("pairs", [None, False, True])
@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("level", ["frame", "patient"])
def test_progress_is_told_after_each_row(pairs: bool | None, task: str, level: str) -> None:
    # Of the sites one has a single patient, so that some rows cannot be told: they count all the same.
    columns = {
        "device": ["ABC"[i // 80] for i in range(240)],
        "anatomy": ["ab"[i < 4] for i in range(240)],
        "centre": ["one"] * 240,
    }
    scores, calls = drawn(task=task, columns=columns), []
    options = EvaluationOptions(level=level, pairs=pairs, n_resamples=2)  # type: ignore[arg-type]
    analysis = Analysis(scores, options)
    report = report_of(analysis, progress=lambda: calls.append(0))
    assert len(calls) == count_rows(scores, options)
    assert count_rows(scores, dataclasses.replace(options, pairs=False)) == 3 * (1 + 3 + 2)
    calls.clear()
    found = {"a": scores, "b": drawn(task=task)}
    with_baselines(report, found, options, progress=lambda: calls.append(0))
    assert len(calls) == 2 * 3, "once a label of each baseline"
    calls.clear()
    with_comparisons(report, analysis, {"a": analysis, "b": analysis}, progress=lambda: calls.append(0))
    assert len(calls) == 2 * len(report.rows)


class TestThresholds:
    def test_chosen_on_other_frames(self) -> None:
        report = evaluate(drawn(), operating_point="youden", validation=drawn(seed=1), n_resamples=10)
        again = evaluate(drawn(seed=1), operating_point="youden", apparent=True, n_resamples=10)
        assert [row.threshold for row in report.rows] == [row.threshold for row in again.rows]
        assert report.rows[0].rule == "youden on 240 validation frames"
        assert not any(row.apparent for row in report.rows)
        assert all(row.apparent and "apparent" in row.rule for row in again.rows)
        assert any("apparent" in warning for warning in again.warnings)

    def test_a_wanted_sensitivity(self) -> None:
        report = evaluate(drawn(seed=1), operating_point="sens>=0.9", apparent=True, n_resamples=10)
        assert all(row.measures["sensitivity"].value >= 0.9 for row in report.rows)

    def test_without_other_frames_it_is_refused(self) -> None:
        with pytest.raises(InvalidConfigError, match="or --apparent"):
            evaluate(drawn(), operating_point="youden")
        with pytest.raises(InvalidConfigError, match="among those reported"):
            evaluate(drawn(), operating_point="youden", validation=drawn())

    def test_a_rule_needs_validation_frames_with_the_label_and_without(self) -> None:
        validation = drawn(seed=1)
        validation = validation.take(np.flatnonzero(validation.frames.targets != 2))
        with pytest.raises(InvalidConfigError, match=r"youden for IM: 0 of \d+ validation frames have it"):
            evaluate(drawn(), operating_point="youden", validation=validation)

    def test_stored(self) -> None:
        report = evaluate(drawn(calibration=STORED), operating_point="stored", n_resamples=10)
        assert [row.threshold for row in report.rows] == list(POINTS.values())
        with pytest.raises(InvalidConfigError, match="no operating point of normal, GA, IM is stored"):
            evaluate(drawn(), operating_point="stored")

    def test_by_default_what_is_stored_counts_else_a_half(self) -> None:
        with_points, without = (
            evaluate(drawn(**kept), n_resamples=10) for kept in ({"calibration": STORED}, {})
        )
        assert [row.threshold for row in with_points.rows] == list(POINTS.values())
        assert {row.rule for row in with_points.rows} == {"stored with the weights"}
        assert {(row.threshold, row.rule) for row in without.rows} == {(0.5, "0.5: none is stored")}

    def test_a_stored_temperature_counts(self) -> None:
        cool, hot = (
            evaluate(drawn(calibration=Calibration(temperature=t)), n_resamples=10).rows[0]
            for t in (1.0, 4.0)
        )
        slopes = [row.calibration["slope"].value for row in (cool, hot)]
        assert slopes[1] == pytest.approx(4 * slopes[0], rel=0.5)
        assert cool.calibration["brier"].value != hot.calibration["brier"].value

    @pytest.mark.parametrize("wrong", ["95", "-0.1", "nan"])
    def test_a_threshold_is_a_probability(self, wrong: str) -> None:
        with pytest.raises(InvalidConfigError, match="a probability from 0 to 1, got"):
            evaluate(drawn(), operating_point=wrong)

    def test_stored_on_frames_that_training_used(self) -> None:
        seen = drawn(calibration=STORED, fold=["val"] * 100 + ["train"] * 20 + ["test"] * 120)
        report = evaluate(seen, operating_point="stored", n_resamples=10)
        assert all(row.apparent for row in report.rows)
        assert any("20 of the split train and 100 of the split val" in warning for warning in report.warnings)
        new = evaluate(drawn(calibration=STORED, fold=["test"] * 240), n_resamples=10)
        assert not any(row.apparent for row in new.rows)
        assert not any("Among these frames" in warning for warning in new.warnings)

    def test_stored_by_patient_says_that_it_was_chosen_on_frames(self) -> None:
        report = evaluate(
            drawn(calibration=STORED), operating_point="stored", level="patient", n_resamples=10
        )
        assert any("chosen on frames, and are applied to patients by maximum" in w for w in report.warnings)

    def test_subgroups_have_the_thresholds_of_all(self) -> None:
        scores = drawn(columns={"device": ["AB"[i // 120] for i in range(240)]})
        report = evaluate(scores, operating_point="youden", apparent=True, n_resamples=10)
        whole = {row.label: row.threshold for row in report.rows}
        for rows in (part.rows for part in report.subgroups):
            assert {row.label: row.threshold for row in rows} == whole

    def test_options_that_cannot_be(self) -> None:
        for wrong, said in (
            ({"level": "image"}, "level is one of frame, exam, patient; got 'image'"),
            ({"pooling": "top0"}, "top0"),
            ({"prevalence": 1.5}, "a share from 0 to 1, got 1.5"),
            ({"n_resamples": 0}, "at least 1, got 0"),
            ({"operating_point": "yuden"}, "no rule 'yuden' for a threshold"),
            ({"positive": "polyp"}, "no label 'polyp' to be the positive one; there are normal, GA, IM"),
            ({"positive": "IM"}, "for two labels that exclude each other; here are 3 labels"),
        ):
            with pytest.raises(InvalidConfigError, match=said):
                evaluate(drawn(), **wrong)  # type: ignore[arg-type]


class TestPatients:
    def test_a_label_that_every_patient_has(self) -> None:
        """Its sensitivity exists, and nothing else of it does."""
        scores = drawn(columns={"anatomy": ["ab"[i % 2] for i in range(240)]})
        targets = scores.frames.targets.copy()
        targets[::4] = 0  # a normal frame each
        report = evaluate(with_frames(scores, targets=targets), level="patient", n_resamples=10)
        assert [row.label for row in report.rows] == list(NAMES)
        normal, ga, _ = report.rows
        assert (normal.positives, normal.n) == (60, 60)
        known = {name for name, interval in normal.measures.items() if np.isfinite(interval.value)}
        assert known >= {"sensitivity", "accuracy"}
        assert known.isdisjoint({"specificity", "auroc", "auprc"})
        assert (normal.calibration, normal.curves) == ({}, None)
        assert np.isfinite(ga.measures["auroc"].value)
        assert any(
            "Every patient has normal: no specificity, AUROC" in warning for warning in report.warnings
        )

    def test_the_highest_few(self) -> None:
        one, two = (
            evaluate(drawn(), level="patient", pooling=by, n_resamples=10).rows[0].measures["auroc"].value
            for by in ("maximum", "top1")
        )
        assert one == two


class TestPages:
    def test_markdown(self) -> None:
        report = evaluate(drawn(grouping=None), n_resamples=10, prevalence=0.1)
        text = markdown(report)
        assert "not a medical device" in text
        assert "Warning. The data name neither patients nor examinations" in text
        (line,) = [line for line in text.splitlines() if line.startswith("| normal | 240")]
        for value in report.rows[0].measures.values():
            assert f"| {value.value:.3f} ({value.low:.3f} to {value.high:.3f}) |" in line
        tables = [part.splitlines() for part in text.split("\n\n") if part.startswith("| ")]
        assert len(tables) >= 6
        for table in tables:
            assert len({line.count("|") for line in table if line.startswith("|")}) == 1

    def test_a_bar_in_a_name_parts_no_columns(self) -> None:
        report = evaluate(dataclasses.replace(drawn(), label_names=("a|b", "GA", "IM")), n_resamples=10)
        lines = markdown(report).splitlines()
        header, line = (next(x for x in lines if x.startswith(s)) for s in ("| label | n", r"| a\|b | 240"))
        assert line.replace(r"\|", "").count("|") == header.count("|")

    @pytest.mark.parametrize("sure", [0.0, 1.0, 20.0])
    @pytest.mark.parametrize("rare", [1, 80])
    def test_no_text_of_a_picture_is_cut_or_covered(self, sure: float, rare: int) -> None:
        scores = drawn()
        targets = np.where(np.arange(240) < rare, 2, np.arange(240) // 4 % 2)
        logits = scores.logits + sure * np.eye(3)[targets]
        scores = dataclasses.replace(with_frames(scores, targets=targets), logits=logits)
        row = evaluate(scores, n_resamples=2).rows[2]
        assert row.curves is not None
        figure = contrast_figure(row, row.curves)
        renderer = FigureCanvasAgg(figure).get_renderer()
        boxes = [axes.get_tightbbox(renderer) for axes in figure.axes]
        width, height = figure.get_size_inches() * figure.dpi
        assert all(0 <= b.x0 < b.x1 <= width and 0 <= b.y0 < b.y1 <= height for b in boxes)
        assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))

    def test_json(self) -> None:
        report = evaluate(drawn(), n_resamples=10)
        data = json.loads(json.dumps(report.to_dict(), allow_nan=False))
        assert data["rows"][0]["measures"]["auroc"]["method"] == report.rows[0].measures["auroc"].method
        assert data["rows"][0]["calibration"]["brier"]["method"] == "cluster bootstrap, 10 resamples"
        assert data["rows"][0]["confusion"]["tp"] >= 0
        assert (data["found"], data["analysed"], data["skipped"]) == (240, 240, [])
