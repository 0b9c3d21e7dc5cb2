"""Losses over micro-batches and processes that add up to the loss of one large batch, and leave out unknown labels.

A label loss is a sum of terms, each with a weight. The weights follow from the targets alone, so the sum is divided by
the weight of all frames of an update before any of them has been through the network.
"""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lag_zoo.errors import InvalidConfigError
from lag_zoo.specs import Task

_LEAST = 1e-6  # of 255; a mask that has left the view covers nothing


class LabelLoss(NamedTuple):
    """The losses of a task, as functions of targets (B,) or (B, C), and of scores.

    terms: of logits (B, C), targets, label weights (C,) or `None`, and label smoothing: the loss of each target.
    shares: of targets and label weights: the weight of each target, 0 where it is unknown.
    balance: of targets and the number of labels: the label weights (C,) with which each label counts alike.
    holds: of targets and the number of labels: which labels are known to hold (B, C), bool.
    evidence: of scores (..., C): the log-odds of each label, as `lag_zoo.tasks.TaskRules.evidence`.
    """

    terms: Callable[[Tensor, Tensor, Tensor | None, float], Tensor]
    shares: Callable[[Tensor, Tensor | None], Tensor]
    balance: Callable[[Tensor, int], Tensor]
    holds: Callable[[Tensor, int], Tensor]
    evidence: Callable[[Tensor], Tensor]


def _exclusive_terms(logits: Tensor, targets: Tensor, weights: Tensor | None, smoothing: float) -> Tensor:
    return F.cross_entropy(logits, targets.clamp(min=0), reduction="none", label_smoothing=smoothing)


def _exclusive_shares(targets: Tensor, weights: Tensor | None) -> Tensor:
    known = targets >= 0
    return known.float() if weights is None else weights[targets.clamp(min=0)] * known


def _exclusive_balance(targets: Tensor, labels: int) -> Tensor:
    counts = torch.bincount(targets[targets >= 0], minlength=labels).clamp(min=1)
    return (targets >= 0).sum() / (labels * counts)


def _exclusive_holds(targets: Tensor, labels: int) -> Tensor:
    return targets[:, None] == torch.arange(labels, device=targets.device)


def _exclusive_evidence(scores: Tensor) -> Tensor:
    own = torch.eye(scores.shape[-1], dtype=torch.bool, device=scores.device)
    return scores - scores[..., None, :].masked_fill(own, -torch.inf).logsumexp(-1)


def _graded_terms(logits: Tensor, targets: Tensor, weights: Tensor | None, smoothing: float) -> Tensor:
    grades = torch.arange(1, logits.shape[1], device=logits.device)
    asked, reached = (targets[:, None] >= grades - below for below in (1, 0))
    soft = torch.lerp(reached.to(logits.dtype), torch.full_like(logits[:, 1:], 0.5), smoothing)
    terms = F.binary_cross_entropy_with_logits(logits[:, 1:], soft, reduction="none")
    return (terms * asked).sum(1)


def _graded_holds(targets: Tensor, labels: int) -> Tensor:
    grades = torch.arange(labels, device=targets.device)
    return (targets[:, None] >= grades) & (grades > 0)


def _graded_evidence(scores: Tensor) -> Tensor:
    of_next, zero = scores[..., 1:], scores.new_zeros((*scores.shape[:-1], 1))
    reached = F.logsigmoid(of_next).cumsum(-1)
    lower = torch.cat([zero, reached[..., :-1]], dim=-1) + F.logsigmoid(
        -of_next
    )  # each grade but the highest
    odds = reached - lower.logcumsumexp(-1)
    return torch.cat([-odds[..., :1], odds], dim=-1)


def _separate_terms(logits: Tensor, targets: Tensor, weights: Tensor | None, smoothing: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(
        logits, targets.clamp(min=0).float(), reduction="none", pos_weight=weights
    )


def _separate_shares(targets: Tensor, weights: Tensor | None) -> Tensor:
    return (targets >= 0).float()  # the weights are those of positive targets, and in the terms


def _separate_balance(targets: Tensor, labels: int) -> Tensor:
    positive, negative = (targets == 1).sum(0), (targets == 0).sum(0)
    return negative.clamp(min=1) / positive.clamp(min=1)


def _separate_holds(targets: Tensor, labels: int) -> Tensor:
    return targets == 1


def _separate_evidence(scores: Tensor) -> Tensor:
    return scores


LOSSES: Mapping[Task, LabelLoss] = {
    "multiclass": LabelLoss(
        _exclusive_terms, _exclusive_shares, _exclusive_balance, _exclusive_holds, _exclusive_evidence
    ),
    "multilabel": LabelLoss(
        _separate_terms, _separate_shares, _separate_balance, _separate_holds, _separate_evidence
    ),
    "ordinal": LabelLoss(
        _graded_terms, _exclusive_shares, _exclusive_balance, _graded_holds, _graded_evidence
    ),
}
"""The label loss of each task: cross-entropy of exclusive labels, binary cross-entropy of each label for itself; of
grades CORN's, the binary cross-entropy of "at least this one" over the grades up to the one above the frame's. That sum
is minus the log of the grade's probability, so each frame counts alike, and CORN's mean over pairs of frame and grade
differs by a factor. Weights are those of the frame's grade; smoothing draws each of its questions towards a half."""


def loss_of(task: Task) -> LabelLoss:
    """Return the label loss of a task.

    Raises:
        InvalidConfigError: a task without a loss.
    """
    if task not in LOSSES:
        raise InvalidConfigError(f"no loss for the task {task!r}; there are losses for {', '.join(LOSSES)}")
    return LOSSES[task]


def label_loss(
    logits: Tensor, targets: Tensor, *, task: Task, weights: Tensor | None = None, smoothing: float = 0.0
) -> Tensor:
    """Sum the loss over the known targets of a batch, shape (); divided by `loss_weight` it is their mean.

    Args:
        logits: (B, C).
        targets: (B,) int64, or (B, C) of 0, 1 and -1 (unknown).
        weights: (C,) of the labels; where labels do not exclude each other, of their positive frames.
        smoothing: of exclusive labels, and of each question about grades; others have none.

    Raises:
        InvalidConfigError: a task without a loss.

    >>> logits, targets = torch.zeros(2, 2), torch.tensor([[1, -1], [0, -1]])
    >>> float(label_loss(logits, targets, task="multilabel") / loss_weight(targets, task="multilabel"))
    0.6931471824645996
    """
    loss = loss_of(task)
    return (loss.terms(logits.float(), targets, weights, smoothing) * loss.shares(targets, weights)).sum()


def loss_weight(targets: Tensor, *, task: Task, weights: Tensor | None = None) -> Tensor:
    """Sum the weights of the known targets of a batch, shape (); arguments as in `label_loss`.

    >>> float(loss_weight(torch.tensor([0, 1, -1]), task="multiclass", weights=torch.tensor([0.5, 2.0])))
    2.5
    """
    return loss_of(task).shares(targets, weights).sum()


def label_weights(targets: Tensor, *, labels: int, task: Task) -> Tensor:
    """Weigh labels so that each counts alike, (C,): n / (C n_c) of exclusive ones, else negatives over positives.

    >>> label_weights(torch.tensor([0, 0, 0, 1]), labels=2, task="multiclass")
    tensor([0.6667, 2.0000])
    """
    return loss_of(task).balance(targets, labels)


def labels_that_hold(targets: Tensor, *, labels: int, task: Task) -> Tensor:
    """Tell which labels are known to hold, (B, C) bool; of grades all up to the frame's, but the lowest.

    >>> labels_that_hold(torch.tensor([1, -1]), labels=2, task="multiclass").tolist()
    [[False, True], [False, False]]
    """
    return loss_of(task).holds(targets, labels)


def mask_loss(scores: Tensor, masks: Tensor, marked: Tensor, *, task: Task) -> Tensor:
    """Sum the loss of the evidence for labels at each position of the map against masks, shape ().

    It is the binary cross-entropy between the evidence, as log-odds, and the part of the position's cell that the mask
    covers, averaged over the positions. The cell that is covered most counts as covered whole: a finding smaller than
    a cell is seen there all the same. Divided by `marked.sum()` it is the mean over labels with a mask.

    Args:
        scores: of each label at each position of a square map (B, P, C), row by row.
        masks: (B, G, G) uint8, 255 where all of a pixel is marked.
        marked: which labels the mask of a frame marks (B, C), bool.

    Raises:
        InvalidConfigError: a task without a loss, or positions that are no square.

    >>> scores, masks = torch.zeros(1, 4, 2), torch.zeros(1, 8, 8, dtype=torch.uint8)
    >>> float(mask_loss(scores, masks, torch.tensor([[True, False]]), task="multiclass"))
    0.6931471824645996
    """
    side = math.isqrt(scores.shape[1])
    if side * side != scores.shape[1]:
        raise InvalidConfigError(f"masks need scores on a square map; got {scores.shape[1]} positions")
    covered = F.adaptive_avg_pool2d(masks[:, None].float(), side).flatten(1)
    covered = covered / covered.amax(1, keepdim=True).clamp(min=_LEAST)
    evidence = loss_of(task).evidence(scores.float())
    terms = F.binary_cross_entropy_with_logits(
        evidence, covered[..., None].expand_as(evidence), reduction="none"
    )
    return (terms.mean(1) * marked).sum()


def alignment_loss(features: Tensor, modalities: Tensor) -> Tensor:
    """Measure how far the modalities of a batch lie apart, shape (): means and covariances, squared, by pairs.

    The covariance term is CORAL's (Sun & Saenko, Deep CORAL, 2016, https://arxiv.org/abs/1607.01719).

    Args:
        features: (B, F).
        modalities: (B,) int64, a number for each modality; -1 (not known) is left out.

    >>> alignment_loss(torch.ones(4, 3), torch.tensor([0, 0, 1, 1]))
    tensor(0.)
    """
    features = features.float()
    groups = [features[modalities == number] for number in set(modalities[modalities >= 0].tolist())]
    groups = [group for group in groups if len(group) > 1]
    total = features.new_zeros(())
    for number, one in enumerate(groups):
        for other in groups[number + 1 :]:
            total = total + _distance(one, other)
    return total


def _distance(one: Tensor, other: Tensor) -> Tensor:
    size = one.shape[1]
    means = (one.mean(0) - other.mean(0)).square().sum() / size
    return means + (one.T.cov() - other.T.cov()).square().sum() / (4 * size * size)
