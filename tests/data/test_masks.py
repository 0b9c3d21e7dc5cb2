"""Masks: what marks a frame, of whatever kind the image is; and masks that are none are said by line."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from lag_zoo.cli.app import app
from lag_zoo.data.checks import check_data
from lag_zoo.data.images import read_image, read_size
from lag_zoo.data.manifest import Manifest
from lag_zoo.data.masks import mask_of, read_mask
from lag_zoo.data.sources import open_data
from lag_zoo.data.tables import write_manifest
from lag_zoo.errors import DataError, UnreadableImageError
from tests.training.drawn_data import write_frames

MARKED = np.zeros((40, 50), dtype=bool)
MARKED[10:30, 5:20] = True


def palette() -> Image.Image:
    image = Image.fromarray(MARKED.astype(np.uint8), "P")
    image.putpalette([0, 0, 0, 200, 30, 30])
    return image


KINDS = {
    "one bit": lambda: Image.fromarray(MARKED),
    "0 and 255": lambda: Image.fromarray(MARKED.astype(np.uint8) * 255),
    "0 and 1": lambda: Image.fromarray(MARKED.astype(np.uint8)),
    "0 and 200": lambda: Image.fromarray(MARKED.astype(np.uint8) * 200),
    "16 bits": lambda: Image.fromarray(MARKED.astype(np.uint16) * 65535),
    "a colour": lambda: Image.fromarray(MARKED[..., None] * np.array([0, 255, 0], dtype=np.uint8)),
    "a palette": palette,
    "with transparency": lambda: Image.fromarray(
        np.dstack([np.full((40, 50, 3), 255, np.uint8), MARKED.astype(np.uint8) * 255])
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_marked(kind: str, tmp_path: Path) -> None:
    KINDS[kind]().save(tmp_path / "mask.png")
    assert torch.equal(read_mask(tmp_path / "mask.png"), torch.from_numpy(MARKED))


def test_the_noise_of_a_jpeg_marks_nothing(tmp_path: Path) -> None:
    KINDS["0 and 255"]().save(tmp_path / "mask.jpg", quality=60)
    assert len(np.unique(np.asarray(Image.open(tmp_path / "mask.jpg")))) > 2
    assert (read_mask(tmp_path / "mask.jpg") != torch.from_numpy(MARKED)).float().mean() < 0.01


@pytest.mark.parametrize("highest", [2, 7, 127])
def test_numbers_of_classes_are_refused(highest: int, tmp_path: Path) -> None:
    Image.fromarray(MARKED.astype(np.uint8) * highest).save(tmp_path / "mask.png")
    with pytest.raises(DataError, match=rf"mask\.png: .*this one reaches {highest} of 255"):
        read_mask(tmp_path / "mask.png")


def test_an_empty_one_marks_nothing(tmp_path: Path) -> None:
    Image.new("L", (50, 40)).save(tmp_path / "mask.png")
    assert not read_mask(tmp_path / "mask.png").any()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_is_that_of_the_image_as_it_is_read(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    Image.new("RGB", (50, 40)).save(tmp_path / "image.jpg", exif=exif)
    assert read_size(tmp_path / "image.jpg") == tuple(read_image(tmp_path / "image.jpg").shape[1:])


def test_a_size_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match=r"none\.png: no such file"):
        read_size(tmp_path / "none.png")


@pytest.fixture
def data(tmp_path: Path) -> Manifest:
    """24 frames, of which the first four have masks."""
    manifest = write_frames(tmp_path)
    for number in range(4):
        Image.fromarray(np.eye(120, 150, dtype=bool)).save(tmp_path / f"mask{number}.png")
    masks = [f"mask{number}.png" if number < 4 else "" for number in range(len(manifest))]
    write_manifest(manifest.with_column("mask", masks), tmp_path / "data.csv")
    return open_data(tmp_path / "data.csv")


class TestOfAFrame:
    def test_none(self, data: Manifest) -> None:
        assert mask_of(data, data.frames[4]) is None
        found = mask_of(data, data.frames[0])
        assert found is not None
        assert found.shape == (120, 150)

    def test_faults_are_said_by_line(self, data: Manifest) -> None:
        (data.root / "mask0.png").unlink()
        Image.new("L", (150, 121)).save(data.root / "mask1.png")
        for number, said in (
            (0, r"line 2, column mask: .*no such file"),
            (1, r"line 3, .*150 x 121, and .*150 x 120"),
        ):
            with pytest.raises(DataError, match=said):
                mask_of(data, data.frames[number])


class TestCheck:
    def test_nothing_wrong(self, data: Manifest) -> None:
        report = check_data(data)
        assert (report.errors, report.bad_masks, report.idle_masks) == ([], (), ())
        assert report.masks == {"IM": 2, "normal": 2}

    def test_without_masks_nothing_is_said_of_them(self, tmp_path: Path) -> None:
        report = check_data(write_frames(tmp_path))
        assert (report.masks, report.bad_masks, report.idle_masks) == ({}, (), ())

    def test_faults_are_errors_but_of_excluded_frames(self, data: Manifest) -> None:
        (data.root / "mask0.png").unlink()
        Image.new("L", (75, 60)).save(data.root / "mask1.png")
        Image.new("L", (150, 120), 3).save(data.root / "mask2.png")
        Image.new("L", (150, 120)).save(data.root / "mask3.png")
        report = check_data(data)
        assert [line for _, line, _ in report.bad_masks] == [2, 3, 4]
        assert [said.split(":")[0] for said in report.errors] == [
            f"{f.image} (line {f.line})" for f in data.frames[:3]
        ]
        assert report.idle_masks == (data.frames[3].image,)
        assert report.to_dict()["bad_masks"] == report.bad_masks
        excluded = check_data(data.with_column("excluded", [f.mask and "broken" for f in data.frames]))
        assert (excluded.errors, excluded.masks, excluded.idle_masks) == ([], {}, ())

    def test_a_mask_of_a_frame_without_the_finding(self, data: Manifest) -> None:
        """Where labels do not exclude each other, a mask marks those that hold: with none it says nothing."""
        rows = [[f.image, *("01" if n % 2 else "00"), f.mask] for n, f in enumerate(data.frames)]
        path = data.root / "separate.csv"
        path.write_text("\n".join(map(",".join, [["image", "IM", "GA", "mask"], *rows])))
        report = check_data(open_data(path))
        assert report.masks == {"IM": 0, "GA": 2}
        assert report.idle_masks == (data.frames[0].image, data.frames[2].image)

    def test_command(self, data: Manifest) -> None:
        Image.new("L", (150, 120)).save(data.root / "mask3.png")
        done = CliRunner().invoke(app, ["data", "check", str(data.root / "data.csv")])
        assert done.exit_code == 0, done.output
        assert "masks: IM 2, normal 2" in done.output
        assert (
            f"masks that say nothing (nothing is marked, or no label holds): 1: {data.frames[3].image}"
            in done.output
        )
        (data.root / "mask0.png").unlink()
        done = CliRunner().invoke(app, ["data", "check", str(data.root / "data.csv")])
        assert done.exit_code == 1
        assert "mask0.png: no such file" in done.output
