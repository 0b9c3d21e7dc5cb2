"""The length of a run: its stages in epochs, steps and validation batches, by which progress is counted."""

import math
from typing import NamedTuple

from lag_zoo.data.manifest import Manifest
from lag_zoo.training.batches import stage_frames
from lag_zoo.training.recipe import Recipe, Stage


class StagePlan(NamedTuple):
    """A stage, the epochs before it, and an epoch's steps and validation batches."""

    stage: Stage
    first: int
    steps: int
    checks: int

    @property
    def epoch_units(self) -> int:
        """The units of one epoch in the run's progress."""
        return self.steps + self.checks

    @property
    def units(self) -> int:
        """The units of the stage."""
        return self.stage.epochs * self.epoch_units

    def done(self, epoch: int, step: int) -> int:
        """The units before this step of this epoch of the run."""
        return (epoch - self.first) * self.epoch_units + step


def planned(recipe: Recipe, manifest: Manifest, *, processes: int = 1) -> list[StagePlan]:
    """The stages of a run.

    Raises:
        DataError: a stage has no frames to train on or to validate on; see `stage_frames`.
    """
    found, first = [], 0
    for stage in recipe.stages:
        train, val = (len(stage_frames(manifest, split, stage)) for split in ("train", "val"))
        checks = math.ceil(math.ceil(val / processes) / recipe.batch_size)
        found.append(StagePlan(stage, first, train // min(recipe.batch_size, train), checks))
        first += stage.epochs
    return found
