"""Processes that read frames: an interrupt is the main process's to answer, and an error arrives as it was raised."""

import signal
from collections.abc import Iterable, Iterator
from typing import TypeVar

from lag_zoo.errors import LagZooError

_T = TypeVar("_T")
_TORCHS = "Original Traceback"  # how torch's text of a worker's error goes on


def leave_interrupts(worker: int) -> None:
    """For `worker_init_fn`: Ctrl-C reaches every process of a terminal, and a worker that died of it is an error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def as_raised(batches: Iterable[_T]) -> Iterator[_T]:
    """The batches; what lag_zoo raised in a worker is raised with its own message, not with the worker's traceback."""
    try:
        yield from batches
    except LagZooError as error:
        name, text = f"{type(error).__name__}: ", str(error)
        if _TORCHS not in text or name not in text:
            raise
        raise type(error)(text.rpartition(name)[2].strip()) from None
