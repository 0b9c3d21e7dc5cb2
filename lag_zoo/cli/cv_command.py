"""`lag-zoo cv RECIPE DATA`: recipes measured on frames of which each was tested on once."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lag_zoo.cli.data_commands import AllowNearCopies, Columns, Labels, Source, TaskOption, opened
from lag_zoo.cli.places import as_place
from lag_zoo.cli.report_options import (
    Level,
    LevelOption,
    PoolingOption,
    Positive,
    Prevalence,
    Resamples,
)
from lag_zoo.cli.screen import Quiet, Screen
from lag_zoo.cli.sink import console, echo
from lag_zoo.cli.tables import DeviceOption, plain_table
from lag_zoo.cli.train_command import BackboneWeights, changed_keys
from lag_zoo.distributed import is_first
from lag_zoo.errors import InvalidConfigError
from lag_zoo.listener import Listener

if TYPE_CHECKING:
    from rich.table import Table

    from lag_zoo.data.manifest import Manifest
    from lag_zoo.evaluate import EvaluationOptions, Report, Scores
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
    model: Annotated[
        str | None, typer.Option(help="In place of every recipe's: a name, a folder, hf-hub:org/repo.")
    ] = None,
    backbone_weights: BackboneWeights = None,
    folds: Annotated[int | None, typer.Option(min=2, help="How many folds; 5 if nothing is said.")] = None,
    by: Annotated[
        Literal["centre"] | None,
        typer.Option("--by", help="centre: a fold for each hospital, in place of --folds."),
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="How many deals of the folds.")] = 1,
    set_: Annotated[list[str] | None, typer.Option("--set", help="key=value, for every recipe.")] = None,
    cache: Annotated[Path | None, typer.Option(help="A folder for decoded frames.")] = None,
    device: DeviceOption = "auto",
    quiet: Quiet = False,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="List frames that cannot be read, and leave them out.")
    ] = False,
    allow_near_copies: AllowNearCopies = False,
    level: LevelOption = Level.FRAME,
    pooling: PoolingOption = "maximum",
    prevalence: Prevalence = None,
    baselines: Annotated[
        bool,
        typer.Option(
            "--baselines",
            help="Beside them: what colours, metadata and the border give, fitted on the other folds.",
        ),
    ] = False,
    positive: Positive = None,
    n_resamples: Resamples = 2000,
    column: Columns = None,
    labels: Labels = None,
    task: TaskOption = None,
) -> None:
    """Cross-validate: nested, by patient or examination; stopped, it goes on with the folds that are missing."""
    if by and folds is not None:
        raise InvalidConfigError(
            f"--folds {folds} and --by {by} both say how the frames are dealt: leave one out"
        )
    folds = folds or 5
    screen = Screen(quiet=quiet or not is_first())
    with screen.task("starting"):
        from lag_zoo.evaluate import EvaluationOptions
        from lag_zoo.evaluate.run import require_level
        from lag_zoo.training import cross_validate

        options = EvaluationOptions(
            operating_point="stored",
            level=level.value,
            pooling=pooling,
            positive=positive,
            prevalence=prevalence,
            n_resamples=n_resamples,
        )
        recipes = _recipes((recipe, *(against or ())), set_ or (), model, backbone_weights)
        manifest = opened(data, column, labels, task=task)
        require_level(options, manifest)
    try:
        found = cross_validate(
            recipes,
            manifest,
            output,
            folds=by or folds,
            repeats=repeats,
            device=device,
            cache=cache,
            skip_unreadable=skip_unreadable,
            allow_near_copies=allow_near_copies,
            listener=screen,
        )
    except KeyboardInterrupt:
        if is_first():
            echo(f"stopped; {output} is whole, and the same command goes on", err=True)
        raise typer.Exit(130) from None
    if not is_first():
        return  # the first tells what all have measured
    table = _table("recipe", "repeat", "label", "AUROC", "95% interval", "n", "groups", "by fold")
    apart = _apart_table()
    dealt_into = (
        f"{len(set(manifest.where().column(by)))} hospitals left out in turn" if by else f"{folds} folds"
    )
    for number in range(repeats):
        repeat = str(number + 1)
        with screen.task(f"intervals and tests, repeat {repeat}"):
            reports = _reports({name: one[number] for name, one in found.items()}, options)
        first, *_ = reports
        if baselines:
            runs = output / first / f"repeat{repeat}"
            reports[first] = _with_baselines(
                reports[first], found[first][number], manifest, runs, options, screen
            )
        for name, report in reports.items():
            unit = "" if level is Level.FRAME else f", by {level.value}"
            dealt = f", repeat {repeat}" if repeats > 1 else ""
            title = f"{name}, {dealt_into}{dealt}, out of fold{unit}"
            dataclasses.replace(report, title=title).save(output / name / f"repeat{repeat}")
            for row in report.rows:
                measured = _cells(row.measures["auroc"])
                table.add_row(name, repeat, row.label, *measured, _by_fold(report, row.label))
        for cells in _differences(first, reports[first]):
            apart.add_row(cells[0], repeat, *cells[1:])
    if repeats > 1:
        with screen.task("means of the repeats"):
            for cells in _means(found):
                table.add_row(*cells, "")
            for cells in _mean_differences(found):
                apart.add_row(*cells)
    echo(f"{dealt_into}, out of fold, by {level.value}")
    console().print(table)
    if apart.row_count:
        echo()
        console().print(apart)
        console().print(OF_TEST_FRAMES)
    echo(f"reports: {', '.join(str(output / name / 'repeat*' / 'report.html') for name in found)}")


OF_TEST_FRAMES = (
    "Intervals and p are of other test frames for these very networks; how networks trained on other frames would "
    "differ, no single cross-validation can say (Bengio and Grandvalet 2004)."
)
"""Remark on the differences of a cross-validation."""


def _reports(scores: "Mapping[str, Scores]", options: "EvaluationOptions") -> "dict[str, Report]":
    """Each recipe's report on one deal of the folds; the first's compared with the others."""
    from lag_zoo.evaluate.analysis import Analysis
    from lag_zoo.evaluate.comparison import with_comparisons
    from lag_zoo.evaluate.report import report_of

    analyses = {name: Analysis(one, options) for name, one in scores.items()}
    reports = {name: report_of(analysis) for name, analysis in analyses.items()}
    first, *others = reports
    compared = {name: analyses[name] for name in others}
    reports[first] = with_comparisons(reports[first], analyses[first], compared)
    return reports


def _by_fold(report: "Report", label: str) -> str:
    """The AUROC of each fold: pooled over folds it also counts how their scores differ in level (Airola 2011)."""
    found = [
        row.measures["auroc"].value
        for part in report.subgroups
        if part.column == "fold"
        for row in part.rows
        if row.label == label
    ]
    return " ".join("-" if math.isnan(value) else f"{value:.3f}" for value in found)


def _differences(first: str, report: "Report") -> Iterator[tuple[str, ...]]:
    """The cells of a report's differences from the other networks."""
    for other in report.comparisons:
        for row, differences in zip(report.rows, other.differences, strict=True):
            d = differences.auroc
            yield f"{first} less {other.name}", row.label, *_cells(d, "+")[:2], f"{d.p:.3f}", d.method


def _means(found: "Mapping[str, list[Scores]]") -> Iterator[tuple[str, ...]]:
    """The repeats together: one alone is a deal of the folds, and a reader must not choose it."""
    from lag_zoo.evaluate.comparison import mean_auroc

    for name, repeated in found.items():
        for label, interval in mean_auroc(repeated).items():
            yield name, "mean, by frame", label, *_cells(interval)


def _mean_differences(found: "Mapping[str, list[Scores]]") -> Iterator[tuple[str, ...]]:
    from lag_zoo.evaluate.comparison import compare_means

    first, *others = found
    for name in others:
        for label, d in compare_means(found[first], found[name]).items():
            yield f"{first} less {name}", "mean", label, *_cells(d, "+")[:2], f"{d.p:.3f}", d.method


def _table(*columns: str) -> "Table":
    table = plain_table()
    for name in columns:
        table.add_column(name, justify="right" if name in ("n", "groups") else "left", overflow="fold")
    return table


def _apart_table() -> "Table":
    return _table("compared", "repeat", "label", "AUROC apart", "95% interval", "p", "how")


def _cells(measured: "Interval | Difference", sign: str = "") -> tuple[str, str, str, str]:
    """Value, interval, n and groups; a dash where there is none."""
    value, low, high = (f"{number:{sign}.3f}" for number in (measured.value, measured.low, measured.high))
    groups = "-" if measured.groups is None else str(measured.groups)
    return value, f"{low} to {high}", str(measured.n), groups


def _recipes(
    places: Sequence[str], changes: Sequence[str], model: str | None, backbone_weights: str | None
) -> "dict[str, Recipe]":
    from lag_zoo.training import load_recipe
    from lag_zoo.training.initial_network import with_model

    changed_keys(changes, model=model, backbone_weights=backbone_weights)
    found: dict[str, str] = {}
    for place in places:
        name = Path(place).stem
        if name in found:
            raise InvalidConfigError(
                f"{found[name]} and {place} would both be called {name}, the name of their folder: rename one"
            )
        found[name] = place
    recipes = {name: load_recipe(place, changes=changes) for name, place in found.items()}
    if backbone_weights is not None:
        given = {"backbone_weights": backbone_weights}
        recipes = {name: recipe.changed(given) for name, recipe in recipes.items()}
    if model is None:
        return recipes
    own = as_place(model)
    return {name: with_model(recipe, own) for name, recipe in recipes.items()}


def _with_baselines(
    report: "Report",
    scores: "Scores",
    manifest: "Manifest",
    runs: Path,
    options: "EvaluationOptions",
    listener: Listener,
) -> "Report":
    from lag_zoo.evaluate.baselines import baselines_out_of_fold, with_baselines
    from lag_zoo.factory import create_model
    from lag_zoo.training.run_folder import BEST

    network = create_model(f"local-dir:{runs / scores.frames.fold[0] / BEST}", pretrained=True)
    with listener.task("baselines", len(scores)) as advance:
        found = baselines_out_of_fold(manifest, scores, network.config, progress=lambda: advance(1))
        return with_baselines(report, found, options)
