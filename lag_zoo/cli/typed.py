"""A command line as it was typed, for a card that is published: absolute paths by their last name alone."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

_PATH = re.compile(r"(--[\w-]+=|local-dir:)?(.*)", re.DOTALL)


class TypedCommand(TyperCommand):
    """A command that keeps its arguments for `as_typed`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Keep the arguments, and read them."""
        ctx.meta[__name__] = tuple(args)
        return super().parse_args(ctx, args)


def as_typed(context: typer.Context) -> str:
    """Return the command line behind the context of a `TypedCommand`."""
    return shlex.join(["lag-zoo", str(context.info_name), *without_folders(context.meta[__name__])])


def without_folders(arguments: Sequence[str]) -> list[str]:
    """Return arguments whose absolute paths are their last names: what leads there is nobody else's.

    >>> without_folders(["local-dir:/home/me/net", "data/split.csv", "--output=/tmp/report"])
    ['local-dir:net', 'data/split.csv', '--output=report']
    """
    found = (_PATH.fullmatch(argument) for argument in arguments)
    parts = (match.groups("") for match in found if match)
    return [head + (Path(path).name if Path(path).is_absolute() else path) for head, path in parts]
