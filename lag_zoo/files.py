"""Files and folders that appear whole or not at all, whoever is killed and whatever disk fills up.

What is written goes under another name beside its place, onto the disk, and only then into its place, in one step
(rename(2)). A reader finds what was there before or what is there now, and never half of it.
"""

import contextlib
import csv
import ctypes
import errno
import glob
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from lag_zoo.inert import spreadsheet_cell

PART = ".part"
"""Ending of a file that is still being written."""

_FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
_ABANDONED = 24 * 3600.0  # seconds after which nobody writes any more
_LONGEST = 40  # letters of a name that its scratch repeats: names have at most 255 bytes


def write_whole(
    path: str | os.PathLike[str],
    content: str | bytes | memoryview | Callable[[Path], object],
    *,
    mode: int = 0o666,
) -> None:
    """Writes a file whole or not at all; what was there before is replaced, or untouched.

    Args:
        path: the file; its folder exists.
        content: a text, written in UTF-8 with its line ends as they are; bytes; or a function that is given a path
            and writes there.
        mode: the file's permissions, less the process's umask.

    Raises:
        OSError: the file cannot be written; its `filename` is the file. What else `content` raises passes through.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_whole(Path(folder) / "note.txt", "whole")
    ...     [(file.name, file.read_text()) for file in Path(folder).iterdir()]
    [('note.txt', 'whole')]
    """
    path = Path(path)
    if (
        path.exists() and not path.is_file()
    ):  # a pipe or a terminal, as /dev/stdout: nothing is put in its place
        with _named(path):
            _write(path, content)
        return
    path = path.resolve()  # a link goes on pointing to its file
    with _named(path), scratch_in(path.parent, path.name, mode=mode) as scratch:
        _write(scratch, content)
        put_in_place(scratch, path)


def is_full(error: BaseException) -> bool:
    """Tell whether something was not written for want of room: the disk is full, or a quota is used up.

    >>> is_full(OSError(errno.ENOSPC, "No space left on device")), is_full(OSError("no disk"))
    (True, False)
    """
    return isinstance(error, OSError) and error.errno in _FULL


@contextlib.contextmanager
def _named(target: Path) -> Iterator[None]:
    """Name the target in what the system refuses: a failed write(2) names no file, and a scratch's name is nobody's."""
    try:
        yield
    except OSError as error:
        names = [name for name in (error.filename2, error.filename) if isinstance(name, str)]
        place = next((place for place in map(_place_of, names) if place is not None), None)
        if error.errno is None or (
            names and place is None
        ):  # it says itself what it is, or is of another file
            raise
        reason = (
            os.strerror(error.errno) if is_full(error) else error.strerror
        )  # libraries say it in words of theirs
        raise OSError(error.errno, reason, str(target.joinpath(*(place or ())))) from error


def _place_of(name: str) -> tuple[str, ...] | None:
    """The place of a file below a folder that is being written; empty: a file that is; `None`: of neither."""
    parts = Path(name).parts
    for number, part in enumerate(parts):
        if part.startswith(".") and part.endswith(PART):
            return parts[number + 2 :]
    return None


def _write(path: Path, content: str | bytes | memoryview | Callable[[Path], object]) -> None:
    if callable(content):
        content(path)
    elif isinstance(content, str):
        path.write_text(content, encoding="utf-8", newline="")
    else:
        path.write_bytes(content)


@contextlib.contextmanager
def scratch_in(folder: Path, name: str = "", *, mode: int = 0o666) -> Iterator[Path]:
    """Makes an empty file in this folder that nobody else writes to, hidden and ending in `PART`; removed at the end.

    For files whose name is known only once they are written; else see `write_whole`.
    """
    scratch = folder / f".{name[:_LONGEST]}-{secrets.token_hex(8)}{PART}"
    os.close(os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
    try:
        yield scratch
    finally:
        scratch.unlink(missing_ok=True)


def put_in_place(scratch: Path, path: Path) -> None:
    """Moves a written file into its place, once its bytes are on the disk: a power cut leaves no empty file there."""
    _flush(scratch)
    os.replace(scratch, path)


def _flush(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def write_whole_folder(target: str | os.PathLike[str], write: Callable[[Path], object]) -> None:
    """Writes a folder whole or not at all; one that was there before is replaced, or untouched.

    Args:
        target: the folder; those around it are made.
        write: writes into the new, empty folder that it is given.

    Raises:
        OSError: the folder cannot be written; its `filename` is the file in it. What else `write` raises passes
            through.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{target.name[:_LONGEST]}-"
    _sweep(target.parent, prefix)
    with (
        _named(target),
        tempfile.TemporaryDirectory(dir=target.parent, prefix=prefix, suffix=PART) as scratch,
    ):
        fresh = Path(scratch) / "new"
        fresh.mkdir()
        write(fresh)
        for file in fresh.rglob("*"):
            if file.is_file():
                _flush(file)
        _replace_folder(target, fresh, Path(scratch) / "old")


def _sweep(folder: Path, prefix: str) -> None:
    """Remove what processes that were killed have left; what is younger than a day may still be written."""
    for scratch in folder.glob(f"{glob.escape(prefix)}*{PART}"):
        with contextlib.suppress(OSError):
            if scratch.is_dir() and time.time() - scratch.stat().st_mtime > _ABANDONED:
                shutil.rmtree(scratch)


def _replace_folder(target: Path, fresh: Path, old: Path) -> None:
    """Puts the fresh folder in the place of the target; what was there is put back if that fails."""
    if not target.exists():
        os.replace(fresh, target)
        return
    if _exchanged(fresh, target):
        return
    os.replace(target, old)
    try:
        os.replace(fresh, target)
    except OSError:
        os.replace(old, target)
        raise
    shutil.rmtree(old)


def _exchanged(one: Path, other: Path) -> bool:
    """Exchanges two folders in one step, so that whoever is killed leaves one or the other in place; Linux can.

    https://man7.org/linux/man-pages/man2/rename.2.html; some file systems, such as NFS, cannot.
    """
    if sys.platform != "linux":
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)  # glibc has it since 2.28
    return (
        renameat2 is not None and renameat2(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0
    )


class _Text(Protocol):
    def write(self, text: str, /) -> object:
        """Write text."""


class _LineFeeds:
    """A file whose lines end in a line feed, whatever the writer ends them with."""

    def __init__(self, file: _Text) -> None:
        self.file = file

    def write(self, line: str) -> object:
        return self.file.write(line.removesuffix("\r\n") + "\n")


class _Inert:
    """A `csv.writer` of which no cell is a formula."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def writerow(self, row: Iterable[object]) -> object:
        return self._writer.writerow(
            spreadsheet_cell(cell) if isinstance(cell, str) else cell for cell in row
        )

    def writerows(self, rows: Iterable[Iterable[object]]) -> None:
        for row in rows:
            self.writerow(row)


def csv_writer(file: _Text) -> Any:
    """Return a `csv.writer` of lines that end in a line feed.

    A carriage return in a cell is quoted, or it would end the line: Python before 3.13 quotes what ends its own lines.
    Texts that a spreadsheet would run as formulas are inert (`lag_zoo.inert`).

    >>> import io
    >>> text = io.StringIO(newline="")
    >>> _ = csv_writer(text).writerow(["a", "b\\rc"])
    >>> text.getvalue()
    'a,"b\\rc"\\n'
    """
    return _Inert(csv.writer(_LineFeeds(file), lineterminator="\r\n"))
