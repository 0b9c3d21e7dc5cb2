"""Bounds: what a value may be, stated once, in the type of its field, and held wherever the value comes from.

num_crops: Annotated[int, Between(0, 4096)] = 10
mean: Annotated[tuple[float, ...] | None, Count(3), Between(0, 1)] = None
"""

import functools
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from lag_zoo.errors import InvalidConfigError, did_you_mean

_T = TypeVar("_T")


@dataclass(frozen=True)
class Between:
    """The bounds of a number, or of each number of a tuple; both belong to them.

    >>> str(Between(0, 4096))
    'from 0 to 4,096'
    """

    low: float
    high: float

    def __str__(self) -> str:
        return f"from {self.low:,} to {self.high:,}"

    def hold(self, where: str, value: Any) -> None:
        """Raises `InvalidConfigError` where a number, or one of a tuple, is beyond the bounds."""
        if isinstance(value, tuple):
            for i, item in enumerate(value):
                self.hold(f"{where}[{i}]", item)
        elif not self.low <= value <= self.high:
            raise InvalidConfigError(f"{where} is a number {self}, got {value!r}")


@dataclass(frozen=True)
class Count:
    """The number of items of a tuple."""

    items: int

    def hold(self, where: str, value: Any) -> None:
        """Raises `InvalidConfigError` where a tuple has more or fewer."""
        if len(value) != self.items:
            raise InvalidConfigError(f"{where} has {self.items} items, got {len(value)}: {value!r}")


@functools.cache
def bounds_of(kind: type) -> dict[str, tuple[Between | Count, ...]]:
    """The bounds of each field of a class that has any.

    >>> from lag_zoo import LAGConfig
    >>> bounds_of(LAGConfig)["num_crops"]
    (Between(low=0, high=4096),)
    """
    hints = typing.get_type_hints(kind, include_extras=True)
    notes = {name: typing.get_args(hint)[1:] for name, hint in hints.items() if hasattr(hint, "__metadata__")}
    found = {name: tuple(n for n in each if isinstance(n, Between | Count)) for name, each in notes.items()}
    return {name: bounds for name, bounds in found.items() if bounds}


def hold(kind: type, values: Mapping[str, Any]) -> None:
    """Holds values, by the names of fields of `kind`, to the bounds there; `None` and names without any pass.

    Raises:
        InvalidConfigError: one is beyond its bounds; the message names the field, the bounds and the value.
    """
    for name, bounds in bounds_of(kind).items():
        if (value := values.get(name)) is not None:
            for bound in bounds:
                bound.hold(name, value)


def choose(table: Mapping[Any, _T], name: object, where: str) -> _T:
    """The entry of a table by its name, such as the function of a policy.

    Raises:
        InvalidConfigError: no such entry; the message names those there are.

    >>> choose({"sobol": 1, "grid": 2}, "sobel", "policy")
    Traceback (most recent call last):
    lag_zoo.errors.InvalidConfigError: policy: one of sobol, grid is expected, got 'sobel'. Did you mean sobol?
    """
    if isinstance(name, str) and name in table:
        return table[name]
    near = did_you_mean(name, table) if isinstance(name, str) else ""
    known = ", ".join(table)
    raise InvalidConfigError(f"{where}: one of {known} is expected, got {name!r}{near and '.' + near}")
