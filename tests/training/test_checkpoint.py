"""What a checkpoint keeps: each process's random numbers, and its own layout."""

import contextlib
import json
import math
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lag_zoo.errors import InvalidConfigError, StateError
from lag_zoo.training.checkpoint import Progress, restore, save_checkpoint, seed_process
from lag_zoo.training.checkpoint_file import read_checkpoint, write_checkpoint
from lag_zoo.weights import files
from lag_zoo.weights.files import write_weights
from tests.training.tiny import RECIPE, WholeRun


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
    row = {"epoch": 2, "stage": "all", "train_loss": 1.0, "val_loss": 1.0, "val_auroc": None, "best": False}
    progress = Progress(stage=1, epoch=2, step=3, rows=[row])
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


class Parts:
    """A network and its optimiser, as small as can be, that have taken a step."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = torch.nn.Linear(3, 2)
        self.optimizer = torch.optim.AdamW(self.model.parameters())
        self.model(torch.ones(1, 3)).sum().backward()
        self.optimizer.step()
        row = {"epoch": 1, "stage": "all", "train_loss": 1.0, "val_loss": 1.0, "val_auroc": 0.5, "best": True}
        self.progress = Progress(stage=0, epoch=1, step=2, rows=[row])

    def all(self) -> dict[str, Any]:
        return {"progress": self.progress, "model": self.model, "optimizer": self.optimizer}


def written(path: Path) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    save_checkpoint(job(0, [], kept), Parts().all())
    write_checkpoint(path, kept)
    return kept


NETWORK = Parts().model.state_dict()
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 1 << 70), st.floats(), st.text(max_size=5),
    st.just([]), st.just({}), st.just([[1]]), st.just({"a": 1}), st.just((1, 2)),
    st.lists(st.integers(0, 4), max_size=3).map(torch.ones), st.just(torch.zeros(2, 3, dtype=torch.uint8)),
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, part in inside for place in places(part, (*path, key)))]


@settings(max_examples=int(os.environ.get("LAG_ZOO_FUZZ", "150")))
@given(data=st.data())
def test_whatever_a_checkpoint_says(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """With a right checksum, as somebody writes it who wants harm: it is taken up, or refused by name."""
    path = tmp_path_factory.getbasetemp() / "made up.safetensors"
    content = written(path)
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from([place for place in places(content) if place]))
        holder: Any = content
        for step in way:
            holder = holder[step]
        if data.draw(st.booleans()):
            holder[last] = data.draw(VALUES)
        else:
            del holder[last]
    write_checkpoint(path, content)
    with contextlib.suppress(StateError, InvalidConfigError):
        restore(read_checkpoint(path, NETWORK), job(0), Parts().all())


def head_of(shapes: list[tuple[int, ...]]) -> tuple[bytes, int]:
    """The head of a file with such tensors, and the bytes of the file."""
    place, entries = 0, {}
    for number, shape in enumerate(shapes):
        size = 4 * math.prod(shape)
        entries[str(number)] = {"dtype": "F32", "shape": shape, "data_offsets": [place, place + size]}
        place += size
    head = json.dumps({"__metadata__": {"tree": "{}", "checksum": ""}, **entries}).encode()
    return len(head).to_bytes(8, "little") + head, 8 + len(head) + place


@settings(max_examples=30)
@given(
    shape=st.sampled_from([(1 << 30,), (1 << 15, 1 << 15), (2,), (2, 3), (1 << 22, 5)]),
    count=st.integers(1, 3000),
)
def test_what_is_larger_than_the_run_takes_no_memory(
    tmp_path_factory: pytest.TempPathFactory, shape: tuple[int, ...], count: int
) -> None:
    """A file of zeros takes no disk either, so anybody has room for one of terabytes."""
    path = tmp_path_factory.getbasetemp() / "large.safetensors"
    head, size = head_of([shape] * count)
    path.write_bytes(head)
    os.truncate(path, min(size, 1 << 42))
    taken: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "_copy", lambda file, layout, anew: taken.append(layout.entries[-1].end) or {})
        with pytest.raises(StateError) as refused:
            read_checkpoint(path, NETWORK)
    if math.prod(shape) > 100:
        assert not taken
        assert "that the run's network and its optimiser have not" in str(refused.value) or size > 1 << 42
    else:
        assert taken, "what is small is read, and refused for its checksum"


def test_a_tree_that_is_too_long(tmp_path: Path) -> None:
    write_weights(tmp_path / "last.safetensors", {}, tree="[" + "1," * (1 << 22) + "1]", checksum="")
    with pytest.raises(StateError, match="tree is longer than 8,388,608"):
        read_checkpoint(tmp_path / "last.safetensors")


def test_a_run_keeps_no_more_than_it_may(whole_run: WholeRun) -> None:
    """The bound is of the network, and not of what is to spare besides."""
    path = whole_run.folder / "last.safetensors"
    network = whole_run.model.state_dict()
    assert path.stat().st_size > 4 * sum(tensor.nbytes for tensor in network.values())
    assert read_checkpoint(path, network, others=50_000)["format"]
    fewer = dict(list(network.items())[::2])
    with pytest.raises(
        StateError, match="that the run's network and its optimiser have not, and up to 50,000"
    ):
        read_checkpoint(path, fewer, others=50_000)
