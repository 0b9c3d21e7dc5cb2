"""Examinations inferred where nobody wrote them down: by the times in the files, or by a pattern in their paths.

What comes out are neutral names, exam01, exam02, ...; no time, number or name of a patient is in them.
"""

import datetime
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import ExifTags

from lag_zoo.data.images import open_image
from lag_zoo.errors import DataError, InvalidConfigError, UnreadableImageError

_TIMES = (ExifTags.Base.DateTimeOriginal, ExifTags.Base.DateTimeDigitized, ExifTags.Base.DateTime)
_DEVICE = (ExifTags.Base.Make, ExifTags.Base.Model, ExifTags.Base.BodySerialNumber)
_SHOWN = 3


class _Taken(NamedTuple):
    """The time at which a frame was taken, and the processor."""

    device: tuple[str, ...]
    time: datetime.datetime


def exams_by_time(paths: Sequence[str | os.PathLike[str]], *, gap_minutes: float = 30.0) -> list[str]:
    """The examination of each file, by its EXIF time: a processor's frames, parted where it took none for so long.

    Two processors (make, model and, where it is told, serial number) are two rooms, so never one examination.

    Raises:
        DataError: files without a time; the first are named.
        InvalidConfigError: a gap that is none.
    """
    if not gap_minutes > 0:
        raise InvalidConfigError(f"a gap is some minutes, got {gap_minutes}")
    taken = [_taken(Path(path)) for path in paths]
    without = [str(path) for path, one in zip(paths, taken, strict=True) if one is None]
    if without:
        raise DataError(
            f"{len(without)} of {len(paths)} files have no EXIF time, so no examination can be inferred: "
            f"{', '.join(without[:_SHOWN])}. Name them by a column or a pattern"
        )
    numbers = {}
    current, last = 0, None
    for place, one in sorted(
        ((i, t) for i, t in enumerate(taken) if t is not None), key=lambda pair: pair[1]
    ):
        if (
            last is None
            or one.device != last.device
            or one.time - last.time > datetime.timedelta(minutes=gap_minutes)
        ):
            current += 1
        numbers[place], last = current, one
    return _named(numbers[place] for place in range(len(paths)))


def exams_by_pattern(paths: Sequence[str | os.PathLike[str]], pattern: str) -> list[str]:
    """The examination of each file, by what a regular expression finds in its path: its group `exam`, else its first.

    Raises:
        DataError: paths in which it finds nothing; the first are named.
        InvalidConfigError: no regular expression, or one without a group.

    >>> exams_by_pattern(["a/case7/1.jpg", "a/case9/1.jpg", "a/case7/2.jpg"], r"case([0-9]+)")
    ['exam01', 'exam02', 'exam01']
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise InvalidConfigError(f"{pattern!r} is no regular expression: {error}") from error
    if not compiled.groups:
        raise InvalidConfigError(
            f"{pattern!r} has no group that tells examinations apart, such as (case[0-9]+)"
        )
    group: str | int = "exam" if "exam" in compiled.groupindex else 1
    matches = [compiled.search(Path(path).as_posix()) for path in paths]
    without = [str(path) for path, match in zip(paths, matches, strict=True) if match is None]
    if without:
        raise DataError(f"{pattern!r} finds nothing in {len(without)} paths: {', '.join(without[:_SHOWN])}")
    return _named(match[group] for match in matches if match is not None)


def _taken(path: Path) -> _Taken | None:
    try:
        with open_image(path) as image:
            exif = image.getexif()
            tags = {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
    except UnreadableImageError as error:
        raise DataError(f"{error}; so nobody knows when it was taken") from error
    for tag in _TIMES:
        try:
            time = datetime.datetime.strptime(str(tags.get(tag, "")).strip("\0 "), "%Y:%m:%d %H:%M:%S")
        except ValueError:
            continue
        return _Taken(tuple(str(tags.get(tag, "")) for tag in _DEVICE), time)
    return None


def _named(keys: Iterable[object]) -> list[str]:
    """Neutral names in the order of the files, so that not even the order of the days is told."""
    keys = list(keys)
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys), start=1)}
    width = max(2, len(str(len(numbers))))
    return [f"exam{numbers[key]:0{width}d}" for key in keys]
