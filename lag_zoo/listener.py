"""The listener: who hears what a long call does while it works, such as a bar on a screen or a log file.

Long calls (`finetune`, `cross_validate`) take one; by default nobody listens. The command line has one that draws.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

Advance = Callable[[int], None]
"""Moves a task on by so many units."""


def spoken(seconds: float) -> str:
    """A length of time as one says it.

    >>> spoken(3.2), spoken(75), spoken(7500)
    ('3 s', '1 min', '2 h 5 min')
    """
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


class Listener:
    """Hears everything and does nothing with it: a base whose methods one overrides as far as one wants to know.

    >>> class Printer(Listener):
    ...     def say(self, text: str) -> None:
    ...         print(text)
    >>> Printer().say("crops lower the validation AUROC")
    crops lower the validation AUROC
    >>> with Printer().task("reading", total=3) as advance:
    ...     advance(1)
    """

    def begin(self, facts: Mapping[str, str]) -> None:
        """Hears once, before the work, what is about to be done: frames, network, device and so on, in words."""

    @contextmanager
    def task(self, what: str, total: int | None = None, *, done: int = 0) -> Iterator[Advance]:
        """Surrounds a part of the work of `total` units (`None`: unknown), `done` of which were before; may be nested.

        Gives the function that moves it on by so many units.
        """
        yield lambda count: None

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Hears each epoch's row, as it stands in `metrics.jsonl`."""

    def say(self, text: str) -> None:
        """Hears a remark, one sentence."""
