"""`lag-zoo predict FRAMES.csv --by patient`: one answer for all frames of a patient or of an examination."""

import sys
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import typer

from lag_zoo.cli.exam_rows import ExamRows, Exams, exam_table, flat_exam, write_exam_parquet
from lag_zoo.cli.places import as_place
from lag_zoo.cli.prediction_table import BULKY, write_json, write_jsonl
from lag_zoo.cli.screen import Screen
from lag_zoo.cli.sink import PlainConsole, complain, console
from lag_zoo.errors import InvalidConfigError
from lag_zoo.files import csv_writer
from lag_zoo.inert import in_a_line

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

    from lag_zoo.cli.album import Album
    from lag_zoo.data import Manifest
    from lag_zoo.nn.exam_network import ExamNetwork
    from lag_zoo.predict import Failure, Prediction, Predictor
    from lag_zoo.predict.resumable import ResumableOutput

Row = dict[str, Any]
_WIDE = 200
HEAD = "head"
"""The pooling by the head of an examination network, as `lag_zoo.predict` calls it."""


class By(StrEnum):
    """The unit that one answer is for."""

    PATIENT = "patient"
    EXAM = "exam"


class Asked(NamedTuple):
    """The options of `predict` that ask for one answer for many frames: `by` is `None` where they do not."""

    by: By | None
    pooling: str | None
    sites: Sequence[str]
    columns: Sequence[str]

    def require_possible(self, paths: Sequence[Path]) -> None:
        """Refuse options that need `--by`, and with it what is no list.

        Raises:
            BadParameter: it says which.
        """
        from lag_zoo.data.listing import SUFFIXES

        if self.by is None:
            given = {"--pooling": self.pooling, "--site": self.sites, "--column": self.columns}
            for option, value in given.items():
                if value:
                    raise typer.BadParameter("goes with --by patient or --by exam", param_hint=option)
            return
        if len(paths) != 1 or paths[0].suffix.lower() not in SUFFIXES:
            raise typer.BadParameter(
                f"--by {self.by} takes one list of frames, a {' or '.join(SUFFIXES)} file with the columns image and "
                f"{self.by}",
                param_hint="PATHS",
            )

    def read(self, path: Path) -> "Manifest":
        """Read the list.

        Raises:
            DataError: as `lag_zoo.data.listing.read_listing` does.
        """
        from lag_zoo.cli.data_commands import renamed
        from lag_zoo.data.listing import read_listing

        return read_listing(
            path, by="exam" if self.by is By.EXAM else "patient", columns=renamed(list(self.columns))
        )

    def model(self, given: str) -> "ExamNetwork | str":
        """Return what answers: an examination network where its head is wanted, or a folder holds one."""
        from lag_zoo.weights.exam_files import EXAM

        place = as_place(given)
        folder = Path(place.removeprefix("local-dir:"))
        here = place.startswith("local-dir:") and (folder / EXAM).is_file()
        if self.pooling == HEAD or (self.pooling is None and here):
            from lag_zoo.factory import create_exam_model

            if not place.startswith(("local-dir:", "hf-hub:")):
                raise InvalidConfigError(
                    f"{place} has no head for examinations: --pooling head wants what lag-zoo train exam has made"
                )
            return create_exam_model(place)
        if self.pooling is None and place.startswith("hf-hub:"):
            from lag_zoo.errors import WeightsNotFoundError
            from lag_zoo.factory import create_exam_model

            try:
                return create_exam_model(place)
            except (
                WeightsNotFoundError
            ):  # it holds a frame network alone, or cannot be had, which is said next
                return place
        return place

    def exams(self, manifest: "Manifest", predictor: "Predictor", *, head: bool) -> Exams:
        """Return the examinations of the list, and the rule by which their frames become answers.

        Raises:
            InvalidConfigError: a pooling that there is not, or a head that answers for something else.
        """
        rule = predictor.exam_rule(self.pooling or (HEAD if head else "maximum"))
        return Exams(manifest, "exam" if self.by is By.EXAM else "patient", rule, self.sites)


class ExamAnswers:
    """The answers of one run, for patients or examinations, on their way to standard output or into a file."""

    def __init__(
        self, predictor: "Predictor", exams: Exams, paths: Sequence[Path], tta: int, screen: Screen
    ) -> None:
        self.predictor, self.exams, self.paths, self.tta = predictor, exams, paths, tta
        self.screen = screen
        self.failed = 0

    def rows(self) -> Iterator[Row]:
        """Answer the frames, and give the row of each patient as soon as its last frame is answered."""
        return self.exams.rows(self._frames(self.paths, len(self.paths)))

    def into(self, parts: "ResumableOutput") -> ExamRows:
        """Answer what is still open into parts, and return the rows of all."""
        numbers: deque[int] = deque()

        def images() -> Iterator[Path]:
            batch = self.predictor.images_a_batch(self.tta)
            for number, path in parts.wanted(self.paths, batch=batch):
                numbers.append(number)
                yield path

        done = sum(parts.done())
        if done:
            self.screen.say(f"{done} of {parts.count} frames are answered already")
        for row in self._frames(images(), parts.count - done):
            parts.write(numbers.popleft(), row)
        return ExamRows(parts.rows(), self.exams)

    def draw(self, rows: "Iterable[Mapping[str, Any]]", album: "Album") -> None:
        """Draw the frames that decided, and no others."""
        deciding = list(chain.from_iterable(row.get("deciding", ()) for row in rows))
        with self.screen.task("pictures", len(deciding)) as advance:
            for number, answer in enumerate(self.predictor.iter(map(Path, deciding), self.tta)):
                if "error" not in answer.to_dict():
                    album.add(number, cast("Prediction", answer))
                advance(1)

    def _frames(self, paths: "Iterable[Path]", count: int) -> Iterator[Row]:
        with self.screen.task("frames", count) as advance:
            for answer, features in self.predictor.iter_with_features(paths, self.tta):
                yield self._row(answer, features)
                advance(1)

    def _row(self, answer: "Prediction | Failure", features: tuple[float, ...] | None) -> Row:
        left_out = (*BULKY, "evidence")
        row = {name: value for name, value in answer.to_dict().items() if name not in left_out}
        if "error" in row:
            self.failed += 1
            complain(f"{in_a_line(row['path'])}: {in_a_line(row['error'])}")
        return row if features is None else {**row, "features": list(features)}


def write_exams(rows: "Iterable[Row]", exams: Exams, format: str, path: Path | None) -> Counter[str]:
    """Write rows of patients or examinations to a path, or as they come to standard output.

    Returns:
        how many were called what; "": no frame could be read.
    """
    called: Counter[str] = Counter()

    def counted() -> Iterator[Row]:
        for row in rows:
            called["" if "error" in row else flat_exam(row, exams.by, ())["label"]] += 1
            yield row

    if format == "parquet" and path is not None:
        write_exam_parquet(list(counted()), exams, path)
    elif path is None:
        _write_text(counted(), exams, format, sys.stdout)
    else:
        with path.open("w", encoding="utf-8", newline="\n") as file:
            _write_text(counted(), exams, format, file)
    return called


def _write_text(rows: Iterator[Row], exams: Exams, format: str, file: "TextIO") -> None:
    if format == "table":
        table = exam_table(list(rows), exams)
        (console() if file is sys.stdout else PlainConsole(file=file, width=_WIDE)).print(table)
    elif format == "csv":
        writer, begun = csv_writer(file), False
        for row in rows:
            flat = flat_exam(row, exams.by, exams.rule.label_names)
            if not begun:
                writer.writerow(flat)
                begun = True
            writer.writerow("" if cell is None else cell for cell in flat.values())
            file.flush()
    else:
        (write_jsonl if format == "jsonl" else write_json)(rows, file)


def require_level(network: "ExamNetwork", by: By) -> None:
    """Refuse a head that was trained to answer for something else.

    Raises:
        InvalidConfigError: it was.
    """
    spec = network.exam_spec
    if spec is not None and spec.level != by:
        raise InvalidConfigError(
            f"the head was trained to answer for a{'n exam' if spec.level == 'exam' else ' patient'}: say "
            f"--by {spec.level}, or pool otherwise (--pooling maximum)"
        )
