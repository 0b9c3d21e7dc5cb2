"""The job of a run: what is trained on, how, and with what means. The parts of a run share it."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor

from lag_zoo.data.manifest import MODALITIES, Manifest
from lag_zoo.listener import Listener
from lag_zoo.training.mask_views import Masks
from lag_zoo.training.plan import StagePlan, plan_stages
from lag_zoo.training.recipe import Recipe
from lag_zoo.training.run_folder import RunFolder
from lag_zoo.training.training_views import Source


@dataclass(kw_only=True)
class Job:
    """A run's task.

    Attributes:
        recipe: how to train.
        manifest: the frames, with labels in the order of the network's.
        source: makes views of the frames.
        folder: where the run is written.
        accelerator: the device, and the other processes.
        listener: hears how far it is.
        masks: of the frames that are trained on; `None`: they have none, or none are used.
    """

    recipe: Recipe
    manifest: Manifest
    source: Source
    folder: RunFolder
    accelerator: Accelerator
    listener: Listener
    masks: Masks | None = None

    @functools.cached_property
    def plan(self) -> list[StagePlan]:
        """The stages."""
        return plan_stages(self.recipe, self.manifest, processes=self.processes)

    @functools.cached_property
    def targets(self) -> Tensor:
        """The targets of all frames, on the device; see `Manifest.targets`."""
        return torch.from_numpy(self.manifest.targets()).to(self.device)

    @functools.cached_property
    def modalities(self) -> Tensor:
        """The modalities of all frames as numbers (n,), on the device; -1: not known."""
        names = self.manifest.column("modality")
        return torch.tensor([MODALITIES.index(m) if m else -1 for m in names], device=self.device)

    @functools.cached_property
    def marked(self) -> Tensor:
        """The frames that have a mask that marks something, as (n,) bool, on the device."""
        marked = np.zeros(len(self.manifest), dtype=bool) if self.masks is None else self.masks.marked
        return torch.from_numpy(marked).to(self.device)

    @property
    def device(self) -> torch.device:
        """The device of this process."""
        return torch.device(self.accelerator.device)

    @property
    def rank(self) -> int:
        """The number of this process."""
        return int(self.accelerator.process_index)

    @property
    def processes(self) -> int:
        """Number of processes that share the job."""
        return int(self.accelerator.num_processes)

    @property
    def is_first(self) -> bool:
        """True in the process that writes."""
        return bool(self.accelerator.is_main_process)

    def sum_over_processes(self, value: Tensor) -> Tensor:
        """Add up what each process has; all of them have to call it."""
        total: Tensor = self.accelerator.reduce(value, "sum")
        return total

    def gathered(self, items: Sequence[Any]) -> list[Any]:
        """Collect the items of all processes, the first process's first; all of them have to call it."""
        return list(items) if self.processes == 1 else list(gather_object(list(items)))
