"""Representations that fit on a screen, of objects that may hold a hundred thousand frames."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_TEXT = 70  # characters: a SHA-256 is whole
_ITEMS = 6


def brief(thing: Any) -> str:
    """A dataclass or named tuple without what is as by default; long texts cut, arrays by shape and type.

    It is meant as the `__repr__` of such a class.

    >>> @dataclasses.dataclass
    ... class Frames:
    ...     names: tuple[str, ...]
    ...     root: str = "."
    ...     __repr__ = brief
    >>> Frames(tuple(f"{n}.jpg" for n in range(100_000)))
    Frames(names=('0.jpg', '1.jpg', '2.jpg', '3.jpg', '4.jpg', '5.jpg', ... 99994 more))
    """
    return f"{type(thing).__name__}({', '.join(f'{name}={shown(value)}' for name, value in _fields(thing))})"


def shown(value: Any) -> str:
    """A value as `brief` shows it: objects inside by their first fields.

    >>> shown(range(3)), shown(tuple(range(9))), shown("a" * 100)[-8:]
    ('range(0, 3)', '(0, 1, 2, 3, 4, 5, ... 3 more)', "aaaa...'")
    """
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"
    if not isinstance(value, type) and (dataclasses.is_dataclass(value) or hasattr(value, "_fields")):
        first = [f"{name}={shown(held)}" for name, held in _fields(value) if _is_small(held)][:2]
        return f"{type(value).__name__}({', '.join([*first, '...'])})"
    if isinstance(value, Mapping):
        return f"{{{_listed((f'{shown(key)}: {shown(held)}' for key, held in value.items()), len(value))}}}"
    if isinstance(value, list | tuple):
        inside = _listed(map(shown, value), len(value))
        return f"[{inside}]" if isinstance(value, list) else f"({inside}{',' * (len(value) == 1)})"
    text = repr(value)
    return text if len(text) <= _TEXT else f"{text[: _TEXT - 4]}...{text[-1]}"


def _listed(items: Iterable[str], count: int) -> str:
    first = [item for item, _ in zip(items, range(_ITEMS), strict=False)]
    return ", ".join([*first, f"... {count - _ITEMS} more"] if count > _ITEMS else first)


def _is_small(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _fields(thing: Any) -> Iterator[tuple[str, Any]]:
    """Names and values, less those that are plain and as by default."""
    if not dataclasses.is_dataclass(thing):
        defaults = thing._field_defaults
        named = [(name, defaults.get(name, dataclasses.MISSING)) for name in thing._fields]
    else:
        named = [
            (f.name, f.default if f.default_factory is dataclasses.MISSING else f.default_factory())
            for f in dataclasses.fields(thing)
        ]
    for name, default in named:
        value = getattr(thing, name)
        same = type(value) is type(default) and not hasattr(value, "shape") and value == default
        if not (value is default or same):
            yield name, value
