"""Kimura-Takemoto against its definition, the sites not seen, and atrophy that leaves no border."""

import itertools

import pytest
from hypothesis import given

from lag_zoo import scores
from lag_zoo.errors import InvalidConfigError
from tests.scores.strategies import seen

# From the pylorus up: a place that the border has passed, and the type that it then has.
PASSED = {
    "nothing": "C-0",
    "antrum": "C-1",
    "incisura": "C-2",
    "corpus_lesser_lower": "C-2",
    "corpus_lesser_upper": "C-3",
    "cardia": "O-1",
    "corpus_walls": "O-2",
    "corpus_greater": "O-3",
}
SITES = tuple(PASSED)[1:]
TYPES = ("C-0", "C-1", "C-2", "C-3", "O-1", "O-2", "O-3")


@pytest.mark.parametrize("furthest", PASSED)
def test_each_border(furthest: str) -> None:
    reached = tuple(PASSED).index(furthest)
    found = scores.kimura_takemoto({site: number < reached for number, site in enumerate(SITES)})
    assert str(found) == f"Kimura-Takemoto {PASSED[furthest]}"
    assert found.value == TYPES.index(PASSED[furthest])
    assert found.at_least("O-1") is PASSED[furthest].startswith("O")
    assert found.doubt == ""


@given(seen(SITES, 2))
def test_the_bounds_hold_each_border_that_agrees_and_are_reached(sites: dict[str, int | None]) -> None:
    borders = [
        dict(zip(SITES, (number < reached for number in range(7)), strict=True)) for reached in range(8)
    ]
    agreeing = [
        border
        for border in borders
        if all(grade is None or grade == border[site] for site, grade in sites.items())
    ]
    found = scores.kimura_takemoto(sites)
    assert bool(found.doubt) is not bool(agreeing)
    if agreeing:
        values = [scores.kimura_takemoto(border).value for border in agreeing]
    else:  # no border at all: the furthest site, whatever those are that were not seen
        missing = [site for site, grade in sites.items() if grade is None]
        values = [
            max(
                TYPES.index(PASSED[site])
                for site, there in (sites | dict(zip(missing, filled, strict=True))).items()
                if there
            )
            for filled in itertools.product((0, 1), repeat=len(missing))
        ]
    assert (found.low, found.high) == (min(values), max(values))


def test_above_a_site_without_atrophy_there_is_none() -> None:
    found = scores.kimura_takemoto({"antrum": 1, "incisura": 0})
    assert (found.value, found.missing) == (1, SITES[2:])
    assert scores.kimura_takemoto({"antrum": 0}).value == 0


def test_below_a_site_with_atrophy_there_is_some() -> None:
    assert scores.kimura_takemoto({"cardia": 1, "corpus_walls": 0}).value == TYPES.index("O-1")


def test_a_gap_is_answered_and_said() -> None:
    found = scores.kimura_takemoto({site: site in ("antrum", "cardia") for site in SITES})
    assert str(found) == "Kimura-Takemoto O-1, atrophy skips a site, which leaves no border"


@pytest.mark.parametrize("grade", [1, 2, 3, True])
def test_any_grade_is_atrophy(grade: int) -> None:
    assert scores.kimura_takemoto({"antrum": grade}) == scores.kimura_takemoto({"antrum": 1})


def test_there_is_no_cut_off_of_risk() -> None:
    found = scores.kimura_takemoto({"antrum": 1})
    with pytest.raises(InvalidConfigError, match=r"no published value.*at_least"):
        _ = found.at_risk
    with pytest.raises(InvalidConfigError, match=r"no published value.*at_least"):
        _ = scores.kimura_takemoto_distribution({"antrum": 1}).p_at_risk


def test_probabilities_without_a_border_are_counted() -> None:
    found = scores.kimura_takemoto_distribution(
        {"antrum": (0.4, 0.6), "incisura": (0.5, 0.5), "corpus_lesser_lower": 0}
    )
    assert found.impossible == pytest.approx(0.4 * 0.5)
    assert "atrophy skips a site, which leaves no border with probability 0.200" in str(found)
