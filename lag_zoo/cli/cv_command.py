"""`lag-zoo cv RECIPE DATA`: recipes measured on frames of which each was tested on once."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from lag_zoo.cli.data_commands import Columns, Labels, Source, opened


def cv(
    recipe: Annotated[str, typer.Argument(help="A recipe that comes with lag_zoo, or a YAML file.")],
    data: Source,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder of the runs and reports.")],
    against: Annotated[
        list[str] | None, typer.Option(help="Another recipe, on the same folds; may be repeated.")
    ] = None,
    folds: Annotated[int, typer.Option(min=2, help="How many folds.")] = 5,
    repeats: Annotated[int, typer.Option(min=1, help="How many deals of the folds.")] = 1,
    set_: Annotated[list[str] | None, typer.Option("--set", help="key=value, for every recipe.")] = None,
    cache: Annotated[Path | None, typer.Option(help="A folder for decoded frames.")] = None,
    cpu: Annotated[bool, typer.Option("--cpu", help="Leave GPUs alone.")] = False,
    column: Columns = None,
    labels: Labels = None,
) -> None:
    """Cross-validate: nested, by patient or examination; stopped, it goes on with the folds that are missing."""
    from lag_zoo.evaluate import compare, evaluate
    from lag_zoo.evaluate.pages import html, markdown
    from lag_zoo.training import cross_validate, load_recipe

    recipes = {Path(name).stem: load_recipe(name, changes=set_ or ()) for name in (recipe, *(against or ()))}
    manifest = opened(data, column, labels)
    found = cross_validate(
        recipes, manifest, output, folds=folds, repeats=repeats, cpu=cpu, cache=cache, log=_say
    )
    for name, scores in found.items():
        for number, one in enumerate(scores, start=1):
            report = evaluate(one, operating_point="stored")
            title = f"{name}, {folds} folds{f', repeat {number}' if repeats > 1 else ''}, out of fold"
            place = output / name / f"repeat{number}"
            (place / "report.md").write_text(markdown(report, title=title), encoding="utf-8")
            (place / "report.html").write_text(html(report, title=title), encoding="utf-8")
            (place / "report.json").write_text(
                json.dumps(report.to_dict(), indent=2) + "\n", encoding="utf-8"
            )
            for row in report.rows:
                area = row.measures["auroc"]
                typer.echo(f"{title}: {row.label} AUROC {area.value:.3f} ({area.low:.3f} to {area.high:.3f})")
    first, *others = found
    for other in others:
        for number, (one, two) in enumerate(zip(found[first], found[other], strict=True), start=1):
            for part in compare(one, two):
                d = part.difference
                typer.echo(
                    f"{first} less {other}, repeat {number}: {part.label} AUROC {d.value:+.3f} ({d.low:+.3f} to "
                    f"{d.high:+.3f}), p {d.p:.3f}, {d.method}"
                )


def _say(row: Mapping[str, Any]) -> None:
    typer.echo(
        f"{row['recipe']}, repeat {row['repeat']}, {row['fold']}, epoch {row['epoch']}: loss {row['train_loss']:.4f}"
    )
