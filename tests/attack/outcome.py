"""The outcome of a try, and of many."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from lag_zoo.errors import LagZooError

PATIENCE = 60.0  # seconds, of which no try takes a tenth


class WrongInSilence(AssertionError):
    """An answer was given, and it is not the right one."""


class WorkLost(AssertionError):
    """What was there before, or was done, is gone."""


@dataclass
class Outcome:
    """What came of tries of one kind.

    Attributes:
        refused: errors of lag_zoo's, or of the system where it is the system that refuses; right: the right answer.
        wrong, untyped, hung, lost: what must not be: a wrong answer in silence, an error of another kind, a try that
            does not end, work that is gone. failures: the first of them, in words.
    """

    kind: str
    tries: int = 0
    refused: int = 0
    right: int = 0
    wrong: int = 0
    untyped: int = 0
    hung: int = 0
    lost: int = 0
    failures: list[str] = field(default_factory=list)

    @contextmanager
    def trying(self, what: str) -> Iterator[None]:
        """Count what becomes of the block: its end is a right answer."""
        self.tries += 1
        begun = time.monotonic()
        try:
            yield
            self.right += 1
        except WrongInSilence as error:
            self.wrong += 1
            self._note(what, error)
        except WorkLost as error:
            self.lost += 1
            self._note(what, error)
        except (LagZooError, OSError):
            self.refused += 1
        except Exception as error:
            self.untyped += 1
            self._note(what, error)
        if time.monotonic() - begun > PATIENCE:
            self.hung += 1
            self.failures.append(f"{what}: {time.monotonic() - begun:.0f} seconds")

    def _note(self, what: str, error: BaseException) -> None:
        self.failures.append(f"{what}: {type(error).__name__}: {error}"[:300])

    @property
    def holds(self) -> bool:
        """Whether nothing came of it that must not be."""
        return not (self.wrong or self.untyped or self.hung or self.lost)

    def row(self) -> list[str]:
        """As cells of a table."""
        numbers = (self.tries, self.refused, self.right, self.wrong, self.untyped, self.hung, self.lost)
        return [self.kind, *(f"{number:,}" for number in numbers)]


HEADER = [
    "what is tried",
    "tries",
    "refused",
    "answered right",
    "wrong in silence",
    "untyped",
    "hung",
    "lost",
]


def damaged(raw: bytes, rng: random.Random, *, most: int = 3) -> bytes:
    """Bytes of which some are flipped, cut out, put in, zeroed or doubled."""
    data = bytearray(raw)
    for _ in range(rng.randint(1, most)):
        at, some = rng.randrange(len(data) + 1), rng.randint(1, rng.choice([1, 8, 200]))
        kind = rng.choice(["flip", "flip", "cut", "insert", "zero", "double", "end"])
        if kind == "flip" and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif kind == "cut":
            del data[at : at + some]
        elif kind == "insert":
            data[at:at] = rng.randbytes(some)
        elif kind == "zero":
            data[at : at + some] = bytes(len(data[at : at + some]))
        elif kind == "double":
            data[at:at] = data[at : at + some]
        elif kind == "end":
            del data[at:]
    return bytes(data)


Attack = Callable[[int, random.Random], Outcome]
