"""Where to draw the line."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lag_zoo.errors import InvalidConfigError
from lag_zoo.metrics import thresholds
from tests.metrics.references import rates_at
from tests.metrics.scored import scored


def cuts(scores: np.ndarray) -> list[float]:
    """A threshold between each two scores, and beyond them."""
    values = np.unique(scores)
    return [-1.0, *((values[1:] + values[:-1]) / 2), 2.0]


@given(scored())
def test_youden_is_the_best_of_all(data: tuple[np.ndarray, np.ndarray]) -> None:
    chosen = thresholds.choose_threshold("youden", *data)
    every = {cut: rates_at(*data, cut)[1:] for cut in cuts(data[0])}
    best = max(sum(rates) for rates in every.values())
    alike = {cut: rates for cut, rates in every.items() if sum(rates) == pytest.approx(best)}
    if len({round(abs(a - b), 9) for a, b in alike.values()}) == len(
        alike
    ):  # no two with their rates exchanged
        assert sum(rates_at(*data, chosen)[1:]) == pytest.approx(best)
        least = min(abs(a - b) for a, b in alike.values())
        sensitivity, specificity = rates_at(*data, chosen)[1:]
        assert abs(sensitivity - specificity) == pytest.approx(least)


@given(scored())
@example((np.array([0.2, 0.4, 0.6, 0.8]), np.array([False, True, False, True])))  # its own mirror image
@example((np.array([0.2, 0.4, 0.6, 0.8]), np.array([True, True, False, False])))  # worse than chance
@example((np.array([0.3, 0.3, 0.3, 0.3]), np.array([True, False, False, False])))
@example((np.array([0.0, 0.0, 1.0, 1.0]), np.array([False, False, True, True])))
def test_labels_that_change_places_have_mirrored_thresholds(data: tuple[np.ndarray, np.ndarray]) -> None:
    scores, truth = data
    for rule, mirrored in (("youden", "youden"), ("sens>=0.8", "spec>=0.8"), ("spec>=0.95", "sens>=0.95")):
        one = thresholds.choose_threshold(rule, scores, truth)
        other = thresholds.choose_threshold(mirrored, 1 - scores, ~truth)
        assert one + other == pytest.approx(1, abs=1e-12), rule


def test_the_line_is_in_the_middle_of_the_gap() -> None:
    scores, truth = np.array([0.448, 0.2, 0.694, 0.9]), np.array([0, 0, 1, 1])
    assert thresholds.choose_threshold("youden", scores, truth) == pytest.approx(0.571)
    assert thresholds.choose_threshold("sens>=1", scores, truth) == pytest.approx(0.571)
    assert thresholds.choose_threshold("spec>=1", scores, truth) == pytest.approx(0.571)


def test_of_equally_good_places_the_one_with_like_rates_then_the_wider_gap() -> None:
    scores = np.array([0.1, 0.2, 0.5, 0.55, 0.6, 0.7, 0.8, 0.9])
    truth = np.array([0, 0, 1, 0, 1, 1, 1, 0])  # from 0.5: 4 and 2 of 4; from 0.6: 3 and 3 of 4
    assert thresholds.choose_threshold("youden", scores, truth) == pytest.approx(0.575)
    two = np.array([0.2, 0.4, 0.7, 0.8]), np.array([0, 1, 0, 1])  # below 0.4, or above 0.7
    assert thresholds.choose_threshold("youden", *two) == pytest.approx(0.3)
    three = np.array([0.2, 0.3, 0.6, 0.8]), np.array([0, 1, 0, 1])
    assert thresholds.choose_threshold("youden", *three) == pytest.approx(0.7)


def test_neighbours_among_floats_are_told_apart() -> None:
    data = np.array([0.3, np.nextafter(0.3, 1)]), np.array([0, 1])
    for rule in ("youden", "sens>=1", "spec>=1"):
        assert rates_at(*data, thresholds.choose_threshold(rule, *data)) == (1, 1, 1)


@given(scored(), st.sampled_from([0.5, 0.8, 0.95, 1.0]))
def test_a_rate_is_reached_and_no_more_is_given_up(
    data: tuple[np.ndarray, np.ndarray], wanted: float
) -> None:
    for number, rule, beyond in ((0, "sens", np.greater), (1, "spec", np.less)):
        chosen = thresholds.choose_threshold(f"{rule}>={wanted}", *data)
        assert rates_at(*data, chosen)[1:][number] >= wanted
        called = data[0] >= chosen
        others = [cut for cut in cuts(data[0]) if beyond(cut, chosen) and ((data[0] >= cut) != called).any()]
        assert all(rates_at(*data, cut)[1:][number] < wanted for cut in others)


def test_rules() -> None:
    assert thresholds.choose_threshold("0.5", np.zeros(1), np.zeros(1)) == 0.5
    for rule in ("best", "sens>=2", "sens>0.9"):
        with pytest.raises(InvalidConfigError, match="no rule"):
            thresholds.choose_threshold(rule, np.arange(4.0), np.array([0, 1, 0, 1]))
    with pytest.raises(InvalidConfigError, match="all 4 are alike"):
        thresholds.choose_threshold("youden", np.arange(4.0), np.ones(4))
