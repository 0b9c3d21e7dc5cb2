"""Right and wrong at a threshold, against scikit-learn and published examples."""

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from lag_zoo.metrics import confusion
from tests.metrics.scored import scored


@given(scored(), st.floats(0, 1))
def test_against_scikit_learn(data: tuple[np.ndarray, np.ndarray], threshold: float) -> None:
    scores, truth = data
    called = scores >= threshold
    found = confusion.confusion_at(scores, truth, threshold)
    (tn, fp), (fn, tp) = sklearn.metrics.confusion_matrix(truth, called, labels=[False, True])
    assert found == (tp, fp, tn, fn)
    numbers = confusion.rates(found)
    assert numbers.accuracy == pytest.approx(sklearn.metrics.accuracy_score(truth, called))
    assert numbers.sensitivity == pytest.approx(sklearn.metrics.recall_score(truth, called))
    assert numbers.specificity == pytest.approx(sklearn.metrics.recall_score(~truth, ~called))
    if called.any():
        assert numbers.ppv == pytest.approx(sklearn.metrics.precision_score(truth, called))
        assert numbers.f1 == pytest.approx(sklearn.metrics.f1_score(truth, called))
    else:
        assert np.isnan(numbers.ppv)


def test_a_published_example() -> None:
    """Altman and Bland, Statistics Notes: Diagnostic tests 2, BMJ 1994;309:102: liver scans of 344 patients."""
    found = confusion.rates(confusion.Confusion(tp=231, fp=32, tn=54, fn=27))
    assert [round(x, 2) for x in (found.sensitivity, found.specificity, found.ppv, found.npv)] == [
        0.90, 0.63, 0.88, 0.67,
    ]  # fmt: skip
    # The same note, at a prevalence of 0.25: predictive values of 0.45 and 0.95.
    assert [round(x, 2) for x in confusion.at_prevalence(231 / 258, 54 / 86, 0.25)] == [0.45, 0.95]


@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 50), st.integers(1, 50))
def test_at_its_own_prevalence_nothing_changes(tp: int, fp: int, tn: int, fn: int) -> None:
    found = confusion.rates(confusion.Confusion(tp, fp, tn, fn))
    own = (tp + fn) / (tp + fp + tn + fn)
    assert confusion.at_prevalence(found.sensitivity, found.specificity, own) == pytest.approx(
        (found.ppv, found.npv)
    )


@given(scored(), st.integers(0, 99), st.floats(0, 1))
def test_a_weight_is_so_many_frames(data: tuple[np.ndarray, np.ndarray], seed: int, threshold: float) -> None:
    scores, truth = data
    weights = np.random.default_rng(seed).integers(0, 3, (4, len(truth)))
    weights[:, 0] += 1
    found = confusion.resampled_rates(scores, truth, weights, threshold=threshold)
    for number, row in enumerate(weights):
        each = confusion.confusion_at(np.repeat(scores, row), np.repeat(truth, row), threshold)
        np.testing.assert_allclose(found[number], confusion.rates(each))
