"""Bad input: each gives an error of lag_zoo's own, which says what came and what was expected."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lag_zoo import scores
from lag_zoo.errors import InvalidConfigError

NO_GRADES = [3, -1, 1.5, float("nan"), float("inf"), "1", b"1", True, np.True_, 10**400, 1j, {}, np.zeros(2)]
NO_CHANCES = {
    "too few": ((0.5, 0.5), "are 3, one for each grade from 0 to 2; got 2"),
    "too many": ((0.25, 0.25, 0.25, 0.25), "got 4"),
    "none": ((), "got 0"),
    "another sum": ((0.5, 0.3, 0.1), "add up to 0.9, and not to 1"),
    "logits": ((2.0, -1.0, 0.0), "from 0 to 1"),
    "NaN": ((float("nan"), 0.5, 0.5), "got nan"),
    "percentages": ((20, 30, 50), "from 0 to 1"),
    "text": ("abc", "one number for each grade"),
    "a mapping": ({0: 0.5, 1: 0.5}, "one number for each grade"),
    "no number": (("a", 0.5, 0.5), "got 'a'"),
    "rows": (np.zeros((3, 3)), "from 0 to 1"),
    "no grade": (7, "a whole number from 0 to 2"),
    "an object": (object(), "one number for each grade"),
}


@pytest.mark.parametrize("wrong", NO_GRADES, ids=repr)
def test_a_grade_that_is_none(wrong: Any) -> None:
    with pytest.raises(
        InvalidConfigError, match="the grade of incisura is a whole number from 0 to 2, or None"
    ):
        scores.eggim({"incisura": wrong})


@pytest.mark.parametrize("wrong", [4, -1, 0.5, float("nan"), "2", True], ids=repr)
@pytest.mark.parametrize("site", ["antrum", "corpus", "incisura"])
def test_a_grade_of_a_stage_that_is_none(wrong: Any, site: str) -> None:
    for stage in (scores.olga, scores.olgim, scores.olga_distribution, scores.olgim_distribution):
        with pytest.raises(InvalidConfigError, match=site):
            stage(**{"antrum": 1, "corpus": 1, site: wrong})


@pytest.mark.parametrize("function", [scores.eggim, scores.eggim_distribution, scores.kimura_takemoto])
class TestNames:
    def test_an_unknown_site_lists_those_there_are(self, function: Any) -> None:
        with pytest.raises(InvalidConfigError, match=r"no site 'fundus'; there are antrum.*incisura.*corpus"):
            function({"fundus": 1})

    def test_a_near_match_is_named(self, function: Any) -> None:
        with pytest.raises(InvalidConfigError, match="Did you mean incisura"):
            function({"incisure": 1})

    @pytest.mark.parametrize("name", [None, 3, ("incisura",)])
    def test_a_name_that_is_no_text(self, function: Any, name: Any) -> None:
        with pytest.raises(InvalidConfigError, match="no site"):
            function({name: 1})

    def test_a_site_twice(self, function: Any) -> None:
        with pytest.raises(InvalidConfigError, match="incisura is given twice"):
            function({"incisura": 1, "Incisura": 1})

    @pytest.mark.parametrize("empty", [{}, {"incisura": None}])
    def test_no_site_at_all(self, function: Any, empty: Any) -> None:
        with pytest.raises(InvalidConfigError, match="no site was seen"):
            function(empty)

    @pytest.mark.parametrize("thing", [None, [1, 1, 1, 1, 1], "incisura", 3])
    def test_what_is_no_mapping(self, function: Any, thing: Any) -> None:
        with pytest.raises(InvalidConfigError, match="a mapping from site to grade"):
            function(thing)


@pytest.mark.parametrize("bad", NO_CHANCES)
def test_probabilities_that_are_none(bad: str) -> None:
    given_, says = NO_CHANCES[bad]
    with pytest.raises(InvalidConfigError, match=says):
        scores.eggim_distribution({"incisura": given_})
    with pytest.raises(InvalidConfigError, match=says):
        scores.eggim_distribution({"antrum_lesser": 1}, prior={"incisura": given_})


@given(st.dictionaries(st.text(max_size=5) | st.none(), st.none() | st.floats() | st.text(max_size=3)))
def test_anything_else_is_an_error_and_no_crash(sites: dict[Any, Any]) -> None:
    for function in (
        scores.eggim,
        scores.eggim_distribution,
        scores.kimura_takemoto,
        scores.kimura_takemoto_distribution,
    ):
        if not {"antrum", "incisura"} & set(sites):
            with pytest.raises(InvalidConfigError):
                function(sites)


@pytest.mark.parametrize("value", ["V", "iii", 5, -1, 2.0, None, True])
def test_a_value_that_is_none(value: Any) -> None:
    with pytest.raises(InvalidConfigError, match="a value is one of 0, I, II, III, IV"):
        scores.olga(1, 1).at_least(value)
    with pytest.raises(InvalidConfigError, match="a value is one of 0, I, II, III, IV"):
        scores.olga_distribution(1, 1).at_least(value)


def test_results_cannot_be_changed() -> None:
    for result in (scores.olga(1, 1), scores.olga_distribution(1, 1), scores.olga_distribution(1, 1).mean):
        with pytest.raises(AttributeError):
            result.low = 3  # type: ignore[misc]
