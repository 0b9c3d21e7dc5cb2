"""`lag-zoo evaluate MODEL DATA`: what a network is worth on frames that it has not seen."""

import dataclasses
import datetime
import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from lag_zoo.catalogue import NOT_A_MEDICAL_DEVICE
from lag_zoo.cli.data_commands import Columns, Labels, Source, opened
from lag_zoo.cli.places import as_place
from lag_zoo.cli.report_options import Draws, Level, LevelOption, PoolingOption, Prevalence, require_level
from lag_zoo.cli.results_table import results_table
from lag_zoo.cli.screen import Quiet, Screen
from lag_zoo.cli.tables import DeviceOption, console
from lag_zoo.errors import InvalidConfigError, LagZooWarning
from lag_zoo.files import write_whole
from lag_zoo.listener import Advance

if TYPE_CHECKING:
    from lag_zoo.data.manifest import Manifest
    from lag_zoo.evaluate import Report, Scores
    from lag_zoo.evaluate.contrasts import Level as ReportLevel
    from lag_zoo.nn import LAG


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
        str, typer.Option(help="stored, a probability, youden, or sens>=0.95 (chosen on the split val).")
    ] = "0.5",
    level: LevelOption = Level.FRAME,
    pooling: PoolingOption = "maximum",
    prevalence: Prevalence = None,
    apparent: Annotated[
        bool, typer.Option("--apparent", help="Choose the threshold on the very frames reported, and say so.")
    ] = False,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="List frames that cannot be read, and leave them out.")
    ] = False,
    without_crops: Annotated[
        bool, typer.Option("--without-crops", help="Only the global path: the plain backbone inside.")
    ] = False,
    baselines: Annotated[
        bool,
        typer.Option(
            "--baselines",
            help="Beside it: what colours, metadata and the border give (fitted on train), and its own plain backbone.",
        ),
    ] = False,
    beside: Annotated[
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
            "--output",
            "-o",
            file_okay=False,
            help="A folder for report.json, report.md, report.html, scores.csv.",
        ),
    ] = None,
    n_resamples: Draws = 2000,
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
        from lag_zoo.evaluate.pages import html, markdown
        from lag_zoo.evaluate.paper_table import paper_tasks

    if thumbnails and (output is None or level is not Level.FRAME):
        raise InvalidConfigError(
            "--thumbnails shows frames in report.html: it needs --output FOLDER, and --level frame"
        )
    if without_crops and operating_point == "stored":
        raise InvalidConfigError(
            "what is stored was chosen for the network with its crops: without them say a probability, or a rule "
            "(youden, sens>=0.95)"
        )
    with screen.task(f"reading {data}"):
        manifest = opened(data, column, labels)
    if paper_table:
        paper_tasks(manifest.label_names)  # says so now, not after an hour of scoring
    chosen = _split(split, manifest)
    asked = _Asked(
        chosen, operating_point, level.value, pooling, apparent, prevalence, n_resamples, skip_unreadable
    )
    require_level(level, pooling, manifest, split=chosen)
    _require_possible(asked, manifest, baselines=baselines)
    places = [as_place(text) for text in (model, *(beside or ()))]
    with screen.task("loading the networks", len(places)) as advance:
        network, *rest = [_network(place, manifest, device, advance) for place in places]
    others = dict(zip(beside or (), rest, strict=True))
    screen.begin(_facts(model, network, manifest, asked, output))
    scores, validation, report = _measured(network, manifest, asked, screen, crops=not without_crops)
    if baselines:
        report = _with_floors(report, scores, manifest, network, asked, screen)
    found = {place: _measured(other, manifest, asked, screen, crops=True) for place, other in others.items()}
    if baselines and not without_crops:
        stored = operating_point == "stored"
        own = asked._replace(operating_point="0.5" if stored else operating_point)
        found[f"{model}, without crops"] = _measured(network, manifest, own, screen, crops=False)
        if stored:
            elsewhere = (
                "The plain backbone inside is called at 0.5, for what is stored was chosen with the crops: its AUROC "
                "can be compared, its rates cannot."
            )
            report = dataclasses.replace(report, warnings=(*report.warnings, elsewhere))
    if found:
        from lag_zoo.evaluate.beside import with_others

        beside_it = {name: (of_other, measured) for name, (of_other, _, measured) in found.items()}
        with screen.task("comparing", len(report.rows) * len(beside_it)) as advance:
            report = with_others(
                report, scores, beside_it, n_resamples=n_resamples, progress=lambda: advance(1)
            )
    name = f"{model}{', without crops' if without_crops else ''}"
    on = f"{data.name}{f', {chosen}' if chosen else ''}"
    pages = {"report.md": markdown(report, title=f"{name} on {on}")}
    if paper_table:
        pages["paper_table.md"] = _paper_table(report, scores, validation, asked, name, on)
    if output is None:
        typer.echo("\n".join(pages.values()))
        return
    about = {"model": name, **_weights(network), "data": data.name, "split": chosen, **_asked_for(asked)}
    _write(
        output, {**pages, "report.json": json.dumps({"about": about, **report.to_dict()}, indent=2) + "\n"}
    )
    scores.write(output / "scores.csv")
    # The numbers are on disk: pictures that cannot be drawn, whatever the reason, stop nothing.
    with screen.task("drawing report.html"):
        try:
            worst = None
            if thumbnails:
                from lag_zoo.evaluate.mistakes import worst_mistakes

                worst = worst_mistakes(
                    network, manifest, scores, report, count=mistakes, with_crops=not without_crops
                )
            _write(output, {"report.html": html(report, title=f"{name} on {on}", mistakes=worst)})
            drawn = "report.html, "
        except Exception as error:
            drawn = ""
            warnings.warn(
                f"report.html could not be made ({type(error).__name__}: {error}); the other files are there",
                LagZooWarning,
                stacklevel=1,
            )
    out = console()
    for remark in report.warnings:
        out.print(f"Warning: {remark}")
    out.print(results_table(report))
    out.print(
        f"written: {output}: {drawn}report.json, {', '.join(pages)}, scores.csv. {NOT_A_MEDICAL_DEVICE}"
    )


class _Asked(NamedTuple):
    """How each network is measured."""

    split: str | None
    operating_point: str
    level: "ReportLevel"
    pooling: str
    apparent: bool
    prevalence: float | None
    n_resamples: int
    skip_unreadable: bool


def _split(asked: str | None, manifest: "Manifest") -> str | None:
    """The split to measure on; `None`: all frames."""
    if asked == "all" and "all" not in manifest.splits:
        return None
    if asked is None and manifest.splits and "test" not in manifest.splits:
        raise InvalidConfigError(
            f"{manifest.source} has the splits {', '.join(manifest.splits)}, and no test: say which frames, --split "
            f"{manifest.splits[-1]}, or --split all"
        )
    return asked if asked is not None or not manifest.splits else "test"


def _require_possible(asked: _Asked, manifest: "Manifest", *, baselines: bool) -> None:
    """Refuses now what could not be told after an hour of scoring."""
    others = "val" in manifest.splits and asked.split not in (None, "val")
    if _is_rule(asked.operating_point) and not asked.apparent and not others:
        raise InvalidConfigError(
            f"{asked.operating_point} needs frames to choose a threshold on that are not the ones reported: a split "
            "val, or --apparent to choose it on these, which the report then says"
        )
    if baselines and "train" not in manifest.splits:
        raise InvalidConfigError(f"baselines are fitted on a split train, and {manifest.source} has none")


def _facts(
    model: str, network: "LAG", manifest: "Manifest", asked: _Asked, output: Path | None
) -> dict[str, str]:
    """The header: which network is measured on what, and how."""
    from lag_zoo.data.facts import data_facts
    from lag_zoo.nn.devices import describe_device

    chosen = manifest.where(split=asked.split)
    facts = {
        "model": f"{model}, labels {', '.join(network.label_names or ())}",
        **data_facts(chosen),
        "counted by": asked.level,
        "operating point": asked.operating_point,
        "device": describe_device(network.pixel_mean.device),
    }
    if output is not None:
        facts["output"] = str(output)
    return facts


def _network(place: str, manifest: "Manifest", device: str, advance: Advance) -> "LAG":
    from lag_zoo.factory import create_model

    network = create_model(place, pretrained=True, device=device)
    advance(1)
    if network.label_names is not None and set(network.label_names) != set(manifest.label_names):
        raise InvalidConfigError(
            f"the labels of {place} are {', '.join(network.label_names)}, those of {manifest.source} "
            f"{', '.join(manifest.label_names)}: rename them in the data, or train on yours (lag-zoo "
            f"train finetune DATA --model {place})"
        )
    return network


def _measured(
    network: "LAG", manifest: "Manifest", asked: _Asked, screen: Screen, *, crops: bool
) -> "tuple[Scores, Scores | None, Report]":
    """Scores, those of the validation frames where a rule needs them, and the report."""
    from lag_zoo.evaluate import evaluate as measure
    from lag_zoo.evaluate.report import count_rows

    point = asked.operating_point
    scores = _scored(network, manifest, asked.split, asked.skip_unreadable, crops, screen)
    validation = None
    if _is_rule(point) and not asked.apparent and asked.split != "val" and "val" in manifest.splits:
        validation = _scored(network, manifest, "val", asked.skip_unreadable, crops, screen)
    with screen.task("statistics", count_rows(scores)) as advance:
        report = measure(
            scores,
            operating_point=point,
            level=asked.level,
            pooling=asked.pooling,
            validation=validation,
            apparent=asked.apparent,
            prevalence=asked.prevalence,
            n_resamples=asked.n_resamples,
            progress=lambda: advance(1),
        )
    return scores, validation, report


def _scored(
    network: "LAG",
    manifest: "Manifest",
    split: str | None,
    skip_unreadable: bool,
    crops: bool,
    screen: Screen,
) -> "Scores":
    from lag_zoo.evaluate import score

    model = network if crops else network.without_crops()
    what = f"frames{f' of {split}' if split else ''}{'' if crops else ', without crops'}"
    with screen.task(what, len(manifest.where(split=split))) as advance:
        return score(
            model, manifest, split=split, skip_unreadable=skip_unreadable, progress=lambda: advance(1)
        )


def _is_rule(operating_point: str) -> bool:
    from lag_zoo.metrics.thresholds import number_or_rule

    return operating_point != "stored" and number_or_rule(operating_point) is None


def _with_floors(
    report: "Report",
    scores: "Scores",
    manifest: "Manifest",
    network: "LAG",
    asked: _Asked,
    screen: Screen,
) -> "Report":
    from lag_zoo.evaluate.baselines import baselines, with_baselines

    count = len(scores) + sum(f.split == "train" and not f.excluded for f in manifest.frames)
    with screen.task("frames for the baselines", count) as advance:
        found = baselines(
            manifest,
            scores,
            network.config,
            skip_unreadable=asked.skip_unreadable,
            progress=lambda: advance(1),
        )
    with screen.task("statistics of the baselines", len(found) * len(scores.label_names)) as advance:
        return with_baselines(report, found, n_resamples=asked.n_resamples, progress=lambda: advance(1))


def _paper_table(
    report: "Report",
    scores: "Scores",
    validation: "Scores | None",
    asked: _Asked,
    model: str,
    data: str,
) -> str:
    from lag_zoo.evaluate.paper_table import one_light, paper_rows, paper_table

    rows = paper_rows(
        report,
        scores,
        operating_point=asked.operating_point,
        level=asked.level,
        pooling=asked.pooling,
        validation=validation,
        apparent=asked.apparent,
        n_resamples=asked.n_resamples,
    )
    return paper_table(rows, model=model, data=data, modality=one_light(scores))


def _weights(network: "LAG") -> dict[str, str]:
    origin = network.load_report
    return {} if origin is None else {"weights": origin.source, "weights_sha256": origin.sha256}


def _asked_for(asked: _Asked) -> dict[str, Any]:
    """How it was measured, by what, and when."""
    from lag_zoo import __version__

    how = {name: value for name, value in asked._asdict().items() if name != "split"}
    return {**how, "lag_zoo": __version__, "date": datetime.date.today().isoformat()}


def _write(folder: Path, texts: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_whole(folder / name, text)
