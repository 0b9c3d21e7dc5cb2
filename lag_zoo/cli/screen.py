"""The screen: what a command shows while it works, on standard error; standard output belongs to what was asked for.

On a terminal there are bars. Elsewhere, in a log, a task that takes longer writes a line with a dot every two seconds,
so that it is never silent for long. `--quiet` silences all of it, and not the errors.
"""

import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from lag_zoo.cli.sink import PlainConsole
from lag_zoo.listener import Advance, Listener, spoken

Quiet = Annotated[
    bool, typer.Option("--quiet", help="For scripts: no header, no progress, only results and errors.")
]
_BEAT = 1.4  # seconds between two dots
_STARTED = 1.0  # seconds
_DOTS = 43  # a line: about a minute


class Screen(Listener):
    """A listener that shows what it hears.

    >>> Screen(quiet=True).say("nobody sees this")
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.console = PlainConsole(stderr=True, quiet=quiet, soft_wrap=True)
        self._bars = _Bars(self.console) if self.console.is_terminal else _Dots()

    def begin(self, facts: Mapping[str, str]) -> None:
        """Shows the header: a fact a line."""
        width = max(map(len, facts), default=0)
        self._print(Text("\n".join(f"{name:<{width}}  {text}" for name, text in facts.items())))

    @contextmanager
    def task(self, what: str, total: int | None = None, *, done: int = 0) -> Iterator[Advance]:
        """Shows a bar, or in a log dots, until the task ends."""
        if self.quiet:
            yield lambda count: None
            return
        with self._bars.task(what, total, done) as advance:
            yield advance

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Shows an epoch in one line."""
        self._print(Text(epoch_line(row)))

    def say(self, text: str) -> None:
        """Shows a remark."""
        self._print(Text(text))

    def _print(self, what: Any) -> None:
        if not self.quiet:
            self._bars.interrupt()
            self.console.print(what)


def epoch_line(row: Mapping[str, Any]) -> str:
    """An epoch's row in words.

    >>> epoch_line({"epoch": 2, "epochs": 9, "stage": "crops", "train_loss": 0.51, "val_auroc": 0.8, "best": True})
    'epoch 2 of 9, crops: loss 0.510, validation AUROC 0.800, kept so far'
    """
    fold = f"{row['recipe']}, repeat {row['repeat']}, {row['fold']}, " if "fold" in row else ""
    parts = [f"loss {row['train_loss']:.3f}"]
    for key, title in (
        ("val_loss", "validation loss"),
        ("val_auroc", "validation AUROC"),
        ("val_auroc_without_crops", "without crops"),
    ):
        if row.get(key) is not None:
            parts.append(f"{title} {row[key]:.3f}")
    if row.get("frames_per_second") is not None:
        parts.append(f"{row['frames_per_second']:g} frames/s")
    if row.get("best"):
        parts.append("kept so far")
    return f"{fold}epoch {row['epoch']} of {row['epochs']}, {row['stage']}: {', '.join(parts)}"


class _Left(ProgressColumn):
    """The time that a task will still take, at the pace that it had until now."""

    max_refresh = 1.0

    def render(self, task: Task) -> Text:
        moved = task.completed - task.fields["done"]
        if task.total is None or task.finished or not moved or task.elapsed is None:
            return Text("")
        left = task.elapsed * (task.total - task.completed) / moved
        return Text(f"about {spoken(left)} left")


class _Bars:
    """Bars on a terminal, one a task, under whatever is printed meanwhile."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._open = 0
        self._progress = self._new()

    def _new(self) -> Progress:
        return Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            _Left(),
            console=self._console,
            transient=True,
        )

    def interrupt(self) -> None:
        """Rich moves its bars out of the way of a line by itself."""

    @contextmanager
    def task(self, what: str, total: int | None, done: int) -> Iterator[Advance]:
        if not self._open:
            self._progress = self._new()
            self._progress.start()
        self._open += 1
        number = self._progress.add_task(what, total=total, completed=done, done=done)
        try:
            yield lambda count: self._progress.advance(number, count)
        finally:
            self._progress.remove_task(number)
            self._open -= 1
            if not self._open:
                self._progress.stop()


class _Dots:
    """Lines for a log: nothing of a task that is over soon; of another where it is, and a dot every two seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks: list[_Count] = []
        self._dots = 0  # in the line that is being written; 0: none is
        self._last = time.monotonic() - _STARTED  # Python and this module took about so long to start

    def interrupt(self) -> None:
        """Ends the line of dots, so that another can be written."""
        with self._lock:
            self._end_line()
            self._last = time.monotonic()

    @contextmanager
    def task(self, what: str, total: int | None, done: int) -> Iterator[Advance]:
        count = _Count(what, total, done)
        with self._lock:
            if not self._tasks:  # `_last` stays: short tasks in a row are one silence
                over = threading.Event()
                threading.Thread(target=self._beat, args=(over,), daemon=True).start()
                self._over = over
            self._tasks.append(count)
            self._end_line()
        try:
            yield count.advance
        finally:
            with self._lock:
                self._tasks.remove(count)
                self._end_line()
                if not self._tasks:
                    self._over.set()

    def _beat(self, over: threading.Event) -> None:
        while not over.wait(_BEAT / 6):
            with self._lock:
                if time.monotonic() - self._last >= _BEAT and self._tasks:
                    self._dot()

    def _dot(self) -> None:
        if self._dots >= _DOTS:
            self._end_line()
        sys.stderr.write("." if self._dots else f"{self._tasks[-1].text()} .")
        sys.stderr.flush()
        self._dots += 1
        self._last = time.monotonic()

    def _end_line(self) -> None:
        if self._dots:
            sys.stderr.write("\n")
            sys.stderr.flush()
        self._dots = 0


class _Count:
    """A task, and the units of it that are done."""

    def __init__(self, what: str, total: int | None, done: int) -> None:
        self.what, self.total, self.done, self.before, self.begun = what, total, done, done, time.monotonic()

    def advance(self, count: int) -> None:
        self.done += count

    def text(self) -> str:
        if self.total is None:
            return self.what
        elapsed, moved = time.monotonic() - self.begun, self.done - self.before
        left = f", about {spoken(elapsed * (self.total - self.done) / moved)} left" if moved else ""
        return f"{self.what}: {self.done} of {self.total}{left}"
