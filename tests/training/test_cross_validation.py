"""Cross-validation: each frame is scored once, by a network that has seen nothing of its group."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from lag_zoo.cli.app import app
from lag_zoo.data.manifest import Manifest
from lag_zoo.data.splits import folds
from lag_zoo.errors import InvalidConfigError, UnreadableImageError
from lag_zoo.evaluate import Scores, compare, evaluate
from lag_zoo.training import Recipe, Stage, cross_validate, load_recipe
from lag_zoo.training.cross_validation import _nested
from tests.listening import EachEpoch
from tests.training.drawn_data import write_frames
from tests.training.test_finetune import RECIPE

SHORT = dataclasses.replace(RECIPE, stages=(Stage(epochs=1),))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return write_frames(tmp_path_factory.mktemp("frames"))


def test_nothing_of_a_group_is_on_two_sides(data: Manifest) -> None:
    dealt = folds(data, 3)
    for fold in dealt.splits:
        parts = _nested(dealt, fold, inner=0.3, seed=0)
        assert parts.splits == ("test", "train", "val")
        assert {f.image for f in parts.where(split="test").frames} == {
            f.image for f in dealt.where(split=fold).frames
        }


def test_each_frame_once_and_done_folds_stay_done(data: Manifest, tmp_path: Path) -> None:
    seen: list[Mapping[str, Any]] = []
    recipes = {"short": SHORT, "plain": dataclasses.replace(SHORT, stages=(Stage(epochs=1, crops=False),))}
    found = cross_validate(
        recipes, data, tmp_path, folds=2, inner=0.3, device="cpu", listener=EachEpoch(seen.append)
    )
    assert len(seen) == 4
    (scores,) = found["short"]
    assert sorted(scores.frames.images) == sorted(f.image for f in data.frames)
    limits = scores.calibration.thresholds
    assert limits is not None
    assert limits.shape == scores.logits.shape
    report = evaluate(scores, operating_point="stored", n_resamples=100)
    assert report.rows[0].rule.startswith("of each fold, from its inner validation frames")
    (tmp_path / "short" / "repeat1" / "fold2" / "scores.csv").unlink()
    again = cross_validate(
        recipes, data, tmp_path, folds=2, inner=0.3, device="cpu", listener=EachEpoch(seen.append)
    )
    assert len(seen) == 4, "its training was done"
    assert np.array_equal(again["short"][0].logits, scores.logits)
    (row, _) = compare(scores, found["plain"][0])
    assert row.difference.value == pytest.approx(row.one - row.other)
    same = compare(scores, again["short"][0])[0].difference
    assert (same.value, same.p) == (0, 1)
    assert same.low < 0 < same.high, "they might differ on other patients"


def test_a_folder_of_another_recipe_or_other_data_is_refused(data: Manifest, tmp_path: Path) -> None:
    def of(recipe: Recipe, frames: Manifest) -> list[Scores]:
        return cross_validate({"a": recipe}, frames, tmp_path, folds=2, inner=0.3, device="cpu")["a"]

    plain = dataclasses.replace(SHORT, stages=(Stage(epochs=1, crops=False),))
    of(plain, data)
    with pytest.raises(InvalidConfigError, match=r"learning_rate: .* there, .* here.*name a new folder"):
        of(dataclasses.replace(plain, learning_rate=0.5), data)
    with pytest.raises(InvalidConfigError, match="the data are not those of"):
        of(plain, data.with_frames(data.frames[:-2]))


def test_what_was_left_out_is_told_and_subgroups_are_kept(tmp_path: Path) -> None:
    drawn = write_frames(tmp_path / "frames")
    (tmp_path / "frames" / "3_1.png").write_bytes(b"no image")
    sites = ["antrum" if number % 2 else "corpus" for number in range(len(drawn))]
    drawn = drawn.with_column("anatomy", sites).with_column("split", [""] * len(drawn))
    left = drawn.with_column("excluded", ["blurred", *[""] * (len(drawn) - 1)])
    plain = {"plain": dataclasses.replace(SHORT, stages=(Stage(epochs=1, crops=False),))}
    options = {"folds": 2, "inner": 0.3, "device": "cpu"}
    with pytest.raises(UnreadableImageError, match=r"3_1\.png"):
        cross_validate(plain, left, tmp_path / "stops", **options)
    for _ in range(2):  # trained, and read again
        (scores,) = cross_validate(plain, left, tmp_path / "cv", **options, skip_unreadable=True)["plain"]
        report = evaluate(scores, operating_point="stored", n_resamples=100)
        flow = report.flow
        assert (flow.found, flow.excluded, flow.unreadable, report.analysed) == (24, 1, ("3_1.png",), 22)
        assert (flow.found_groups, report.analysed_groups) == (12, 12)
        assert flow.skipped is not None
        assert flow.skipped.targets.tolist() == [1]
        assert [part.value for part in report.subgroups if part.column == "anatomy"] == ["antrum", "corpus"]


def test_the_command(data: Manifest, tmp_path: Path) -> None:
    (tmp_path / "short.yaml").write_text(SHORT.to_yaml())
    (tmp_path / "plain.yaml").write_text(SHORT.to_yaml().replace("crops: true", "crops: false"))
    assert load_recipe(tmp_path / "plain.yaml").stages[0].crops is False
    done = CliRunner().invoke(
        app,
        [
            "cv", str(tmp_path / "short.yaml"), str(data.root / "data.csv"), "-o", str(tmp_path / "cv"), "--folds", "2",
            "--against", str(tmp_path / "plain.yaml"), "--device", "cpu", "--baselines", "--level", "patient",
            "--pooling", "mean", "--prevalence", "0.1", "--n-resamples", "100",
        ],
        catch_exceptions=False,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "2 folds, out of fold, by patient" in done.stdout
    report = json.loads((tmp_path / "cv" / "short" / "repeat1" / "report.json").read_text())
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
    assert f"{tmp_path}/cv/plain/repeat*/report.html" in done.stdout.replace("\n", "")
    assert "epoch 1 of 1" in done.stderr
    assert "epoch 1 of 1" not in done.stdout
    assert (tmp_path / "cv" / "plain" / "repeat1" / "report.html").is_file()
    page = (tmp_path / "cv" / "short" / "repeat1" / "report.md").read_text()
    assert "Other networks on the same frames" in page
    assert "| IM | plain |" in page
    assert "| colour statistics | IM |" in page
    assert "cluster bootstrap, 100 resamples" in page
    assert "prevalence of 0.1" in page


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
