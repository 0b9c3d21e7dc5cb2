"""Listeners for tests: one that keeps what it hears, and one that does something at each epoch."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lag_zoo.listener import Advance, Listener


class Heard(Listener):
    """Keeps all of it."""

    def __init__(self) -> None:
        self.facts: list[Mapping[str, str]] = []
        self.tasks: dict[str, list[int]] = {}  # how far each came, and of how much
        self.rows: list[Mapping[str, Any]] = []
        self.said: list[str] = []

    def begin(self, facts: Mapping[str, str]) -> None:
        self.facts.append(facts)

    @contextmanager
    def task(self, what: str, total: int | None = None, *, done: int = 0) -> Iterator[Advance]:
        found = self.tasks[what] = [done, total or 0]

        def advance(count: int) -> None:
            found[0] += count

        yield advance

    def epoch(self, row: Mapping[str, Any]) -> None:
        self.rows.append(row)

    def say(self, text: str) -> None:
        self.said.append(text)


class EachEpoch(Listener):
    """Does something with each epoch's row."""

    def __init__(self, do: Callable[[Mapping[str, Any]], object]) -> None:
        self.do = do

    def epoch(self, row: Mapping[str, Any]) -> None:
        self.do(row)
