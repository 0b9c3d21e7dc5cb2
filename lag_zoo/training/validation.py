"""Validation: a network on the validation frames, and what it is worth on them with its crops and without."""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from lag_zoo.data.workers import as_raised
from lag_zoo.listener import Advance
from lag_zoo.metrics.ranking import auroc
from lag_zoo.nn import LAG
from lag_zoo.nn.modes import evaluating
from lag_zoo.specs import Task
from lag_zoo.tasks import rules_of
from lag_zoo.training.batches import Batch, in_order, make_loader
from lag_zoo.training.job import Job
from lag_zoo.training.losses import label_loss, loss_weight
from lag_zoo.training.recipe import Stage
from lag_zoo.training.stage_frames import stage_frames
from lag_zoo.training.training_model import TrainingModel
from lag_zoo.views import ViewSampler, ViewTransform


class ValidationLogits(NamedTuple):
    """Logits with crops and of the global path alone (n, C) each, and the numbers of the validation frames (n,)."""

    logits: Tensor
    global_logits: Tensor
    numbers: Tensor


def mean_auroc(logits: np.ndarray, targets: np.ndarray, *, task: Task) -> float:
    """Return the mean AUROC over the labels that have frames with and without them; NaN where none has.

    Of grades it is that of "at least this one".

    Args:
        logits: (n, C).
        targets: (n,) of exclusive labels, or (n, C) of 0, 1 and -1 (unknown).

    >>> mean_auroc(np.array([[0.0, 1.0], [0.0, 3.0], [0.0, 2.0]]), np.array([0, 1, 1]), task="multiclass")
    1.0
    """
    rules = rules_of(task)
    claims = rules.claims(rules.probabilities(logits))
    labels = rules.numbers(logits.shape[1])
    areas = []
    for label in (
        labels[:1] if rules.exclusive and logits.shape[1] == 2 else labels
    ):  # of two, one is the other's
        known = rules.known(targets, label)
        truth = rules.truth(targets, label)[known]
        if truth.any() and not truth.all():
            areas.append(auroc(claims[known, label], truth))
    return float(np.mean(areas)) if areas else float("nan")


def validation_loader(job: Job, model: LAG, stage: Stage) -> DataLoader[Batch]:
    """Load this process's share of a stage's validation frames, with the views that prediction uses."""
    sampler = ViewSampler.from_config(model.config, with_crops=stage.crops, with_coverage=False)
    batches = in_order(
        stage_frames(job.manifest, "val", stage), job.recipe.batch_size, rank=job.rank, world=job.processes
    )
    return make_loader(job.source(ViewTransform(sampler)), batches, min(job.recipe.workers, 1))


@torch.no_grad()
def validation_logits(
    model: LAG, loader: DataLoader[Batch], job: Job, *, crops: bool, advance: Advance
) -> ValidationLogits:
    """Run a network on the validation frames of all processes; its modules keep their modes.

    Args:
        advance: called after each batch.
    """
    network = TrainingModel(model)
    parts: list[ValidationLogits] = []
    with evaluating(model):
        for views, numbers in as_raised(loader):
            kept = torch.arange(len(numbers), device=job.device) if crops else None
            output = network(views.to(job.device), kept)
            parts.append(
                ValidationLogits(output.logits.float().cpu(), output.global_logits.float().cpu(), numbers)
            )
            advance(1)
    return ValidationLogits(*map(torch.cat, zip(*job.gathered(parts), strict=True)))


def validation_measures(found: ValidationLogits, job: Job, *, crops: bool) -> dict[str, float | None]:
    """Measure loss and AUROC on the validation frames, with crops and without; `None` where there is no number."""
    task, targets = job.manifest.task, job.targets.cpu()[found.numbers]
    loss, weight = label_loss(found.logits, targets, task=task), loss_weight(targets, task=task)

    def area(logits: Tensor) -> float | None:
        if not logits.isfinite().all():  # of a network that diverges, as its loss shows
            return None
        value = mean_auroc(logits.double().numpy(), targets.numpy(), task=task)
        return value if math.isfinite(value) else None

    return {
        "val_loss": float(loss / weight.clamp(min=1)),
        "val_auroc": area(found.logits),
        "val_auroc_without_crops": area(found.global_logits) if crops else None,
    }
