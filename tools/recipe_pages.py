"""Writes docs/recipes.md: every recipe that comes with lag_zoo, and every key, from the code itself.

    python -m tools.recipe_pages

A test holds the page up to date.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lag_zoo.training import Recipe, Stage, list_recipes, load_recipe
from lag_zoo.training.recipe_words import (
    REQUIRED,
    as_yaml,
    crops_in_words,
    default_lines,
    own_keys_of_stages,
    own_settings,
)

PAGE = Path(__file__).resolve().parent.parent / "docs" / "recipes.md"


def page() -> str:
    """The text of the page."""
    recipes = [load_recipe(name) for name in list_recipes()]
    listed = [[f"[`{r.name}`](#{r.name})", f"`{r.model}`", str(r.epochs), crops_in_words(r)] for r in recipes]
    return f"""# Recipes

A recipe holds every setting of a training run besides its data. Those on this page come with lag_zoo; a YAML file with
the same keys is one of your own.

```console
lag-zoo recipes
lag-zoo recipes plain
lag-zoo train plain split.csv -o runs/1 --set epochs=10 --set learning_rate=2e-4
```

The first lists them, the second shows each key of one, and `--set` changes any key; in Python they are arguments, as in
`finetune(..., learning_rate=2e-4)`. What comes out is for research: it is **not a medical device**.

## Those that come with lag_zoo

{_table(["recipe", "network", "epochs", "crops"], listed, numbers=["epochs"])}
{"".join(map(_one, recipes))}## The keys of a recipe

{_keys(Recipe)}
`epochs` is a key for `--set` only: the epochs of all stages together, which become longer or shorter in proportion.

## The keys of a stage

Stages follow one another. `--set stages.0.epochs=5` changes the first.

{_keys(Stage)}"""


def _one(recipe: Recipe) -> str:
    settings = [[f"`{key}`", *map(_code, values)] for key, values in own_settings(recipe).items()]
    names = own_keys_of_stages(recipe)
    stages = [[_code(as_yaml(getattr(stage, name))) for name in names] for stage in recipe.stages]
    return f"""### {recipe.name}

{recipe.about}

{_table(["stage", *names[1:]], stages, numbers=["epochs"])}
{_table(["key", "here", "default"], settings)}
"""


def _keys(kind: type[Any]) -> str:
    rows = [
        [f"`{line.key}`", _code(line.value), line.values.replace("<", "&lt;"), line.meaning]
        for line in default_lines(kind)
    ]
    return _table(["key", "default", "may be", "effect"], rows)


def _code(value: str) -> str:
    return value if value == REQUIRED else f"`{value}`"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[str] = ()) -> str:
    rule = ["---:" if column in numbers else "---" for column in columns]
    return "".join(f"| {' | '.join(line)} |\n" for line in (columns, rule, *rows))


def main() -> None:
    """Writes the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
