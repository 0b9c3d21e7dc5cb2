"""`lag-zoo evaluate MODEL DATA`: what a network is worth on frames that it has not seen."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lag_zoo.cli.data_commands import Columns, Labels, Source, opened
from lag_zoo.cli.progress import progress
from lag_zoo.errors import InvalidConfigError

if TYPE_CHECKING:
    from lag_zoo.data.manifest import Manifest
    from lag_zoo.evaluate import Scores
    from lag_zoo.nn import LAG


class Level(StrEnum):
    """What is counted."""

    FRAME = "frame"
    EXAM = "exam"
    PATIENT = "patient"


class Pooling(StrEnum):
    """How the frames of an examination or patient become one probability."""

    MAXIMUM = "maximum"
    MEAN = "mean"
    TOP3 = "top3"
    NOISY_OR = "noisy-or"


def evaluate(
    model: Annotated[
        str, typer.Argument(help="A name whose weights exist, or a place: local-dir:runs/1/best.")
    ],
    data: Source,
    split: Annotated[
        str | None, typer.Option(help="Which frames; by default test where there is one, else all.")
    ] = None,
    operating_point: Annotated[
        str, typer.Option(help="stored, a probability, youden, or sens>=0.95 (chosen on the split val).")
    ] = "0.5",
    level: Annotated[Level, typer.Option(help="Count frames, examinations or patients.")] = Level.FRAME,
    pooling: Annotated[Pooling, typer.Option(help="How frames become one probability.")] = Pooling.MAXIMUM,
    prevalence: Annotated[
        float | None, typer.Option(min=0, max=1, help="Tell predictive values at this prevalence too.")
    ] = None,
    apparent: Annotated[
        bool, typer.Option("--apparent", help="Choose the threshold on the very frames reported, and say so.")
    ] = False,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="List frames that cannot be read, and leave them out.")
    ] = False,
    without_crops: Annotated[
        bool, typer.Option("--without-crops", help="Only the global path: the plain backbone inside.")
    ] = False,
    floors: Annotated[
        bool,
        typer.Option(
            "--floors", help="Beside it: what colours, metadata and the border give (fitted on train)."
        ),
    ] = False,
    beside: Annotated[
        list[str] | None,
        typer.Option(help="Another network on the same frames, a name or a place; may be repeated."),
    ] = None,
    thumbnails: Annotated[
        int, typer.Option(min=0, help="Show so many of the worst mistakes of each kind in report.html.")
    ] = 0,
    paper_table: Annotated[
        bool, typer.Option("--paper-table", help="Beside the paper's rows for IM or GA, in their form.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A folder for report.json, report.md, report.html, scores.csv."),
    ] = None,
    draws: Annotated[int, typer.Option(min=100, help="Resamples of the bootstrap.")] = 2000,
    column: Columns = None,
    labels: Labels = None,
) -> None:
    """Measure a network: five rates, F1, AUROC, AUPRC, calibration; with intervals by patient or examination.

    For research; no number makes a network a medical device.
    """
    from lag_zoo.evaluate import evaluate as measure
    from lag_zoo.evaluate.pages import html, markdown
    from lag_zoo.factory import create_model

    if thumbnails and (output is None or level is not Level.FRAME):
        raise InvalidConfigError(
            "--thumbnails shows frames in report.html: it needs --output and --level frame"
        )
    manifest = opened(data, column, labels)
    network = create_model(model, pretrained=True)
    chosen = split if split is not None else "test" if "test" in manifest.splits else None
    scores = _scored(network, manifest, chosen, skip_unreadable, without_crops)
    validation = None
    if _is_rule(operating_point) and not apparent and chosen != "val" and "val" in manifest.splits:
        validation = _scored(network, manifest, "val", skip_unreadable, without_crops)
    report = measure(
        scores,
        operating_point=operating_point,
        level=level.value,
        pooling=pooling.value,
        validation=validation,
        apparent=apparent,
        prevalence=prevalence,
        draws=draws,
    )
    if floors:
        from lag_zoo.evaluate.floors import floors as floors_of
        from lag_zoo.evaluate.floors import with_floors

        count = len(scores) + sum(f.split == "train" and not f.excluded for f in manifest.frames)
        with progress(count, "floors") as step:
            found = floors_of(manifest, scores, network.config, progress=step)
        report = with_floors(report, found, draws=draws)
    if beside:
        from lag_zoo.evaluate.beside import with_others

        others = {
            place: _scored(create_model(place, pretrained=True), manifest, chosen, skip_unreadable, False)
            for place in beside
        }
        report = with_others(report, scores, others, draws=draws)
    title = (
        f"{model} on {data.name}{f', {chosen}' if chosen else ''}{', without crops' if without_crops else ''}"
    )
    text = markdown(report, title=title)
    table = ""
    if paper_table:
        from lag_zoo.evaluate.paper_table import paper_table as table_of

        lights = set(scores.columns.get("modality", ("",)))
        light = lights.pop() if len(lights) == 1 and lights <= {"wli", "lci"} else ""
        table = table_of(report, model=model, data=data.name, modality=light)
    if output is None:
        typer.echo(text + table)
        return
    mistakes = []
    if thumbnails:
        from lag_zoo.evaluate.mistakes import worst_mistakes

        mistakes = worst_mistakes(network, manifest, scores, report, count=thumbnails)
    output.mkdir(parents=True, exist_ok=True)
    (output / "report.md").write_text(text, encoding="utf-8")
    (output / "report.html").write_text(html(report, title=title, mistakes=mistakes), encoding="utf-8")
    (output / "report.json").write_text(json.dumps(report.to_dict(), indent=2) + "\n", encoding="utf-8")
    scores.write(output / "scores.csv")
    names = ["report.html", "report.md", "report.json", "scores.csv"]
    if table:
        (output / "paper_table.md").write_text(table, encoding="utf-8")
        names.append("paper_table.md")
    typer.echo(f"{output}: {', '.join(names)}")


def _is_rule(operating_point: str) -> bool:
    if operating_point == "stored":
        return False
    try:
        float(operating_point)
    except ValueError:
        return True
    return False


def _scored(
    network: "LAG", manifest: "Manifest", split: str | None, skip_unreadable: bool, without_crops: bool
) -> "Scores":
    from lag_zoo.evaluate import score

    if network.label_names is not None and set(network.label_names) != set(manifest.label_names):
        raise InvalidConfigError(
            f"the network's labels are {list(network.label_names)}, those of {manifest.source} "
            f"{list(manifest.label_names)}"
        )
    model = network.without_crops() if without_crops else network
    with progress(len(manifest.where(split=split)), "frames") as step:
        return score(model, manifest, split=split, skip_unreadable=skip_unreadable, progress=step)
