"""A report as files: numbers first, pages and figures after them."""

import json
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lag_zoo.errors import LagZooWarning
from lag_zoo.evaluate.figure import vector
from lag_zoo.evaluate.figures import count_figures, figures
from lag_zoo.evaluate.latex import tex
from lag_zoo.evaluate.pages import html, markdown
from lag_zoo.evaluate.tidy import tidy_csv
from lag_zoo.files import is_full, write_whole
from lag_zoo.listener import Advance, Listener

if TYPE_CHECKING:
    from lag_zoo.evaluate.report import Report

SCORES = "scores.csv"
FIGURES = "figures"

_LONGEST = 80  # letters of a file's name


def save_report(
    report: "Report", folder: str | os.PathLike[str], *, listener: Listener = Listener()
) -> list[str]:
    """Write a report into a folder, each file whole or not at all; return their names.

    The numbers come first: figures that cannot be drawn are a warning, and stop nothing. Those for which there is no
    room are an error.

    Args:
        report: to be written.
        folder: made where it is missing; files of the same names are replaced.
        listener: hears how many figures are drawn.

    Raises:
        OSError: the numbers cannot be written, or the disk is full; files that were written before are whole.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for name, text in _texts(report):
        write_whole(folder / name, text)
        names.append(name)
    if report.scores is not None:
        report.scores.write(folder / SCORES)
        names.append(SCORES)
    pictures: dict[str, bytes] = {}
    try:
        with listener.task("drawing", count_figures(report)) as advance:
            _figures(report, folder / FIGURES, pictures, advance)
        names.append(FIGURES)
    except Exception as error:
        if is_full(error):
            raise
        _warn(f"{FIGURES} are not complete", error)
    try:
        write_whole(folder / "report.html", html(report, mistakes=report.mistakes, pictures=pictures))
        names.append("report.html")
    except Exception as error:
        if is_full(error):
            raise
        _warn("report.html could not be made", error)
    return names


def file_names(names: Iterable[str]) -> list[str]:
    """Return names that every file system takes, each once, also where case does not count.

    >>> file_names(["IM against normal / GA", "im_against normal GA", "?"])
    ['IM_against_normal_GA', 'im_against_normal_GA_2', 'figure']
    """
    found: list[str] = []
    taken: set[str] = set()
    for name in names:
        plain = re.sub(r"[^\w.-]+", "_", name)[:_LONGEST].strip("_.") or "figure"
        one, number = plain, 1
        while one.casefold() in taken:
            number += 1
            one = f"{plain}_{number}"
        taken.add(one.casefold())
        found.append(one)
    return found


def _texts(report: "Report") -> Iterator[tuple[str, str]]:
    """The files of numbers, each with its name."""
    yield "report.json", json.dumps(report.to_dict(), indent=2) + "\n"
    yield "tables.csv", tidy_csv(report)
    yield "report.md", markdown(report)
    yield "tables.tex", tex(report)
    if report.paper_table:
        yield "paper_table.md", report.paper_table


def _figures(report: "Report", folder: Path, pictures: dict[str, bytes], advance: Advance) -> None:
    """Write each figure as SVG and PDF, and keep the SVG in `pictures`: drawing takes most of the time."""
    folder.mkdir(exist_ok=True)
    names: list[str] = []
    for name, figure in figures(report):
        names.append(name)
        pictures[name] = vector(figure, "svg")
        place = file_names(names)[-1]
        write_whole(folder / f"{place}.svg", pictures[name])
        write_whole(folder / f"{place}.pdf", vector(figure, "pdf"))
        advance(1)


def _warn(what: str, error: Exception) -> None:
    warnings.warn(
        f"{what} ({type(error).__name__}: {error}); the other files are there", LagZooWarning, stacklevel=4
    )
