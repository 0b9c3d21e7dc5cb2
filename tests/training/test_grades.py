"""Grades from end to end: trained, cross-validated, evaluated, predicted, told on the card."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import lag_zoo
from lag_zoo.cli.app import app
from lag_zoo.data import Manifest, open_data
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import DataError
from lag_zoo.evaluate import evaluate_model
from lag_zoo.evaluate.scoring import score
from lag_zoo.training import finetune
from lag_zoo.training.cross_validation import cross_validate
from lag_zoo.weights.repository import read_config
from tests.networks import small
from tests.training.drawn_data import SIZE, with_masks
from tests.training.tiny import RECIPE, SHORT

GRADES = ("normal", "mild", "severe")  # not in the order of the alphabet


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 drawn frames of 18 patients, whose green fades with the grade."""
    folder = tmp_path_factory.mktemp("grades")
    lines = ["image,label,patient,split"]
    for patient in range(18):
        for number in range(2):
            grade, name = patient % 3, f"{patient}_{number}.png"
            pixels = draw_frame(SIZE, seed=100 * patient + number).float()
            pixels[1] *= 1 - 0.3 * grade
            Image.fromarray(pixels.round().to(torch.uint8).permute(1, 2, 0).numpy()).save(folder / name)
            split = ("train", "train", "val", "train", "test", "train")[patient // 3]
            lines.append(f"{name},{GRADES[grade]},p{patient},{split}")
    path = folder / "data.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def graded(table: Path) -> Manifest:
    return open_data(table, labels=GRADES, task="ordinal")


@pytest.fixture(scope="module")
def best(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that a command has trained, for few epochs."""
    place = tmp_path_factory.mktemp("run")
    (place / "short.yaml").write_text(
        RECIPE.changed({"balance": "weights", "label_smoothing": 0.1}).to_yaml()
    )
    run(
        *("train", place / "short.yaml", table, "-o", place / "out", "--device", "cpu"),
        *("--labels", ",".join(GRADES), "--task", "ordinal"),
    )
    return place / "out" / "best"


def run(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_network_tells_grades(best: Path) -> None:
    config = read_config(best / "config.json", source="here")
    assert config.config.task == "ordinal"
    assert config.config.label_names == GRADES
    assert set(config.weights.operating_points) == {"mild", "severe"}
    assert "(ordinal)" in (best / "README.md").read_text()


def test_it_is_evaluated_on_data_that_say_no_order(best: Path, table: Path, tmp_path: Path) -> None:
    out = run(
        "evaluate", f"local-dir:{best}", table, "-o", tmp_path / "report", "--n-resamples", 100, "--into-card"
    )
    told = json.loads((tmp_path / "report" / "report.json").read_text())
    assert [row["label"] for row in told["rows"]] == ["at least mild", "at least severe"]
    assert told["called"]["label_names"] == list(GRADES)
    assert told["quadratic_weighted_kappa"]["n"] == 6
    assert "quadratic" in out
    card = (best / "README.md").read_text()
    assert "AUROC of at least mild" in card
    assert "quadratic weighted kappa" in card


def test_it_predicts_grades(best: Path, table: Path, tmp_path: Path) -> None:
    images = sorted(table.parent.glob("4_*.png"))
    out = run("predict", *images, "--model", f"local-dir:{best}", "--format", "csv")
    header, *rows = [line.split(",") for line in out.splitlines() if line.count(",") > 5]
    assert header[:7] == ["path", "model", "label", "expected_grade", "p_normal", "p_mild", "p_severe"]
    assert len(rows) == 2
    for row in rows:
        expected, *chances = map(float, row[3:7])
        assert sum(chances) == pytest.approx(1)
        assert expected == pytest.approx(chances[1] + 2 * chances[2])
    for suffix in ("json", "parquet"):
        run(
            "predict",
            *images,
            "--model",
            f"local-dir:{best}",
            "-o",
            tmp_path / f"out.{suffix}",
            "--format",
            suffix,
        )
    first = json.loads((tmp_path / "out.json").read_text())[0]
    assert first["expected_grade"] == pytest.approx(float(rows[0][3]))
    import pyarrow.parquet

    assert pyarrow.parquet.read_table(tmp_path / "out.parquet")["expected_grade"].to_pylist()[
        0
    ] == pytest.approx(float(rows[0][3]))


def test_its_predictions_can_be_evaluated_without_it(best: Path, graded: Manifest, tmp_path: Path) -> None:
    network = lag_zoo.create_model(f"local-dir:{best}", pretrained=True)
    scores = score(network, graded, split=None, workers=0)
    lines = ["label,patient," + ",".join(f"p_{name}" for name in GRADES)]
    for target, group, chances in zip(
        scores.frames.targets, scores.frames.groups, scores.probabilities, strict=True
    ):
        lines.append(f"{GRADES[target]},{group}," + ",".join(map(repr, map(float, chances))))
    path = tmp_path / "predictions.csv"
    path.write_text("\n".join(lines) + "\n")
    run(
        *("evaluate", "--predictions", path, "--task", "ordinal", "-o", tmp_path / "report"),
        *("--n-resamples", 100, "--operating-point", "0.5"),
    )
    told = json.loads((tmp_path / "report" / "report.json").read_text())
    direct = evaluate_model(
        network, graded, split="all", n_resamples=100, operating_point="0.5", workers=0
    ).to_dict()
    for name in ("quadratic_weighted_kappa", "mean_absolute_error", "adjacent_accuracy"):
        assert told[name]["value"] == pytest.approx(direct[name]["value"])


def test_it_is_trained_on_by_data_that_say_no_order(best: Path, table: Path, tmp_path: Path) -> None:
    plain = open_data(table)
    assert plain.task == "multiclass"
    assert plain.label_names == ("mild", "normal", "severe")
    model = finetune(f"local-dir:{best}", plain, tmp_path / "by place", recipe=SHORT, device="cpu")
    assert (model.config.task, model.label_names) == ("ordinal", GRADES)
    ready = small(label_names=GRADES, task="ordinal", global_size=32)
    assert finetune(ready, plain, tmp_path / "ready", recipe=SHORT, device="cpu") is ready
    assert json.loads((tmp_path / "ready" / "data.json").read_text())["task"] == "ordinal"


def test_a_network_of_plain_labels_reads_no_grades(graded: Manifest, tmp_path: Path) -> None:
    plain = small(label_names=GRADES, global_size=32)
    with pytest.raises(DataError, match="the network's labels are exclusive"):
        score(plain, graded, split=None)
    with pytest.raises(DataError, match="3 labels"):
        finetune(plain, graded, tmp_path, recipe=SHORT, device="cpu")


def test_the_order_is_the_networks(graded: Manifest) -> None:
    turned = small(label_names=GRADES[::-1], task="ordinal", global_size=32)
    with pytest.raises(DataError, match="from the lowest on"):
        score(turned, graded, split=None)


def test_masks_mark_grades(graded: Manifest, tmp_path: Path) -> None:
    for frame in graded.frames:
        (tmp_path / frame.image).symlink_to(graded.path(frame))
    data = with_masks(dataclasses.replace(graded, root=tmp_path))
    recipe = SHORT.changed(
        {"fields": {**SHORT.fields, "pooling": "topk", "global_size": 64}, "mask_loss": 1.0}
    )
    model = finetune(None, data, tmp_path / "run", recipe=recipe, device="cpu")
    assert model.config.task == "ordinal"


def test_all_grades_are_needed_in_training(graded: Manifest, tmp_path: Path) -> None:
    some = graded.with_frames(f for f in graded.frames if f.labels != (1,))
    with pytest.raises(DataError, match="has the label mild"):
        finetune(None, some, tmp_path / "run", recipe=SHORT, device="cpu")


def test_cross_validation(table: Path, tmp_path: Path) -> None:
    (tmp_path / "short.yaml").write_text(SHORT.to_yaml())
    out = run(
        *("cv", tmp_path / "short.yaml", table, "-o", tmp_path / "cv", "--folds", 2, "--device", "cpu"),
        *("--labels", ",".join(GRADES), "--task", "ordinal", "--n-resamples", 100, "--baselines"),
    )
    assert "at least severe" in out
    told = json.loads((tmp_path / "cv" / "short" / "repeat1" / "report.json").read_text())
    assert told["quadratic_weighted_kappa"]["groups"] == 18
    assert {name for name, _ in told["baselines"]} >= {"metadata"}


def test_folds_of_a_network_that_tells_grades(best: Path, table: Path, tmp_path: Path) -> None:
    recipe = SHORT.changed({"model": f"local-dir:{best}", "pretrained": True, "fields": {}})
    (first,) = cross_validate({"one": recipe}, open_data(table), tmp_path, folds=2, device="cpu")["one"]
    assert (first.task, first.label_names) == ("ordinal", GRADES)
    (again,) = cross_validate({"one": recipe}, open_data(table), tmp_path, folds=2, device="cpu")["one"]
    assert np.array_equal(again.logits, first.logits)
