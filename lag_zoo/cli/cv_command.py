"""`lag-zoo cv RECIPE DATA`: recipes measured on frames of which each was tested on once."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lag_zoo.cli.data_commands import Columns, Labels, Source, opened
from lag_zoo.cli.progress import progress
from lag_zoo.cli.report_options import Draws, Level, LevelOption, PoolingOption, Prevalence, require_level
from lag_zoo.errors import InvalidConfigError
from lag_zoo.processes import is_first

if TYPE_CHECKING:
    from lag_zoo.data.manifest import Manifest
    from lag_zoo.evaluate import Report, Scores
    from lag_zoo.metrics.intervals import Difference, Interval
    from lag_zoo.training import Recipe


def cv(
    recipe: Annotated[str, typer.Argument(help="A recipe that comes with lag_zoo, or a YAML file.")],
    data: Source,
    output: Annotated[
        Path, typer.Option("--output", "-o", file_okay=False, help="The folder of the runs and reports.")
    ],
    against: Annotated[
        list[str] | None, typer.Option(help="Another recipe, on the same folds; may be repeated.")
    ] = None,
    folds: Annotated[int, typer.Option(min=2, help="How many folds.")] = 5,
    repeats: Annotated[int, typer.Option(min=1, help="How many deals of the folds.")] = 1,
    set_: Annotated[list[str] | None, typer.Option("--set", help="key=value, for every recipe.")] = None,
    cache: Annotated[Path | None, typer.Option(help="A folder for decoded frames.")] = None,
    cpu: Annotated[bool, typer.Option("--cpu", help="Leave GPUs alone.")] = False,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="List frames that cannot be read, and leave them out.")
    ] = False,
    level: LevelOption = Level.FRAME,
    pooling: PoolingOption = "maximum",
    prevalence: Prevalence = None,
    floors: Annotated[
        bool,
        typer.Option(
            "--floors",
            help="Beside them: what colours, metadata and the border give, fitted on the other folds.",
        ),
    ] = False,
    draws: Draws = 2000,
    column: Columns = None,
    labels: Labels = None,
) -> None:
    """Cross-validate: nested, by patient or examination; stopped, it goes on with the folds that are missing."""
    from lag_zoo.evaluate import evaluate
    from lag_zoo.evaluate.beside import with_others
    from lag_zoo.training import cross_validate

    recipes = _recipes((recipe, *(against or ())), set_ or ())
    manifest = opened(data, column, labels)
    require_level(level, pooling, manifest)
    try:
        found = cross_validate(
            recipes,
            manifest,
            output,
            folds=folds,
            repeats=repeats,
            cpu=cpu,
            cache=cache,
            skip_unreadable=skip_unreadable,
            log=_say,
        )
    except KeyboardInterrupt:
        if is_first():
            typer.echo(f"stopped; {output} is whole, and the same command goes on", err=True)
        raise typer.Exit(130) from None
    if not is_first():
        return  # the first tells what all have measured
    first, *others = found
    for number in range(repeats):
        scores = {name: repeated[number] for name, repeated in found.items()}
        reports = {
            name: evaluate(
                one,
                operating_point="stored",
                level=level.value,
                pooling=pooling,
                prevalence=prevalence,
                draws=draws,
            )
            for name, one in scores.items()
        }
        beside = {name: (scores[name], reports[name]) for name in others}
        reports[first] = with_others(reports[first], scores[first], beside, draws=draws)
        if floors:
            runs = output / first / f"repeat{number + 1}"
            reports[first] = _with_floors(reports[first], scores[first], manifest, runs, draws)
        for name, report in reports.items():
            repeat = f", repeat {number + 1}" if repeats > 1 else ""
            counted = "" if level is Level.FRAME else f", by {level.value}"
            what = f"{name}, {folds} folds{repeat}, out of fold{counted}"
            _write(report, output / name / f"repeat{number + 1}", what)
            for row in report.rows:
                typer.echo(f"{what}: {row.label} AUROC {_told(row.measures['auroc'])}")
        for other in reports[first].beside:
            for row, differences in zip(reports[first].rows, other.differences, strict=True):
                d = differences.auroc
                typer.echo(
                    f"{first} less {other.name}, repeat {number + 1}: {row.label} AUROC {_told(d, '+')}, p {d.p:.3f}, "
                    f"{d.method}"
                )
    if repeats > 1:
        _tell_means(found, draws)


def _tell_means(found: "Mapping[str, list[Scores]]", draws: int) -> None:
    """The repeats together: one alone is a deal of the folds, and a reader must not choose it."""
    from lag_zoo.evaluate.comparison import compare_means, mean_auroc

    first, *others = found
    for name, repeated in found.items():
        for label, interval in mean_auroc(repeated, draws=draws).items():
            typer.echo(
                f"{name}, mean of {len(repeated)} repeats, by frame: {label} AUROC {_told(interval)}, {interval.method}"
            )
    for name in others:
        for label, d in compare_means(found[first], found[name], draws=draws).items():
            typer.echo(
                f"{first} less {name}, mean of the repeats: {label} AUROC {_told(d, '+')}, p {d.p:.3f}, {d.method}"
            )


def _recipes(places: Sequence[str], changes: Sequence[str]) -> "dict[str, Recipe]":
    from lag_zoo.training import load_recipe

    found: dict[str, str] = {}
    for place in places:
        name = Path(place).stem
        if name in found:
            raise InvalidConfigError(
                f"{found[name]} and {place} would both be called {name}, the name of their folder: rename one"
            )
        found[name] = place
    return {name: load_recipe(place, changes=changes) for name, place in found.items()}


def _with_floors(
    report: "Report", scores: "Scores", manifest: "Manifest", runs: Path, draws: int
) -> "Report":
    from lag_zoo.evaluate.floors import floors_out_of_fold, with_floors
    from lag_zoo.factory import create_model
    from lag_zoo.training.run_folder import BEST

    network = create_model(f"local-dir:{runs / scores.parts[0] / BEST}", pretrained=True)
    with progress(len(scores), "floors") as step:
        found = floors_out_of_fold(manifest, scores, network.config, progress=step)
    return with_floors(report, found, draws=draws)


def _write(report: "Report", folder: Path, title: str) -> None:
    from lag_zoo.evaluate.pages import html, markdown

    (folder / "report.md").write_text(markdown(report, title=title), encoding="utf-8")
    (folder / "report.html").write_text(html(report, title=title), encoding="utf-8")
    (folder / "report.json").write_text(json.dumps(report.to_dict(), indent=2) + "\n", encoding="utf-8")


def _told(measured: "Interval | Difference", sign: str = "") -> str:
    value, low, high = (f"{number:{sign}.3f}" for number in (measured.value, measured.low, measured.high))
    return f"{value} ({low} to {high})"


def _say(row: Mapping[str, Any]) -> None:
    typer.echo(
        f"{row['recipe']}, repeat {row['repeat']}, {row['fold']}, epoch {row['epoch']}: loss {row['train_loss']:.4f}"
    )
