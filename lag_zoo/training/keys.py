"""The keys of a recipe: what each means, what it may be, and whether it changes a number.

All of it stands where the field is defined, once: the meaning under `Attributes` of the class, the rest in the field's
`Annotated` type. What is checked and what `lag-zoo recipes` shows is read from there.
"""

import functools
import inspect
import re
import types
import typing
from typing import Any, Literal, NamedTuple

from lag_zoo.bounds import Between
from lag_zoo.specs import Spec

INERT = object()
"""Marks a field that changes no number of a run, such as how many processes read frames."""

_ATTRIBUTE = re.compile(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)
_WORDS = {bool: "true or false", str: "a text", types.NoneType: "null"}
_NUMBERS = {int: "whole number", float: "number"}


class Key(NamedTuple):
    """A field in words: its meaning and what it may be; its bounds, and whether it changes no number."""

    meaning: str
    values: str
    bounds: Between | None
    inert: bool


@functools.cache
def keys_of(kind: type[Spec]) -> dict[str, Key]:
    """The keys of a specification, in order.

    >>> from lag_zoo.training import Recipe
    >>> keys_of(Recipe)["workers"]  # doctest: +NORMALIZE_WHITESPACE
    Key(meaning='processes that make views', values='whole number from 0 to 1,024', bounds=Between(low=0, high=1024),
    inert=True)
    """
    described = _ATTRIBUTE.findall(inspect.getdoc(kind) or "")
    meanings = {name: " ".join(text.split()).rstrip(".") for name, text in described}
    hints = typing.get_type_hints(kind, include_extras=True)
    return {name: _key(meanings.get(name, ""), hint) for name, hint in hints.items()}


def _key(meaning: str, hint: Any) -> Key:
    inner, *notes = typing.get_args(hint) if typing.get_origin(hint) is typing.Annotated else (hint,)
    bounds = next((note for note in notes if isinstance(note, Between)), None)
    said = next((note for note in notes if isinstance(note, str)), None)
    return Key(meaning, said or _values(inner, bounds), bounds, INERT in notes)


def _values(hint: Any, bounds: Between | None) -> str:
    options = typing.get_args(hint) if typing.get_origin(hint) in (types.UnionType, typing.Union) else (hint,)
    return ", or ".join(_one(option, bounds) for option in options)


def _one(hint: Any, bounds: Between | None) -> str:
    if typing.get_origin(hint) is Literal:
        return ", ".join(typing.get_args(hint))
    if hint in _NUMBERS and bounds is not None:
        return f"{_NUMBERS[hint]} {bounds}"
    return _WORDS.get(hint, str(hint))
