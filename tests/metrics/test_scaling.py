"""Temperature and label prior."""

import numpy as np
import pytest
import scipy.optimize
import sklearn.metrics

from lag_zoo.errors import InvalidConfigError
from lag_zoo.metrics import scaling
from lag_zoo.tasks import rules_of


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("true", [0.4, 1.0, 3.0])
def test_a_temperature_is_found_again(task: str, true: float) -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (20_000, 3))
    probabilities = rules_of(task).probabilities(logits)  # type: ignore[arg-type]
    if task == "multiclass":
        targets = (probabilities.cumsum(1) < rng.uniform(size=(20_000, 1))).sum(1)
    else:
        targets = (rng.uniform(size=logits.shape) < probabilities).astype(int)
        targets[rng.uniform(size=logits.shape) < 0.3] = -1
    found = scaling.fit_temperature(logits * true, targets, task=task).temperature  # type: ignore[arg-type]
    assert found == pytest.approx(true, rel=0.05)


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_a_shifted_prior_is_found_again(task: str) -> None:
    rng = np.random.default_rng(2)
    logits = rng.normal(0, 2, (20_000, 3))
    moved = np.array([1.0, -2.0, 0.5])  # as a network that was trained on balanced batches would be off
    probabilities = rules_of(task).probabilities(logits + moved)  # type: ignore[arg-type]
    if task == "multiclass":
        targets = (probabilities.cumsum(1) < rng.uniform(size=(20_000, 1))).sum(1)
    else:
        targets = (rng.uniform(size=logits.shape) < probabilities).astype(int)
    fit = scaling.fit_temperature(logits * 2, targets, task=task, intercepts=True)  # type: ignore[arg-type]
    found = fit.intercepts
    assert fit.temperature == pytest.approx(2, rel=0.05)
    if task == "multiclass":  # only differences matter
        found, moved = found - found.mean(), moved - moved.mean()
    assert found == pytest.approx(moved, abs=0.1)


def test_likelihood() -> None:
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(50, 3)), rng.integers(0, 3, 50)
    expected = sklearn.metrics.log_loss(targets, rules_of("multiclass").probabilities(logits))
    assert scaling.negative_log_likelihood(logits, targets, task="multiclass") == pytest.approx(expected)


def drawn(frames: int, seed: int, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels of a network that tells two labels apart well (d' = 3.5), with a temperature of its own."""
    rng = np.random.default_rng(seed)
    truth = np.arange(frames) % 2
    scores = 3.5 * temperature * (rng.normal(size=frames) + 3.5 * (truth - 0.5))
    return np.stack([-scores / 2, scores / 2], axis=1), truth


@pytest.mark.parametrize("own", [1 / 3.5, 1.0, 2.0])
def test_twenty_frames_do_no_harm_and_five_hundred_do_not_notice_the_prior(own: float) -> None:
    logits, truth = drawn(20_000, 999, own)

    def loss(temperature: float) -> float:
        return scaling.negative_log_likelihood(logits / temperature, truth, task="multiclass")

    def mean_loss(frames: int, fits: int, **how: float) -> float:
        every = [
            scaling.fit_temperature(*drawn(frames, seed, own), task="multiclass", **how)
            for seed in range(fits)
        ]
        return float(np.mean([loss(fit.temperature) for fit in every]))

    # A network whose temperature is 1 already has only something to lose.
    assert mean_loss(20, 40) < 1.05 * loss(1)
    assert mean_loss(20, 40) < 0.8 * mean_loss(20, 40, prior=np.inf)
    assert mean_loss(500, 4) == pytest.approx(mean_loss(500, 4, prior=np.inf), rel=0.01)


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_against_a_fit_of_the_temperature_alone(task: str) -> None:
    logits, truth = drawn(30, 0, 2.0)
    targets = truth if task == "multiclass" else np.eye(2, dtype=int)[truth]
    entries = targets.size

    def loss(log_temperature: float) -> float:
        likelihood = scaling.negative_log_likelihood(logits / np.exp(log_temperature), targets, task=task)  # type: ignore[arg-type]
        return likelihood * entries + log_temperature**2 / (2 * 0.5**2)

    expected = np.exp(scipy.optimize.minimize_scalar(loss, bracket=(-1, 1)).x)
    found = scaling.fit_temperature(logits, targets, task=task)  # type: ignore[arg-type]
    assert found.temperature == pytest.approx(expected, rel=1e-4)
    assert (found.frames, found.intercepts.tolist()) == (30, [0, 0])


def test_what_makes_a_temperature_doubtful_is_remarked_on() -> None:
    logits, truth = drawn(400, 0, 1.0)
    assert scaling.fit_temperature(logits, truth, task="multiclass").remarks == ()
    (few,) = scaling.fit_temperature(logits[:49], truth[:49], task="multiclass").remarks
    assert few.startswith("Calibrated on 49 frames, fewer than 50")
    (parted,) = scaling.fit_temperature(
        np.abs(logits) * [-1, 1] * (2 * truth[:, None] - 1), truth, task="multiclass"
    ).remarks
    assert "told apart without a serious mistake" in parted
    (alike,) = scaling.fit_temperature(logits, np.roll(truth, 1), task="multiclass").remarks
    assert "learned next to nothing" in alike
    (constant,) = scaling.fit_temperature(0 * logits, truth, task="multiclass").remarks
    assert constant == alike
    unknown = np.where(np.arange(400)[:, None] < 370, -1, np.eye(2, dtype=int)[truth])
    fit = scaling.fit_temperature(logits, unknown, task="multilabel")
    assert fit.frames == 30
    assert fit.remarks[0].startswith("Calibrated on 30 frames")


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_a_label_of_no_frame_has_an_intercept_within_reason(task: str) -> None:
    logits, _ = drawn(40, 0, 1.0)
    targets = np.zeros(40, dtype=int) if task == "multiclass" else np.tile([1, 0], (40, 1))
    found = scaling.fit_temperature(logits, targets, task=task, intercepts=True)  # type: ignore[arg-type]
    moved = found.intercepts[1] - (found.intercepts[0] if task == "multiclass" else 0)
    assert -8 < moved < -3
    assert 0.2 < found.temperature < 5


def test_of_few_frames_intercepts_are_about_the_labels_frequency() -> None:
    """So few that those of the largest likelihood would be off by much more."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(20):
        truth = rng.permutation(np.arange(30) < 3).astype(int)
        scores = 3.5 * (rng.normal(size=30) + 3.5 * (truth - 0.5))
        logits = np.stack([-scores / 2, scores / 2], axis=1)
        fit = scaling.fit_temperature(logits, truth, task="multiclass", intercepts=True)
        found.append(fit.intercepts[1] - fit.intercepts[0])
    assert np.abs(np.array(found) - np.log(3.5 / 27.5)).max() < 1


def test_bad_input() -> None:
    with pytest.raises(InvalidConfigError, match="label is known"):
        scaling.fit_temperature(np.zeros((2, 1)), np.full((2, 1), -1), task="multilabel")
    with pytest.raises(InvalidConfigError, match="width of a prior is positive, got 0"):
        scaling.fit_temperature(np.zeros((2, 2)), np.zeros(2, dtype=int), task="multiclass", prior=0)
