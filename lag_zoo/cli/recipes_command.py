"""`lag-zoo recipes [NAME]`: the recipes that come with lag_zoo, and every key of one."""

from typing import Annotated

import typer

from lag_zoo.cli.sink import console
from lag_zoo.cli.tables import plain_table


def recipes(
    name: Annotated[
        str | None, typer.Argument(help="A recipe, or a YAML file: shows its keys, for --set.")
    ] = None,
) -> None:
    """List the recipes for `lag-zoo train` and `lag-zoo cv`, or show one: each key, its value, and its range."""
    from lag_zoo.training import list_recipes, load_recipe
    from lag_zoo.training.recipe_words import crops_in_words, lines_of

    table = plain_table()
    if name is None:
        for title in ("name", "for whom", "model", "epochs", "crops"):
            table.add_column(title, overflow="fold")
        for recipe in map(load_recipe, list_recipes()):
            crops = crops_in_words(recipe)
            table.add_row(recipe.name, _bare(recipe.about), recipe.model, str(recipe.epochs), crops)
    else:
        for title in ("key", "value", "may be", "meaning"):
            table.add_column(title, overflow="fold", no_wrap=title == "key")
        for line in lines_of(load_recipe(name)):
            table.add_row(line.key, line.value, line.values, _bare(line.meaning))
    console().print(table)


def _bare(text: str) -> str:
    """Take the marks of code out of a docstring's words, for a terminal."""
    return text.replace("`", "")
