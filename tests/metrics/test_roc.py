"""The ROC curve at given specificities, against scikit-learn and resamples written out."""

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from lag_zoo.errors import InvalidConfigError
from lag_zoo.metrics import ranking
from lag_zoo.metrics.roc import roc_sensitivities
from tests.metrics.scored import scored


@given(scored())
def test_against_scikit_learn(data: tuple[np.ndarray, np.ndarray]) -> None:
    scores, truth = data
    false, true, _ = sklearn.metrics.roc_curve(truth, scores, drop_intermediate=False)
    once = np.ones((1, len(truth)))
    between = np.linspace(0.013, 0.987, 29)  # away from where the curve is upright
    found = roc_sensitivities(scores, truth, once, 1 - between)[0]
    assert found == pytest.approx(np.interp(between, false, true))
    corners = roc_sensitivities(scores, truth, once, 1 - false)[0]
    assert corners == pytest.approx([true[false <= f].max() for f in false])


@given(scored())
def test_the_area_under_it_is_the_auroc(data: tuple[np.ndarray, np.ndarray]) -> None:
    negatives = int((~data[1]).sum())
    fine = (np.arange(negatives * 50) + 0.5) / (negatives * 50)  # the curve is straight between so many
    area = roc_sensitivities(*data, np.ones((1, len(data[1]))), fine).mean()
    assert area == pytest.approx(ranking.auroc(*data), abs=1e-9)


@given(scored(), st.integers(0, 99))
def test_a_weight_is_so_many_frames(data: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    scores, truth = data
    weights = np.random.default_rng(seed).integers(0, 3, (4, len(truth)))
    weights[:, 0] += 1
    found = roc_sensitivities(scores, truth, weights)
    for number, row in enumerate(weights):
        one = np.repeat(scores, row), np.repeat(truth, row)
        alone = roc_sensitivities(*one, np.ones((1, row.sum())))[0]
        np.testing.assert_allclose(found[number], alone, atol=1e-9)


def test_one_label_only_and_specificities_that_are_none() -> None:
    scores = np.array([0.1, 0.4, 0.3])
    for truth in (np.ones(3), np.zeros(3)):
        assert np.isnan(roc_sensitivities(scores, truth, np.ones((1, 3)))).all()
    with pytest.raises(InvalidConfigError, match=r"specificities are from 0 to 1; got 0\.5 to 90"):
        roc_sensitivities(scores, np.array([0, 1, 1]), np.ones((1, 3)), np.array([0.5, 90]))
