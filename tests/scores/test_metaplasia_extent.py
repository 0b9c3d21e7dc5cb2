"""EGGIM against its definition: five areas, 0 to 2 points each, 0 to 10 in all, more than 4 for OLGIM III and IV."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lag_zoo import scores
from tests.scores.strategies import seen

SITES = ("antrum_lesser", "antrum_greater", "incisura", "corpus_lesser", "corpus_greater")


def test_the_sites_are_the_five_areas() -> None:
    assert scores.EGGIM_SITES == SITES


def test_every_cell() -> None:
    """All 243, against points counted by the number of areas with focal and with extensive metaplasia."""
    for grades in itertools.product((0, 1, 2), repeat=5):
        found = scores.eggim(dict(zip(SITES, grades, strict=True)))
        points = grades.count(1) + 2 * grades.count(2)
        assert (found.low, found.high, found.value) == (points, points, points)
        assert found.at_risk is (points > 4)
        assert found.missing == ()
        assert str(found) == f"EGGIM {points} of 10"


@given(seen(SITES, 3))
def test_the_bounds_hold_every_completion_and_are_reached(sites: dict[str, int | None]) -> None:
    found = scores.eggim(sites)
    missing = [site for site in SITES if sites[site] is None]
    values = [
        scores.eggim(sites | dict(zip(missing, filled, strict=True))).value
        for filled in itertools.product((0, 1, 2), repeat=len(missing))
    ]
    assert (found.low, found.high) == (min(values), max(values))
    assert found.high - found.low == 2 * len(missing)
    assert found.missing == tuple(missing)
    risks = {value >= 5 for value in values}
    assert found.at_risk is (risks.pop() if len(risks) == 1 else None)


@given(seen(SITES, 3), st.sampled_from(SITES))
def test_a_higher_grade_never_lowers_it(sites: dict[str, int | None], site: str) -> None:
    before = [scores.eggim(sites | {site: grade}) for grade in (0, 1, 2)]
    assert [found.low for found in before] == sorted(found.low for found in before)
    assert [found.high for found in before] == sorted(found.high for found in before)


@given(seen(SITES, 3))
def test_a_site_that_is_left_out_is_one_that_is_none(sites: dict[str, int | None]) -> None:
    there = {site: grade for site, grade in sites.items() if grade is not None}
    assert scores.eggim(there) == scores.eggim(sites)


@pytest.mark.parametrize(
    ("sites", "words"),
    [
        ((1, 1, 1, None, None), "EGGIM 3 to 7 of 10, corpus unseen"),
        ((1, 1, 1, 0, None), "EGGIM 3 to 5 of 10, greater curvature of the corpus unseen"),
        ((None, None, 0, 0, 0), "EGGIM 0 to 4 of 10, antrum unseen"),
        (
            (None, 2, None, 2, 2),
            "EGGIM 6 to 10 of 10, lesser curvature of the antrum, incisura unseen",
        ),
    ],
)
def test_words(sites: tuple[int | None, ...], words: str) -> None:
    assert str(scores.eggim(dict(zip(SITES, sites, strict=True)))) == words


@pytest.mark.parametrize("name", ["Antrum lesser", "ANTRUM-LESSER", " antrum_lesser ", "antrum  Lesser"])
def test_case_and_separators_of_a_name_do_not_matter(name: str) -> None:
    assert scores.eggim({name: 2}) == scores.eggim({"antrum_lesser": 2})


@pytest.mark.parametrize("grade", [2, 2.0, np.int64(2), np.float32(2), np.array(2)])
def test_a_grade_of_any_type(grade: object) -> None:
    assert scores.eggim({"incisura": grade}) == scores.eggim({"incisura": 2})
