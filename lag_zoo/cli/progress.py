"""How the commands show that they are at work."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn


@contextmanager
def progress(total: int | None, what: str) -> Iterator[Callable[[], None]]:
    """A bar on standard error, where that is a terminal; gives the function that moves it on by one.

    `total` is `None` where it is not known.
    """
    if not sys.stderr.isatty():
        yield lambda: None
        return
    with _bar() as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


@contextmanager
def steps(what: str) -> Iterator[Callable[[int, int], None]]:
    """As `progress`, for steps that begin again: gives the function that is told how many are done, of how many."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    with _bar() as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _bar() -> Progress:
    return Progress(
        *Progress.get_default_columns()[:2],
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
