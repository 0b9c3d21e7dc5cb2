"""`lag-zoo recipes [NAME]`: the recipes that come with lag_zoo, and every key of one."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lag_zoo.cli.tables import console, plain_table

if TYPE_CHECKING:
    from lag_zoo.training import Recipe


def recipes(
    name: Annotated[
        str | None, typer.Argument(help="A recipe, or a YAML file: shows its keys, for --set.")
    ] = None,
) -> None:
    """List the recipes for `lag-zoo train` and `lag-zoo cv`, or show one: each key, its value, and its range."""
    from lag_zoo.training import list_recipes, load_recipe

    table = plain_table()
    if name is None:
        for title in ("name", "what for", "model", "epochs", "crops"):
            table.add_column(title, overflow="fold")
        for known in list_recipes():
            table.add_row(*_row(load_recipe(known)))
    else:
        for title in ("key", "value", "may be", "meaning"):
            table.add_column(title, overflow="fold", no_wrap=title == "key")
        for cells in _keys(load_recipe(name)):
            table.add_row(*cells)
    console().print(table)


def _row(recipe: "Recipe") -> tuple[str, ...]:
    with_crops = [stage.name for stage in recipe.stages if stage.crops]
    whole = len(with_crops) == len(recipe.stages)
    crops = "yes" if whole else f"in {', '.join(with_crops)}" if with_crops else "no"
    return recipe.name, recipe.about, recipe.model, str(recipe.epochs), crops


def _keys(recipe: "Recipe") -> Iterator[tuple[str, str, str, str]]:
    """Give each key as `--set` takes it; those of the stages once, with a value for each stage."""
    from lag_zoo.training.keys import keys_of
    from lag_zoo.training.recipe import EPOCHS, Recipe, Stage

    count = len(recipe.stages)
    for name, key in keys_of(Recipe).items():
        if name != "stages":
            yield name, _as_yaml(getattr(recipe, name)), key.values, _bare(key.meaning)
            continue
        yield name, str(count), f"{key.values}; N counts them from 0", key.meaning
        yield EPOCHS, str(recipe.epochs), f"from {count} on", "of all stages together, dealt as they are"
        for part, about in keys_of(Stage).items():
            values = " | ".join(_as_yaml(getattr(stage, part)) for stage in recipe.stages)
            yield f"stages.N.{part}", values, about.values, _bare(about.meaning)


def _bare(text: str) -> str:
    """Take the marks of code out of a docstring's words, for a terminal."""
    return text.replace("`", "")


def _as_yaml(value: Any) -> str:
    """Write a value as YAML does."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, dict):
        return ", ".join(f"{key}={_as_yaml(part)}" for key, part in value.items()) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value) or "''"
