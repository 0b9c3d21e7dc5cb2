"""The forecast of a run: how long it will take, said before its first step.

Steps are timed on a copy of the network, on a few of the run's frames, read as training reads them. The run itself is
untouched: its weights, its random numbers, and so its results are the same, bit for bit, with a forecast or without.
"""

import copy
import os
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch.utils.data import default_collate

from lag_zoo.nn import LAG
from lag_zoo.nn.modes import evaluating
from lag_zoo.training.batches import kept_crops
from lag_zoo.training.groups import freeze_norms, make_optimizer, set_trainable
from lag_zoo.training.job import Job
from lag_zoo.training.recipe import Stage
from lag_zoo.training.stage_frames import stage_frames
from lag_zoo.training.step import stage_transform
from lag_zoo.training.training_model import TrainingModel
from lag_zoo.training.training_views import training_set
from lag_zoo.views import Views

WORTH = 0.1  # share of a run that its forecast may cost
_COST = 3  # steps that are as long as the forecast of a stage
_READ = 4  # frames that are read for it


class Pace(NamedTuple):
    """Seconds for a step of training, and for a batch of validation."""

    step: float
    validation: float


def forecast(model: LAG, job: Job, *, done: int = 0) -> float | None:
    """Estimate the seconds that a run will take; the machine is taken to stay as busy as it is.

    Args:
        model: the network at its start, which is copied.
        done: epochs that are done already.

    Returns:
        `None` of a run that is over, or so short that a forecast would lengthen it by more than 10%, and of a network
        that is compiled, whose steps cannot be timed before.
    """
    left = {part: part.end - max(part.first, done) for part in job.plan if part.end > done}
    stages = {_kind(part.stage): part.stage for part in left}
    steps = sum(part.steps * epochs for part, epochs in left.items())
    if job.recipe.compile or not left or _COST * len(stages) > WORTH * steps:
        return None
    gpus = [torch.cuda.current_device()] if job.device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus):
        paces = {kind: _pace(model, job, stage) for kind, stage in stages.items()}
    seconds = 0.0
    for part, epochs in left.items():
        pace = paces[_kind(part.stage)]
        seconds += epochs * (part.steps * pace.step + part.val_batches * pace.validation)
    return seconds + part.val_batches * pace.validation  # the last: for calibration


def _kind(stage: Stage) -> tuple[bool, str]:
    """Return the parts of a stage that the time of a step depends on."""
    return stage.crops, stage.train


def _pace(model: LAG, job: Job, stage: Stage) -> Pace:
    """Time a step and a validation batch of a stage."""
    views, reading = _read(model, job, stage)
    size = -(-job.recipe.batch_size // job.processes)
    places = torch.arange(size) % len(views.inside)
    batch = Views(*(part[places] for part in views)).to(job.device)
    trial = _Trial(model, job, stage)
    trial.step(batch)  # the first one takes longer
    step, validation = (_seconds(partial(do, batch), job.device) for do in (trial.step, trial.validate))
    workers = job.recipe.workers
    return Pace(
        _together(step, reading * size, workers=workers, job=job),
        _together(validation, reading * size, workers=min(workers, 1), job=job),
    )


def _read(model: LAG, job: Job, stage: Stage) -> tuple[Views, float]:
    """Read a few frames as training does: their views, batched, and the seconds for one frame."""
    dataset = training_set(job.source, stage_transform(model, stage, job.recipe), job.recipe, job.masks)
    numbers = stage_frames(job.manifest, "train", stage)
    chosen = numbers[:: max(1, len(numbers) // _READ)][:_READ].tolist()
    dataset[chosen[0]]  # the first one takes longer
    begun = time.perf_counter()
    read = [dataset[number][0] for number in chosen]
    seconds = time.perf_counter() - begun
    return default_collate(read), seconds / len(chosen)


class _Trial:
    """A copy of the network, to be trained for two steps and thrown away."""

    def __init__(self, model: LAG, job: Job, stage: Stage) -> None:
        self.job, self.stage = job, stage
        copied = copy.deepcopy(model)
        set_trainable(copied, stage)
        self.network = TrainingModel(copied).to(job.device).to(memory_format=torch.channels_last)
        self.optimizer = make_optimizer(copied, job.recipe, stage)

    def step(self, views: Views) -> None:
        self.network.train()
        if self.job.recipe.freeze_norm or self.stage.train == "head":
            freeze_norms(self.network.lag)
        kept = kept_crops(len(views.inside), self.job.recipe.crop_drop).to(self.job.device)
        with self.job.accelerator.autocast():
            output = self.network(views, kept if self.stage.crops else None)
        (output.logits + output.global_logits).float().square().mean().backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    @torch.no_grad()
    def validate(self, views: Views) -> None:
        kept = torch.arange(len(views.inside), device=self.job.device)
        with evaluating(self.network):
            self.network(views, kept if self.stage.crops else None)


def _seconds(do: Callable[[], None], device: torch.device) -> float:
    """Time a call, with all that it leaves to a GPU."""
    begun = time.perf_counter()
    do()
    if device.type != "cpu":
        torch.accelerator.synchronize()
    return time.perf_counter() - begun


def _together(network: float, reading: float, *, workers: int, job: Job) -> float:
    """Seconds for a batch whose frames are read by workers while the network has the batch before.

    On the CPU they share the cores: the network uses all that torch was given, each worker one.
    """
    if not workers:
        return network + reading
    cores = max(1.0, (os.cpu_count() or 1) / job.processes)
    threads = min(torch.get_num_threads(), cores) if job.device.type == "cpu" else 0
    return max(network, reading / workers, (network * threads + reading) / cores)
