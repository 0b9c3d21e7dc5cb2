"""Examinations: inferred as they were, named neutrally, and never guessed."""

from pathlib import Path

import pytest
from PIL import ExifTags, Image

from lag_zoo.data.exams import exams_by_pattern, exams_by_time
from lag_zoo.data.sources import open_data
from lag_zoo.errors import DataError, InvalidConfigError


def take(path: Path, time: str, *, model: str = "VP", serial: str = "1", suffix: str = ".jpg") -> Path:
    exif = Image.Exif()
    exif[ExifTags.Base.Model] = model
    ifd = exif.get_ifd(ExifTags.IFD.Exif)
    if time and suffix == ".tif":
        exif[ExifTags.Base.DateTime] = f"2026:03:01 {time}"
    elif time:
        ifd[ExifTags.Base.DateTimeOriginal] = f"2026:03:01 {time}"
    ifd[ExifTags.Base.BodySerialNumber] = serial
    path = path.with_suffix(suffix)
    Image.new("RGB", (40, 40)).save(path, exif=exif)
    return path


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_parted_at_a_gap(tmp_path: Path, suffix: str) -> None:
    times = ["09:00:00", "10:05:00", "09:20:00", "10:00:00", "09:49:59"]
    paths = [take(tmp_path / str(n), time, suffix=suffix) for n, time in enumerate(times)]
    assert exams_by_time(paths) == ["exam01"] * 5
    assert exams_by_time(paths, gap_minutes=15) == ["exam01", "exam02", "exam03", "exam02", "exam02"]


def test_two_rooms_at_once(tmp_path: Path) -> None:
    paths = [take(tmp_path / str(n), f"09:0{n}:00", serial=str(n % 2)) for n in range(4)]
    assert exams_by_time(paths) == ["exam01", "exam02", "exam01", "exam02"]


def test_without_a_time(tmp_path: Path) -> None:
    paths = [take(tmp_path / "a", "09:00:00"), take(tmp_path / "b", "")]
    with pytest.raises(DataError, match=r"1 of 2 files have no EXIF time.*b\.jpg"):
        exams_by_time(paths)
    with pytest.raises(DataError, match="no such file; so nobody knows when"):
        exams_by_time([tmp_path / "none.jpg"])
    with pytest.raises(InvalidConfigError, match="a gap is some minutes"):
        exams_by_time(paths, gap_minutes=0)


def test_names_tell_nothing(tmp_path: Path) -> None:
    paths = [take(tmp_path / str(n), f"{18 - n}:00:00") for n in range(5)]
    assert exams_by_time(paths) == ["exam01", "exam02", "exam03", "exam04", "exam05"]


def test_by_pattern() -> None:
    paths = ["x/p1_e2_a.jpg", "x/p1_e3_a.jpg", "x/p1_e2_b.jpg"]
    assert exams_by_pattern(paths, r"p\d+_(?P<exam>e\d+)") == ["exam01", "exam02", "exam01"]
    with pytest.raises(DataError, match="finds nothing in 3 paths"):
        exams_by_pattern(paths, r"case(\d+)")
    with pytest.raises(InvalidConfigError, match="has no group"):
        exams_by_pattern(paths, r"p\d+")
    with pytest.raises(InvalidConfigError, match="is no regular expression"):
        exams_by_pattern(paths, "(")


def test_the_samples(shared: Path) -> None:
    """The examinations that the manifest names, found again from the files alone."""
    told = open_data(shared / "samples" / "manifest.csv")
    found = exams_by_time(told.paths())
    pairs = set(zip(found, told.column("exam"), strict=True))
    assert len(pairs) == len(set(found)) == len(set(told.column("exam")))
