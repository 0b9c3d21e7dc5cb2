"""The objective of a stage: what each micro-batch adds to the loss of one update of the weights."""

import torch
from torch import Tensor

from lag_zoo.training.job import Job
from lag_zoo.training.losses import (
    alignment_loss,
    label_loss,
    label_weights,
    labels_that_hold,
    loss_weight,
    mask_loss,
)
from lag_zoo.training.recipe import Stage
from lag_zoo.training.training_model import TrainingOutput


class Objective:
    """Gives the share of a micro-batch in the loss of its update.

    The loss of an update is that of one large batch, however many micro-batches and processes share it: the label loss
    is divided by the weight of all its frames together, and the loss of the masks by the number of labels that masks
    mark in all of them. Only the alignment of modalities compares the frames of one micro-batch; it is averaged over
    them.

    Args:
        frames: numbers of the frames that the stage trains on (n,), whose labels are balanced.
    """

    def __init__(self, job: Job, stage: Stage, frames: Tensor) -> None:
        self.job, self.stage = job, stage
        self.label_weights: Tensor | None = None
        if job.recipe.balance == "weights":
            labels = len(job.manifest.label_names)
            targets = job.targets[frames.to(job.device)]
            self.label_weights = label_weights(targets, labels=labels, task=job.manifest.task).to(job.device)

    def __call__(
        self, output: TrainingOutput, numbers: Tensor, update: Tensor, masks: Tensor | None = None
    ) -> Tensor:
        """Return the share of a micro-batch, shape (); those of all micro-batches and processes are to be added up.

        Args:
            output: for the frames of the micro-batch in this process (B).
            numbers: of these frames (B,).
            update: numbers of the frames of the whole update, (micro-batches, frames over all processes).
            masks: of the frames (B, G, G), where some have one; the network then gives scores at positions.
        """
        whole = self._weight(update)
        loss = self._label_loss(output.logits, numbers) / whole
        if self.stage.crops and self.job.recipe.global_loss:
            loss = loss + self.job.recipe.global_loss * (
                self._label_loss(output.global_logits, numbers) / whole
            )
        if self.stage.alignment:
            apart = alignment_loss(output.global_features, self.job.modalities[numbers])
            loss = loss + self.stage.alignment * apart / (len(update) * self.job.processes)
        if masks is not None and output.position_scores is not None:
            of_masks = mask_loss(
                output.position_scores, masks, self._marked(numbers), task=self.job.manifest.task
            )
            marked = self._marked(update.flatten().to(self.job.device)).sum().clamp(min=1)
            loss = loss + self.job.recipe.mask_loss * of_masks / marked
        return loss

    def _label_loss(self, logits: Tensor, numbers: Tensor) -> Tensor:
        return label_loss(
            logits,
            self.job.targets[numbers],
            task=self.job.manifest.task,
            weights=self.label_weights,
            smoothing=self.job.recipe.label_smoothing,
        )

    def _marked(self, numbers: Tensor) -> Tensor:
        """The labels that the masks of frames mark, as (B, C) bool: all that hold, of a frame that has a mask."""
        labels, task = len(self.job.manifest.label_names), self.job.manifest.task
        holds = labels_that_hold(self.job.targets[numbers], labels=labels, task=task)
        return holds & self.job.marked[numbers, None]

    def _weight(self, update: Tensor) -> Tensor:
        """The weight of the frames of an update; 1 where nothing is known of any of them."""
        targets = self.job.targets[update.flatten().to(self.job.device)]
        weight = loss_weight(targets, task=self.job.manifest.task, weights=self.label_weights)
        return torch.where(weight > 0, weight, 1.0)
