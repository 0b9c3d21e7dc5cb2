"""Parts of a run, without a run: a job, and the gradients of a stage's updates."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from lag_zoo.data.manifest import Manifest
from lag_zoo.listener import Listener
from lag_zoo.nn import LAG
from lag_zoo.training import Recipe
from lag_zoo.training.accelerators import accelerator_for
from lag_zoo.training.groups import set_trainable
from lag_zoo.training.job import Job
from lag_zoo.training.mask_views import Masks
from lag_zoo.training.run_folder import RunFolder
from lag_zoo.training.step import StageSteps
from lag_zoo.training.training_model import TrainingModel
from lag_zoo.training.training_views import from_files
from tests.training.frozen_norms import freeze_all_norms


@contextmanager
def job_for(recipe: Recipe, data: Manifest, folder: Path, masks: Masks | None = None) -> Iterator[Job]:
    with accelerator_for(recipe, device="cpu", folder=folder) as accelerator:
        yield Job(
            recipe=recipe,
            manifest=data,
            source=from_files(data),
            folder=RunFolder(folder),
            accelerator=accelerator,
            listener=Listener(),
            masks=masks,
        )


def gradients(
    model: LAG,
    recipe: Recipe,
    data: Manifest,
    folder: Path,
    patch: pytest.MonkeyPatch,
    masks: Masks | None = None,
) -> list[torch.Tensor]:
    """The gradient of each update of the first epoch, flat; nothing moves, and no norm looks at its batch."""
    patch.setattr("lag_zoo.training.step.freeze_norms", freeze_all_norms)
    found: list[torch.Tensor] = []
    recipe = recipe.changed({"freeze_norm": True, "tracker": "none"})
    with job_for(recipe, data, folder, masks) as job:
        part = job.plan[0]
        set_trainable(model, part.stage)
        steps = StageSteps(TrainingModel(model), job, part, None)

        def keep() -> None:
            trained = [p.grad for p in model.parameters() if p.grad is not None]
            found.append(torch.cat([gradient.flatten().double() for gradient in trained]))

        steps.optimizer.step = keep
        steps.network.train()
        list(steps.of_epoch(0, 0))
    return found
