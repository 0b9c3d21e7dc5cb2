"""A report as files: numbers first, pages and figures after them."""

import json
import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lag_zoo.errors import LagZooWarning
from lag_zoo.evaluate.figure import vector
from lag_zoo.evaluate.figures import figures
from lag_zoo.evaluate.pages import html, markdown
from lag_zoo.files import write_whole

if TYPE_CHECKING:
    from lag_zoo.evaluate.report import Report

SCORES = "scores.csv"
FIGURES = "figures"
FORMS = ("svg", "pdf")


def save_report(report: "Report", folder: str | os.PathLike[str]) -> list[str]:
    """Write a report into a folder, each file whole or not at all; return their names.

    The numbers come first: pages and figures that cannot be drawn are a warning, and stop nothing.

    Raises:
        OSError: the numbers cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "report.json": json.dumps(report.to_dict(), indent=2) + "\n",
        "report.md": markdown(report),
    }
    if report.paper_table:
        texts["paper_table.md"] = report.paper_table
    for name, text in texts.items():
        write_whole(folder / name, text)
    names = list(texts)
    if report.scores is not None:
        report.scores.write(folder / SCORES)
        names.append(SCORES)
    for name, draw in (("report.html", _page), (FIGURES, _figures)):
        if _drawn(name, draw, report, folder):
            names.append(name)
    return names


def _page(report: "Report", folder: Path) -> None:
    write_whole(folder / "report.html", html(report, mistakes=report.mistakes))


def _figures(report: "Report", folder: Path) -> None:
    place = folder / FIGURES
    place.mkdir(exist_ok=True)
    for name, figure in figures(report):
        for form in FORMS:
            write_whole(place / f"{file_name(name)}.{form}", vector(figure, form))


def file_name(name: str) -> str:
    """Return a name that every file system takes.

    >>> file_name("IM against normal / GA")
    'IM_against_normal_GA'
    """
    return re.sub(r"[^\w.-]+", "_", name).strip("_")


def _drawn(name: str, draw: "Callable[[Report, Path], None]", report: "Report", folder: Path) -> bool:
    try:
        draw(report, folder)
    except Exception as error:
        warnings.warn(
            f"{name} could not be made ({type(error).__name__}: {error}); the other files are there",
            LagZooWarning,
            stacklevel=4,
        )
        return False
    return True
