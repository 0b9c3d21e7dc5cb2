"""Recipes from YAML files: those that come with lag_zoo and others, with some keys changed."""

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from lag_zoo.errors import InvalidConfigError
from lag_zoo.training.recipe import EPOCHS, Recipe
from lag_zoo.yaml_text import read_yaml

_SUFFIX = ".yaml"
_STAGES = re.compile(r"stages(\.\d+\.epochs)?$")


def list_recipes() -> list[str]:
    """List the recipes that come with lag_zoo.

    >>> list_recipes()
    ['dual_transfer', 'finetune', 'frozen', 'paper', 'plain', 'plain448', 'quick']
    """
    folder = files("lag_zoo.training") / "recipes"
    return sorted(file.name.removesuffix(_SUFFIX) for file in folder.iterdir() if file.name.endswith(_SUFFIX))


def is_recipe_file(source: str | Path) -> bool:
    """Tell a recipe's file from a recipe's name, by its suffix.

    >>> is_recipe_file("finetune"), is_recipe_file("mine.yaml")
    (False, True)
    """
    return Path(source).suffix in (".yaml", ".yml")


def load_recipe(source: str | Path, *, changes: Mapping[str, Any] | Sequence[str] = ()) -> Recipe:
    """Load a recipe by its name (`list_recipes`) or from a YAML file, with some keys changed.

    Args:
        changes: a mapping, or texts such as `"batch_size=16"`, `"fields.num_crops=20"`, `"stages.0.epochs=5"`; and
            `"epochs=10"` of all stages together, which are then made longer or shorter alike.

    Raises:
        InvalidConfigError: no such recipe, no YAML, or a key that does not exist (with near matches) or cannot have
            such a value.
        MissingExtraError: the extra `train` is not installed.

    >>> load_recipe("finetune", changes=["batch_size=16", "fields.num_crops=20"]).fields["num_crops"]
    20
    """
    text, where = _text(source)
    data = read_yaml(text, where=where)
    pairs = [(key, read_yaml(value, where=where) if raw else value) for key, value, raw in _pairs(changes)]
    if not isinstance(data, dict):
        raise InvalidConfigError(f"{where}: a recipe is a YAML mapping, got {type(data).__name__}")
    data.setdefault("name", Path(source).stem)
    epochs = {key: value for key, value in pairs if key == EPOCHS}
    for key, value in pairs:
        if epochs and _STAGES.match(key):
            raise InvalidConfigError(f"epochs and {key} both say how long a run is: say one of them")
        if key != EPOCHS:
            _change(data, key, value)
    try:
        return Recipe.from_dict(data).changed(epochs)
    except InvalidConfigError as error:
        raise InvalidConfigError(f"{where}: {error}") from error


def _pairs(changes: Mapping[str, Any] | Sequence[str]) -> Iterator[tuple[str, Any, bool]]:
    """Give key and value of each change, and whether the value is YAML text."""
    if isinstance(changes, Mapping):
        yield from ((key, value, False) for key, value in changes.items())
        return
    for text in changes:
        key, mark, value = text.partition("=")
        if not mark:
            raise InvalidConfigError(f"{text!r}: say key=value, for example batch_size=16")
        yield key.strip(), value, True


def _text(source: str | Path) -> tuple[str, str]:
    path = Path(source)
    if is_recipe_file(path):
        try:
            return path.read_text(encoding="utf-8"), str(path)
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidConfigError(f"no recipe can be read from {path}: {error}") from error
    if str(source) not in list_recipes():
        raise InvalidConfigError(
            f"no recipe {str(source)!r}: a file that ends in .yaml, or one of {', '.join(list_recipes())}"
        )
    return (files("lag_zoo.training") / "recipes" / f"{source}{_SUFFIX}").read_text(encoding="utf-8"), str(
        source
    )


def _change(data: dict[str, Any], key: str, value: Any) -> None:
    """Set `a.b.0.c`; a key that is missing is made, so that the check of the recipe names a misspelt one."""
    place: Any = data
    *path, last = key.split(".")
    try:
        for part in path:
            place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
        if isinstance(place, list):
            place[int(last)] = value
        else:
            place[last] = value
    except (ValueError, IndexError, AttributeError, TypeError) as error:
        raise InvalidConfigError(f"the recipe has no {key!r} that could be set") from error
