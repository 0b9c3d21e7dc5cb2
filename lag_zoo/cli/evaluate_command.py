"""`lag-zoo evaluate`: the numbers of a network on frames that it has not seen, or of anybody's predictions."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lag_zoo.catalogue import NOT_A_MEDICAL_DEVICE
from lag_zoo.cli.data_commands import Columns, Labels, TaskOption, named, opened, renamed
from lag_zoo.cli.exam_predict import HEAD
from lag_zoo.cli.places import as_place, card_folder
from lag_zoo.cli.report_options import (
    Level,
    LevelOption,
    PoolingOption,
    Positive,
    Prevalence,
    Resamples,
    UnreadableAsFailures,
)
from lag_zoo.cli.results_table import called_table, raters_table, results_table
from lag_zoo.cli.screen import Quiet, Screen
from lag_zoo.cli.sink import console, echo
from lag_zoo.cli.tables import DeviceOption
from lag_zoo.cli.typed import as_typed
from lag_zoo.errors import InvalidConfigError

if TYPE_CHECKING:
    from lag_zoo.data.manifest import Manifest
    from lag_zoo.evaluate import EvaluationOptions, Report


def evaluate(
    context: typer.Context,
    model: Annotated[
        str | None,
        typer.Argument(help="A name whose weights exist, a folder such as runs/1/best, or hf-hub:org/repo."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Argument(help="A folder with one folder a label, or a manifest (.csv, .parquet)."),
    ] = None,
    predictions: Annotated[
        list[Path] | None,
        typer.Option(
            help="In place of MODEL and DATA: a table (.csv, .parquet) of truth and predictions; may be given again."
        ),
    ] = None,
    raters: Annotated[
        str | None,
        typer.Option(help="Columns of the table with raters' labels, by commas: how far these agree."),
    ] = None,
    reported: Annotated[
        str | None,
        typer.Option(
            help="Of several models in tables the one that the others are compared with: the first."
        ),
    ] = None,
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
    any_frame: Annotated[
        bool,
        typer.Option(
            "--any-frame",
            help="Of --pooling head: labels are of single frames, and an examination has one if any of them has.",
        ),
    ] = False,
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
    into_card: Annotated[
        bool,
        typer.Option(
            "--into-card", help="Write AUROC, sensitivity and specificity into the card of MODEL, a folder."
        ),
    ] = False,
    data_name: Annotated[
        str, typer.Option(help="What the card calls the data: the file, its split and a digest.")
    ] = "",
    n_resamples: Resamples = 2000,
    device: DeviceOption = "auto",
    column: Columns = None,
    labels: Labels = None,
    task: TaskOption = None,
    quiet: Quiet = False,
) -> None:
    """Measure a network: five rates, F1, AUROC, AUPRC, calibration; with intervals by patient or examination.

    For research; no number makes a network a medical device.
    """
    screen = Screen(quiet=quiet)
    of_networks = {
        "--without-crops": without_crops,
        "--baselines": baselines,
        "--compare": compare,
        "--paper-table": paper_table,
        "--thumbnails": thumbnails,
        "--into-card": into_card,
        "--data-name": data_name,
    }
    network = _network_asked(
        model, data, predictions, of_networks, {"--raters": raters, "--reported": reported, "--task": task}
    )
    card = _card(network, into_card, data_name, without_crops=without_crops)
    with screen.task("starting"):
        from lag_zoo.evaluate import EvaluationOptions, evaluate_model, evaluate_predictions
        from lag_zoo.evaluate.run import Extras, Scoring
    if thumbnails and (output is None or level is not Level.FRAME):
        raise InvalidConfigError(
            "--thumbnails shows frames in report.html: it needs --output FOLDER, and --level frame"
        )
    head = pooling == HEAD
    _require_head_alone(head, any_frame, network, of_networks)
    options = EvaluationOptions(
        operating_point=operating_point,
        level=level.value,
        pooling="maximum" if head else pooling,
        positive=positive,
        apparent=apparent,
        prevalence=prevalence,
        unreadable_as_failures=unreadable_as_failures,
        n_resamples=n_resamples,
    )
    if network is None:
        report = evaluate_predictions(
            predictions or (),
            options,
            raters=named(raters) or (),
            reported=reported,
            split=split,
            labels=named(labels),
            task=task,
            columns=renamed(column),
            skip_unreadable=skip_unreadable,
            listener=screen,
        )
        show_report(report, output, screen)
        return
    place, source = network
    with screen.task(f"reading {source}"):
        manifest = opened(source, column, labels, cohort=True)
    if head:
        show_report(
            _of_head(place, manifest, options, split, any_frame, skip_unreadable, device, screen),
            output,
            screen,
        )
        return
    report = evaluate_model(
        as_place(place),
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
    if card is not None:
        found = report.into_card(card, data_name=data_name, command=as_typed(context))
        echo(f"written into the card of {card}: {', '.join(f'{r.metric} {r.value:.3f}' for r in found)}")


def _require_head_alone(
    head: bool, any_frame: bool, network: tuple[str, Path] | None, of_networks: Mapping[str, object]
) -> None:
    """Refuse options that do not go with the head of an examination network.

    Raises:
        InvalidConfigError: there are some.
    """
    if any_frame and not head:
        raise InvalidConfigError("--any-frame goes with --pooling head")
    if head and network is None:
        raise InvalidConfigError(
            "--pooling head is for a network that lag-zoo train exam has made: say MODEL and DATA"
        )
    if head and (wrong := [name for name, value in of_networks.items() if value]):
        raise InvalidConfigError(
            f"{wrong[0]} is for frames, and --pooling head evaluates examinations: leave one out"
        )


def _of_head(
    place: str,
    manifest: "Manifest",
    options: "EvaluationOptions",
    split: str | None,
    any_frame: bool,
    skip_unreadable: bool,
    device: str,
    screen: Screen,
) -> "Report":
    """The report of the head of an examination network."""
    from lag_zoo.evaluate.exam_run import evaluate_exam_model

    return evaluate_exam_model(
        as_place(place),
        manifest,
        options,
        split=split,
        any_frame=any_frame,
        skip_unreadable=skip_unreadable,
        device=device,
        listener=screen,
    )


def _card(
    network: tuple[str, Path] | None, asked: bool, data_name: str, *, without_crops: bool
) -> Path | None:
    """The folder whose card is to be written; `None`: none is.

    Raises:
        InvalidConfigError: a place that is no folder, or a network without its crops.
    """
    if network is None or not asked:
        if data_name:
            raise InvalidConfigError("--data-name is for the card: it needs --into-card")
        return None
    if without_crops:
        raise InvalidConfigError("--into-card tells of the whole network: leave out --without-crops")
    return card_folder(as_place(network[0]))


def _network_asked(
    model: str | None,
    data: Path | None,
    predictions: list[Path] | None,
    of_networks: Mapping[str, object],
    of_tables: Mapping[str, object],
) -> tuple[str, Path] | None:
    """The network and its data; `None`: tables are evaluated.

    Raises:
        InvalidConfigError: both or neither, or an option that is for the other of the two.
    """
    wrong = [name for name, value in (of_networks if predictions else of_tables).items() if value]
    if predictions:
        if model is not None or wrong:
            what = wrong[0] if model is None else f"MODEL ({model})"
            raise InvalidConfigError(
                f"--predictions evaluates tables, and {what} is for a network: leave one of them out"
            )
        return None
    if model is None or data is None:
        raise InvalidConfigError(
            "say MODEL and DATA, to evaluate a network, or --predictions FILE, a table of truth and predictions"
            + ("" if model is None else f"; got {model} alone")
        )
    if wrong:
        raise InvalidConfigError(f"{wrong[0]} is for tables: it needs --predictions FILE, not MODEL and DATA")
    return model, data


def show_report(report: "Report", output: Path | None, screen: Screen) -> None:
    """Write a report into its folder, and end on the screen with the sentence, the warnings and the table."""
    out = console()
    if output is None:
        from lag_zoo.evaluate.pages import markdown

        echo("\n".join(page for page in (markdown(report), report.paper_table) if page))
        return
    try:
        with screen.task("writing the report"):
            names = report.save(output, listener=screen)
    finally:  # the numbers took long, and the disk may be full
        for remark in report.warnings:
            out.print(f"Warning: {remark}")
        if report.rows:
            out.print(results_table(report))
        if report.called is not None:
            out.print(called_table(report.called))
        if report.raters is not None:
            out.print(raters_table(report.raters))
        out.print(report.summary)
    out.print(f"written: {output}: {', '.join(names)}. {NOT_A_MEDICAL_DEVICE}")
