"""`check_data`: every image is read, and what is wrong with the data is said."""

import dataclasses
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from lag_zoo.cli.app import app
from lag_zoo.data.checks import check_data
from lag_zoo.data.manifest import Manifest
from lag_zoo.data.sources import open_data
from lag_zoo.data.tables import write_manifest
from tests.training.drawn_data import write_frames


@pytest.fixture
def data(tmp_path: Path) -> Manifest:
    return write_frames(tmp_path)


def test_nothing_wrong(data: Manifest) -> None:
    report = check_data(data)
    assert (report.errors, report.unreadable, report.same, report.across) == ([], (), (), ())
    assert (report.frames, report.grouping, report.sizes) == (24, "patient", {"150 x 120": 24})
    assert [(row.label, row.frames, row.groups) for row in report.labels] == [
        ("normal", 12, 6),
        ("IM", 12, 6),
    ]
    assert report.labels[0].splits == {"train": 8, "val": 4}


def test_what_cannot_be_read(data: Manifest) -> None:
    data.path(data.frames[0]).write_bytes(b"no picture")
    data.path(data.frames[1]).unlink()
    report = check_data(open_data(data.root / "data.csv"))
    assert [(image, line) for image, line, _ in report.unreadable] == [("0_0.png", 2), ("0_1.png", 3)]
    assert "0_0.png (line 2): not a TIFF" in report.errors[0]
    assert report.to_dict()["errors"] == report.errors
    reasons = ["broken", "lost", *[""] * (len(data) - 2)]
    report = check_data(data.with_column("excluded", reasons))
    assert (report.errors, report.unreadable_excluded) == ([], ("0_0.png", "0_1.png"))
    assert len(report.unreadable) == 2


def test_copies_across_splits(data: Manifest) -> None:
    train = next(f for f in data.frames if f.split == "train")
    val = next(f for f in data.frames if f.split == "val")
    with Image.open(data.path(train)) as image:
        image.save(data.path(val), "JPEG", quality=60)
    report = check_data(data)
    assert report.same == ()
    assert set(report.across[0]) >= {train.image, val.image}
    assert "like frames in more than one split" in report.errors[0]
    data.path(val).write_bytes(data.path(train).read_bytes())
    assert set(check_data(data).same[0]) == {train.image, val.image}


def test_a_split_without_a_label(data: Manifest) -> None:
    moved = data.with_frames(f for f in data.frames if f.labels == (0,) or f.split != "val")
    report = check_data(moved)
    assert report.errors == ["no frame of the split val has the label IM"]


def test_what_a_folder_holds_besides(data: Manifest, tmp_path: Path) -> None:
    for frame in data.frames[:2] + data.frames[-2:]:
        label = tmp_path / "by_label" / data.label_names[frame.labels[0]]
        label.mkdir(parents=True, exist_ok=True)
        data.path(frame).rename(label / frame.image)
    (label / "clip.mp4").touch()
    report = check_data(open_data(tmp_path / "by_label"))
    assert (report.frames, report.left_out) == (4, {".mp4": 1})
    assert report.to_dict()["left_out"] == {".mp4": 1}


def test_excluded_frames_count_for_no_label(data: Manifest) -> None:
    excluded = ["1" if number < 3 else "0" for number in range(len(data))]
    report = check_data(data.with_column("excluded", excluded))
    before = check_data(data)
    assert (report.excluded, report.frames) == (3, 24)
    assert sum(row.frames for row in report.labels) == sum(row.frames for row in before.labels) - 3


def test_no_lit_area(data: Manifest) -> None:
    Image.new("RGB", (150, 120)).save(data.path(data.frames[5]))
    assert check_data(data).no_field == (data.frames[5].image,)


class TestCommand:
    def test_names_are_printed_as_they_are(self, data: Manifest, tmp_path: Path) -> None:
        odd = dataclasses.replace(
            data, label_names=("normal", "[red]IM[/red]"), task="multilabel"
        ).with_frames(
            dataclasses.replace(f, labels=(1 - f.labels[0], -1 if i == 3 else f.labels[0]))
            for i, f in enumerate(data.frames)
        )
        write_manifest(odd, data.root / "odd.csv")
        done = CliRunner().invoke(
            app, ["data", "check", str(data.root / "odd.csv"), "--json", f"{tmp_path}/new/r.json"]
        )
        assert done.exit_code == 0, done.output
        rows = [line.split() for line in done.output.splitlines()]
        assert ["label", "frames", "unknown", "groups", "train", "val"] in rows
        assert ["[red]IM[/red]", "11", "1", "6", "7", "4"] in rows
        assert (tmp_path / "new" / "r.json").is_file()

    def test_check(self, data: Manifest, tmp_path: Path) -> None:
        done = CliRunner().invoke(
            app, ["data", "check", str(data.root / "data.csv"), "--json", str(tmp_path / "r.json")]
        )
        assert done.exit_code == 0, done.output
        assert "24 frames, 0 excluded; grouping: patient" in done.output
        assert '"frames": 24' in (tmp_path / "r.json").read_text()
        data.path(data.frames[0]).unlink()
        done = CliRunner().invoke(app, ["data", "check", str(data.root / "data.csv")])
        assert done.exit_code == 1
        assert "0_0.png (line 2): no such file" in done.output

    def test_group_and_split(self, data: Manifest, tmp_path: Path) -> None:
        source, grouped, parts = str(data.root / "data.csv"), tmp_path / "g.csv", tmp_path / "s.parquet"
        done = CliRunner().invoke(
            app, ["data", "group", source, "--by", "regex", "--pattern", r"(\d+)_\d\.png", "-o", str(grouped)]
        )
        assert done.exit_code == 0, done.output
        assert "24 frames of 12 examinations" in done.output
        done = CliRunner().invoke(app, ["data", "split", str(grouped), "--folds", "3", "-o", str(parts)])
        assert done.exit_code == 0, done.output
        assert open_data(parts).splits == ("fold1", "fold2", "fold3")

    def test_the_samples(self, shared: Path) -> None:
        """Two frames that are filed as white light and look like LCI are pointed out, and near-copies are found."""
        report = check_data(open_data(shared / "samples" / "manifest.csv"))
        assert report.errors == []
        assert {image for image, *_ in report.modality} <= {"WLI_IM/2.TIF", "WLI_IM/3.TIF"}
        assert len(report.sizes) == 1
