"""Several processes that share the work of one command, as `accelerate launch` starts them."""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from lag_zoo.errors import extra

_PATIENCE = timedelta(days=30)  # the quickest process waits so long for the slowest


class Processes(NamedTuple):
    """This process's number, the total, where its network runs, and a function that waits for all."""

    number: int
    total: int
    device: str | None
    wait: Callable[[], None]


def processes() -> Processes:
    """The processes of this command: one, unless a launcher says otherwise.

    Raises:
        MissingExtraError: there are several, and the extra `train` is not installed.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Processes(0, 1, None, lambda: None)
    with extra("train"):
        from accelerate import PartialState
    state = PartialState(timeout=_PATIENCE)
    return Processes(state.process_index, state.num_processes, str(state.device), state.wait_for_everyone)
