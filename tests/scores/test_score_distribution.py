"""Distributions of scores: against brute force, sampling and simulated patients."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lag_zoo import scores
from lag_zoo.errors import InvalidConfigError
from lag_zoo.scores import PatientScore, ScoreDistribution
from tests.scores.strategies import Chances, seen_chances


def _of_parts(function: Callable[..., Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda sites: function(**sites)


# Each score by a function of grades and one of probabilities, both of a mapping; its sites; grades of a site.
SCORES: dict[
    str, tuple[Callable[..., PatientScore], Callable[..., ScoreDistribution], tuple[str, ...], int]
] = {
    "EGGIM": (scores.eggim, scores.eggim_distribution, scores.EGGIM_SITES, 3),
    "OLGA": (_of_parts(scores.olga), _of_parts(scores.olga_distribution), ("antrum", "corpus"), 4),
    "OLGIM": (
        _of_parts(scores.olgim),
        _of_parts(scores.olgim_distribution),
        ("antrum", "incisura", "corpus"),
        4,
    ),
    "Kimura-Takemoto": (
        scores.kimura_takemoto,
        scores.kimura_takemoto_distribution,
        scores.KIMURA_TAKEMOTO_SITES,
        2,
    ),
}
ALL = pytest.mark.parametrize("name", SCORES)


@ALL
@given(data=st.data())
@settings(max_examples=40)
def test_enumeration_is_brute_force(name: str, data: st.DataObject) -> None:
    """The lowest and highest score of every combination of seen grades, weighed by its probability."""
    of_grades, of_chances, sites, grades = SCORES[name]
    drawn = data.draw(seen_chances(sites, grades))
    found = of_chances(drawn)
    known = [site for site in sites if drawn[site] is not None]
    lowest, highest = [0.0] * len(found.values), [0.0] * len(found.values)
    for cell in itertools.product(range(grades), repeat=len(known)):
        chance = math.prod(drawn[site][grade] for site, grade in zip(known, cell, strict=True))
        score = of_grades(dict.fromkeys(sites) | dict(zip(known, cell, strict=True)))
        lowest[score.low] += chance
        highest[score.high] += chance
    assert found.lowest == pytest.approx(lowest, abs=1e-12)
    assert found.highest == pytest.approx(highest, abs=1e-12)
    assert found.missing == tuple(site for site in sites if drawn[site] is None)


@ALL
@given(data=st.data())
@settings(max_examples=40)
def test_probabilities_are_probabilities(name: str, data: st.DataObject) -> None:
    _, of_chances, sites, grades = SCORES[name]
    found = of_chances(data.draw(seen_chances(sites, grades)))
    for each in (found.lowest, found.highest):
        assert math.fsum(each) == pytest.approx(1, abs=1e-12)
        assert all(chance >= 0 for chance in each)
    reached = [found.at_least(place) for place in range(len(found.values))]
    assert all(0 <= each.low <= each.high + 1e-12 <= 1 + 1e-11 for each in reached)
    assert [each.low for each in reached] == sorted((each.low for each in reached), reverse=True)
    assert found.mean.low <= found.mean.high + 1e-12
    assert found.mean.low == pytest.approx(sum(each.low for each in reached[1:]), abs=1e-9)
    assert (found.probabilities is None) is (found.lowest != found.highest)


@pytest.mark.parametrize("name", ["EGGIM", "OLGA", "OLGIM"])
@given(data=st.data())
@settings(max_examples=40)
def test_bounds_hold_what_a_missing_site_would_have_given(name: str, data: st.DataObject) -> None:
    """Whatever its grade. (Kimura-Takemoto thinks only of grades that leave a border: tests of its own.)"""
    _, of_chances, sites, grades = SCORES[name]
    drawn = data.draw(seen_chances(sites, grades))
    filled = {site: data.draw(st.integers(0, grades - 1)) for site in sites if drawn[site] is None}
    bounds, full = of_chances(drawn), of_chances(drawn | filled)
    assert full.missing == ()
    for place in range(len(full.values)):
        reached = full.at_least(place).value
        assert bounds.at_least(place).low - 1e-12 <= reached <= bounds.at_least(place).high + 1e-12
    assert bounds.mean.low - 1e-12 <= full.mean.value <= bounds.mean.high + 1e-12


@ALL
@given(data=st.data())
@settings(max_examples=40)
def test_more_disease_at_a_site_makes_no_less_risk(name: str, data: st.DataObject) -> None:
    """Probability moved from a grade to a higher one never lowers P(the score reaches a value)."""
    _, of_chances, sites, grades = SCORES[name]
    drawn = data.draw(seen_chances(sites, grades))
    site = data.draw(st.sampled_from([site for site in sites if drawn[site] is not None]))
    if name == "Kimura-Takemoto":  # with sites missing, the grades that can be depend on what was seen
        drawn = {site: each or (1.0, 0.0) for site, each in drawn.items()}
    low, high = sorted(data.draw(st.tuples(*[st.integers(0, grades - 1)] * 2)))
    moved = list(drawn[site])
    amount = moved[low] * data.draw(st.floats(0, 1))
    moved[low] -= amount
    moved[high] += amount
    before, after = of_chances(drawn), of_chances(drawn | {site: tuple(moved)})
    for place in range(len(before.values)):
        assert after.at_least(place).low >= before.at_least(place).low - 1e-12
        assert after.at_least(place).high >= before.at_least(place).high - 1e-12


@ALL
@given(data=st.data(), level=st.floats(0.01, 0.99))
@settings(max_examples=40)
def test_the_interval_is_central_and_holds_its_level(name: str, data: st.DataObject, level: float) -> None:
    _, of_chances, sites, grades = SCORES[name]
    found = of_chances(data.draw(seen_chances(sites, grades)))
    low, high = found.interval(level)
    tail = (1 - level) / 2
    assert 0 <= low <= high < len(found.values)
    assert sum(found.lowest[:low]) <= tail + 1e-9
    assert sum(found.highest[high + 1 :]) <= tail + 1e-9
    # and is no wider than it has to be
    assert sum(found.lowest[: low + 1]) > tail - 1e-9
    assert sum(found.highest[high:]) > tail - 1e-9


@ALL
@given(data=st.data())
@settings(max_examples=30)
def test_certain_sites_give_the_score_of_grades(name: str, data: st.DataObject) -> None:
    of_grades, of_chances, sites, grades = SCORES[name]
    each = st.none() | st.integers(0, grades - 1)
    drawn = {site: data.draw(each) for site in sites}
    if all(grade is None for grade in drawn.values()):
        return
    score, found = of_grades(drawn), of_chances(drawn)
    assert found.lowest[score.low] == found.highest[score.high] == 1
    assert found.interval() == (score.low, score.high)
    assert found.missing == score.missing
    assert bool(found.impossible) is bool(score.doubt)


def test_monte_carlo_agrees() -> None:
    """A million patients drawn: P(at risk) and mean agree within five standard errors."""
    chances = np.array([(0.3, 0.4, 0.3), (0.5, 0.3, 0.2), (0.2, 0.3, 0.5), (0.6, 0.3, 0.1), (0.7, 0.2, 0.1)])
    found = scores.eggim_distribution(dict(zip(scores.EGGIM_SITES, chances, strict=True)))
    rng = np.random.default_rng(0)
    drawn = sum(rng.choice(3, size=1_000_000, p=each) for each in chances)
    exact = found.p_at_risk.value
    assert abs((drawn >= 5).mean() - exact) < 5 * math.sqrt(exact * (1 - exact) / 1e6)
    assert abs(drawn.mean() - found.mean.value) < 5 * drawn.std() / 1e3
    assert found.mean.value == pytest.approx(sum(each @ (0, 1, 2) for each in chances))


@pytest.mark.parametrize("name", ["EGGIM", "OLGA", "OLGIM"])
def test_p_at_risk_is_calibrated_where_the_sites_are(name: str) -> None:
    """Patients whose grades are drawn from their sites' probabilities: the line of outcome on P has slope 1.

    Patients differ by how much disease they have; so P(at risk) covers its range.
    """
    of_grades, of_chances, sites, grades = SCORES[name]
    rng = np.random.default_rng(1)
    predicted, happened = [], []
    for _ in range(1000):
        extent = rng.uniform(0, 1)
        chances = {
            site: rng.dirichlet(0.3 + 3 * np.array([(1 - extent) ** 2] + [extent] * (grades - 1)))
            for site in sites
        }
        drawn = {site: int(rng.choice(grades, p=each)) for site, each in chances.items()}
        predicted.append(of_chances(chances).p_at_risk.value)
        happened.append(of_grades(drawn).at_risk)
    slope, intercept = np.polyfit(predicted, np.array(happened, dtype=float), 1)
    assert np.std(predicted) > 0.2
    assert 0.9 < slope < 1.1
    assert abs(intercept) < 0.05


@pytest.mark.parametrize("name", ["EGGIM", "OLGA"])
def test_bounds_hold_the_frequency_among_patients_with_a_site_unseen(name: str) -> None:
    """The site unseen depends on the others here, which the bounds allow for and independence would not."""
    of_grades, of_chances, sites, grades = SCORES[name]
    rng = np.random.default_rng(2)
    *others, unseen = sites
    low, high, happened = [], [], []
    for _ in range(800):
        chances = {site: rng.dirichlet(np.ones(grades)) for site in others}
        drawn = {site: int(rng.choice(grades, p=each)) for site, each in chances.items()}
        drawn[unseen] = max(drawn.values())
        found = of_chances(chances | {unseen: None}).p_at_risk
        low.append(found.low)
        high.append(found.high)
        happened.append(of_grades(drawn).at_risk)
    error = 3 * math.sqrt(0.25 / len(happened))
    assert np.mean(low) - error < np.mean(happened) < np.mean(high) + error
    assert np.mean(high) - np.mean(low) > 0.1


@given(seen_chances(scores.EGGIM_SITES, 3))
def test_a_prior_stands_where_a_site_was_not_seen_and_nowhere_else(drawn: dict[str, Chances | None]) -> None:
    prior = dict.fromkeys(scores.EGGIM_SITES, (0.5, 0.3, 0.2))
    found = scores.eggim_distribution(drawn, prior=prior)
    filled = scores.eggim_distribution({site: each or prior[site] for site, each in drawn.items()})
    assert found.probabilities == pytest.approx(filled.probabilities)
    assert found.missing == ()
    assert found.by_prior == tuple(site for site in scores.EGGIM_SITES if drawn[site] is None)
    without = scores.eggim_distribution(drawn).p_at_risk
    assert without.low - 1e-12 <= found.p_at_risk.value <= without.high + 1e-12


def test_a_prior_of_some_sites_leaves_the_others_missing() -> None:
    found = scores.olga_distribution(1, None, incisura=None, prior={"corpus": (0.5, 0.5, 0, 0)})
    assert (found.missing, found.by_prior) == (("incisura",), ("corpus",))
    assert (
        str(found)
        == "OLGA stage I to III (95% interval), P(at risk) 0.000 to 1.000, incisura unseen, corpus by the prior"
    )


def test_arrays_and_float32_are_taken() -> None:
    soft = np.exp(np.array([0.1, 0.2, 0.3], np.float32))
    chances = soft / soft.sum()
    found = scores.eggim_distribution(dict.fromkeys(scores.EGGIM_SITES, chances))
    assert math.fsum(found.probabilities) == pytest.approx(1, abs=1e-12)


def test_rounded_probabilities_are_made_to_add_up() -> None:
    found = scores.olga_distribution((0.333, 0.333, 0.333, 0), (0.25, 0.25, 0.25, 0.25))
    assert math.fsum(found.probabilities) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("level", [0, 1, -0.5, 95, "0.9", None, float("nan"), True])
def test_a_level_that_is_none(level: Any) -> None:
    with pytest.raises(InvalidConfigError, match="between 0 and 1"):
        scores.eggim_distribution({"incisura": (0, 1, 0)}).interval(level)


class TestJoint:
    @given(seen_chances(("antrum", "corpus"), 4).filter(lambda drawn: None not in drawn.values()))
    def test_a_table_of_products_is_independence(self, drawn: dict[str, Chances]) -> None:
        table = {
            (a, c): drawn["antrum"][a] * drawn["corpus"][c] for a, c in itertools.product(range(4), repeat=2)
        }
        found = scores.joint_distribution("olga", table)
        assert found.lowest == pytest.approx(scores.olga_distribution(**drawn).lowest, abs=1e-12)

    def test_grades_that_go_together_change_the_risk_and_not_the_mean(self) -> None:
        together = scores.joint_distribution("eggim", {(0,) * 5: 0.5, (2,) * 5: 0.5})
        apart = scores.eggim_distribution(dict.fromkeys(scores.EGGIM_SITES, (0.5, 0, 0.5)))
        assert together.mean.value == apart.mean.value == 5
        assert together.interval() == (0, 10)
        assert together.probabilities != apart.probabilities

    def test_keys_of_the_same_grades_add_up(self) -> None:
        """Tensors are equal and yet other keys."""
        one, same = (torch.tensor(3), 3), (torch.tensor(3), 3)
        assert scores.joint_distribution("olga", {one: 0.5, same: 0.25, (0, 0): 0.25}).p_at_risk.value == 0.75

    def test_sites_that_were_not_seen(self) -> None:
        found = scores.joint_distribution("olgim", {(3, None, 0): 0.5, (0, None, 0): 0.5})
        assert (found.p_at_risk.low, found.p_at_risk.high, found.missing) == (0.5, 1.0, ("incisura",))

    @pytest.mark.parametrize(
        ("score", "table", "says"),
        [
            ("olgaa", {(0, 0): 1}, "Did you mean olga"),
            ("olga", {}, "a table"),
            ("olga", [0.5, 0.5], "a table"),
            ("olga", {0: 1}, r"\(antrum, corpus\) or \(antrum, incisura, corpus\)"),
            ("olga", {(0, 0): 0.5, (0, 0, 0): 0.5}, "2 lengths"),
            ("olga", {(0, 0): 0.5, (0, 4): 0.5}, "corpus is a whole number from 0 to 3"),
            ("olga", {(0, 0): 0.5}, "add up to 0.5"),
            ("olga", {(0, 0): 1.5, (1, 1): -0.5}, "from 0 to 1"),
            ("eggim", {(None,) * 5: 1}, "no site was seen"),
        ],
    )
    def test_what_is_no_table(self, score: Any, table: Any, says: str) -> None:
        with pytest.raises(InvalidConfigError, match=says):
            scores.joint_distribution(score, table)
