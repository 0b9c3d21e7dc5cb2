"""Predictions of many files on their way into one: kept as they come, resumable, made by several processes.

Until all are there they lie in a folder beside the output: `run.json` says what they are of, and every process appends
to a file of its own, one line an image. Images are shared out by whole batches, so which process made an answer, and
after which interruption, shows nowhere in it.
"""

import contextlib
import hashlib
import heapq
import os
import shutil
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from lag_zoo.data.images import find_images
from lag_zoo.errors import InvalidConfigError, PredictionError
from lag_zoo.files import PART
from lag_zoo.specs import Json
from lag_zoo.state import read_state, state_line, state_lines, write_state

Row = dict[str, Any]
_RUN = "run.json"


def survey(paths: Iterable[str | os.PathLike[str]], left_out: Counter[str] | None = None) -> dict[str, Json]:
    """Counts the images behind these paths, and takes a digest of their names; in memory are those of one folder.

    Args:
        left_out: counts what is left out, by kind, as `find_images` does.
    """
    names = _Names()
    for path in find_images(paths, left_out):
        names.add(path)
    return names.found()


class _Names:
    """The findings of `survey`, path by path."""

    def __init__(self) -> None:
        self.count, self.digest = 0, hashlib.sha256()

    def add(self, path: Path) -> None:
        self.count += 1
        self.digest.update(os.fsencode(path) + b"\0")

    def found(self) -> dict[str, Json]:
        return {"images": self.count, "names": self.digest.hexdigest()}


class ResumableOutput:
    """The answers so far of a run whose output will be `output`; see the module.

    Args:
        about: what the answers depend on, with what `survey` found; another run's parts are refused by it.
    """

    def __init__(self, output: Path, about: Mapping[str, Json]) -> None:
        self.folder = output.with_name(output.name + ".parts")
        self.about = dict(about)
        self.count = int(str(about["images"]))
        self._own: Path | None = None

    def begin(self, *, resume: bool) -> None:
        """Makes the folder, or takes up what lies in it; of several processes one does it, before the others go on.

        Raises:
            InvalidConfigError: answers of an earlier run that nobody asked to resume, or of another run.
            OSError: it cannot be made; nothing of it is left.
        """
        run = self.folder / _RUN
        if not run.is_file():
            self.folder.mkdir(exist_ok=True)
            try:
                write_state(run, self.about)
            except OSError:
                with contextlib.suppress(OSError):  # it is not empty: somebody else is at work
                    self.folder.rmdir()
                raise
            return
        if not resume:
            raise InvalidConfigError(
                f"{self.folder} holds {sum(self.done())} answers to {self.count} images, of a run that was stopped: "
                "resume it (--resume), or remove the folder"
            )
        before = read_state(run)
        if other := [name for name in self.about if before.get(name) != self.about[name]]:
            said = "; ".join(f"{name} was {before.get(name)}, and is {self.about[name]}" for name in other)
            raise InvalidConfigError(f"{self.folder} holds the answers of another run: {said}")

    def done(self) -> bytearray:
        """One byte an image: 1, where it is answered."""
        marks = bytearray(self.count)
        for file in self._files():
            for index, _ in state_lines(file):
                marks[index] = 1
        return marks

    def wanted(
        self, paths: Iterable[str | os.PathLike[str]], *, batch: int, share: tuple[int, int] = (0, 1)
    ) -> Iterator[tuple[int, Path]]:
        """The images that are still to be done, with their numbers: whole batches of them.

        Args:
            share: this process's number and how many there are.

        Raises:
            PredictionError: the folders hold other images than when they were surveyed.
        """
        done = self.done()
        number, of = share
        names, turn = _Names(), 0
        images = enumerate(find_images(paths))
        while some := list(islice(images, batch)):
            for _, path in some:
                names.add(path)
            if names.count > self.count:
                break
            if turn % of == number and not all(done[index] for index, _ in some):
                yield from some
            turn += 1
        if names.found() != {name: self.about[name] for name in names.found()}:
            raise PredictionError(
                f"the images changed while they were read: there were {self.count}, and now others, or as many of "
                f"other names. Remove {self.folder}, and begin anew when the folders stay as they are"
            )

    def write(self, index: int, row: Mapping[str, Any]) -> None:
        """Keeps an answer: a process that is killed loses no line that was written.

        Raises:
            PredictionError: it cannot be written; what was before is kept.
        """
        if self._own is None:
            self._own = self.folder / f"{uuid.uuid4().hex}{PART}"
        try:
            with self._own.open("a", encoding="utf-8") as file:
                file.write(state_line([index, row]))
        except FileNotFoundError as error:
            raise PredictionError(
                f"{self.folder} is gone: somebody removed it, or another run finished the same output"
            ) from error
        except OSError as error:
            raise PredictionError(
                f"{self.folder} cannot be written: {error.strerror or error}. What was answered is kept there: "
                "make room, and go on (--resume)"
            ) from error

    def rows(self) -> "Rows":
        """All answers, in the order of the images."""
        return Rows(self._files())

    def remove(self) -> None:
        """Once the output is there."""
        shutil.rmtree(self.folder)

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob(f"[!.]*{PART}"))


class Rows:
    """Rows that can be gone through again and again, and never are all in memory."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._each = files

    def __iter__(self) -> Iterator[Row]:
        last = -1
        for index, row in heapq.merge(*map(state_lines, self._each), key=lambda line: line[0]):
            if index != last:  # a batch that was broken off was done again
                yield row
            last = index
