"""The map of the house: every name on it exists, and every room stands on it."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAP = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
NAMES = sorted(set(re.findall(r"`(lag_zoo(?:\.\w+)+)`", MAP)) - set(re.findall(r"`(\S+\.py)`", MAP)))
PATHS = sorted(set(re.findall(r"`(lag_zoo/[\w/.]+)`", MAP)))


def found(name: str) -> object:
    """The object of this dotted name."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            thing: object = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for part in parts[count:]:
            thing = getattr(thing, part)
        return thing
    raise ModuleNotFoundError(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_exists(name: str) -> None:
    found(name)


@pytest.mark.parametrize("path", PATHS)
def test_a_file_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_the_page_names_something() -> None:
    assert len(NAMES) > 20
    assert len(PATHS) > 20


def test_a_name_that_does_not_exist_is_found_out() -> None:
    with pytest.raises((AttributeError, ModuleNotFoundError)):
        found("lag_zoo.evaluate.nothing_of_the_kind")


def test_every_room_stands_on_the_map() -> None:
    rooms = {
        f"lag_zoo/{path.name}"
        for path in (ROOT / "lag_zoo").iterdir()
        if (path.suffix == ".py" or (path / "__init__.py").is_file()) and not path.name.startswith("_")
    }
    assert rooms <= set(PATHS), f"without a place on the map: {sorted(rooms - set(PATHS))}"
