"""Cohorts that lack a label of the network's, and frames that cannot be read: the rate that exists is reported."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import lag_zoo
from lag_zoo.cli.app import app
from lag_zoo.data import Frame, Manifest, open_data
from lag_zoo.errors import DataError
from lag_zoo.evaluate import EvaluationOptions, Report, evaluate, evaluate_model
from lag_zoo.evaluate.pages import html, markdown
from lag_zoo.evaluate.scores import Calibration, Flow, FrameTable, Scores
from tests.evaluate.drawn_scores import NAMES, drawn, with_frames
from tests.networks import small
from tests.training.drawn_data import write_frames

pytestmark = pytest.mark.usefixtures("no_pictures")

SHORT = {"n_resamples": 10, "workers": 0}
ONE_CLASS = {
    "sensitivity": {"auroc", "auprc", "specificity"},
    "specificity": {"auroc", "auprc", "sensitivity"},
}
"""The rate that exists, and the numbers that do not."""


def kept(data: Manifest, label: int) -> list[Frame]:
    return [dataclasses.replace(f, split="") for f in data.frames if f.labels == (label,)]


def as_csv(data: Manifest, label: int, folder: Path) -> Path:
    rows = [f"{f.image},{data.label_names[label]},{f.patient}" for f in kept(data, label)]
    (data.root / "cohort.csv").write_text("\n".join(["image,label,patient", *rows]) + "\n")
    return data.root / "cohort.csv"


def as_folder(data: Manifest, label: int, folder: Path) -> Path:
    place = folder / "cohort" / data.label_names[label]
    place.mkdir(parents=True)
    for frame in kept(data, label):
        shutil.copy(data.path(frame), place)
    return folder / "cohort"


def with_labels(data: Manifest, label: int, folder: Path) -> Manifest:
    return open_data(as_csv(data, label, folder), labels=["IM", "normal"], cohort=True)


def by_hand(data: Manifest, label: int, folder: Path) -> Manifest:
    name = data.label_names[label]
    frames = tuple(dataclasses.replace(f, labels=(0,)) for f in kept(data, label))
    return Manifest(root=data.root, label_names=(name,), frames=frames)


FORMS: dict[str, Callable[[Manifest, int, Path], Manifest | Path]] = {
    "CSV": as_csv,
    "folder": as_folder,
    "--labels": with_labels,
    "by hand": by_hand,
}


def require_one_rate(report: Report, rate: str) -> None:
    (row,) = report.rows
    missing = ONE_CLASS[rate]
    assert 0 <= row.measures[rate].low <= row.measures[rate].value <= row.measures[rate].high <= 1
    assert row.measures["accuracy"].value == row.measures[rate].value
    assert all(np.isnan(row.measures[name].value) for name in missing)
    assert (row.calibration, row.curves) == ({}, None)
    data = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert all(data["rows"][0]["measures"][name]["value"] is None for name in missing)
    lines = [line for line in markdown(report).splitlines() if line.startswith(f"| {row.label} ")]
    assert max(line.count(" - |") for line in lines) >= 3, "dashes for what does not exist"
    assert html(report)
    lost = (missing - {"auroc", "auprc"}).pop()
    assert any(
        f"no {lost}, predictive values, F1, AUROC or calibration" in warning for warning in report.warnings
    )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("label", "rate"), [(0, "specificity"), (1, "sensitivity")])
def test_a_cohort_of_one_of_two_labels(form: str, label: int, rate: str, tmp_path: Path) -> None:
    data = write_frames(tmp_path / "frames", patients=8)
    report = evaluate_model(small(global_size=32), FORMS[form](data, label, tmp_path), **SHORT)
    (row,) = report.rows
    assert (row.label, row.n, row.positives) == ("IM", 8, 8 * label)
    assert report.scores is not None
    right = (report.scores.probabilities.argmax(axis=1) == label).mean()
    assert row.measures[rate].value == pytest.approx(right)
    require_one_rate(report, rate)


@pytest.mark.parametrize("form", FORMS)
def test_of_three_labels_two_that_no_frame_has(form: str, tmp_path: Path) -> None:
    """Those have a specificity, and the one that all have a sensitivity."""
    data = write_frames(tmp_path / "frames", patients=8)
    network = small(label_names=["normal", "GA", "IM"], global_size=32)
    report = evaluate_model(network, FORMS[form](data, 1, tmp_path), **SHORT)
    assert [(row.label, row.positives) for row in report.rows] == [("normal", 0), ("GA", 0), ("IM", 8)]
    for row, rate in zip(report.rows, ("specificity", "specificity", "sensitivity"), strict=True):
        assert np.isfinite(row.measures[rate].value)
        assert all(np.isnan(row.measures[name].value) for name in ONE_CLASS[rate])
    assert report.pairs == ()
    assert report.called is not None
    assert np.sum(report.called.confusion) == np.sum(report.called.confusion, axis=1)[2] == 8


@pytest.mark.parametrize("form", ["CSV", "folder"])
@pytest.mark.parametrize("labels", [(), ("--labels", "normal,IM")])
def test_the_command_takes_such_a_cohort(form: str, labels: tuple[str, ...], tmp_path: Path) -> None:
    data = write_frames(tmp_path / "frames", patients=6)
    network = lag_zoo.save_pretrained(small(global_size=32), tmp_path / "net")
    arguments = ["evaluate", network, FORMS[form](data, 0, tmp_path), "--n-resamples", 100, *labels]
    done = CliRunner().invoke(
        app, [*map(str, arguments), "-o", str(tmp_path / "report")], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    (row,) = json.loads((tmp_path / "report" / "report.json").read_text())["rows"]
    assert (row["label"], row["n"], row["positives"]) == ("IM", 6, 0)
    assert row["measures"]["sensitivity"]["value"] is None
    assert row["measures"]["specificity"]["value"] is not None


@pytest.mark.parametrize("labels", [None, ["GA", "IM"]])
def test_of_labels_each_for_itself_one_that_the_data_do_not_name(
    labels: list[str] | None, tmp_path: Path
) -> None:
    """Nothing is known of it; the others are measured."""
    data = write_frames(tmp_path, patients=6)
    rows = [f"{f.image},{f.labels[0]},{f.patient}" for f in data.frames]
    (tmp_path / "one.csv").write_text("\n".join(["image,IM,patient", *rows]) + "\n")
    network = small(label_names=["GA", "IM"], task="multilabel", global_size=32)
    report = evaluate_model(network, open_data(tmp_path / "one.csv", labels=labels, cohort=True), **SHORT)
    assert [(row.label, row.n, row.positives) for row in report.rows] == [("IM", 12, 6)]
    assert any("Nothing is known of GA" in warning for warning in report.warnings)
    assert report.called is None


def test_a_label_that_the_network_does_not_have_is_refused(tmp_path: Path) -> None:
    data = write_frames(tmp_path / "frames", patients=6)
    for place in (as_csv(data, 0, tmp_path), as_folder(data, 0, tmp_path)):
        with pytest.raises(DataError, match=r"the labels of .* are a, b, and .* has normal"):
            evaluate_model(small(label_names=["a", "b"], global_size=32), place, **SHORT)


def test_to_train_both_labels_are_needed(tmp_path: Path) -> None:
    """A cohort is for evaluation alone."""
    data = write_frames(tmp_path / "frames", patients=6)
    for place in (as_csv(data, 0, tmp_path), as_folder(data, 0, tmp_path)):
        with pytest.raises(DataError, match="at least 2 are needed"):
            open_data(place)


def test_the_weights_that_ship_at_their_own_threshold(shared: Path, tmp_path: Path) -> None:
    """Frames that all hold a polyp: a sensitivity, at the stored threshold, and a word that the weights know them."""
    images = sorted((shared / "kvasir_seg" / "images").iterdir())[:4]
    (tmp_path / "polyp").mkdir()
    for image in images:
        (tmp_path / "polyp" / image.name).symlink_to(image)
    name = "lag_tf_efficientnet_lite0_polyp"
    weights = lag_zoo.model_info(name).weights[0]
    for point in ("stored", "auto"):
        report = evaluate_model(name, tmp_path, operating_point=point, **SHORT)
        (row,) = report.rows
        assert (row.label, row.against, row.n, row.positives) == ("polyp", "mucosa", 4, 4)
        assert row.threshold == weights.operating_points["polyp"]
        assert row.rule.startswith("stored with the weights, apparent")
        assert row.apparent
        require_one_rate(report, "sensitivity")
        answers = lag_zoo.Predictor(name)(tmp_path / "polyp")
        assert row.measures["sensitivity"].value == np.mean([answer.label == "polyp" for answer in answers])


class TestSubgroups:
    def test_of_one_label_have_the_rate_that_exists(self) -> None:
        scores = drawn()
        device = tuple("A" if target == 1 else "B" for target in scores.frames.targets)
        report = evaluate(with_frames(scores, columns={"device": device}), n_resamples=10)
        count = device.count("A")
        only = next(part for part in report.subgroups if part.value == "A")
        assert (only.frames, only.labels) == (count, {"normal": 0, "GA": count, "IM": 0})
        called = scores.probabilities >= 0.5
        there = np.array(device) == "A"
        assert [row.label for row in only.rows] == list(NAMES)
        for number, row in enumerate(only.rows):
            rate = "sensitivity" if number == 1 else "specificity"
            right = called[there, number] if number == 1 else ~called[there, number]
            assert row.measures[rate].value == pytest.approx(right.mean())
            assert row.measures[rate].low < row.measures[rate].value < row.measures[rate].high
            assert all(np.isnan(row.measures[name].value) for name in ONE_CLASS[rate])
        for page in (markdown(report), html(report)):
            assert f"0 normal, {count} GA, 0 IM" in page

    def test_of_one_patient_are_not_refused(self) -> None:
        """The interval is that of one patient: nearly all that there is."""
        scores = drawn(columns={"centre": ["one" if i < 4 else "two" for i in range(240)]})
        report = evaluate(scores, n_resamples=10)
        alone = next(part for part in report.subgroups if part.value == "one")
        assert {row.groups for row in alone.rows} == {1}
        for row in alone.rows:
            rate = "sensitivity" if row.positives else "specificity"
            assert row.measures[rate].high - row.measures[rate].low > 0.75


def unread(task: str, *, exam: bool = False, points: dict[str, float] | None = None) -> Scores:
    """Scores of twenty frames, of which six more could not be read."""
    whole = drawn(26, task=task, seed=2)
    if task == "multilabel":
        whole = with_frames(whole, targets=np.abs(whole.frames.targets))
    if exam:
        whole = with_frames(whole, columns={"exam": tuple(str(i // 2 % 2) for i in range(26))})
    read = whole.take(np.arange(20))
    flow = Flow(found=26, skipped=whole.frames.take(np.arange(20, 26)))
    return dataclasses.replace(read, flow=flow, calibration=Calibration(operating_points=points or {}))


class TestUnreadableFrames:
    OPTIONS = EvaluationOptions(n_resamples=10)
    WORST = EvaluationOptions(n_resamples=10, unreadable_as_failures=True)

    @pytest.mark.parametrize("task", ["multiclass", "multilabel"])
    def test_are_left_out_or_counted_as_called_wrongly(self, task: str) -> None:
        scores = unread(task)
        skipped = scores.flow.skipped
        assert skipped is not None
        left, worst = (evaluate(scores, options) for options in (self.OPTIONS, self.WORST))
        for number, (row, counted) in enumerate(zip(left.rows, worst.rows, strict=True)):
            truth = scores.rules.truth(scores.frames.targets, number)
            lost = scores.rules.truth(skipped.targets, number)
            called = scores.probabilities[:, number] >= 0.5
            right, n = int((called == truth).sum()), len(truth)
            assert row.measures["accuracy"].value == pytest.approx(right / n)
            assert (row.n, counted.n) == (20, 26)
            assert counted.measures["accuracy"].value == pytest.approx(right / 26)
            hits, rejected = int((called & truth).sum()), int((~called & ~truth).sum())
            positives, negatives = truth.sum() + lost.sum(), (~truth).sum() + (~lost).sum()
            assert counted.positives == positives
            assert counted.measures["sensitivity"].value == pytest.approx(hits / positives)
            assert counted.measures["specificity"].value == pytest.approx(rejected / negatives)
            assert counted.confusion == (hits, negatives - rejected, rejected, positives - hits)
            for name in ("auroc", "auprc"):
                assert counted.measures[name].value == row.measures[name].value, "ranked without them"
            assert counted.calibration["brier"].value == row.calibration["brier"].value
        assert any("6 frames could not be read" in warning for warning in left.warnings)
        assert any("as called wrongly" in warning for warning in worst.warnings)
        assert not any("as called wrongly" in warning for warning in left.warnings)

    @pytest.mark.parametrize("task", ["multiclass", "multilabel"])
    def test_of_the_called_label(self, task: str) -> None:
        scores = unread(task)
        left, worst = (evaluate(scores, options).called for options in (self.OPTIONS, self.WORST))
        assert left is not None
        assert worst is not None
        targets = scores.frames.targets
        called = scores.probabilities.argmax(axis=1) if task == "multiclass" else scores.probabilities >= 0.5
        right = (called == targets).reshape(20, -1).all(axis=1).sum()
        assert (left.n, worst.n) == (20, 26)
        assert left.measures["accuracy"].value == pytest.approx(right / 20)
        assert worst.measures["accuracy"].value == pytest.approx(right / 26)
        assert worst.measures["macro_f1"].value < left.measures["macro_f1"].value

    def test_of_the_called_label_each_counts_in_its_own_label(self) -> None:
        scores = unread("multiclass")
        assert scores.flow.skipped is not None
        worst = evaluate(scores, self.WORST).called
        assert worst is not None
        targets, called = scores.frames.targets, scores.probabilities.argmax(axis=1)
        every = np.concatenate([targets, scores.flow.skipped.targets])
        recalls = [((called == c) & (targets == c)).sum() / (every == c).sum() for c in np.unique(every)]
        assert worst.measures["balanced_accuracy"].value == pytest.approx(np.mean(recalls))
        assert np.sum(worst.confusion) == 20, "no call, no column"

    def test_of_examinations_only_those_without_any_frame(self) -> None:
        """One of which some frame was read has an answer."""
        scores = unread("multiclass", exam=True)
        assert scores.flow.skipped is not None
        seen = set(scores.frames.units("exam").tolist())
        lost = set(scores.flow.skipped.units("exam").tolist()) - seen
        assert 0 < len(lost) < 6
        by_exam = {"level": "exam", "pooling": "mean"}
        left, worst = (evaluate(scores, options, **by_exam) for options in (self.OPTIONS, self.WORST))
        for row, counted in zip(left.rows, worst.rows, strict=True):
            assert counted.n == row.n + len(lost) == len(seen | lost)
            assert counted.measures["accuracy"].value == pytest.approx(
                row.measures["accuracy"].value * row.n / counted.n
            )

    def test_through_a_network(self, tmp_path: Path) -> None:
        data = write_frames(tmp_path, patients=6)
        data = data.with_column("split", [""] * len(data))
        for place in (0, 3):
            data.path(data.frames[place]).write_bytes(b"no picture")
        network = small(global_size=32)
        left = evaluate_model(network, data, skip_unreadable=True, **SHORT)
        worst = evaluate_model(network, data, skip_unreadable=True, unreadable_as_failures=True, **SHORT)
        assert (left.rows[0].n, worst.rows[0].n, worst.flow.unreadable) == (10, 12, ("0_0.png", "1_1.png"))
        (one,), (other,) = left.rows, worst.rows
        for name, lost in (("sensitivity", 5), ("specificity", 5)):
            assert other.measures[name].value == pytest.approx(one.measures[name].value * lost / 6)

    def test_of_two_labels_a_frame_of_unknown_label_fails_nobody(self) -> None:
        flow = Flow(
            found=5,
            skipped=FrameTable(images=("x",), targets=np.array([-1]), groups=np.array(["x"])),
        )
        scores = Scores.from_arrays(
            [[1.0, 0.0], [0.0, 1.0]] * 2, [0, 1] * 2, label_names=("normal", "IM"), flow=flow
        )
        report = evaluate(scores, self.WORST)
        assert report.rows[0].n == 4
        assert report.called is not None
        assert (report.called.n, report.called.measures["accuracy"].value) == (4, 1.0)
