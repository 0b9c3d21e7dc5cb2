"""`lag-zoo evaluate MODEL DATA`: the numbers of a network on frames that it has not seen."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lag_zoo.catalogue import NOT_A_MEDICAL_DEVICE
from lag_zoo.cli.data_commands import Columns, Labels, Source, opened
from lag_zoo.cli.places import as_place
from lag_zoo.cli.report_options import (
    Level,
    LevelOption,
    PoolingOption,
    Positive,
    Prevalence,
    Resamples,
    UnreadableAsFailures,
)
from lag_zoo.cli.results_table import called_table, results_table
from lag_zoo.cli.screen import Quiet, Screen
from lag_zoo.cli.tables import DeviceOption, console
from lag_zoo.errors import InvalidConfigError

if TYPE_CHECKING:
    from lag_zoo.evaluate import Report


def evaluate(
    model: Annotated[
        str,
        typer.Argument(help="A name whose weights exist, a folder such as runs/1/best, or hf-hub:org/repo."),
    ],
    data: Source,
    split: Annotated[
        str | None, typer.Option(help="Which frames: test where there is one; all of them by the word all.")
    ] = None,
    operating_point: Annotated[
        str,
        typer.Option(
            help="auto (stored with the weights, else 0.5), stored, a probability, youden, or sens>=0.95 (chosen on "
            "the split val)."
        ),
    ] = "auto",
    positive: Positive = None,
    level: LevelOption = Level.FRAME,
    pooling: PoolingOption = "maximum",
    prevalence: Prevalence = None,
    apparent: Annotated[
        bool, typer.Option("--apparent", help="Choose the threshold on the very frames reported, and say so.")
    ] = False,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="List frames that cannot be read, and leave them out.")
    ] = False,
    unreadable_as_failures: UnreadableAsFailures = False,
    without_crops: Annotated[
        bool, typer.Option("--without-crops", help="Only the global path: the plain backbone inside.")
    ] = False,
    baselines: Annotated[
        bool,
        typer.Option(
            "--baselines",
            help="Also what colours, metadata and the border give (fitted on train), and its own plain backbone.",
        ),
    ] = False,
    compare: Annotated[
        list[str] | None,
        typer.Option(help="Another network on the same frames, a name or a place; may be given again."),
    ] = None,
    paper_table: Annotated[
        bool, typer.Option("--paper-table", help="Rows of IM or GA in the form of the paper's, beside them.")
    ] = False,
    thumbnails: Annotated[
        bool,
        typer.Option("--thumbnails", help="End report.html with the worst mistakes: it then holds frames."),
    ] = False,
    mistakes: Annotated[
        int, typer.Option(min=1, help="How many --thumbnails shows, of each label and kind.")
    ] = 4,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", file_okay=False, help="A folder for the report, its tables and figures."
        ),
    ] = None,
    n_resamples: Resamples = 2000,
    device: DeviceOption = "auto",
    column: Columns = None,
    labels: Labels = None,
    quiet: Quiet = False,
) -> None:
    """Measure a network: five rates, F1, AUROC, AUPRC, calibration; with intervals by patient or examination.

    For research; no number makes a network a medical device.
    """
    screen = Screen(quiet=quiet)
    with screen.task("starting"):
        from lag_zoo.evaluate import EvaluationOptions, evaluate_model
        from lag_zoo.evaluate.run import Extras, Scoring
    if thumbnails and (output is None or level is not Level.FRAME):
        raise InvalidConfigError(
            "--thumbnails shows frames in report.html: it needs --output FOLDER, and --level frame"
        )
    options = EvaluationOptions(
        operating_point=operating_point,
        level=level.value,
        pooling=pooling,
        positive=positive,
        apparent=apparent,
        prevalence=prevalence,
        unreadable_as_failures=unreadable_as_failures,
        n_resamples=n_resamples,
    )
    with screen.task(f"reading {data}"):
        manifest = opened(data, column, labels)
    report = evaluate_model(
        as_place(model),
        manifest,
        options,
        scoring=Scoring(
            split=split,
            without_crops=without_crops,
            skip_unreadable=skip_unreadable or unreadable_as_failures,
            device=device,
        ),
        extras=Extras(
            baselines=baselines,
            compare=tuple(as_place(place) for place in compare or ()),
            paper_table=paper_table,
            mistakes=mistakes if thumbnails else 0,
        ),
        listener=screen,
    )
    show_report(report, output, screen)


def show_report(report: "Report", output: Path | None, screen: Screen) -> None:
    """Write a report into its folder, and end on the screen with the sentence, the warnings and the table."""
    out = console()
    if output is None:
        from lag_zoo.evaluate.pages import markdown

        typer.echo("\n".join(page for page in (markdown(report), report.paper_table) if page))
        return
    with screen.task("writing the report"):
        names = report.save(output)
    for remark in report.warnings:
        out.print(f"Warning: {remark}")
    out.print(results_table(report))
    if report.called is not None:
        out.print(called_table(report.called))
    out.print(report.summary)
    out.print(f"written: {output}: {', '.join(names)}. {NOT_A_MEDICAL_DEVICE}")
