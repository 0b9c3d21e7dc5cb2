"""Locks by which processes that were started side by side share the parts of a recipe."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def mine(name: str, out: Path) -> Iterator[bool]:
    """Whether this process may do what has this name: no other is at it. A process that is killed lets go of it."""
    locks = out / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    with (locks / name.replace("/", "-")).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
