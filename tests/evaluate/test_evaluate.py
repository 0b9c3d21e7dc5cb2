"""Reports: what stands in them is what scikit-learn and scipy say, with an honest threshold or none."""

import dataclasses
import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
import scipy.special
import sklearn.metrics
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

import lag_zoo
from lag_zoo.data import open_data
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import DataError, InvalidConfigError, UnreadableImageError
from lag_zoo.evaluate import Scores, evaluate, score
from lag_zoo.evaluate.baselines import with_baselines
from lag_zoo.evaluate.beside import with_others
from lag_zoo.evaluate.pages import _figure, html, markdown
from lag_zoo.evaluate.report import count_rows
from lag_zoo.evaluate.results import _reflected, _with_width
from lag_zoo.metrics import calibration
from lag_zoo.metrics.intervals import Interval, cluster_bootstrap, wilson
from tests.networks import small
from tests.training.drawn_data import write_frames

NAMES = ("normal", "GA", "IM")


def drawn(
    n: int = 240,
    *,
    grouping: str | None = "patient",
    task: str = "multiclass",
    seed: int = 0,
    **fields: object,
) -> Scores:
    """Scores of patients of four frames each, which are like each other."""
    rng = np.random.default_rng(seed)
    patients = np.arange(n) // 4
    own = rng.integers(0, 3, n)[patients]
    if task == "multiclass":
        targets, marks = own, np.eye(3)[own]
    else:
        marks = (rng.uniform(size=(n, 3)) < 0.4).astype(int)[patients]
        targets = np.where(rng.uniform(size=(n, 3)) < 0.2, -1, marks)
    logits = 1.5 * marks + rng.normal(size=(n, 3))[patients] + rng.normal(0, 0.5, (n, 3))
    return Scores(
        label_names=NAMES,
        task=task,  # type: ignore[arg-type]
        images=tuple(f"{seed}_{i}.png" for i in range(n)),
        logits=logits,
        targets=targets,
        groups=np.array([f"p{p}" for p in patients]) if grouping else np.arange(n).astype(str),
        grouping=grouping,  # type: ignore[arg-type]
        found=n,
        **fields,  # type: ignore[arg-type]
    )


class TestNumbers:
    def test_against_scikit_learn(self) -> None:
        scores = drawn()
        report = evaluate(scores, n_resamples=100)
        probabilities = scipy.special.softmax(scores.logits, axis=1)
        assert [row.label for row in report.rows] == list(NAMES)
        for number, row in enumerate(report.rows):
            truth, called = scores.targets == number, probabilities[:, number] >= 0.5
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
            assert all(i.low <= i.value <= i.high for i in row.measures.values())
            assert all("cluster bootstrap" in i.method for i in row.measures.values())

    def test_label_against_label(self) -> None:
        scores = drawn()
        pairs = {(row.label, row.against): row for row in evaluate(scores, n_resamples=100).pairs}
        assert set(pairs) == {("normal", "GA"), ("normal", "IM"), ("GA", "IM")}
        either = scores.targets != 0
        row = pairs["GA", "IM"]
        assert row.n == either.sum()
        assert row.measures["auroc"].value == pytest.approx(
            sklearn.metrics.roc_auc_score(
                scores.targets[either] == 1, (scores.logits[:, 1] - scores.logits[:, 2])[either]
            )
        )

    def test_pairs_of_many_labels_have_to_be_asked_for(self) -> None:
        rng = np.random.default_rng(0)
        for count, asked, expected in ((6, None, 15), (7, None, 0), (7, True, 21), (3, False, 0)):
            scores = Scores(
                label_names=tuple(map(str, range(count))),
                task="multiclass",
                images=tuple(map(str, range(10 * count))),
                logits=rng.normal(size=(10 * count, count)),
                targets=np.arange(10 * count) % count,
                groups=(np.arange(10 * count) // 2).astype(str),
                grouping="patient",
            )
            report = evaluate(scores, n_resamples=2, pairs=asked)
            assert len(report.pairs) == expected
            warned = [warning for warning in report.warnings if "pairs=True" in warning]
            told = "Left out: label against label, of 7 labels 21 more rows; `evaluate` gives them with pairs=True."
            assert warned == ([told] if (count, asked) == (7, None) else [])
            assert ("Label against label" in markdown(report, title="t")) == (expected > 0)

    def test_unknown_labels_are_left_out(self) -> None:
        scores = drawn(task="multilabel")
        report = evaluate(scores, n_resamples=100)
        assert report.pairs == ()
        for number, row in enumerate(report.rows):
            known = scores.targets[:, number] >= 0
            assert row.n == known.sum() < len(scores)
            assert row.measures["auroc"].value == pytest.approx(
                sklearn.metrics.roc_auc_score(scores.targets[known, number], scores.logits[known, number])
            )

    def test_by_group_is_wider(self) -> None:
        grouped, alone = (
            evaluate(drawn(), n_resamples=400).rows[0],
            evaluate(drawn(grouping=None), n_resamples=400).rows[0],
        )
        for name in ("accuracy", "auroc", "sensitivity"):
            one, other = grouped.measures[name], alone.measures[name]
            assert one.value == other.value
            assert one.high - one.low > 1.3 * (other.high - other.low)
            assert "frames taken as independent" in other.method
        assert alone.groups is None
        tp, _, tn, _ = alone.confusion
        assert alone.measures["accuracy"] == wilson(tp + tn, 240)

    def test_restated_for_a_prevalence(self) -> None:
        row = evaluate(drawn(), n_resamples=100, prevalence=0.05).rows[2]
        assert row.at_prevalence is not None
        assert row.at_prevalence.ppv.high < row.measures["ppv"].value
        assert row.at_prevalence.ppv.low < row.at_prevalence.ppv.value < row.at_prevalence.ppv.high
        own = evaluate(drawn(), n_resamples=100, prevalence=row.prevalence).rows[2]
        assert own.at_prevalence is not None
        told = (own.at_prevalence.ppv.value, own.at_prevalence.npv.value)
        assert told == pytest.approx((row.measures["ppv"].value, row.measures["npv"].value))

    @pytest.mark.parametrize("grouping", ["patient", None])
    def test_calibration_has_intervals(self, grouping: str | None) -> None:
        scores = drawn(grouping=grouping)
        row = evaluate(scores, n_resamples=100).rows[2]
        assert row.calibration["brier"].value == pytest.approx(
            sklearn.metrics.brier_score_loss(scores.targets == 2, scores.probabilities[:, 2])
        )
        for name in ("brier", "ece", "slope", "intercept"):
            interval = row.calibration[name]
            assert interval.low < interval.high
            assert ("cluster" in interval.method) == (grouping is not None)
            assert interval.groups == (60 if grouping else None)

    @pytest.mark.parametrize("grouping", ["patient", None])
    def test_where_all_is_right_the_intervals_still_have_a_width(self, grouping: str | None) -> None:
        scores = drawn(grouping=grouping)
        perfect = dataclasses.replace(scores, logits=20.0 * np.eye(3)[scores.targets])
        row = evaluate(perfect, n_resamples=100).rows[0]
        truth = scores.targets == 0
        units = scores.groups if grouping else np.arange(240)
        of_all, with_it, without = (len(np.unique(units[m])) for m in (truth | True, truth, ~truth))
        expected = {
            "accuracy": of_all,
            "sensitivity": with_it,
            "specificity": without,
            "ppv": with_it,
            "npv": without,
        }
        for name, count in (expected | {"auroc": min(with_it, without)}).items():
            interval = row.measures[name]
            assert (interval.value, interval.low) == pytest.approx((1.0, wilson(count, count).low)), name
        assert not np.isfinite(row.calibration["slope"].value), "any steeper slope fits better"

    @pytest.mark.parametrize(
        ("value", "count", "lowest", "highest"),
        [(0.75, 4, 3, 3), (0.75, 2, 1, 2), (0.0, 5, 0, 0), (1.0, 5, 5, 5)],
    )
    def test_an_interval_without_width_is_that_of_as_large_a_share(
        self, value: float, count: int, lowest: int, highest: int
    ) -> None:
        exact = Interval(value, value, value, 8, 4, "cluster bootstrap")
        wide = _with_width(exact, count)
        assert (wide.low, wide.high) == (wilson(lowest, count).low, wilson(highest, count).high)
        assert wide.low < value + 1e-12
        assert wide.high > value - 1e-12
        assert wide.method == "Wilson over groups, where all resamples came to the same"
        real = exact._replace(high=0.9 + value)
        assert _with_width(real, count) == real

    def test_few_groups_are_told(self) -> None:
        few = evaluate(drawn(40), n_resamples=100)
        assert any("Fewer than 20 patients with or without" in warning for warning in few.warnings)
        assert not any("Fewer than 20" in w for w in evaluate(drawn(400), n_resamples=100).warnings)

    def test_by_patient(self) -> None:
        report = evaluate(drawn(), level="patient", pooling="mean", n_resamples=100)
        assert {row.n for row in report.rows} == {60}
        assert report.rows[0].frames_and_label is not None
        with pytest.raises(InvalidConfigError, match="do not name every frame's exam"):
            evaluate(drawn(), level="exam")

    def test_by_examination_within_patients(self) -> None:
        scores = drawn(columns={"exam": tuple(str(i // 2 % 2) for i in range(240))})
        # Two a patient, named alike in each.
        report = evaluate(scores, level="exam", pooling="mean", n_resamples=200)
        row = report.rows[0]
        assert (row.n, row.groups, report.subgroups) == (120, 60, ())
        assert row.measures["auroc"].groups == 60, "examinations of one patient are not independent"
        pairs = scores.probabilities[:, 0].reshape(-1, 2).mean(axis=1)
        truth = (scores.targets == 0).reshape(-1, 2)[:, 0]
        assert row.measures["auroc"].value == pytest.approx(sklearn.metrics.roc_auc_score(truth, pairs))

    def test_subgroups(self) -> None:
        device = tuple("AB"[i // 120] for i in range(240))
        report = evaluate(drawn(columns={"device": device, "anatomy": ("antrum",) * 240}), n_resamples=100)
        assert [(part.column, part.value, part.rows[0].n) for part in report.subgroups] == [
            ("device", "A", 120), ("device", "B", 120),
        ]  # fmt: skip

    @pytest.mark.usefixtures("no_pictures")
    def test_a_subgroup_of_one_label_is_told(self) -> None:
        scores = drawn()
        device = tuple("A" if target == 1 else "B" for target in scores.targets)
        report = evaluate(dataclasses.replace(scores, columns={"device": device}), n_resamples=100)
        count = device.count("A")
        only = next(part for part in report.subgroups if part.value == "A")
        assert (only.frames, only.labels, only.rows) == (count, {"normal": 0, "GA": count, "IM": 0}, ())
        for page in (markdown(report, title="t"), html(report, title="t")):
            assert f"{count} frames: 0 normal, {count} GA, 0 IM." in page
            assert "Nothing can be told apart here." in page

    def test_a_pair_of_labels_of_one_patient_is_left_out(self) -> None:
        scores = drawn()
        groups = np.where(scores.targets == 0, scores.groups, "one")
        report = evaluate(dataclasses.replace(scores, groups=groups), n_resamples=100)
        assert [(row.label, row.against) for row in report.pairs] == [("normal", "GA"), ("normal", "IM")]
        assert any("Left out: GA against IM, which one patient alone has" in w for w in report.warnings)
        with pytest.raises(
            InvalidConfigError, match="frames that are known to have normal, or not to, are of one"
        ):
            evaluate(dataclasses.replace(scores, groups=np.full(240, "one")), n_resamples=100)

    @pytest.mark.usefixtures("no_pictures")
    def test_why_frames_were_excluded_and_what_labels_rest_on(self) -> None:
        scores = drawn(excluded=3, reasons={"blurred": 2, "no consent": 1}, references={"histology": 240})
        report = evaluate(scores, n_resamples=100)
        for page in (markdown(report, title="t"), html(report, title="t")):
            assert "2 blurred, 1 no consent" in page
            assert "Reference standard: 240 histology." in page

    def test_thresholds_of_folds_are_told_as_a_range(self) -> None:
        thresholds = np.repeat([[0.2], [0.4]], 120, axis=0).repeat(3, axis=1)
        scores = drawn(thresholds=thresholds, fold=("fold1",) * 120 + ("fold2",) * 120)
        row = evaluate(scores, operating_point="stored", n_resamples=100).rows[0]
        assert row.rule.endswith("from its inner validation frames: 0.200 to 0.400")
        assert row.curves.referral[1][0] == pytest.approx(row.measures["accuracy"].value), "nobody referred"

    def test_an_error_lies_in_its_interval(self) -> None:
        for seed in range(3):
            ece = evaluate(drawn(80, seed=seed), n_resamples=30).rows[0].calibration["ece"]
            assert 0 <= ece.low <= ece.value <= ece.high
            assert ece.method.endswith("of ECE reflected")
        for seed in range(20):
            scores = drawn(80, seed=seed)
            arrays = scores.probabilities[:, 0], scores.targets == 0
            ece = _reflected(
                cluster_bootstrap(calibration.ece, scores.groups, *arrays, n_resamples=100, seed=0)
            )
            assert 0 <= ece.low <= ece.value <= ece.high


@pytest.mark.parametrize("pairs", [None, False, True])
@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("level", ["frame", "patient"])
def test_progress_is_told_after_each_row(pairs: bool | None, task: str, level: str) -> None:
    # Of the sites one has a single patient, so that some rows cannot be told: they count all the same.
    columns = {
        "device": tuple("ABC"[i // 80] for i in range(240)),
        "anatomy": tuple("ab"[i < 4] for i in range(240)),
        "centre": ("one",) * 240,
    }
    scores, calls = drawn(task=task, columns=columns), []
    report = evaluate(scores, level=level, pairs=pairs, n_resamples=2, progress=lambda: calls.append(0))  # type: ignore[arg-type]
    assert len(calls) == count_rows(scores, pairs=pairs)
    assert count_rows(scores, pairs=False) == 3 * (1 + 3 + 2)
    calls.clear()
    with_baselines(
        report, {"a": scores, "b": drawn(task=task)}, n_resamples=2, progress=lambda: calls.append(0)
    )
    assert len(calls) == 18 + 3, "baselines have no subgroups, unless they are made to"
    calls.clear()
    beside = {"a": (scores, report), "b": (scores, report)}
    with_others(report, scores, beside, n_resamples=2, progress=lambda: calls.append(0))
    assert len(calls) == 2 * len(report.rows)


class TestThresholds:
    def test_chosen_on_other_frames(self) -> None:
        report = evaluate(drawn(), operating_point="youden", validation=drawn(seed=1), n_resamples=100)
        again = evaluate(drawn(seed=1), operating_point="youden", apparent=True, n_resamples=100)
        assert [row.threshold for row in report.rows] == [row.threshold for row in again.rows]
        assert report.rows[0].rule == "youden on 240 validation frames"
        assert not any(row.apparent for row in report.rows)
        assert all(row.apparent and "apparent" in row.rule for row in again.rows)
        assert any("apparent" in warning for warning in again.warnings)

    def test_a_wanted_sensitivity(self) -> None:
        report = evaluate(drawn(seed=1), operating_point="sens>=0.9", apparent=True, n_resamples=100)
        assert all(row.measures["sensitivity"].value >= 0.9 for row in report.rows)

    def test_without_other_frames_it_is_refused(self) -> None:
        with pytest.raises(InvalidConfigError, match="or --apparent"):
            evaluate(drawn(), operating_point="youden")
        with pytest.raises(InvalidConfigError, match="among those reported"):
            evaluate(drawn(), operating_point="youden", validation=drawn())

    def test_stored(self) -> None:
        stored = {"normal": 0.3, "GA": 0.4, "IM": 0.2}
        report = evaluate(drawn(operating_points=stored), operating_point="stored", n_resamples=100)
        assert [row.threshold for row in report.rows] == [0.3, 0.4, 0.2]
        with pytest.raises(InvalidConfigError, match="no operating point of normal is stored"):
            evaluate(drawn(), operating_point="stored")

    def test_a_stored_temperature_counts(self) -> None:
        cool, hot = (evaluate(drawn(temperature=t), n_resamples=100).rows[0] for t in (1.0, 4.0))
        slopes = [row.calibration["slope"].value for row in (cool, hot)]
        assert slopes[1] == pytest.approx(4 * slopes[0], rel=0.5)
        assert cool.calibration["brier"].value != hot.calibration["brier"].value

    @pytest.mark.parametrize("wrong", ["95", "-0.1", "nan"])
    def test_a_threshold_is_a_probability(self, wrong: str) -> None:
        with pytest.raises(InvalidConfigError, match="a probability from 0 to 1, got"):
            evaluate(drawn(), operating_point=wrong)

    def test_stored_on_frames_that_training_used(self) -> None:
        stored = {"normal": 0.3, "GA": 0.4, "IM": 0.2}
        seen = drawn(operating_points=stored, fold=("val",) * 100 + ("train",) * 20 + ("test",) * 120)
        report = evaluate(seen, operating_point="stored", n_resamples=100)
        assert all(row.apparent for row in report.rows)
        assert any("20 of the split train and 100 of the split val" in warning for warning in report.warnings)
        new = evaluate(
            drawn(operating_points=stored, fold=("test",) * 240), operating_point="stored", n_resamples=100
        )
        assert not any(row.apparent for row in new.rows)
        assert not any("Among these frames" in warning for warning in new.warnings)

    def test_stored_by_patient_says_that_it_was_chosen_on_frames(self) -> None:
        stored = {"normal": 0.3, "GA": 0.4, "IM": 0.2}
        report = evaluate(
            drawn(operating_points=stored), operating_point="stored", level="patient", n_resamples=100
        )
        assert any("chosen on frames, and are applied to patients by maximum" in w for w in report.warnings)

    def test_subgroups_have_the_thresholds_of_all(self) -> None:
        scores = drawn(columns={"device": tuple("AB"[i // 120] for i in range(240))})
        report = evaluate(scores, operating_point="youden", apparent=True, n_resamples=100)
        whole = {row.label: row.threshold for row in report.rows}
        for rows in (part.rows for part in report.subgroups):
            assert {row.label: row.threshold for row in rows} == whole


class TestPatients:
    def test_a_label_that_every_patient_has(self) -> None:
        scores = drawn()
        targets = scores.targets.copy()
        targets[::4] = 0  # a normal frame each
        scores = dataclasses.replace(
            scores, targets=targets, columns={"anatomy": tuple("ab"[i % 2] for i in range(240))}
        )
        report = evaluate(scores, level="patient", n_resamples=100)
        assert [row.label for row in report.rows] == ["GA", "IM"]
        assert any("Left out: normal" in warning for warning in report.warnings)
        assert "| GA | rest | 60 | 60 |" in markdown(report, title="t")

    def test_no_label_tells_patients_apart(self) -> None:
        scores = drawn(grouping="patient")
        targets = np.arange(240) % 4 % 3
        with pytest.raises(InvalidConfigError, match="cannot be told apart by patient"):
            evaluate(dataclasses.replace(scores, targets=targets), level="patient", n_resamples=100)

    def test_the_highest_few(self) -> None:
        one, two = (
            evaluate(drawn(), level="patient", pooling=by, n_resamples=100).rows[0].measures["auroc"].value
            for by in ("maximum", "top1")
        )
        assert one == two
        with pytest.raises(InvalidConfigError, match="no way 'top0'"):
            evaluate(drawn(), level="patient", pooling="top0")


class TestPages:
    def test_markdown(self) -> None:
        report = evaluate(drawn(grouping=None), n_resamples=100, prevalence=0.1)
        text = markdown(report, title="A test")
        assert "not a medical device" in text
        assert "Warning. The data name neither patients nor examinations" in text
        lines = [line for line in text.splitlines() if line.startswith("| normal | rest | 240")]
        value = report.rows[0].measures["auroc"]
        assert f"{value.value:.3f} ({value.low:.3f} to {value.high:.3f})" in lines[0]
        tables = [part.splitlines() for part in text.split("\n\n") if part.startswith("| ")]
        assert len(tables) == 5
        assert all(len({line.count("|") for line in table}) == 1 for table in tables)

    def test_a_bar_in_a_name_parts_no_columns(self) -> None:
        text = markdown(
            evaluate(dataclasses.replace(drawn(), label_names=("a|b", "GA", "IM")), n_resamples=100),
            title="t",
        )
        (header, line) = (
            next(x for x in text.splitlines() if x.startswith(s)) for s in ("| label | against | n", "| a")
        )
        assert line.startswith(r"| a\|b | rest |")
        assert line.replace(r"\|", "").count("|") == header.count("|")

    def test_html_needs_nothing_else(self) -> None:
        report = evaluate(drawn(), n_resamples=100)
        text = html(report, title="A <test>")
        assert "A &lt;test&gt;" in text
        assert not re.search(r'(src|href)="(?!data:)', text)
        assert text.count("data:image/png;base64,") == 6

    @pytest.mark.parametrize("sure", [0.0, 1.0, 20.0])
    @pytest.mark.parametrize("rare", [1, 80])
    def test_no_text_of_a_picture_is_cut_or_covered(self, sure: float, rare: int) -> None:
        scores = drawn()
        targets = np.where(np.arange(240) < rare, 2, np.arange(240) // 4 % 2)
        logits = scores.logits + sure * np.eye(3)[targets]
        row = evaluate(dataclasses.replace(scores, targets=targets, logits=logits), n_resamples=2).rows[2]
        figure = _figure(row)
        renderer = FigureCanvasAgg(figure).get_renderer()
        boxes = [axes.get_tightbbox(renderer) for axes in figure.axes]
        width, height = figure.get_size_inches() * figure.dpi
        assert all(0 <= b.x0 < b.x1 <= width and 0 <= b.y0 < b.y1 <= height for b in boxes)
        assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))

    def test_json(self) -> None:
        data = json.loads(json.dumps(evaluate(drawn(), n_resamples=100).to_dict(), allow_nan=False))
        assert data["rows"][0]["measures"]["auroc"]["method"] == "cluster bootstrap, 100 resamples"
        assert data["rows"][0]["confusion"]["tp"] >= 0


@pytest.fixture
def model() -> lag_zoo.LAG:
    return small(global_size=32).train()


class TestScoring:
    def test_is_what_the_network_says(self, model: lag_zoo.LAG, tmp_path: Path) -> None:
        data = write_frames(tmp_path)
        scores = score(model, data, split="val", workers=0)
        assert model.training
        assert (len(scores), scores.grouping, scores.label_names) == (8, "patient", ("normal", "IM"))
        from lag_zoo.data.images import read_image

        place = data.root / scores.images[0]
        expected = model.eval()(read_image(place)[None]).detach().double().numpy()[0]
        model.train()
        assert scores.logits[0] == pytest.approx(expected, abs=1e-5)

    def test_frames_behind_the_weights_are_told(self, shared: Path, tmp_path: Path) -> None:
        """Whatever they are called here, and of the plain backbone inside too."""
        real = sorted((shared / "kvasir_seg" / "images").iterdir())[:3]
        for number, name in enumerate(["mucosa", "polyp"] * 3):
            (tmp_path / name).mkdir(exist_ok=True)
            if number < 3:
                (tmp_path / name / f"{number}.jpg").symlink_to(real[number])
            else:
                pixels = draw_frame((200, 260), seed=number).permute(1, 2, 0).numpy()
                Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
        data = open_data(tmp_path)
        network = lag_zoo.create_model("lag_mobilenetv3_small_100_polyp", pretrained=True)
        for model in (network, network.without_crops()):
            scores = score(model, data, split=None, workers=0)
            told = dict(zip(scores.images, scores.columns["apparent"], strict=True))
            assert [name for name, known in told.items() if known == "yes"] == [
                name for name in scores.images if name.endswith(".jpg")
            ]
            assert len(told) == 6
        scores.write(tmp_path / "scores.csv")
        assert Scores.read(tmp_path / "scores.csv").columns["apparent"] == scores.columns["apparent"]
        assert any(
            "trained on 3 of these frames" in line for line in evaluate(scores, n_resamples=100).warnings
        )
        unknown = lag_zoo.create_model("lag_mobilenetv3_small_050", label_names=["mucosa", "polyp"])
        assert "apparent" not in score(unknown, data, split=None, workers=0).columns

    def test_labels_of_another_kind_are_refused(self, model: lag_zoo.LAG, tmp_path: Path) -> None:
        data = write_frames(tmp_path)
        marks = tuple((1, 0) if frame.labels == (0,) else (0, 1) for frame in data.frames)
        several = dataclasses.replace(
            data,
            task="multilabel",
            frames=tuple(dataclasses.replace(f, labels=m) for f, m in zip(data.frames, marks, strict=True)),
        )
        with pytest.raises(
            DataError, match=r"labels are exclusive .*, those of drawn frames are each for itself"
        ):
            score(model, several, split="val", workers=0)
        with pytest.raises(
            DataError, match=r"labels are each for itself .*, those of drawn frames are exclusive"
        ):
            score(small(global_size=32, task="multilabel"), data, split="val", workers=0)

    def test_an_answer_that_is_no_number(self, model: lag_zoo.LAG, tmp_path: Path) -> None:
        with torch.no_grad():
            model.head.bias[0] = float("nan")
        with pytest.raises(DataError, match=r"the network's answer to .*\.png is no number"):
            score(model, write_frames(tmp_path), split="val", workers=0, skip_unreadable=True)

    def test_there_and_back(self, model: lag_zoo.LAG, tmp_path: Path) -> None:
        scores = score(model, write_frames(tmp_path), split=None, workers=0)
        scores.write(tmp_path / "scores.csv", seed=3)
        read = Scores.read(tmp_path / "scores.csv")
        assert (read.logits == scores.logits).all()
        assert (read.targets == scores.targets).all()
        assert (read.groups == scores.groups).all()
        assert (read.images, read.grouping, read.fold) == (scores.images, scores.grouping, scores.fold)
        (tmp_path / "other.csv").write_text("a,b\n1,2\n")
        with pytest.raises(DataError, match="holds no scores"):
            Scores.read(tmp_path / "other.csv")

    def test_frames_left_out_before_the_split_are_told(self, model: lag_zoo.LAG, tmp_path: Path) -> None:
        drawn = write_frames(tmp_path)
        left = drawn.with_column("excluded", ["blurred", "", "blurred", *[""] * 21])
        left = left.with_column("split", ["" if f.excluded else f.split for f in left.frames])
        scores = score(model, left, split="val", workers=0)
        assert (scores.found, scores.excluded, len(scores)) == (10, 2, 8)

    def test_without_crops_nothing_is_stored(self, model: lag_zoo.LAG, tmp_path: Path) -> None:
        about = lag_zoo.About(operating_points={"normal": 0.3, "IM": 0.7}, temperature=2.0)
        lag_zoo.save_pretrained(model.eval(), tmp_path / "net", about=about)
        stored = lag_zoo.create_model(f"local-dir:{tmp_path / 'net'}", pretrained=True)
        data = write_frames(tmp_path / "frames")
        whole, alone = (score(m, data, split="val", workers=0) for m in (stored, stored.without_crops()))
        assert (whole.temperature, whole.operating_points) == (2.0, {"normal": 0.3, "IM": 0.7})
        assert (alone.temperature, alone.operating_points) == (1.0, {})

    def test_an_unreadable_image(self, model: lag_zoo.LAG, tmp_path: Path) -> None:
        data = write_frames(tmp_path)
        data.path(data.frames[0]).write_bytes(b"no picture")
        with pytest.raises(UnreadableImageError, match=r"0_0\.png"):
            score(model, data, split=None, workers=0)
        scores = score(model, data, split=None, workers=0, skip_unreadable=True)
        assert (len(scores), scores.skipped, scores.found) == (23, ("0_0.png",), 24)
        report = evaluate(scores, n_resamples=100)
        assert (report.found_groups, report.analysed_groups) == (12, 12)
        assert "| 24, of 12 patients | 0 | 1 | 23, of 12 patients |" in markdown(report, title="t")

    def test_other_labels(self, model: lag_zoo.LAG, tmp_path: Path) -> None:
        data = write_frames(tmp_path)
        other = lag_zoo.create_model("lag_mobilenetv3_small_050", label_names=["a", "b"])
        with pytest.raises(DataError, match="has the labels"):
            score(other, data, split=None)
        with pytest.raises(DataError, match="has no split 'tset'"):
            score(model, data, split="tset")


def test_a_label_that_all_have() -> None:
    scores = drawn()
    with pytest.raises(InvalidConfigError, match="0 of 240 frames have it"):
        evaluate(
            Scores(**{**vars(scores), "targets": np.where(scores.targets == 2, 0, scores.targets)}),
            n_resamples=100,
        )
