"""Agreement about labels against scikit-learn, statsmodels, irrCAC, and published tables."""

import warnings

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st

from lag_zoo.errors import InvalidConfigError
from lag_zoo.metrics import agreement

LABELS = 4

# Fleiss, Psychological Bulletin 1971;76:378, Table 1: how many of 6 psychiatrists gave each of 5 diagnoses, for each of
# 30 patients; kappa 0.430.
DIAGNOSES = np.array([
    [0, 0, 0, 6, 0], [0, 3, 0, 0, 3], [0, 1, 4, 0, 1], [0, 0, 0, 0, 6], [0, 3, 0, 3, 0], [2, 0, 4, 0, 0],
    [0, 0, 4, 0, 2], [2, 0, 3, 1, 0], [2, 0, 0, 4, 0], [0, 0, 0, 0, 6], [1, 0, 0, 5, 0], [1, 1, 0, 4, 0],
    [0, 3, 3, 0, 0], [1, 0, 0, 5, 0], [0, 2, 0, 3, 1], [0, 0, 5, 0, 1], [3, 0, 0, 1, 2], [5, 1, 0, 0, 0],
    [0, 2, 0, 4, 0], [1, 0, 2, 0, 3], [0, 0, 0, 0, 6], [0, 1, 0, 5, 0], [0, 2, 0, 1, 3], [2, 0, 0, 4, 0],
    [1, 0, 0, 4, 1], [0, 5, 0, 1, 0], [4, 0, 0, 0, 2], [0, 2, 0, 4, 0], [1, 0, 5, 0, 0], [0, 0, 0, 0, 6],
])  # fmt: skip


@st.composite
def called(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    pairs = draw(st.lists(st.tuples(*[st.integers(0, LABELS - 1)] * 2), min_size=1, max_size=40))
    return np.array(pairs)[:, 0], np.array(pairs)[:, 1]


@given(called())
def test_against_scikit_learn(data: tuple[np.ndarray, np.ndarray]) -> None:
    calls, truth = data
    matrix = agreement.confusion_matrix(calls, truth, labels=LABELS)
    labels = list(range(LABELS))
    assert matrix.tolist() == sklearn.metrics.confusion_matrix(truth, calls, labels=labels).tolist()
    assert agreement.accuracy(matrix) == pytest.approx(sklearn.metrics.accuracy_score(truth, calls))
    with warnings.catch_warnings():  # of labels that are not true of any frame
        warnings.simplefilter("ignore")
        expected = sklearn.metrics.balanced_accuracy_score(truth, calls)
    assert agreement.balanced_accuracy(matrix) == pytest.approx(expected)
    assert agreement.macro_f1(matrix) == pytest.approx(
        sklearn.metrics.f1_score(truth, calls, average="macro", zero_division=0)
    )
    for distance, name in (("nominal", None), ("linear", "linear"), ("quadratic", "quadratic")):
        found = agreement.cohen_kappa(matrix, distance=distance)  # type: ignore[arg-type]
        if len({*calls.tolist(), *truth.tolist()}) == 1:
            assert np.isnan(found)
        else:
            assert found == pytest.approx(
                sklearn.metrics.cohen_kappa_score(truth, calls, labels=labels, weights=name), abs=1e-12
            )


@given(called(), st.integers(0, 99))
def test_a_weight_is_so_many_frames(data: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    calls, truth = data
    weights = np.random.default_rng(seed).integers(0, 3, (5, len(truth)))
    weights[:, 0] += 1
    stack = agreement.confusion_matrices(calls, truth, weights, labels=LABELS)
    ratings = np.stack([calls, truth, np.roll(truth, 1)], axis=1)
    ratings[::3, 2] = agreement.MISSING
    kappas = agreement.fleiss_kappas(ratings, weights, labels=LABELS)
    for number, row in enumerate(weights):
        each = agreement.confusion_matrix(np.repeat(calls, row), np.repeat(truth, row), labels=LABELS)
        assert stack[number].tolist() == each.tolist()
        for measure in (
            agreement.accuracy, agreement.balanced_accuracy, agreement.macro_f1, agreement.cohen_kappa,
        ):  # fmt: skip
            np.testing.assert_array_equal(measure(stack)[number], measure(each))
        alone = agreement.fleiss_kappa(np.repeat(ratings, row, axis=0), labels=LABELS)
        np.testing.assert_allclose(kappas[number], alone, atol=1e-12)


def test_cohen_s_published_example() -> None:
    """Fleiss, Levin and Paik, Statistical Methods for Rates and Proportions 2003, Table 18.1: kappa 0.68."""
    matrix = np.array([[75, 1, 4], [5, 4, 1], [0, 0, 10]])
    assert round(float(agreement.cohen_kappa(matrix)), 2) == 0.68


def test_fleiss_s_published_example() -> None:
    ratings = np.array([np.repeat(np.arange(5), row) for row in DIAGNOSES])
    assert round(agreement.fleiss_kappa(ratings, labels=5), 3) == 0.430


def test_fleiss_kappa_against_statsmodels_and_with_ratings_missing_against_irr_cac() -> None:
    """statsmodels 0.15.0: `fleiss_kappa(counts)`; irrCAC 0.4.4: `CAC(DataFrame(ratings), digits=10).fleiss()`."""
    i = np.arange(40)
    ratings = np.stack([i % 4, np.where(i % 5, i % 4, i * 7 % 4), np.where(i % 3, i % 4, i * 3 % 4)], axis=1)
    assert agreement.fleiss_kappa(ratings, labels=4) == pytest.approx(0.7777366178922022, abs=1e-12)
    ratings[i % 6 == 1, 1] = ratings[i % 9 == 2, 0] = ratings[7, 1:] = agreement.MISSING
    assert agreement.fleiss_kappa(ratings, labels=4) == pytest.approx(0.7947197354, abs=1e-10)


def test_two_raters_who_always_agree_and_one_label_only() -> None:
    every = np.stack([np.arange(8) % LABELS] * 2, axis=1)
    assert agreement.fleiss_kappa(every, labels=LABELS) == 1
    assert agreement.cohen_kappa(agreement.confusion_matrix(*every.T, labels=LABELS)) == 1
    assert np.isnan(agreement.fleiss_kappa(np.zeros((4, 3), dtype=int), labels=LABELS))
    nobody = np.where(np.arange(3) == 0, 1, agreement.MISSING)[None].repeat(4, axis=0)
    assert np.isnan(agreement.fleiss_kappa(nobody, labels=LABELS)), "no frame has two ratings"
    for measure in (
        agreement.accuracy, agreement.balanced_accuracy, agreement.macro_f1, agreement.cohen_kappa,
    ):  # fmt: skip
        assert np.isnan(measure(np.zeros((LABELS, LABELS)))), "no frames"


def test_bad_input() -> None:
    zeros, once = np.zeros(3, dtype=int), np.ones((1, 3))
    with pytest.raises(InvalidConfigError, match=r"truth: labels are numbers from 0 to 1; got \[2\]"):
        agreement.confusion_matrix(zeros, np.array([0, 1, 2]), labels=2)
    with pytest.raises(
        InvalidConfigError, match=r"called: labels are numbers from 0 to 1; got \[-1.0, 0.5\]"
    ):
        agreement.confusion_matrix(np.array([0.5, -1, 0]), zeros, labels=2)
    with pytest.raises(InvalidConfigError, match=r"the shapes \(2,\) and \(3,\)"):
        agreement.confusion_matrices(zeros[:2], zeros, once, labels=2)
    with pytest.raises(InvalidConfigError, match=r"one for each of 3 frames; got the shape \(3,\)"):
        agreement.confusion_matrices(zeros, zeros, once[0], labels=2)
    with pytest.raises(InvalidConfigError, match="negative or infinite"):
        agreement.confusion_matrices(zeros, zeros, -once, labels=2)
    with pytest.raises(InvalidConfigError, match=r"ratings are \(n, raters\); got the shape \(3,\)"):
        agreement.fleiss_kappa(zeros, labels=2)
    with pytest.raises(InvalidConfigError, match=r"from -1 to 1; got \[5\]"):
        agreement.fleiss_kappa(np.full((3, 2), 5), labels=2)
    with pytest.raises(
        InvalidConfigError, match="no distance 'cubic' of labels; there are nominal, linear, quadratic"
    ):
        agreement.cohen_kappa(np.eye(2), distance="cubic")  # type: ignore[arg-type]
