"""`lag-zoo predict PATH...`: what a model says of the frames in files and folders."""

import sys
from collections import Counter, deque
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.text import Text

from lag_zoo.catalogue import NOT_A_MEDICAL_DEVICE
from lag_zoo.catalogue.polyp import NAME as BUILT_IN
from lag_zoo.cli.places import as_place
from lag_zoo.cli.prediction_table import (
    BULKY,
    CsvLines,
    as_table,
    in_words,
    label_of,
    write_csv,
    write_json,
    write_jsonl,
    write_parquet,
)
from lag_zoo.cli.screen import Quiet, Screen
from lag_zoo.cli.sink import PlainConsole, complain, console
from lag_zoo.cli.tables import DeviceOption, plain_table
from lag_zoo.distributed import is_first, processes
from lag_zoo.errors import DataError, extra
from lag_zoo.inert import in_a_line

if TYPE_CHECKING:
    from lag_zoo.cli.album import Album
    from lag_zoo.predict import Failure, Prediction, Predictor
    from lag_zoo.predict.resumable import ResumableOutput, Rows

_WIDE = 200


class Format(StrEnum):
    """The form of the output."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


class Precision(StrEnum):
    """Of weights and features."""

    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"


def predict(
    paths: Annotated[list[Path], typer.Argument(help="Image files, or folders, which are walked.")],
    model: Annotated[
        str,
        typer.Option(help="A name whose weights exist, a folder such as runs/1/best, or hf-hub:org/repo."),
    ] = BUILT_IN,
    tta: Annotated[
        int, typer.Option(min=0, help="Look so often, each time with crops at random: mean and spread.")
    ] = 0,
    format: Annotated[
        Format | None,
        typer.Option(help="How the answers are written; by default as the output's name ends, else a table."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", dir_okay=False, help="Write them to this file, not to standard output."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an output that was stopped; or begin it.")
    ] = False,
    pictures: Annotated[
        Path | None,
        typer.Option(
            file_okay=False, help="A folder for one picture a frame: the field, the crops, the answer."
        ),
    ] = None,
    evidence: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL",
            help="Give the evidence for this label over the frame, in the pictures and in JSON; may be repeated.",
        ),
    ] = None,
    device: DeviceOption = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="Views that pass the network at once.")] = 8,
    precision: Annotated[Precision, typer.Option(help="fp16 is for GPUs.")] = Precision.FP32,
    compile: Annotated[
        bool, typer.Option("--compile", help="By torch.compile: for thousands of frames.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Threads that read ahead; by default one a core, at most 4.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Answer on frames: TIFF, JPEG, PNG, BMP or WebP. For research and teaching; not a medical device.

    A file that cannot be read is reported, and the rest are done; the exit code is then 1. Without any image it is 2.

    Answers that go to a file are kept in OUTPUT.parts until all are there.

    Under `accelerate launch --multi_gpu -m lag_zoo.cli predict` the processes share the frames, on CPUs too.
    """
    format = _format(format, output)
    _require_possible(tta, format, output, resume)
    if evidence and pictures is None and format not in (Format.JSON, Format.JSONL):
        raise typer.BadParameter(
            "maps go into pictures (--pictures) or JSON (--format json or jsonl)", param_hint="--evidence"
        )
    screen = Screen(quiet=quiet or not is_first())
    with screen.task("starting"):
        from lag_zoo.cli.album import Album
        from lag_zoo.predict import Predictor
        from lag_zoo.predict.resumable import ResumableOutput, survey
    left_out: Counter[str] = Counter()
    with screen.task("looking for images"):
        found = survey(paths, left_out)
    count = int(str(found["images"]))
    if not count:
        raise DataError(_no_image(left_out))
    others = processes(cpu=device == "cpu")
    if others.total > 1 and output is None:
        raise typer.BadParameter("several processes need a file to write to: --output")
    with screen.task("loading the model"):
        predictor = Predictor(
            as_place(model),
            device=others.device or device,
            batch_size=batch_size,
            compile=compile,
            precision=precision.value,
            workers=workers,
            evidence=evidence or False,
        )
    screen.begin(_facts(predictor, count, left_out, output))
    album = None if pictures is None else Album(pictures)
    answers = _Answers(screen, album)
    if output is None:
        answers.to_screen(predictor, paths, tta, format, count)
    else:
        parts = ResumableOutput(output, {**_about(predictor), "tta": tta, **found})
        if others.number == 0:
            if resume and not parts.folder.is_dir():
                screen.say(f"{parts.folder} is not there: nothing to resume, all is answered anew")
            parts.begin(resume=resume)
        others.wait()
        answers.to_parts(parts, predictor, paths, tta, share=(others.number, others.total))
        others.wait()
        if others.number:
            return  # the first writes what all have found
        called = _finish(parts, predictor, format, output)
        answers.failed = called[""]
        if not quiet:
            _summarise(called, output)
    if album is not None:
        screen.say(album.summary())
    if answers.failed:
        complain(f"{answers.failed} of {count} files failed")
        raise typer.Exit(1)


def _no_image(left_out: Counter[str]) -> str:
    from lag_zoo.data.images import describe_left_out

    said = describe_left_out(left_out)
    return f"no image found: no TIFF, JPEG, PNG, BMP or WebP in these folders{f' ({said})' if said else ''}"


def _require_possible(tta: int, format: Format, output: Path | None, resume: bool) -> None:
    """Refuses now what could not be written after all is answered."""
    if tta == 1:
        raise typer.BadParameter("one look has no spread: 0, or at least 2", param_hint="--tta")
    if output is not None and not output.parent.is_dir():
        raise typer.BadParameter(f"{output.parent} is no folder", param_hint="--output")
    if output is None and (resume or format is Format.PARQUET):
        hint = "--resume" if resume else "--format"
        raise typer.BadParameter("needs a file to write to: --output", param_hint=hint)
    if format is Format.PARQUET:
        with extra("data"):
            import pyarrow  # noqa: F401


def _facts(predictor: "Predictor", count: int, left_out: Counter[str], output: Path | None) -> dict[str, str]:
    """The header: what is asked of which network, where."""
    from lag_zoo.data.images import count_kinds
    from lag_zoo.nn.devices import describe_device

    facts = {
        "model": f"{predictor.name}, labels {', '.join(predictor.label_names)}",
        "images": str(count),
        "device": describe_device(predictor.device),
    }
    if predictor.operating_points:
        facts["called"] = in_words(predictor.operating_points)
    weights = predictor.model.weight_spec
    if weights is not None and weights.limits and predictor.name.startswith(("local-dir:", "hf-hub:")):
        facts["limits"] = " ".join(weights.limits)
    if said := count_kinds(left_out):
        facts["left out"] = said
    if output is not None:
        facts["output"] = str(output)
    return {**facts, "note": NOT_A_MEDICAL_DEVICE}


def _format(asked: Format | None, output: Path | None) -> Format:
    ending = "" if output is None else output.suffix.removeprefix(".").lower()
    return asked or (Format(ending) if ending in set(Format) else Format.TABLE)


def _about(predictor: "Predictor") -> dict[str, Any]:
    """Everything besides the images that the predictions depend on."""
    weights = predictor.model.weight_spec
    return {
        "model": predictor.name,
        "weights": None if weights is None else dict(weights.files),
        "labels": list(predictor.label_names),
        "operating_points": dict(predictor.operating_points),
        "temperature": predictor.temperature,
        "batch_size": predictor.batch_size,
        "precision": predictor.precision,
        "compile": predictor.compile,
        "evidence": list(predictor.evidence),
    }


class _Answers:
    """The answers of a run on their way to standard output or into parts; drawn into an album where there is one."""

    def __init__(self, screen: Screen, album: "Album | None") -> None:
        self.screen, self.album = screen, album
        self.failed = 0

    def to_screen(
        self, predictor: "Predictor", paths: list[Path], tta: int, format: Format, count: int
    ) -> None:
        """Answers on standard output: as JSON lines and CSV as they come, else at the end."""
        from lag_zoo.tasks import rules_of

        rows = []
        graded = rules_of(predictor.model.config.task).ordered
        lines = CsvLines(sys.stdout, predictor.label_names, spread=tta > 1, graded=graded)
        with self.screen.task("frames", count) as advance:
            for number, answer in enumerate(predictor.iter(paths, tta)):
                row = self._row(number, answer)
                self.failed += "error" in row
                if format is Format.JSONL:
                    write_jsonl([row], sys.stdout)
                elif format is Format.CSV:
                    lines.write(row)
                else:
                    rows.append(row)
                advance(1)
        if format is Format.JSON:
            write_json(rows, sys.stdout)
        elif format is Format.TABLE:
            console().print(as_table(rows, predictor.name, predictor.operating_points))

    def to_parts(
        self,
        parts: "ResumableOutput",
        predictor: "Predictor",
        paths: list[Path],
        tta: int,
        *,
        share: tuple[int, int],
    ) -> None:
        """Answers what is still open of this process's share."""
        numbers: deque[int] = deque()

        def images() -> Iterator[Path]:
            for number, path in parts.wanted(paths, batch=predictor.images_a_batch(tta), share=share):
                numbers.append(number)
                yield path

        done = sum(parts.done())
        if done:
            self.screen.say(f"{done} of {parts.count} images are answered already")
        with self.screen.task("frames", None if share[1] > 1 else parts.count - done) as advance:
            for answer in predictor.iter(images(), tta):
                number = numbers.popleft()
                parts.write(number, self._row(number, answer))
                advance(1)

    def _row(self, number: int, answer: "Prediction | Failure") -> dict[str, Any]:
        """An answer as a row; a failure is said on standard error too, whoever listens."""
        row = {name: value for name, value in answer.to_dict().items() if name not in BULKY}
        if "error" in row:
            complain(f"{in_a_line(row['path'])}: {in_a_line(row['error'])}")
        elif self.album is not None:
            self.album.add(number, cast("Prediction", answer))
        return row


def _finish(parts: "ResumableOutput", predictor: "Predictor", format: Format, output: Path) -> Counter[str]:
    """Writes the output, whole or not at all; how many frames were called what, failures as an empty label."""
    from lag_zoo.errors import PredictionError
    from lag_zoo.files import write_whole

    try:
        write_whole(output, lambda scratch: _write(parts.rows(), predictor, format, scratch))
    except OSError as error:
        raise PredictionError(
            f"{output} cannot be written: {error.strerror or error}. All answers are kept in {parts.folder}: "
            "make room, and go on (--resume)"
        ) from error
    called = Counter("" if "error" in row else label_of(row) for row in parts.rows())
    if called.total() != parts.count:
        raise PredictionError(
            f"{output} has {called.total()} of {parts.count} answers: some in {parts.folder} were damaged meanwhile. "
            "The others are kept there: go on (--resume)"
        )
    parts.remove()
    return called


def _summarise(called: Counter[str], output: Path) -> None:
    """Shows how often each label was called, as a table on standard output."""
    table = plain_table()
    table.add_column("label", overflow="fold")
    table.add_column("frames", justify="right")
    for label, count in called.most_common():
        table.add_row(Text(label or "could not be read"), str(count))
    out = console()
    out.print(table)
    out.print(f"written: {output}. {NOT_A_MEDICAL_DEVICE}")


def _write(rows: "Rows", predictor: "Predictor", format: Format, path: Path) -> None:
    if format is Format.PARQUET:
        write_parquet(rows, path)
        return
    with path.open("w", encoding="utf-8", newline="\n") as file:
        if format is Format.TABLE:
            table = as_table(list(rows), predictor.name, predictor.operating_points)
            PlainConsole(file=file, width=_WIDE).print(table)
        else:
            {Format.JSON: write_json, Format.JSONL: write_jsonl, Format.CSV: write_csv}[format](rows, file)
