"""Where to draw the line."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lag_zoo.errors import InvalidConfigError
from lag_zoo.metrics import confusion, thresholds
from tests.metrics.scored import scored


@given(scored())
def test_youden_is_the_best_of_all(data: tuple[np.ndarray, np.ndarray]) -> None:
    scores, truth = data
    chosen = thresholds.choose_threshold("youden", scores, truth)

    def youden(threshold: float) -> float:
        found = confusion.rates(confusion.confusion_at(scores, truth, threshold))
        return found.sensitivity + found.specificity

    assert youden(chosen) == pytest.approx(max(youden(t) for t in [*np.unique(scores), 2.0]))


@given(scored(), st.sampled_from([0.5, 0.8, 0.95, 1.0]))
def test_a_sensitivity_is_reached_and_no_more_is_given_up(
    data: tuple[np.ndarray, np.ndarray], wanted: float
) -> None:
    scores, truth = data
    chosen = thresholds.choose_threshold(f"sens>={wanted}", scores, truth)
    assert confusion.rates(confusion.confusion_at(scores, truth, chosen)).sensitivity >= wanted
    higher = [t for t in np.unique(scores) if t > chosen]
    assert all(confusion.rates(confusion.confusion_at(scores, truth, t)).sensitivity < wanted for t in higher)
    chosen = thresholds.choose_threshold(f"spec>={wanted}", scores, truth)
    assert confusion.rates(confusion.confusion_at(scores, truth, chosen)).specificity >= wanted
    lower = [t for t in np.unique(scores) if t < chosen]
    assert all(confusion.rates(confusion.confusion_at(scores, truth, t)).specificity < wanted for t in lower)


def test_rules() -> None:
    assert thresholds.choose_threshold("0.5", np.zeros(1), np.zeros(1)) == 0.5
    for rule in ("best", "sens>=2", "sens>0.9"):
        with pytest.raises(InvalidConfigError, match="no rule"):
            thresholds.choose_threshold(rule, np.arange(4.0), np.array([0, 1, 0, 1]))
    with pytest.raises(InvalidConfigError, match="all 4 are alike"):
        thresholds.choose_threshold("youden", np.arange(4.0), np.ones(4))
