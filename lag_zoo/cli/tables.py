"""Tables and numbers as the commands write them."""

from typing import Annotated

import typer
from rich import box
from rich.table import Table

DeviceOption = Annotated[
    str,
    typer.Option(
        help="auto: the GPU where there is one; cpu, cuda, cuda:1. Each of several processes takes one."
    ),
]


def plain_table(*, header: bool = True) -> Table:
    """A table without a frame, narrow: the zoo's fits 80 columns."""
    if not header:
        return Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    return Table(box=box.SIMPLE_HEAD, show_edge=False, padding=0)


def engineering(count: int | None) -> str:
    """A count with three digits and a unit: 24.3 M; `?` where it is not known.

    >>> engineering(24_329_955), engineering(4_222_857_216), engineering(None)
    ('24.3 M', '4.22 G', '?')
    """
    if count is None:
        return "?"
    rounded = float(f"{count:.3g}")  # before the unit is chosen: 999.7 M is 1.00 G
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if rounded >= size:
            value = rounded / size
            return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} {unit}"
    return str(count)


def total_macs(*parts: int | None) -> int | None:
    """The sum of the parts; `None` where one is not known."""
    return None if None in parts else sum(part or 0 for part in parts)
