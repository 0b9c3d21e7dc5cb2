"""Measurements in the card of the network that was measured, each with its data, interval and doubts."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import lag_zoo
from lag_zoo.cli.app import app
from lag_zoo.data import Manifest
from lag_zoo.errors import DataError, InvalidConfigError
from lag_zoo.evaluate import Report, Scores, evaluate, evaluate_model
from lag_zoo.evaluate.into_card import measurements, write_into_card
from lag_zoo.provenance import KnownFrames
from lag_zoo.publishing import add_results
from lag_zoo.specs import Measurement
from lag_zoo.weights.repository import read_config
from tests.networks import small
from tests.training.drawn_data import write_frames

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return write_frames(tmp_path_factory.mktemp("frames"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    about = lag_zoo.About(operating_points={"IM": 0.52}, temperature=2.0)
    return lag_zoo.save_pretrained(small(global_size=32), tmp_path / "net", about=about)


def run(*arguments: object) -> str:
    command = ["evaluate", *map(str, arguments), "--n-resamples", "100"]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def results(folder: Path) -> dict[tuple[str, str], Measurement]:
    found = read_config(folder / "config.json", source="here").weights.results
    named = {(result.metric, result.data): result for result in found}
    assert len(named) == len(found)
    return named


def made_up(folder: Path, *, label_names: tuple[str, ...] = ("normal", "IM"), **about: object) -> Report:
    """A report of made-up scores, as if of the network in the folder."""
    rng = np.random.default_rng(0)
    targets = rng.integers(0, len(label_names), 60)
    logits = rng.normal(size=(60, len(label_names))) + np.eye(len(label_names))[targets]
    scores = Scores.from_arrays(logits, targets, label_names=label_names, groups=np.arange(60) // 3)
    report = evaluate(scores, n_resamples=100)
    weights = read_config(folder / "config.json", source="here").weights
    told = {
        "weights_sha256": weights.files["model.safetensors"], "without_crops": False, "precision": "fp32",
        "data": "made.csv", "split": "test", "date": "2026-01-01", "lag_zoo": "0", "unreadable_as_failures": False,
    }  # fmt: skip
    return dataclasses.replace(report, about={**told, **about})


class TestTheCommand:
    def test_numbers_of_the_report(self, folder: Path, data: Manifest, tmp_path: Path) -> None:
        table = data.root / "data.csv"
        weights = (folder / "model.safetensors").read_bytes()
        said = run(folder, table, "--split", "val", "--into-card", "-o", tmp_path / "report")
        assert f"written into the card of {folder}: AUROC of IM" in said
        told = json.loads((tmp_path / "report" / "report.json").read_text())
        (row,) = told["rows"]
        found = results(folder)
        (name,) = {data for _, data in found}
        assert name.startswith("data.csv, val (SHA-256 ")
        assert {metric for metric, _ in found} == {"AUROC of IM", "sensitivity of IM", "specificity of IM"}
        for key, metric in (("auroc", "AUROC of IM"), ("sensitivity", "sensitivity of IM")):
            result, interval = found[metric, name], row["measures"][key]
            assert result.value == pytest.approx(interval["value"], abs=1e-4)
            assert (result.low, result.high) == pytest.approx((interval["low"], interval["high"]), abs=1e-4)
            assert (result.n, result.groups, result.unit) == (8, 4, "frames")
            assert result.interval == interval["method"]
            assert result.date == told["about"]["date"]
            assert result.revision == f"lag_zoo {lag_zoo.__version__}"
            assert (
                result.command
                == "lag-zoo evaluate net data.csv --split val --into-card -o report --n-resamples 100"
            )
            assert result.note.startswith(
                "apparent if the network was trained with this manifest: 8 of the 8"
            )
        assert "called from 0.52, stored with the weights" in found["sensitivity of IM", name].note
        card = (folder / "README.md").read_text()
        assert "None were measured" not in card
        assert f"| AUROC of IM | {row['measures']['auroc']['value']:.3f} |" in card
        assert (folder / "model.safetensors").read_bytes() == weights
        assert lag_zoo.verify(f"local-dir:{folder}") < 1e-5

    def test_frames_of_the_training_are_named(self, folder: Path, data: Manifest) -> None:
        from lag_zoo.data.images import read_image
        from lag_zoo.provenance import frame_digest

        digests = [frame_digest(read_image(data.root / frame.image)) for frame in data.frames[:3]]
        (folder.parent / "frames.txt").write_text(KnownFrames(dict.fromkeys(digests)).to_text())
        run(folder, data.root / "data.csv", "--split", "all", "--into-card")
        for result in results(folder).values():
            assert result.note.startswith(
                "apparent, no evidence: the weights were trained on 3 of the 24 frames, or chosen by them"
            )
        header = (folder / "README.md").read_text().partition("\n---\n")[0]
        assert " ".join(header.split()).count("apparent, no evidence") == 3

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (
                ("lag_tf_efficientnet_lite0_polyp", "DATA"),
                "--into-card writes into .* lag-zoo download lag_tf",
            ),
            (("hf-hub:me/mine", "DATA"), "hf-hub:me/mine is no folder"),
            (("FOLDER", "DATA", "--without-crops"), "leave out --without-crops"),
            (("--predictions", "DATA"), "--into-card is for a network"),
        ],
    )
    def test_what_has_no_card(
        self, arguments: tuple[str, ...], said: str, folder: Path, data: Manifest
    ) -> None:
        named = {"FOLDER": str(folder), "DATA": str(data.root / "data.csv")}
        with pytest.raises(InvalidConfigError, match=said):
            run(*(named.get(argument, argument) for argument in arguments), "--into-card")

    def test_a_name_for_no_card(self, folder: Path, data: Manifest) -> None:
        with pytest.raises(InvalidConfigError, match="--data-name is for the card"):
            run(folder, data.root / "data.csv", "--data-name", "Ours")


class TestInPython:
    def test_again_takes_the_place_and_another_is_added(self, folder: Path, data: Manifest) -> None:
        def measure(split: str, **options: object) -> dict[tuple[str, str], Measurement]:
            options = {"n_resamples": 10, "workers": 0, **options}
            report = evaluate_model(f"local-dir:{folder}", data, split=split, **options)
            return {
                (result.metric, result.data): result for result in report.into_card(folder, data_name="Ours")
            }

        first = measure("val")
        assert results(folder) == first
        again = measure("val", operating_point="0.1")
        assert list(results(folder)) == list(first) == [(metric, "Ours, val") for metric, _ in first]
        assert results(folder) == again
        assert "called from 0.1" in again["sensitivity of IM", "Ours, val"].note
        every = measure("all")
        by_patient = measure("val", level="patient", pooling="mean")
        found = read_config(folder / "config.json", source="here").weights.results
        assert found == (*again.values(), *every.values(), *by_patient.values())
        assert {(result.data, result.unit) for result in found} == {
            ("Ours, val", "frames"), ("Ours", "frames"), ("Ours, val", "patients"),
        }  # fmt: skip
        assert all("frames pooled by mean" in result.note for result in by_patient.values())

    def test_a_network_that_has_changed(self, folder: Path, data: Manifest) -> None:
        model = lag_zoo.create_model(f"local-dir:{folder}", pretrained=True)
        options = {"split": "val", "n_resamples": 10, "workers": 0}
        assert len(evaluate_model(model, data, **options).into_card(folder)) == 3
        before = (folder / "config.json").read_bytes()
        with torch.no_grad():
            model.head.bias += 1
        report = evaluate_model(model, data, **options)
        assert "weights_sha256" not in report.about
        with pytest.raises(InvalidConfigError, match="of none as they were loaded"):
            report.into_card(folder)
        without = evaluate_model(f"local-dir:{folder}", data, without_crops=True, **options)
        with pytest.raises(InvalidConfigError, match="without crops"):
            without.into_card(folder)
        assert (folder / "config.json").read_bytes() == before

    def test_other_weights_in_the_folder(self, folder: Path) -> None:
        report = made_up(folder)
        lag_zoo.save_pretrained(small(seed=1, global_size=32), folder)
        before = (folder / "config.json").read_bytes()
        with pytest.raises(InvalidConfigError, match="are not the ones that were measured"):
            report.into_card(folder)
        assert (folder / "config.json").read_bytes() == before

    def test_several_labels(self, folder: Path) -> None:
        report = made_up(folder, label_names=("normal", "GA", "IM"))
        found = {
            result.metric: result for result in write_into_card(report, folder, data_name="x", command="c")
        }
        assert set(found) == {
            *(f"{metric} of {name}" for metric in ("AUROC", "sensitivity", "specificity")
              for name in ("normal", "GA", "IM")),
            "accuracy", "balanced accuracy",
        }  # fmt: skip
        assert found["accuracy"].n == 60
        assert found["accuracy"].value == pytest.approx(report.called.measures["accuracy"].value, abs=1e-4)  # type: ignore[union-attr]
        assert results(folder)["accuracy", "x, test"] == found["accuracy"]

    def test_what_does_not_exist_is_left_out(self, folder: Path) -> None:
        scores = Scores.from_arrays(np.eye(2)[[0] * 6], [0] * 6, label_names=("normal", "IM"))
        report = dataclasses.replace(evaluate(scores, n_resamples=100), about=made_up(folder).about)
        (only,) = measurements(report)
        assert only.metric == "specificity of IM"
        nothing = dataclasses.replace(report, rows=())
        with pytest.raises(DataError, match="nothing could be measured"):
            write_into_card(nothing, folder)

    def test_the_same_frames_in_another_order_are_the_same_data(self, folder: Path) -> None:
        report = made_up(folder)
        assert report.scores is not None
        turned = dataclasses.replace(report, scores=report.scores.take(np.arange(60)[::-1]))
        fewer = dataclasses.replace(report, scores=report.scores.take(np.arange(59)))
        names = [measurements(each)[0].data for each in (report, turned, fewer)]
        assert names[0] == names[1] != names[2]

    def test_doubts_stand_in_the_note(self, folder: Path) -> None:
        found = measurements(made_up(folder, precision="bf16"))
        assert all(result.note.startswith("in bf16; ") for result in found)

    def test_a_measurement_made_elsewhere(self, folder: Path) -> None:
        digest = read_config(folder / "config.json", source="here").weights.files["model.safetensors"]
        one = measurements(made_up(folder))[0]
        add_results(folder, [one, dataclasses.replace(one, value=0.5)], weights_sha256=digest)
        assert [result.value for result in results(folder).values()] == [0.5]
