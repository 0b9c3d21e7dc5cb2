"""A recipe in words: its keys with values, ranges and effects, and its differences from the defaults.

`lag-zoo recipes` shows them, and docs/recipes.md is made of them (`python -m tools.recipe_pages`).
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from lag_zoo.training.keys import keys_of
from lag_zoo.training.recipe import EPOCHS, Recipe, Stage

REQUIRED = "must be given"
_TITLES = ("name", "about", "stages")  # not settings that differ: shown by themselves


class Line(NamedTuple):
    """A key as `--set` takes it, a value in YAML, what it may be, and its effect."""

    key: str
    value: str
    values: str
    meaning: str


def lines_of(recipe: Recipe) -> Iterator[Line]:
    """Give each key of a recipe; those of the stages once, with a value for each stage.

    >>> from lag_zoo.training import load_recipe
    >>> [line.value for line in lines_of(load_recipe("finetune")) if line.key == "stages.N.crops"]
    ['false | true']
    """
    count = len(recipe.stages)
    for name, key in keys_of(Recipe).items():
        if name != "stages":
            yield Line(name, as_yaml(getattr(recipe, name)), key.values, key.meaning)
            continue
        yield Line(name, str(count), f"{key.values}; N counts them from 0", key.meaning)
        yield Line(
            EPOCHS,
            str(recipe.epochs),
            f"whole number from {count} on",
            "of all stages together, dealt as they are",
        )
        for part, about in keys_of(Stage).items():
            values = " | ".join(as_yaml(getattr(stage, part)) for stage in recipe.stages)
            yield Line(f"stages.N.{part}", values, about.values, about.meaning)


def default_lines(kind: type[Any]) -> Iterator[Line]:
    """Give each key of `Recipe` or `Stage` with its default."""
    defaults = defaults_of(kind)
    for name, key in keys_of(kind).items():  # type: ignore[arg-type]  # it takes a frozen class for its instances
        value = as_yaml(defaults[name]) if name in defaults else REQUIRED
        yield Line(name, value, key.values, key.meaning + ("; changes no number" if key.inert else ""))


def own_settings(recipe: Recipe) -> dict[str, tuple[str, str]]:
    """Find the settings of a recipe that differ from the defaults: `(value, default)` each, in YAML.

    >>> from lag_zoo.training import load_recipe
    >>> own_settings(load_recipe("paper"))["crop_drop"]
    ('0', '0.5')
    """
    defaults = defaults_of(Recipe)
    return {
        name: (as_yaml(value), as_yaml(defaults[name]) if name in defaults else REQUIRED)
        for name in keys_of(Recipe)
        if name not in _TITLES and (value := getattr(recipe, name)) != defaults.get(name, dataclasses.MISSING)
    }


def own_keys_of_stages(recipe: Recipe) -> list[str]:
    """List the keys in which some stage differs from the defaults; `name` and `epochs` always are among them."""
    defaults = defaults_of(Stage)
    return [
        name
        for name in keys_of(Stage)
        if name in ("name", EPOCHS) or any(getattr(s, name) != defaults[name] for s in recipe.stages)
    ]


def crops_in_words(recipe: Recipe) -> str:
    """Say in which stages the crops take part.

    >>> from lag_zoo.training import load_recipe
    >>> [crops_in_words(load_recipe(name)) for name in ("paper", "finetune", "plain")]
    ['yes', 'in crops', 'no']
    """
    having = [stage.name for stage in recipe.stages if stage.crops]
    return "yes" if len(having) == len(recipe.stages) else f"in {', '.join(having)}" if having else "no"


def as_yaml(value: Any) -> str:
    """Write a value as YAML does.

    >>> [as_yaml(value) for value in (None, True, 0.75, "", {"num_crops": 4})]
    ['null', 'true', '0.75', "''", 'num_crops=4']
    """
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={as_yaml(part)}" for key, part in value.items()) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value) or "''"


def defaults_of(kind: type[Any]) -> dict[str, Any]:
    """Return the defaults of the fields that have one."""
    found = {}
    for one in dataclasses.fields(kind):
        if one.default is not dataclasses.MISSING:
            found[one.name] = one.default
        elif one.default_factory is not dataclasses.MISSING:
            found[one.name] = one.default_factory()
    return found
