"""Each task has a loss, and a task without one is an error."""

from typing import get_args

import pytest
import torch

from lag_zoo.errors import InvalidConfigError
from lag_zoo.specs import Task
from lag_zoo.tasks import TASKS
from lag_zoo.training.losses import LOSSES, label_loss, label_weights, loss_weight


def test_each_task_has_a_loss() -> None:
    assert set(LOSSES) == set(TASKS) == set(get_args(Task))


def test_a_task_without_one_is_refused() -> None:
    logits, targets = torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64)
    for call in (
        lambda: label_loss(logits, targets, task="ordinal"),  # type: ignore[arg-type]
        lambda: loss_weight(targets, task="ordinal"),  # type: ignore[arg-type]
        lambda: label_weights(targets, labels=3, task="ordinal"),  # type: ignore[arg-type]
    ):
        with pytest.raises(InvalidConfigError, match="no loss for the task 'ordinal'"):
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
