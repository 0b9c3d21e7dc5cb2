"""Several processes that share the work of one command, as `accelerate launch` and `torchrun` start them."""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from lag_zoo.errors import InvalidConfigError, extra

_PATIENCE = timedelta(days=30)  # the quickest process waits so long for the slowest


class Processes(NamedTuple):
    """This process's number, the total, where its network runs, and a function that waits for all."""

    number: int
    total: int
    device: str | None
    wait: Callable[[], None]


def launched() -> int:
    """How many processes a launcher started for this command.

    >>> launched()
    1
    """
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this process is the one that writes and tells.

    >>> is_first()
    True
    """
    return int(os.environ.get("RANK", "0")) == 0


def on_cpu(wanted: bool) -> bool:
    """Whether the processes run on the CPU: where that is wanted, and where several have no GPU.

    accelerate, not told so, takes each of several processes on a CPU for the only one.
    """
    if wanted or launched() == 1:
        return wanted
    import torch

    return not torch.cuda.is_available()


def require_all(found: int) -> None:
    """Refuses processes that do not know of each other: each would do the whole work, into the same files.

    Raises:
        InvalidConfigError: fewer were found than the launcher started.
    """
    if found != launched():
        raise InvalidConfigError(
            f"the launcher started {launched()} processes, and accelerate found {found}: start them with "
            "accelerate launch --multi_gpu, or torchrun"
        )


def processes(*, cpu: bool = False) -> Processes:
    """The processes of this command: one, unless a launcher says otherwise.

    Args:
        cpu: leave GPUs alone.

    Raises:
        MissingExtraError: there are several, and the extra `train` is not installed.
        InvalidConfigError: processes that do not know of each other.
    """
    if launched() == 1:
        return Processes(0, 1, None, lambda: None)
    with extra("train"):
        from accelerate import PartialState
    state = PartialState(cpu=on_cpu(cpu), timeout=_PATIENCE)
    require_all(state.num_processes)
    return Processes(state.process_index, state.num_processes, str(state.device), state.wait_for_everyone)
