"""One `accelerate.Accelerator` a run, so that two runs in one process can differ in precision, device and compilation.

accelerate keeps its settings in the process, and gives those of the first accelerator to every later one.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, is_initialized
from accelerate.tracking import get_available_trackers
from accelerate.utils import DynamoBackend

from lag_zoo.errors import InvalidConfigError
from lag_zoo.processes import on_cpu, require_all
from lag_zoo.training.recipe import Recipe


@contextmanager
def accelerator_for(recipe: Recipe, *, cpu: bool, folder: str | os.PathLike[str]) -> Iterator[Accelerator]:
    """The accelerator of a run; at the end its trackers are closed, and its settings are forgotten.

    Processes that knew of each other before the run do so after it: they cannot be joined anew for certain.

    Raises:
        InvalidConfigError: no such tracker is installed; somebody made an accelerator before, with other settings than
            the recipe's; or the processes do not know of each other.
    """
    trackers = [str(tracker) for tracker in get_available_trackers()]
    if recipe.tracker not in ("none", *trackers):  # accelerate would leave it out without a word
        raise InvalidConfigError(
            f"the tracker {recipe.tracker} is none of accelerate's, or is not installed; there are "
            f"{', '.join(sorted(trackers))} and none"
        )
    somebodys = is_initialized()
    joined = torch.distributed.is_available() and torch.distributed.is_initialized()
    backend = DynamoBackend.INDUCTOR if recipe.compile else DynamoBackend.NO
    try:
        accelerator = Accelerator(
            cpu=on_cpu(cpu),
            mixed_precision=recipe.mixed_precision,
            gradient_accumulation_steps=recipe.accumulate,
            dynamo_backend=backend,
            log_with=None if recipe.tracker == "none" else recipe.tracker,
            project_dir=os.fspath(folder),
        )
    except ValueError as error:
        raise InvalidConfigError(f"accelerate cannot be set up as the recipe asks: {error}") from error
    try:
        require_all(accelerator.num_processes)
        if accelerator.state.dynamo_plugin.backend != backend:
            raise InvalidConfigError(
                f"the recipe says compile={recipe.compile}, and an Accelerator made before in this process does not"
            )
        yield accelerator
    finally:
        for tracker in accelerator.trackers:
            tracker.finish()
        if not joined:
            accelerator.state.destroy_process_group()
        if not somebodys:
            AcceleratorState._reset_state(reset_partial_state=not joined)
