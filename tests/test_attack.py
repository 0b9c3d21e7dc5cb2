"""Each kind of attack, a few tries: `python -m tests.attack --size large` tries many (docs/reliability.md)."""

import random
import warnings

import pytest

from tests.attack.__main__ import ATTACKS
from tests.attack.outcome import Outcome, WorkLost, WrongInSilence


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_comes_of_it(name: str) -> None:
    attack, tries, _ = ATTACKS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outcome = attack(tries, random.Random(1))
    assert outcome.tries == tries
    assert outcome.holds, outcome.failures


@pytest.mark.parametrize(
    ("error", "counted"),
    [
        (WrongInSilence("x"), "wrong"),
        (WorkLost("x"), "lost"),
        (KeyError("x"), "untyped"),
        (OSError("x"), "refused"),
        (None, "right"),
    ],
)
def test_what_comes_of_it_is_counted(error: Exception | None, counted: str) -> None:
    outcome = Outcome("kind")
    with outcome.trying("a try"):
        if error is not None:
            raise error
    assert getattr(outcome, counted) == outcome.tries == 1
    assert outcome.holds == (counted in ("refused", "right"))
