"""Losses that know what is unknown, and that add up over batches and processes to what one large batch would give.

Each gives a sum and a weight; the loss is the sum over all processes divided by the weight over all processes.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lag_zoo.specs import Task


class Summed(NamedTuple):
    """A loss before it is divided: both of shape ()."""

    total: Tensor
    weight: Tensor


def label_loss(
    logits: Tensor,
    targets: Tensor,
    *,
    task: Task,
    weights: Tensor | None = None,
    smoothing: float = 0.0,
) -> Summed:
    """Cross-entropy of exclusive labels; binary cross-entropy of others, where unknown ones (-1) count for nothing.

    Args:
        logits: (B, C).
        targets: (B,) int64, or (B, C) of 0, 1 and -1.
        weights: (C,) of each label; of labels that are not exclusive, of its positive frames.
        smoothing: of exclusive labels.

    >>> logits = torch.tensor([[0.0, 0.0], [0.0, 0.0]])
    >>> loss = label_loss(logits, torch.tensor([[1, -1], [0, -1]]), task="multilabel")
    >>> round(float(loss.total / loss.weight), 4), float(loss.weight)
    (0.6931, 2.0)
    """
    logits = logits.float()
    if task == "multiclass":
        known = targets >= 0
        share = torch.ones_like(logits[:, 0]) if weights is None else weights[targets.clamp(min=0)]
        each = F.cross_entropy(logits, targets.clamp(min=0), reduction="none", label_smoothing=smoothing)
    else:
        known = targets >= 0
        each = F.binary_cross_entropy_with_logits(
            logits, targets.clamp(min=0).float(), reduction="none", pos_weight=weights
        )
        share = torch.ones_like(each)
    share = share * known
    return Summed((each * share).sum(), share.sum())


def label_weights(targets: Tensor, *, labels: int, task: Task) -> Tensor:
    """What makes each label count alike, (C,): n / (C n_c) of exclusive ones; of others negatives over positives.

    >>> label_weights(torch.tensor([0, 0, 0, 1]), labels=2, task="multiclass")
    tensor([0.6667, 2.0000])
    """
    if task == "multiclass":
        counts = torch.bincount(targets[targets >= 0], minlength=labels).clamp(min=1)
        return (targets >= 0).sum() / (labels * counts)
    positive, negative = (targets == 1).sum(0), (targets == 0).sum(0)
    return negative.clamp(min=1) / positive.clamp(min=1)


def alignment_loss(features: Tensor, modalities: Tensor) -> Tensor:
    """How far the modalities of a batch lie apart, shape (): squared distance of means and covariances, by pairs.

    The covariance term is CORAL's (Sun & Saenko, Deep CORAL, 2016, https://arxiv.org/abs/1607.01719).

    Args:
        features: (B, F).
        modalities: (B,) int64, a number for each modality; -1: not known, and left out.

    >>> alignment_loss(torch.ones(4, 3), torch.tensor([0, 0, 1, 1]))
    tensor(0.)
    """
    features = features.float()
    parts = [features[modalities == number] for number in set(modalities[modalities >= 0].tolist())]
    parts = [part for part in parts if len(part) > 1]
    found = features.new_zeros(())
    for number, one in enumerate(parts):
        for other in parts[number + 1 :]:
            found = found + _apart(one, other)
    return found


def _apart(one: Tensor, other: Tensor) -> Tensor:
    size = one.shape[1]
    means = (one.mean(0) - other.mean(0)).square().sum() / size
    return means + (one.T.cov() - other.T.cov()).square().sum() / (4 * size * size)
