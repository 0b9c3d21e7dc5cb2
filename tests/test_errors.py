"""The tree of errors and warnings: the drawing in the docstring is what the classes are."""

import inspect
import re

import pytest

from lag_zoo import errors

LINE = re.compile(
    r"^    (?P<rails>[│├└─ ]*)(?P<name>\w+)(?:\s+\((?P<built_in>\w+)\))?(?:\s+(?P<about>\S.*))?$"
)


def drawn() -> dict[str, tuple[str | None, str | None]]:
    """Each name in the drawing with its parent and the built-in that it inherits too, where one is drawn."""
    found: dict[str, tuple[str | None, str | None]] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if match := LINE.match(line):
            depth = len(match["rails"]) // 4
            above[depth:] = [match["name"]]
            found[match["name"]] = (above[depth - 1] if depth else None, match["built_in"])
    return found


def defined() -> dict[str, tuple[str | None, str | None]]:
    """Each class likewise."""
    found: dict[str, tuple[str | None, str | None]] = {}
    for name, kind in inspect.getmembers(errors, inspect.isclass):
        if kind.__module__ != errors.__name__:
            continue
        own = [base.__name__ for base in kind.__bases__ if base.__module__ == errors.__name__]
        others = [base.__name__ for base in kind.__bases__ if base.__module__ != errors.__name__]
        found[name] = (own[0] if own else None, others[0] if others and others[0] != "Exception" else None)
    return found


def test_the_drawing_is_the_classes() -> None:
    assert drawn() == defined()


def test_the_drawing_is_read() -> None:
    assert drawn()["WeightsNotFoundError"] == ("WeightsError", "FileNotFoundError")
    assert drawn()["LagZooWarning"] == (None, "UserWarning")


@pytest.mark.parametrize("name", sorted(defined()))
def test_each_is_an_error_or_a_warning_of_ours(name: str) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, errors.LagZooWarning if name.endswith("Warning") else errors.LagZooError)
