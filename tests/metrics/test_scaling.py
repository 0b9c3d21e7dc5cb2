"""Temperature and label prior."""

import numpy as np
import pytest
import sklearn.metrics

from lag_zoo.errors import InvalidConfigError
from lag_zoo.metrics import scaling


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("true", [0.4, 1.0, 3.0])
def test_a_temperature_is_found_again(task: str, true: float) -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (20_000, 3))
    probabilities = scaling.probabilities_of(logits, task=task)  # type: ignore[arg-type]
    if task == "multiclass":
        targets = (probabilities.cumsum(1) < rng.uniform(size=(20_000, 1))).sum(1)
    else:
        targets = (rng.uniform(size=logits.shape) < probabilities).astype(int)
        targets[rng.uniform(size=logits.shape) < 0.3] = -1
    found = scaling.fit_temperature(logits * true, targets, task=task)  # type: ignore[arg-type]
    assert found == pytest.approx(true, rel=0.05)


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_a_shifted_prior_is_found_again(task: str) -> None:
    rng = np.random.default_rng(2)
    logits = rng.normal(0, 2, (20_000, 3))
    moved = np.array([1.0, -2.0, 0.5])  # as a network that was trained on balanced batches would be off
    probabilities = scaling.probabilities_of(logits + moved, task=task)  # type: ignore[arg-type]
    if task == "multiclass":
        targets = (probabilities.cumsum(1) < rng.uniform(size=(20_000, 1))).sum(1)
    else:
        targets = (rng.uniform(size=logits.shape) < probabilities).astype(int)
    temperature, found = scaling.fit_temperature_and_intercepts(logits * 2, targets, task=task)  # type: ignore[arg-type]
    assert temperature == pytest.approx(2, rel=0.05)
    if task == "multiclass":  # only differences matter
        found, moved = found - found.mean(), moved - moved.mean()
    assert found == pytest.approx(moved, abs=0.1)


def test_likelihood() -> None:
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(50, 3)), rng.integers(0, 3, 50)
    expected = sklearn.metrics.log_loss(targets, scaling.probabilities_of(logits, task="multiclass"))
    assert scaling.negative_log_likelihood(logits, targets, task="multiclass") == pytest.approx(expected)


def test_bad_input() -> None:
    with pytest.raises(InvalidConfigError, match="label is known"):
        scaling.fit_temperature(np.zeros((2, 1)), np.full((2, 1), -1), task="multilabel")
