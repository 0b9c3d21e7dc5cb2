"""All that the commands print goes through here, so that no name of a file or a patient steers the terminal."""

import sys
from collections.abc import Iterable
from typing import Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from lag_zoo.inert import printable

_WIDE = 200


class PlainConsole(Console):
    """A console that shows text as it is, without markup, and spells out what is no letter.

    >>> PlainConsole(width=20).print("[IM]\\x1b[2J")
    [IM]\\x1b[2J
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, markup=False, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render, but for the letters that are none."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))


def console() -> PlainConsole:
    """Standard output; wide where it is no terminal, so that no line of a pipe or a file is cut."""
    own = PlainConsole()
    return own if own.is_terminal else PlainConsole(width=_WIDE)


def echo(text: str = "", *, err: bool = False, nl: bool = True) -> None:
    """Print a text as it is, on standard output or, with `err`, on standard error."""
    typer.echo(printable(text), err=err, nl=nl)


def complain(text: str) -> None:
    """Write a line on standard error, with the program's name before it."""
    sys.stderr.write(printable(f"lag-zoo: {text}\n"))
