"""One `accelerate.Accelerator` a run, so that two runs in one process can differ in precision, device and compilation.

accelerate keeps its settings in the process, and gives those of the first accelerator to every later one.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, is_initialized
from accelerate.tracking import get_available_trackers
from accelerate.utils import DynamoBackend, GradientAccumulationPlugin

from lag_zoo.distributed import launched, require_all
from lag_zoo.errors import InvalidConfigError
from lag_zoo.nn.devices import AUTO, present_device
from lag_zoo.training.recipe import Recipe

_TRAINS_ON = ("cpu", "cuda", "mps")


def device_to_train_on(name: torch.device | str) -> torch.device:
    """Return the device of a run by a user's name for it; of several processes each gets a GPU of its own.

    Raises:
        InvalidConfigError: there is no such device, nothing is trained on it, or several processes would share one GPU.

    >>> device_to_train_on("cpu")
    device(type='cpu')
    """
    if launched() > 1 and name == AUTO:  # not asked for in detail: that would take memory of the first GPU
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = present_device(name)
    if device.type not in _TRAINS_ON:
        raise InvalidConfigError(
            f"device {str(name)!r}: training takes auto, {', '.join(_TRAINS_ON)} or cuda:N"
        )
    if launched() > 1 and torch.device(name).index is not None:
        raise InvalidConfigError(
            f"device {str(name)!r}: each of the {launched()} processes takes a GPU of its own; say cuda, or auto"
        )
    return device


@contextmanager
def own_random(seed: int, device: torch.device) -> Iterator[None]:
    """Give a run random numbers of its own; the process's are untouched afterwards.

    Only the state of the run's GPU is saved: asking another for its state takes memory there.
    """
    gpus = [torch.cuda.current_device()] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus):
        torch.manual_seed(seed)
        yield


@contextmanager
def accelerator_for(
    recipe: Recipe, *, device: torch.device | str, folder: str | os.PathLike[str]
) -> Iterator[Accelerator]:
    """Give a run its accelerator; at the end its trackers are closed, and its settings are forgotten.

    Processes that were joined before the run stay joined: it is not certain that they could be joined anew.

    Raises:
        InvalidConfigError: no such device; no such tracker is installed; somebody made an accelerator before, with
            other settings than these; or the processes do not know of each other.
    """
    chosen = device_to_train_on(device)
    trackers = [str(tracker) for tracker in get_available_trackers()]
    if recipe.tracker not in ("none", *trackers):  # accelerate would leave it out without a word
        raise InvalidConfigError(
            f"the tracker {recipe.tracker} is none of accelerate's, or is not installed; there are "
            f"{', '.join(sorted(trackers))} and none"
        )
    somebodys = is_initialized()
    joined = torch.distributed.is_available() and torch.distributed.is_initialized()
    backend = DynamoBackend.INDUCTOR if recipe.compile else DynamoBackend.NO
    one_gpu = chosen.type == "cuda" and launched() == 1
    try:
        accelerator = Accelerator(
            cpu=chosen.type == "cpu",
            mixed_precision=recipe.mixed_precision,
            gradient_accumulation_plugin=GradientAccumulationPlugin(
                num_steps=1
            ),  # the loss is divided already
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
        if device != AUTO and accelerator.device.type != chosen.type:
            raise InvalidConfigError(
                f"an Accelerator made before in this process is on {accelerator.device}, not on {device}"
            )
        # accelerate knows a single GPU as "cuda", which is the current one.
        with torch.cuda.device(chosen) if one_gpu else nullcontext():
            yield accelerator
    finally:
        for tracker in accelerator.trackers:
            tracker.finish()
        if not joined:
            accelerator.state.destroy_process_group()
        if not somebodys:
            AcceleratorState._reset_state(reset_partial_state=not joined)
