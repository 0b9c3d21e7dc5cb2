"""The steps of a stage: gradients, and every few steps an update of the weights and of their average."""

import contextlib
import math
from collections.abc import Iterator, Mapping
from typing import Any

import timm.scheduler
import torch
from timm.utils import ModelEmaV3
from torch import Tensor

from lag_zoo.data.workers import as_raised
from lag_zoo.nn import LAG
from lag_zoo.training.batches import (
    Batch,
    EpochBatches,
    drawing_weights,
    kept_crops,
    make_loader,
)
from lag_zoo.training.groups import freeze_norms, make_optimizer
from lag_zoo.training.job import Job
from lag_zoo.training.objective import Objective
from lag_zoo.training.plan import StagePlan
from lag_zoo.training.recipe import Recipe, Stage
from lag_zoo.training.stage_frames import stage_frames
from lag_zoo.training.training_model import TrainingModel
from lag_zoo.training.training_views import training_set
from lag_zoo.views import ViewSampler, ViewTransform


class StageSteps:
    """Takes the steps of one stage.

    Args:
        model: the network; what the stage does not train is frozen already.
        job: of the run.
        part: the stage.
        average: of the weights, which each update moves on; `None`: there is none.
    """

    def __init__(self, model: TrainingModel, job: Job, part: StagePlan, average: ModelEmaV3 | None) -> None:
        self.model, self.job, self.part, self.average = model, job, part, average
        frames = stage_frames(job.manifest, "train", part.stage)
        self.batches = EpochBatches(
            frames,
            frames=len(job.manifest),
            size=job.recipe.batch_size,
            seed=job.recipe.seed,
            weights=drawing_weights(job.manifest, frames, job.recipe),
            rank=job.rank,
            world=job.processes,
        )
        transform = stage_transform(model.lag, part.stage, job.recipe)
        self.dataset = training_set(job.source, transform, job.recipe, job.masks)
        self.loader = make_loader(self.dataset, self.batches, job.recipe.workers)
        self.objective = Objective(job, part.stage, torch.from_numpy(frames))
        optimizer = make_optimizer(model.lag, job.recipe, part.stage)
        self.updates = math.ceil(self.batches.steps / job.recipe.accumulate)  # an epoch
        self.schedule = _schedule(optimizer, part.stage.epochs * self.updates, warmup=job.recipe.warmup)
        self.network, self.optimizer = job.accelerator.prepare(model, optimizer)
        self.loss_sum = torch.zeros((), device=job.device)  # of this process, in the epoch so far
        self.loss_count = 0  # updates

    def of_epoch(self, epoch: int, first: int) -> Iterator[bool]:
        """Take the steps of an epoch from `first` on; after each, true where it has moved the weights."""
        self.dataset.set_epoch(epoch)
        self.batches.begin(epoch, first)
        self.network.train()
        if self.job.recipe.freeze_norm or self.part.stage.train == "head":
            freeze_norms(self.model.lag)
        for step, parts in enumerate(as_raised(self.loader), start=first):
            yield self._take(Batch(*parts), step)

    def _take(self, batch: Batch, step: int) -> bool:
        """Take a step; true where it has moved the weights.

        The last steps of an epoch move them however few they are: no gradient outlives a checkpoint.
        """
        accumulate = self.job.recipe.accumulate
        moves = (step + 1) % accumulate == 0 or step == self.batches.steps - 1
        update = (self.batches.epoch - self.part.first) * self.updates + step // accumulate
        self.schedule.step_update(update)
        with contextlib.nullcontext() if moves else self.job.accelerator.no_sync(self.network):
            self._add_gradients(batch, step // accumulate * accumulate)
        if moves:
            self._move(update)
        return moves

    def _add_gradients(self, batch: Batch, first: int) -> None:
        """Add the gradients of a micro-batch of the update that begins with the step `first`."""
        job, recipe = self.job, self.job.recipe
        numbers, views = batch.numbers.to(job.device), batch.views.to(job.device)
        masks = None if batch.masks is None else batch.masks.to(job.device)
        kept = None
        if self.part.stage.crops:
            kept = kept_crops(len(numbers), recipe.crop_drop).to(job.device)
        with job.accelerator.autocast():
            output = self.network(views, kept)
        update = torch.from_numpy(self.batches.order[first : first + recipe.accumulate])
        loss = self.objective(output, numbers, update, masks)
        self.loss_sum = self.loss_sum + loss.detach()
        # The processes' gradients are averaged where their sum is wanted.
        job.accelerator.backward(loss * job.processes)

    def _move(self, update: int) -> None:
        self.job.accelerator.clip_grad_norm_(self.network.parameters(), self.job.recipe.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.loss_count += 1
        if self.average is not None:
            self.average.update(self.model.lag, step=update + 1)  # timm counts from 1

    @property
    def learning_rate(self) -> float:
        """The highest of the parameter groups."""
        return float(max(group["lr"] for group in self.optimizer.param_groups))

    def mean_loss(self) -> float:
        """Return the mean loss of the epoch's updates so far; all processes have to ask for it."""
        return float(self.job.sum_over_processes(self.loss_sum) / max(self.loss_count, 1))

    def forget_loss(self) -> None:
        """Begin the mean loss of another epoch."""
        self.loss_sum, self.loss_count = torch.zeros_like(self.loss_sum), 0

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps: the optimiser, the scale of half precision, and the loss of the epoch."""
        scaler = self.job.accelerator.scaler
        return {
            "optimizer": self.optimizer.state_dict(),
            "scaler": None if scaler is None else scaler.state_dict(),
            "loss": [float(self.loss_sum), self.loss_count],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what a checkpoint kept.

        Raises:
            ValueError: the optimiser's state is of another network; what torch raises passes through.
        """
        self.optimizer.load_state_dict(state["optimizer"])
        for parameter, kept in self.optimizer.state.items():  # torch looks at their number alone
            shapes = [value.shape for value in kept.values() if isinstance(value, Tensor)]
            if any(shape not in (parameter.shape, ()) for shape in shapes):
                raise ValueError(f"the optimiser has {shapes} for a parameter of {tuple(parameter.shape)}")
        if state["scaler"] is not None and self.job.accelerator.scaler is not None:
            self.job.accelerator.scaler.load_state_dict(state["scaler"])
        total, self.loss_count = state["loss"]
        self.loss_sum = torch.tensor(total, device=self.job.device)


def stage_transform(model: LAG, stage: Stage, recipe: Recipe) -> ViewTransform:
    """Make the transform of a stage: frames to views with crops at random, flipped and turned."""
    sampler = ViewSampler.from_config(
        model.config, policy="random", seed=recipe.seed, with_crops=stage.crops, with_coverage=False
    )
    return ViewTransform(sampler, training=True)


def _schedule(
    optimizer: torch.optim.Optimizer, updates: int, *, warmup: float
) -> timm.scheduler.CosineLRScheduler:
    """A rate that rises, then falls along a cosine until the last update; it is set before each."""
    return timm.scheduler.CosineLRScheduler(
        optimizer, t_initial=updates, warmup_t=round(warmup * updates), warmup_prefix=False, t_in_epochs=False
    )
