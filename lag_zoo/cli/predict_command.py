"""`lag-zoo predict PATH...`: what a model says of the frames in files and folders."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from lag_zoo.cli.prediction_table import as_csv, as_json, as_table, printable
from lag_zoo.cli.progress import progress
from lag_zoo.cli.tables import console
from lag_zoo.models.polyp import NAME as BUILT_IN

_WIDE = 200


class Format(StrEnum):
    """How the answers are written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def predict(
    paths: Annotated[list[Path], typer.Argument(help="Image files, or folders, which are walked.")],
    model: Annotated[str, typer.Option(help="A name of the zoo whose weights exist.")] = BUILT_IN,
    draws: Annotated[
        int, typer.Option(min=0, help="Look so often, each time with crops at random: mean and spread.")
    ] = 0,
    format: Annotated[Format, typer.Option(help="How the answers are written.")] = Format.TABLE,
    output: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Write them to this file, not to standard output."),
    ] = None,
) -> None:
    """Answer on frames: TIFF, JPEG, PNG, BMP or WebP. For research and teaching; not a medical device.

    A file that cannot be read is reported and the rest are done; the exit code is then 1. No image at all: 2.
    """
    from lag_zoo.data.images import find_images
    from lag_zoo.predict import Failure, Predictor

    if draws == 1:
        raise typer.BadParameter("one draw has no spread: 0, or at least 2", param_hint="--draws")
    if output is not None and not output.parent.is_dir():
        raise typer.BadParameter(f"{output.parent} is no folder", param_hint="--output")
    files = list(find_images(paths))
    if not files:
        typer.echo("lag-zoo: no image found: no TIFF, JPEG, PNG, BMP or WebP in these folders", err=True)
        raise typer.Exit(2)
    answers = Predictor(model).iter(files, draws)
    rows = []
    failed = 0
    with progress(len(files), "frames") as step:
        for answer in answers:
            row = answer.to_dict()
            if isinstance(answer, Failure):
                failed += 1
                typer.echo(f"lag-zoo: {printable(row['path'])}: {printable(row['error'])}", err=True)
            rows.append(row)
            step()
    _write(rows, model, format, output)
    if failed:
        typer.echo(f"lag-zoo: {failed} of {len(files)} files failed", err=True)
        raise typer.Exit(1)


def _write(rows: list[dict[str, Any]], model: str, format: Format, output: Path | None) -> None:
    if format is not Format.TABLE:
        text = as_json(rows) if format is Format.JSON else as_csv(rows)
        if output is None:
            typer.echo(text, nl=False)
        else:
            output.write_text(text, encoding="utf-8")
    elif output is None:
        console().print(as_table(rows, model))
    else:
        with output.open("w", encoding="utf-8") as file:
            Console(file=file, width=_WIDE, highlight=False).print(as_table(rows, model))
