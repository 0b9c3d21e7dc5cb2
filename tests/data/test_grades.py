"""Grades in data: somebody says that labels have an order, and which."""

import json
import re
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from lag_zoo.cli.app import app
from lag_zoo.data import open_data, read_manifest
from lag_zoo.data.folder import read_folder
from lag_zoo.data.grades import as_told_by
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import DataError

GRADES = ["low", "middle", "high"]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Twelve drawn frames of six patients."""
    lines = ["image,label,patient"]
    for number in range(12):
        pixels = draw_frame((64, 80), seed=number).to(torch.uint8)
        Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,{GRADES[number % 3]},p{number % 6}")
    path = tmp_path / "frames.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_the_order_is_that_of_the_labels(table: Path) -> None:
    manifest = read_manifest(table, labels=GRADES, task="ordinal")
    assert manifest.task == "ordinal"
    assert manifest.label_names == tuple(GRADES)
    assert manifest.targets().tolist() == [0, 1, 2] * 4
    assert manifest.label_counts() == dict.fromkeys(GRADES, 4)


def test_without_an_order_there_are_no_grades(table: Path) -> None:
    with pytest.raises(DataError, match=re.escape("--labels with high, low, middle in that order")):
        open_data(table, task="ordinal")


def test_labels_that_exclude_no_other_are_none(tmp_path: Path) -> None:
    path = tmp_path / "many.csv"
    path.write_text("image,a,b\n1.png,1,0\n2.png,0,1\n", encoding="utf-8")
    with pytest.raises(DataError, match="is for labels that are grades"):
        read_manifest(path, labels=["a", "b"], task="ordinal")
    with pytest.raises(DataError, match="is for labels that are exclusive"):
        read_manifest(path, task="multiclass")
    assert read_manifest(path, task="multilabel").task == "multilabel"


def test_folders_have_grades_too(tmp_path: Path) -> None:
    for grade in GRADES:
        (tmp_path / grade).mkdir()
        (tmp_path / grade / "frame.png").touch()
    manifest = read_folder(tmp_path, labels=GRADES, task="ordinal")
    assert (manifest.task, manifest.label_names) == ("ordinal", tuple(GRADES))
    with pytest.raises(DataError, match="need their order"):
        open_data(tmp_path, task="ordinal")


def test_a_networks_order_is_taken_by_labels_without_one(table: Path) -> None:
    told = as_told_by(read_manifest(table), GRADES, "ordinal")
    assert told == read_manifest(table, labels=GRADES, task="ordinal")
    graded = read_manifest(table, labels=GRADES, task="ordinal")
    assert as_told_by(graded, ("none", *GRADES), "ordinal").targets().max() == 3
    with pytest.raises(DataError, match="from the lowest on"):
        graded.with_label_names(["high", "middle", "low"])
    with pytest.raises(DataError, match="is for labels that are exclusive"):
        as_told_by(graded, GRADES, "multiclass")


class TestCommands:
    @pytest.fixture
    def said(self) -> list[str]:
        return ["--task", "ordinal", "--labels", ",".join(GRADES)]

    def test_check_and_split(self, table: Path, tmp_path: Path, said: list[str]) -> None:
        checked = CliRunner().invoke(
            app, ["data", "check", str(table), "--json", str(tmp_path / "c.json"), *said]
        )
        assert "at least" not in checked.output
        rows = json.loads((tmp_path / "c.json").read_text())["labels"]
        assert [row["label"] for row in rows] == GRADES
        done = CliRunner().invoke(
            app, ["data", "split", str(table), "-o", str(tmp_path / "s.csv"), "--folds", "2", *said]
        )
        assert done.exit_code == 0, done.output
        split = read_manifest(tmp_path / "s.csv", labels=GRADES, task="ordinal")
        assert split.splits == ("fold1", "fold2")

    @pytest.mark.parametrize(
        "command",
        [
            "train quick x -o y",
            "cv quick x -o y",
            "data check x",
            "data split x -o y",
            "evaluate --predictions x",
        ],
    )
    def test_another_task_is_refused(self, command: str) -> None:
        done = CliRunner().invoke(app, [*command.split(), "--task", "ranked"])
        assert done.exit_code == 2
        assert "ranked" in done.output

    def test_it_is_for_tables_of_predictions(self) -> None:
        done = CliRunner().invoke(app, ["evaluate", "net", "data", "--task", "ordinal"])
        assert "--task is for tables" in str(done.exception or done.output)
