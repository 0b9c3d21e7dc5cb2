"""`lag-zoo predict PATH...`: what a model says of the frames in files and folders."""

import os
import sys
from collections import deque
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from lag_zoo.cli.prediction_table import (
    BULKY,
    as_table,
    printable,
    write_csv,
    write_json,
    write_jsonl,
    write_parquet,
)
from lag_zoo.cli.progress import progress
from lag_zoo.cli.tables import console
from lag_zoo.errors import extra
from lag_zoo.models.polyp import NAME as BUILT_IN
from lag_zoo.processes import processes

if TYPE_CHECKING:
    from lag_zoo.predict import Failure, Prediction, Predictor
    from lag_zoo.predict.parts import Parts, Rows

_WIDE = 200


class Format(StrEnum):
    """How the answers are written."""

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
        str, typer.Option(help="A name whose weights exist, or a place: local-dir:runs/1/best.")
    ] = BUILT_IN,
    draws: Annotated[
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
    device: Annotated[
        str | None, typer.Option(help="Such as cpu or cuda:1; by default the CPU, launched each its own.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Views that pass the network at once.")] = 8,
    precision: Annotated[Precision, typer.Option(help="fp16 is for GPUs.")] = Precision.FP32,
    compile: Annotated[
        bool, typer.Option("--compile", help="By torch.compile: for thousands of frames.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Threads that read ahead; by default one a core, at most 4.")
    ] = None,
) -> None:
    """Answer on frames: TIFF, JPEG, PNG, BMP or WebP. For research and teaching; not a medical device.

    A file that cannot be read is reported and the rest are done; the exit code is then 1. No image at all: 2. What
    goes to a file is kept as it comes, in OUTPUT.parts, until all is there. `accelerate launch --multi_gpu -m
    lag_zoo.cli predict` shares the frames out to its processes, on CPUs too.
    """
    from lag_zoo.predict import Predictor
    from lag_zoo.predict.parts import Parts, survey

    format = _format(format, output)
    if draws == 1:
        raise typer.BadParameter("one draw has no spread: 0, or at least 2", param_hint="--draws")
    if output is not None and not output.parent.is_dir():
        raise typer.BadParameter(f"{output.parent} is no folder", param_hint="--output")
    if output is None and (resume or format is Format.PARQUET):
        hint = "--resume" if resume else "--format"
        raise typer.BadParameter("needs a file to write to: --output", param_hint=hint)
    if format is Format.PARQUET:
        with extra("data"):
            import pyarrow  # noqa: F401 - missed now, and not after all is answered
    found = survey(paths)
    if not found["images"]:
        typer.echo("lag-zoo: no image found: no TIFF, JPEG, PNG, BMP or WebP in these folders", err=True)
        raise typer.Exit(2)
    others = processes(cpu=device == "cpu")
    if others.total > 1 and output is None:
        raise typer.BadParameter("several processes need a file to write to: --output")
    predictor = Predictor(
        model,
        device=device or others.device,
        batch_size=batch_size,
        compile=compile,
        precision=precision.value,
        workers=workers,
    )
    if output is None:
        failed = _to_screen(predictor, paths, draws, format, int(str(found["images"])))
    else:
        parts = Parts(output, {**_about(predictor), "draws": draws, **found})
        if others.number == 0:
            if resume and not parts.folder.is_dir():
                typer.echo(
                    f"lag-zoo: {parts.folder} is not there: nothing to resume, all is answered anew", err=True
                )
            parts.begin(resume=resume)
        others.wait()
        _fill(parts, predictor, paths, draws, share=(others.number, others.total))
        others.wait()
        if others.number:
            return  # the first writes what all have found
        failed = _finish(parts, predictor.name, format, output)
    if failed:
        typer.echo(f"lag-zoo: {failed} of {found['images']} files failed", err=True)
        raise typer.Exit(1)


def _format(asked: Format | None, output: Path | None) -> Format:
    ending = "" if output is None else output.suffix.removeprefix(".").lower()
    return asked or (Format(ending) if ending in set(Format) else Format.TABLE)


def _about(predictor: "Predictor") -> dict[str, Any]:
    """What answers depend on, besides the images."""
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
    }


def _told(answer: "Prediction | Failure") -> dict[str, Any]:
    """An answer as a row; a failure is said on standard error too."""
    row = {name: value for name, value in answer.to_dict().items() if name not in BULKY}
    if "error" in row:
        typer.echo(f"lag-zoo: {printable(row['path'])}: {printable(row['error'])}", err=True)
    return row


def _to_screen(predictor: "Predictor", paths: list[Path], draws: int, format: Format, count: int) -> int:
    """Answers on standard output; how many are failures."""
    rows, failed = [], 0
    with progress(count, "frames") as step:
        for answer in predictor.iter(paths, draws):
            row = _told(answer)
            failed += "error" in row
            if format is Format.JSONL:
                write_jsonl([row], sys.stdout)
            else:
                rows.append(row)
            step()
    if format is Format.JSON:
        write_json(rows, sys.stdout)
    elif format is Format.CSV:
        write_csv(rows, sys.stdout)
    elif format is Format.TABLE:
        console().print(as_table(rows, predictor.name))
    return failed


def _fill(
    parts: "Parts", predictor: "Predictor", paths: list[Path], draws: int, *, share: tuple[int, int]
) -> None:
    """Answers what is still open of this process's share."""
    numbers: deque[int] = deque()

    def images() -> Iterator[Path]:
        for number, path in parts.wanted(paths, batch=predictor.images_a_batch(draws), share=share):
            numbers.append(number)
            yield path

    done = sum(parts.done())
    if done and not share[0]:
        typer.echo(f"lag-zoo: {done} of {parts.count} images are answered already", err=True)
    with progress(None if share[1] > 1 else parts.count - done, "frames") as step:
        for answer in predictor.iter(images(), draws):
            parts.write(numbers.popleft(), _told(answer))
            step()


def _finish(parts: "Parts", model: str, format: Format, output: Path) -> int:
    """Writes the output, whole or not at all; how many failures are in it."""
    from lag_zoo.errors import PredictionError

    scratch = parts.folder / output.name
    try:
        _write(parts.rows(), model, format, scratch)
        with scratch.open("rb") as file:
            os.fsync(file.fileno())  # on the disk before the parts go
        os.replace(scratch, output)
    except OSError as error:
        raise PredictionError(
            f"{output} cannot be written: {error.strerror or error}. All answers are kept in {parts.folder}: "
            "make room, and go on (--resume)"
        ) from error
    failed = sum("error" in row for row in parts.rows())
    parts.remove()
    return failed


def _write(rows: "Rows", model: str, format: Format, path: Path) -> None:
    if format is Format.PARQUET:
        write_parquet(rows, path)
        return
    with path.open("w", encoding="utf-8", newline="\n") as file:
        if format is Format.TABLE:
            Console(file=file, width=_WIDE, highlight=False).print(as_table(list(rows), model))
        else:
            {Format.JSON: write_json, Format.JSONL: write_jsonl, Format.CSV: write_csv}[format](rows, file)
