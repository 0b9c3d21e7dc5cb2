"""Several processes that share the work of one command, as `accelerate launch` and `torchrun` start them.

What these launchers set in the environment is taken together: a `WORLD_SIZE` by itself is no launcher's.
"""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from lag_zoo.errors import InvalidConfigError, extra

_PATIENCE = timedelta(days=30)  # the quickest process waits so long for the slowest
_LAUNCHER = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")  # what both launchers set besides WORLD_SIZE


class Processes(NamedTuple):
    """The number of this process, how many there are, where its network runs, and a function that waits for all."""

    number: int
    total: int
    device: str | None
    wait: Callable[[], None]


def launched() -> int:
    """Count the processes that a launcher started for this command.

    Raises:
        InvalidConfigError: `WORLD_SIZE` is left over from elsewhere, or what started the processes is no launcher.

    >>> launched()
    1
    """
    text = os.environ.get("WORLD_SIZE", "1")
    if text.strip() == "1":
        return 1
    missing = [name for name in _LAUNCHER if name not in os.environ]
    if not text.strip().isdecimal() or int(text) < 1 or missing:
        lacking = f", and {', '.join(missing)} not set" if missing else ""
        raise InvalidConfigError(
            f"the environment has WORLD_SIZE={text}{lacking}, so no launcher has started this process: unset "
            "WORLD_SIZE to work in this process alone, or start several with accelerate launch --multi_gpu, or torchrun"
        )
    return int(text)


def is_first() -> bool:
    """Tell whether this process is the one that writes; a process that is alone is, whatever `RANK` is left over.

    >>> is_first()
    True
    """
    return launched() == 1 or int(os.environ["RANK"]) == 0


def on_cpu(wanted: bool) -> bool:
    """Tell whether the processes run on the CPU: where that is wanted, and where several have no GPU.

    accelerate, not told so, takes each of several processes on a CPU for the only one.
    """
    if wanted or launched() == 1:
        return wanted
    import torch

    return not torch.cuda.is_available()


def require_all(found: int) -> None:
    """Refuse processes that do not know of each other: each would do the whole work, into the same files.

    Raises:
        InvalidConfigError: fewer were found than the launcher started.
    """
    if found != launched():
        raise InvalidConfigError(
            f"the launcher started {launched()} processes, and accelerate found {found}: start them with "
            "accelerate launch --multi_gpu, or torchrun"
        )


def processes(*, cpu: bool = False) -> Processes:
    """Return the processes of this command: one, unless a launcher has started several.

    Args:
        cpu: leave GPUs alone.

    Raises:
        MissingExtraError: there are several, and the extra `train` is not installed.
        InvalidConfigError: processes that do not know of each other, or a `WORLD_SIZE` that is left over.
    """
    if launched() == 1:
        return Processes(0, 1, None, lambda: None)
    with extra("train"):
        from accelerate import PartialState
    state = PartialState(cpu=on_cpu(cpu), timeout=_PATIENCE)
    require_all(state.num_processes)
    return Processes(state.process_index, state.num_processes, str(state.device), state.wait_for_everyone)
