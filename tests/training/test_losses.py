"""Each task has a loss, and a task without one is an error."""

from typing import get_args

import numpy as np
import pytest
import torch
from coral_pytorch.losses import corn_loss

from lag_zoo.errors import InvalidConfigError
from lag_zoo.specs import Task
from lag_zoo.tasks import TASKS, rules_of
from lag_zoo.training.losses import (
    LOSSES,
    label_loss,
    label_weights,
    labels_that_hold,
    loss_weight,
    mask_loss,
)


def test_each_task_has_a_loss() -> None:
    assert set(LOSSES) == set(TASKS) == set(get_args(Task))


def test_a_task_without_one_is_refused() -> None:
    logits, targets = torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64)
    for call in (
        lambda: label_loss(logits, targets, task="ranked"),  # type: ignore[arg-type]
        lambda: loss_weight(targets, task="ranked"),  # type: ignore[arg-type]
        lambda: label_weights(targets, labels=3, task="ranked"),  # type: ignore[arg-type]
        lambda: labels_that_hold(targets, labels=3, task="ranked"),  # type: ignore[arg-type]
    ):
        with pytest.raises(InvalidConfigError, match="no loss for the task 'ranked'"):
            call()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_exclusive_labels_have_torchs_weighted_cross_entropy(smoothing: float) -> None:
    logits, targets = torch.randn(6, 3), torch.tensor([0, 1, 2, 2, -1, 0])
    weights = torch.tensor([0.5, 2.0, 3.0])
    loss = label_loss(logits, targets, task="multiclass", weights=weights, smoothing=smoothing)
    known = targets >= 0
    each = torch.nn.functional.cross_entropy(
        logits[known], targets[known], reduction="none", label_smoothing=smoothing
    )
    wanted = (each * weights[targets[known]]).sum() / weights[targets[known]].sum()
    assert torch.isclose(loss / loss_weight(targets, task="multiclass", weights=weights), wanted)


def test_other_labels_have_torchs_binary_cross_entropy() -> None:
    logits, targets = torch.randn(4, 2), torch.tensor([[1, 0], [0, -1], [-1, -1], [1, 1]])
    weights, known = torch.tensor([2.0, 0.5]), targets >= 0
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, targets.clamp(min=0).float(), pos_weight=weights, weight=known.float(), reduction="sum"
    )
    loss = label_loss(logits, targets, task="multilabel", weights=weights)
    assert torch.isclose(loss, wanted)
    assert float(loss_weight(targets, task="multilabel", weights=weights)) == 5


class TestMasks:
    """The evidence at each position against the part of its cell that the mask covers, in plain torch."""

    masks = (torch.rand(3, 12, 12, generator=torch.Generator().manual_seed(0)) * 255).to(torch.uint8)

    def covered(self, frame: int) -> list[float]:
        cells = [self.masks[frame, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4] for y in range(3) for x in range(3)]
        shares = [float(cell.float().mean() / 255) for cell in cells]
        return [share / max(shares) for share in shares]

    def wanted(self, probabilities: torch.Tensor, pairs: list[tuple[int, int]]) -> float:
        """The mean over the positions of each pair of frame and label, summed over the pairs."""
        total = 0.0
        for frame, label in pairs:
            for position, share in enumerate(self.covered(frame)):
                p = probabilities[frame, position, label].double()
                total -= float(share * p.log() + (1 - share) * (1 - p).log()) / 9
        return total

    def test_exclusive_labels(self) -> None:
        scores, targets = torch.randn(3, 9, 4), torch.tensor([2, 0, -1])
        marked = labels_that_hold(targets, labels=4, task="multiclass")
        found = mask_loss(scores, self.masks, marked, task="multiclass")
        assert float(found) == pytest.approx(self.wanted(scores.softmax(-1), [(0, 2), (1, 0)]), rel=1e-4)

    def test_other_labels_that_hold(self) -> None:
        scores, targets = torch.randn(3, 9, 2), torch.tensor([[1, 1], [0, -1], [-1, 1]])
        marked = labels_that_hold(targets, labels=2, task="multilabel")
        found = mask_loss(scores, self.masks, marked, task="multilabel")
        assert float(found) == pytest.approx(
            self.wanted(scores.sigmoid(), [(0, 0), (0, 1), (2, 1)]), rel=1e-4
        )

    @pytest.mark.parametrize("gone", [False, True])
    def test_a_finding_smaller_than_a_cell_is_in_the_cell_and_one_out_of_view_nowhere(
        self, gone: bool
    ) -> None:
        masks = torch.zeros(1, 12, 12, dtype=torch.uint8)
        masks[0, 5, 6] = 0 if gone else 128
        scores = torch.zeros(1, 9, 2, requires_grad=True)
        mask_loss(scores, masks, torch.tensor([[False, True]]), task="multiclass").backward()
        assert scores.grad is not None
        wanted = [position == 4 and not gone for position in range(9)]
        assert (scores.grad[0, :, 1] < 0).tolist() == wanted, "more evidence there, less elsewhere"

    def test_frames_without_a_mask_have_no_gradient(self) -> None:
        scores = torch.randn(3, 9, 4, requires_grad=True)
        marked = labels_that_hold(torch.tensor([2, 0, 1]), labels=4, task="multiclass")
        mask_loss(
            scores, self.masks, marked & torch.tensor([[True], [False], [True]]), task="multiclass"
        ).backward()
        assert scores.grad is not None
        assert scores.grad.abs().sum((1, 2)).gt(0).tolist() == [True, False, True]
        assert scores.grad.isfinite().all()

    def test_scores_far_apart_stay_finite(self) -> None:
        scores = torch.tensor([[[500.0, -500.0, 0.0]]]).expand(3, 9, 3).clone().requires_grad_()
        loss = mask_loss(scores, self.masks, torch.ones(3, 3, dtype=torch.bool), task="multiclass")
        loss.backward()
        assert scores.grad is not None
        assert bool(loss.isfinite() and scores.grad.isfinite().all())

    def test_positions_that_are_no_square(self) -> None:
        with pytest.raises(InvalidConfigError, match="a square map; got 8 positions"):
            mask_loss(torch.zeros(3, 8, 2), self.masks, torch.ones(3, 2, dtype=torch.bool), task="multiclass")


@pytest.mark.parametrize("task", TASKS)
def test_evidence_is_that_of_the_rules(task: Task) -> None:
    """Log-odds of the claims, the same in torch as in NumPy."""
    scores = 5 * torch.randn(2, 9, 3, dtype=torch.float64)
    rules = TASKS[task]
    found = rules.evidence(scores.numpy())
    assert torch.allclose(torch.from_numpy(found), LOSSES[task].evidence(scores))
    claims = rules.claims(rules.probabilities(scores.numpy().reshape(-1, 3))).reshape(found.shape)
    for label in rules.numbers(3):
        claim = claims[..., label]
        assert np.allclose(found[..., label], np.log(claim) - np.log1p(-claim))


@pytest.mark.parametrize("seed", range(3))
def test_grades_have_the_loss_of_corn(seed: int) -> None:
    """The peer divides by the pairs of frame and grade that are asked, and this one by the frames."""
    torch.manual_seed(seed)
    logits, targets = torch.randn(20, 5) * 3, torch.randint(-1, 5, (20,))
    known = targets >= 0
    pairs = sum(int((targets[known] >= grade - 1).sum()) for grade in range(1, 5))
    wanted = corn_loss(logits[known, 1:], targets[known], num_classes=5) * pairs
    loss = label_loss(logits, targets, task="ordinal")
    assert torch.isclose(loss, wanted, rtol=1e-5)
    likely = rules_of("ordinal").log_likelihoods(logits.double().numpy(), targets.numpy())
    assert float(loss) == pytest.approx(-likely.sum(), rel=1e-5)
    assert float(loss_weight(targets, task="ordinal")) == int(known.sum())


def test_grades_weigh_as_their_frames_do_and_smoothing_draws_each_question_to_a_half() -> None:
    logits, targets = torch.randn(6, 3), torch.tensor([0, 1, 2, 2, -1, 0])
    weights = label_weights(targets, labels=3, task="ordinal")
    assert weights.tolist() == pytest.approx([5 / 6, 5 / 3, 5 / 6])
    each = [label_loss(logits[[i]], targets[[i]], task="ordinal") for i in range(6)]
    wanted = sum(weights[targets[i]] * each[i] for i in range(6) if targets[i] >= 0)
    assert torch.isclose(label_loss(logits, targets, task="ordinal", weights=weights), wanted)
    entropy = torch.nn.functional.binary_cross_entropy_with_logits
    soft = entropy(logits[0, 1], torch.tensor(0.05)) + 0 * logits.sum()  # the lowest grade has one question
    assert torch.isclose(label_loss(logits[[0]], targets[[0]], task="ordinal", smoothing=0.1), soft)


def test_a_mask_marks_all_grades_up_to_the_frames_but_the_lowest() -> None:
    held = labels_that_hold(torch.tensor([0, 1, 2, -1]), labels=3, task="ordinal")
    assert held.int().tolist() == [[0, 0, 0], [0, 1, 0], [0, 1, 1], [0, 0, 0]]


def test_evidence_of_certain_grades_has_finite_gradients() -> None:
    scores = torch.tensor([[[0.0, 200.0, 200.0], [0.0, -200.0, 200.0]]]).repeat(1, 2, 1).requires_grad_()
    loss = mask_loss(
        scores,
        torch.zeros(1, 4, 4, dtype=torch.uint8),
        torch.tensor([[False, True, True]]),
        task="ordinal",
    )
    loss.backward()
    assert scores.grad is not None
    assert bool(loss.isfinite())
    assert bool(scores.grad.isfinite().all())
    assert scores.grad[..., 1].abs().max() > 0
