"""Cross-validation: each frame is scored once, by a network that has seen nothing of its group."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from lag_zoo.cli.app import app
from lag_zoo.data.manifest import Manifest
from lag_zoo.data.sources import open_data
from lag_zoo.data.splits import by_column, folds
from lag_zoo.errors import DataError, InvalidConfigError, UnreadableImageError
from lag_zoo.evaluate import compare, evaluate
from lag_zoo.training import Stage, cross_validate
from lag_zoo.training.cross_validation import _nested
from tests.listening import EachEpoch
from tests.training.drawn_data import write_frames
from tests.training.tiny import RECIPE, SHORT

RECIPES = {"short": RECIPE.changed({"stages": [Stage(epochs=1)]}), "plain": SHORT}


class CrossValidated(NamedTuple):
    """What the command leaves, of two recipes in two folds, and what it said."""

    folder: Path
    done: Result


@pytest.fixture(scope="module")
def cv(data: Manifest, tmp_path_factory: pytest.TempPathFactory) -> CrossValidated:
    place = tmp_path_factory.mktemp("cv")
    for name, recipe in RECIPES.items():
        (place / f"{name}.yaml").write_text(recipe.to_yaml())
    done = CliRunner().invoke(
        app,
        [
            "cv", str(place / "short.yaml"), str(data.root / "data.csv"), "-o", str(place / "out"), "--folds", "2",
            "--against", str(place / "plain.yaml"), "--device", "cpu", "--baselines", "--level", "patient",
            "--pooling", "mean", "--prevalence", "0.1", "--n-resamples", "100", "--positive", "IM",
        ],
        catch_exceptions=False,
    )  # fmt: skip
    return CrossValidated(place / "out", done)


def test_nothing_of_a_group_is_on_two_sides(data: Manifest) -> None:
    dealt = folds(data, 3)
    for fold in dealt.splits:
        parts = _nested(dealt, fold, inner=0.3, seed=0)
        assert parts.splits == ("test", "train", "val")
        assert {f.image for f in parts.where(split="test").frames} == {
            f.image for f in dealt.where(split=fold).frames
        }


def test_near_copies_are_on_one_side(data: Manifest) -> None:
    first = {frame.patient: place for place, frame in reversed(list(enumerate(data.frames)))}
    copies = [(first["p0"], first["p1"], first["p2"]), (first["p3"], first["p4"])]
    for seed in range(5):
        dealt = folds(data, 3, seed=seed, together=copies)
        for fold in dealt.splits:
            parts = _nested(dealt, fold, inner=0.3, seed=seed, copies=copies)
            for group in copies:
                assert len({parts.frames[place].split for place in group}) == 1


def test_each_frame_once_and_done_folds_stay_done(cv: CrossValidated, data: Manifest, tmp_path: Path) -> None:
    seen: list[Mapping[str, Any]] = []
    shutil.copytree(cv.folder, tmp_path / "cv")
    read = open_data(data.root / "data.csv")  # as the command has it

    def again() -> dict[str, Any]:
        return cross_validate(
            RECIPES, read, tmp_path / "cv", folds=2, device="cpu", listener=EachEpoch(seen.append)
        )

    found = again()
    (scores,), (plain,) = found["short"], found["plain"]
    assert sorted(scores.frames.images) == sorted(f.image for f in data.frames)
    assert scores.calibration.thresholds is not None
    assert scores.calibration.thresholds.shape == scores.logits.shape
    report = evaluate(scores, operating_point="stored", n_resamples=100)
    assert report.rows[0].rule.startswith("of each fold, from its inner validation frames")
    (tmp_path / "cv" / "short" / "repeat1" / "fold2" / "scores.csv").unlink()
    (anew,) = again()["short"]
    assert seen == [], "its training was done"
    assert np.array_equal(anew.logits, scores.logits)
    row = compare(scores, plain)[0]
    assert row.difference.value == pytest.approx(row.one - row.other)
    same = compare(scores, anew)[0].difference
    assert (same.value, same.p) == (0, 1)
    assert same.low < 0 < same.high, "they might differ on other patients"


def test_a_folder_of_another_recipe_or_other_data_is_refused(cv: CrossValidated, data: Manifest) -> None:
    other = {"plain": RECIPES["plain"].changed({"learning_rate": 0.5})}
    with pytest.raises(InvalidConfigError, match=r"learning_rate: .* there, .* here.*name a new folder"):
        cross_validate(other, data, cv.folder, folds=2, device="cpu")
    with pytest.raises(InvalidConfigError, match="the data are not those of"):
        cross_validate(
            {"plain": RECIPES["plain"]}, data.with_frames(data.frames[:-2]), cv.folder, folds=2, device="cpu"
        )


def test_what_was_left_out_is_told_and_subgroups_are_kept(tmp_path: Path) -> None:
    drawn = write_frames(tmp_path / "frames")
    (tmp_path / "frames" / "3_1.png").write_bytes(b"no image")
    sites = ["antrum" if number % 2 else "corpus" for number in range(len(drawn))]
    drawn = drawn.with_column("anatomy", sites).with_column("split", [""] * len(drawn))
    left = drawn.with_column("excluded", ["blurred", *[""] * (len(drawn) - 1)])
    options = {"folds": 2, "inner": 0.3, "device": "cpu"}
    with pytest.raises(UnreadableImageError, match=r"3_1\.png"):
        cross_validate({"plain": SHORT}, left, tmp_path / "stops", **options)
    for _ in range(2):  # trained, and read again
        (scores,) = cross_validate({"plain": SHORT}, left, tmp_path / "cv", **options, skip_unreadable=True)[
            "plain"
        ]
        report = evaluate(scores, operating_point="stored", n_resamples=100)
        flow = report.flow
        assert (flow.found, flow.excluded, flow.unreadable, report.analysed) == (24, 1, ("3_1.png",), 22)
        assert (flow.found_groups, report.analysed_groups) == (12, 12)
        assert [part.value for part in report.subgroups if part.column == "anatomy"] == ["antrum", "corpus"]


def test_the_command(cv: CrossValidated) -> None:
    folder, done = cv
    assert done.exit_code == 0, done.output
    assert "2 folds, out of fold, by patient" in done.stdout
    report = json.loads((folder / "short" / "repeat1" / "report.json").read_text())
    cells = [line.split() for line in done.stdout.splitlines()]
    auroc = report["rows"][0]["measures"]["auroc"]
    shown = [f"{auroc[key]:.3f}" for key in ("value", "low", "high")]
    told = ["short", "1", report["rows"][0]["label"], shown[0], shown[1], "to", shown[2], "12", "12"]
    (line,) = [found for found in cells if found[:2] == told[:2] and found[2] == told[2]]
    assert line[: len(told)] == told
    folds = [part["rows"][0] for part in report["subgroups"] if part["column"] == "fold"]
    assert line[len(told) :] == [f"{row['measures']['auroc']['value']:.3f}" for row in folds], (
        "each fold's own"
    )
    assert len(folds) == 2
    assert "Bengio and Grandvalet" in done.stdout
    assert any(line[:5] == ["short", "less", "plain", "1", "IM"] for line in cells)
    assert f"{folder}/plain/repeat*/report.html" in done.stdout.replace("\n", "")
    assert "epoch 1 of 1" in done.stderr
    assert "epoch 1 of 1" not in done.stdout
    assert (folder / "plain" / "repeat1" / "report.html").is_file()
    page = (folder / "short" / "repeat1" / "report.md").read_text()
    assert any("| IM" in line and "| plain |" in line for line in page.splitlines())
    assert any("| IM" in line and "| colour statistics |" in line for line in page.splitlines())
    assert "prevalence of 0.1" in page


def test_each_hospital_is_left_out_in_turn(data: Manifest, tmp_path: Path) -> None:
    """Each is tested on by a network that has not seen it; a near-copy elsewhere changes nothing."""
    place = {patient: "AB"[number // 2 % 2] for number, patient in enumerate(sorted(set(data.groups())))}
    hospitals = data.with_column("centre", [place[frame.patient] for frame in data.frames])
    (scores,) = cross_validate(
        {"short": RECIPES["short"]}, hospitals, tmp_path / "out", folds="centre", device="cpu"
    )["short"]
    assert set(scores.frames.fold) == {"centre_A", "centre_B"}
    told = dict(zip(scores.frames.images, scores.frames.fold, strict=True))
    for frame in hospitals.frames:
        assert told[frame.image] == f"centre_{frame.centre}"
        folder = tmp_path / "out" / "short" / "repeat1" / f"centre_{frame.centre}"
    assert (folder / "best").is_dir()
    parts = _nested(by_column(hospitals), "centre_A", inner=0.3, seed=0, copies=[(0, len(data) - 1)])
    assert {f.centre for f in parts.frames if f.split == "test"} == {"A"}
    assert {f.centre for f in parts.frames if f.split != "test"} == {"B"}


def test_a_label_of_one_hospital_alone_is_found_before_anything_is_trained(
    data: Manifest, tmp_path: Path
) -> None:
    hospitals = data.with_column("centre", [data.label_names[frame.labels[0]] for frame in data.frames])
    with pytest.raises(DataError, match="has 0 patients"):
        cross_validate({"short": RECIPES["short"]}, hospitals, tmp_path / "out", folds="centre", device="cpu")
    assert not (tmp_path / "out").exists()
    with pytest.raises(InvalidConfigError, match="a number or 'centre', got 'center'"):
        cross_validate({"short": RECIPES["short"]}, data, tmp_path / "out", folds="center")  # type: ignore[arg-type]


def test_two_recipes_of_one_name(data: Manifest, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "r.yaml").write_text(SHORT.to_yaml())
    arguments = [
        "cv",
        f"{tmp_path}/a/r.yaml",
        str(data.root),
        "-o",
        f"{tmp_path}/cv",
        "--against",
        f"{tmp_path}/b/r.yaml",
    ]
    with pytest.raises(InvalidConfigError, match=r"a/r\.yaml and .*b/r\.yaml would both be called r"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_bad_input(data: Manifest, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfigError, match="names that a folder can have"):
        cross_validate({"../x": SHORT}, data, tmp_path)
    with pytest.raises(InvalidConfigError, match="names that a folder can have"):
        cross_validate({}, data, tmp_path)
