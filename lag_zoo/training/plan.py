"""The length of a run: its stages in epochs, steps and validation batches, by which progress is counted."""

import math
from typing import NamedTuple

from lag_zoo.data.manifest import Manifest
from lag_zoo.training.recipe import Recipe, Stage
from lag_zoo.training.stage_frames import stage_frames


class StagePlan(NamedTuple):
    """A stage by its number, the epochs before it, and an epoch's steps and validation batches."""

    number: int
    stage: Stage
    first: int
    steps: int
    val_batches: int

    @property
    def end(self) -> int:
        """The epochs of the run up to the end of the stage."""
        return self.first + self.stage.epochs

    @property
    def epoch_units(self) -> int:
        """The units of one epoch in the run's progress."""
        return self.steps + self.val_batches

    @property
    def units(self) -> int:
        """The units of the stage."""
        return self.stage.epochs * self.epoch_units

    def units_before(self, epoch: int, step: int) -> int:
        """Count the units of the stage before a step of an epoch of the run."""
        return (epoch - self.first) * self.epoch_units + step


def plan_stages(recipe: Recipe, manifest: Manifest, *, processes: int = 1) -> list[StagePlan]:
    """Plan the stages of a run.

    Raises:
        DataError: a stage has no frames to train on or to validate on; see `stage_frames`.
    """
    plan, first = [], 0
    for number, stage in enumerate(recipe.stages):
        train, val = (len(stage_frames(manifest, split, stage)) for split in ("train", "val"))
        val_batches = math.ceil(math.ceil(val / processes) / recipe.batch_size)
        plan.append(StagePlan(number, stage, first, train // min(recipe.batch_size, train), val_batches))
        first += stage.epochs
    return plan
