"""What a checkpoint keeps: each process's random numbers, and its own layout."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lag_zoo.errors import InvalidConfigError
from lag_zoo.training.checkpoint import Progress, restore, save_checkpoint, seed_process
from tests.training.tiny import RECIPE


def job(rank: int, others: list[Any] | None = None, kept: dict[str, Any] | None = None) -> Any:
    """The first of several processes, which gets their random states, or one of them."""
    return SimpleNamespace(
        rank=rank,
        is_first=rank == 0,
        device=torch.device("cpu"),
        recipe=RECIPE,
        folder=SimpleNamespace(path=Path("runs/1"), save=(kept if kept is not None else {}).update),
        gathered=lambda items: [*items, *(others or [])],
    )


def drawn() -> list[float]:
    return torch.rand(5).tolist()


def test_each_process_goes_on_with_its_own_random_numbers() -> None:
    states, wanted = [], []
    for rank in range(3):
        seed_process(job(rank))
        if not rank:
            torch.manual_seed(RECIPE.seed)
        states.append((torch.get_rng_state(), None))
        wanted.append(drawn())
    assert len({tuple(numbers) for numbers in wanted}) == 3, "processes drop other features"
    kept: dict[str, Any] = {}
    torch.set_rng_state(states[0][0])
    progress = Progress(stage=1, epoch=2, step=3, rows=[{"epoch": 2}])
    save_checkpoint(job(0, states[1:], kept), {"progress": progress})
    found = []
    for rank in range(3):
        again = Progress()
        restore(kept, job(rank), {"progress": again})
        assert again == progress
        found.append(drawn())
    assert found == wanted


def test_more_processes_than_before_have_random_numbers_too() -> None:
    kept: dict[str, Any] = {}
    save_checkpoint(job(0, [], kept), {"progress": Progress()})
    found = []
    for rank in (0, 1, 2, 1):
        restore(kept, job(rank), {"progress": Progress()})
        found.append(tuple(drawn()))
    assert len(set(found)) == 3
    assert found[1] == found[3]


@pytest.mark.parametrize("state", [{}, {"format": 1}, {"progress": {"best": 0.5}}])
def test_one_of_another_version_is_refused(state: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfigError, match=r"checkpoint in runs/1 was written by another version"):
        restore(state, job(0), {"progress": Progress()})
