"""`lag-zoo data import FOLDER -o OUT`: frames from DICOM files, with hashes in the place of names."""

from pathlib import Path
from typing import Annotated

import typer

from lag_zoo.cli.screen import Quiet, Screen
from lag_zoo.cli.sink import complain, console
from lag_zoo.cli.tables import plain_table


def import_(
    source: Annotated[
        Path, typer.Argument(help="A folder with DICOM files, whatever their names, or one such file.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", file_okay=False, help="A new folder; or one to go on with, where it stopped."
        ),
    ],
    salt_file: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help="The secret of the hashes, 16 bytes or more; by default OUTPUT.salt, made where there is none.",
        ),
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help="Empty columns of the manifest for these labels, by commas.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Write the frames of DICOM files without what surrounds the field, and names as hashes. No de-identification.

    Exit code 1: some files or frames could not be written; the report in OUTPUT counts them by reason.
    """
    screen = Screen(quiet=quiet)
    with screen.task("starting"):
        from lag_zoo.cli.data_commands import named
        from lag_zoo.data.dicom_import import beside, import_dicom, kept_salt, read_salt
    salt, where = (read_salt(salt_file), salt_file) if salt_file else kept_salt(output)
    with screen.task("files") as advance:
        report = import_dicom(
            source, output, salt=salt, labels=named(labels) or (), progress=lambda done, of: advance(1)
        )
    if not quiet:
        table = plain_table(header=False)
        for name in ("files", "frames", "patients", "exams"):
            table.add_row(name, str(report[name]))
        table.add_row("text suspected", str(len(report["text_suspected"])))
        table.add_row("nothing blanked", str(len(report["nothing_blanked"])))
        table.add_row("attributes dropped", str(len(report["attributes_dropped"])))
        out = console()
        out.print(table)
        out.print(f"written: {output} (import.md is the report). {report['note']}")
        out.print(f"kept apart, for you alone: {where} (salt), {beside(output, '.sources.csv')} (sources)")
    refused = {**report["files_refused"], **report["frames_refused"]}
    for reason, count in refused.items():
        complain(f"{count} without a frame: {reason}")
    if refused:
        raise typer.Exit(1)
