"""The three commands of a recipe that measures: run, tables, report."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

import lag_zoo

Parts = Mapping[str, Callable[[Path, Path], None]]


def main(about: str, parts: Parts, collect: Callable[[Path], None], write: Callable[[], None]) -> None:
    """Read the command line, and do what it says.

    Args:
        about: a line for the help.
        parts: what can be run by name, in order; each takes the folder of the data and the folder that it works in.
        collect: puts what the latter has into tables.
        write: makes the page from the tables.
    """
    parser = argparse.ArgumentParser(description=about)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run")
    running.add_argument("shared", type=Path)
    running.add_argument("out", type=Path)
    running.add_argument("parts", nargs="*", metavar="part", help=", ".join(parts))
    commands.add_parser("tables").add_argument("out", type=Path)
    commands.add_parser("report")
    arguments = parser.parse_args()
    if arguments.command == "tables":
        collect(arguments.out)
    elif arguments.command == "report":
        write()
    else:
        if unknown := set(arguments.parts) - set(parts):
            parser.error(f"no part {', '.join(unknown)}; parts are {', '.join(parts)}")
        torch.set_num_threads(1)
        lag_zoo.keep_freed_memory()
        for part in arguments.parts or parts:
            parts[part](arguments.shared, arguments.out)
