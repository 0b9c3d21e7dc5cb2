"""The checkpoint of a run: all that another process needs to go on as if the first had not been stopped."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from lag_zoo.errors import InvalidConfigError, StateError
from lag_zoo.training.job import Job
from lag_zoo.views.policies import mix

FORMAT = 3
"""The layout of a checkpoint; a run that another layout wrote is not gone on with."""


_ROW = frozenset({"epoch", "stage", "train_loss", "val_loss", "val_auroc", "best"})
_STRANGE = (KeyError, TypeError, ValueError, AttributeError, RuntimeError, IndexError)
"""Errors of torch, timm and Python where a state is not that of the part that it is given to."""


class Part(Protocol):
    """A part of a run that a checkpoint keeps, as torch's modules and optimisers have it."""

    def state_dict(self) -> dict[str, Any]:
        """Return what is to be kept."""

    def load_state_dict(self, state_dict: Mapping[str, Any], /) -> Any:
        """Go on from what was kept."""


@dataclass
class Progress:
    """Progress of a run.

    Attributes:
        stage: the number of the stage it is in.
        epoch: how many epochs of the run are done.
        step: how many steps of the next are done.
        rows: of the epochs that are done, as in `metrics.jsonl`.
    """

    stage: int = 0
    epoch: int = 0
    step: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return asdict(self)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what a checkpoint kept.

        Raises:
            TypeError: it is no progress.
        """
        self.__init__(**state)  # type: ignore[misc]
        counts, rows = (self.stage, self.epoch, self.step), self.rows
        if not all(type(count) is int and count >= 0 for count in counts) or not isinstance(rows, list):
            raise TypeError("its progress is none")
        if not all(isinstance(row, dict) and row.keys() >= _ROW for row in rows):
            raise TypeError("its rows are not those of epochs")


def save_checkpoint(job: Job, parts: Mapping[str, Part]) -> None:
    """Write the checkpoint, once for all processes; all of them have to call it."""
    states = job.gathered([_random_state(job.device)])
    if job.is_first:
        kept = {name: part.state_dict() for name, part in parts.items()}
        job.folder.save({"format": FORMAT, "random": states, **kept})


def restore(state: Mapping[str, Any], job: Job, parts: Mapping[str, Part]) -> None:
    """Put parts of a run into the state of a checkpoint, and torch's random numbers into this process's.

    Raises:
        InvalidConfigError: a checkpoint of another layout.
        StateError: it holds something else than the state of these parts.
    """
    if state.get("format") != FORMAT:
        raise InvalidConfigError(
            f"the checkpoint in {job.folder.path} was written by another version of lag_zoo: resume the run with that "
            "version, or name a new folder"
        )
    with of_this_run(job):
        for name, part in parts.items():
            part.load_state_dict(state[name])
        if job.rank < len(state["random"]):
            _set_random_state(state["random"][job.rank], job.device)
        else:  # more processes than before
            seed_process(job, epoch=state["progress"]["epoch"])


@contextlib.contextmanager
def of_this_run(job: Job) -> Iterator[None]:
    """Take what goes wrong while a state is taken up for a checkpoint that is not of this run.

    Raises:
        StateError: in place of it.
    """
    try:
        yield
    except _STRANGE as error:
        raise StateError(
            f"the checkpoint in {job.folder.path} is not of this run, or was changed ({type(error).__name__}: "
            f"{error}): the run cannot go on from it. Its best network so far is in best/; begin anew in another folder"
        ) from error


def seed_process(job: Job, *, epoch: int = 0) -> None:
    """Give each process but the first random numbers of its own, for what torch draws itself (dropout, drop path)."""
    if job.rank:
        torch.manual_seed(mix(job.recipe.seed, epoch, job.rank))


def _random_state(device: torch.device) -> tuple[Tensor, Tensor | None]:
    gpu = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return torch.get_rng_state(), gpu


def _set_random_state(state: tuple[Tensor, Tensor | None], device: torch.device) -> None:
    cpu, gpu = state
    torch.set_rng_state(cpu)
    if gpu is not None and device.type == "cuda":
        torch.cuda.set_rng_state(gpu, device)
