"""Accumulated gradients are those of one large batch, with label weights, unknown labels and an uneven last update."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lag_zoo.data.manifest import Frame, Manifest
from lag_zoo.training import Recipe, Stage
from lag_zoo.training.objective import Objective
from lag_zoo.training.training_model import TrainingOutput
from tests.networks import small
from tests.training.drawn_data import write_frames
from tests.training.parts import gradients

RECIPE = Recipe(
    model="lag_mobilenetv3_small_050",
    stages=(Stage(epochs=1),),
    batch_size=4,
    workers=0,
    balance="weights",
    label_smoothing=0.1,
)


@pytest.fixture(scope="module")
def rare(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """13 frames to train on, of which 3 have the rare label."""
    data = write_frames(tmp_path_factory.mktemp("rare"), patients=12, each=2)
    normal = [f for f in data.frames if f.labels == (0,) and f.split == "train"]
    rest = [f for f in data.frames if f.labels == (1,) and f.split == "train"]
    more = [dataclasses.replace(f, split="train") for f in data.frames if f.split == "val"][:2]
    val = [f for f in data.frames if f.split == "val"][2:]
    return data.with_frames([*normal, *more, *rest[:3], *val])


@pytest.fixture(scope="module")
def unknown(rare: Manifest) -> Manifest:
    """The same frames with two labels, of which many are unknown."""
    labels = [(1, 0), (-1, 1), (-1, -1), (0, -1)]
    frames = [
        Frame(image=f.image, labels=labels[n % 4], patient=f.patient, split=f.split)
        for n, f in enumerate(rare.frames)
    ]
    return dataclasses.replace(rare, label_names=("IM", "GA"), task="multilabel", frames=tuple(frames))


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    """How far two gradients are from each other, relative to one of them."""
    return float((one - other).norm() / other.norm())


@pytest.mark.parametrize("kind", ["rare", "unknown"])
@pytest.mark.parametrize("crops", [True, False])
def test_the_gradients_are_those_of_one_large_batch(
    kind: str, crops: bool, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data: Manifest = request.getfixturevalue(kind)
    model = small(global_size=32, label_names=data.label_names, task=data.task)

    def of(**changes: Any) -> list[torch.Tensor]:
        recipe = RECIPE.changed({"stages": [Stage(epochs=1, crops=crops)], **changes})
        return gradients(model, recipe, data, tmp_path, monkeypatch)

    small_batches, large = of(batch_size=2, accumulate=2), of(batch_size=4)
    assert (len(small_batches), len(large)) == (3, 3)
    for one, other in zip(small_batches, large, strict=True):
        assert apart(one, other) < 1e-5
    # Six steps, four of which are added up: the last update has the other two, and is a batch of 4 too.
    uneven = of(batch_size=2, accumulate=4)
    assert len(uneven) == 2
    assert apart(uneven[0], of(batch_size=8)[0]) < 1e-5
    assert apart(uneven[1], large[2]) < 1e-5
    assert apart(uneven[0], large[0]) > 1e-3


@given(
    st.integers(0, 10_000),
    st.sampled_from(["multiclass", "multilabel"]),
    st.integers(1, 4),
    st.sampled_from([1, 2]),
    st.booleans(),
)
def test_the_shares_of_an_update_add_up_to_the_loss_of_one_batch(
    seed: int, task: Any, batches: int, processes: int, weighted: bool
) -> None:
    """Over micro-batches and processes, whatever labels are unknown and masks lacking; where all are, the loss is 0."""
    generator = torch.Generator().manual_seed(seed)
    count, labels, each = 4 * batches, 3, 4 // processes
    shape = (count,) if task == "multiclass" else (count, labels)
    targets = torch.randint(-1, labels if task == "multiclass" else 2, shape, generator=generator)
    of_frames = [torch.randn(count, labels, generator=generator) for _ in range(3)]
    output = TrainingOutput(*of_frames, torch.randn(count, 9, labels, generator=generator))
    masks = torch.randint(0, 256, (count, 12, 12), generator=generator, dtype=torch.uint8)
    marked = torch.rand(count, generator=generator) < 0.5

    def share(chosen: torch.Tensor, update: torch.Tensor, *, processes: int) -> float:
        job: Any = SimpleNamespace(
            recipe=RECIPE.changed({"balance": "weights" if weighted else "none"}),
            manifest=SimpleNamespace(task=task, label_names=range(labels)),
            targets=targets,
            modalities=torch.arange(count) % 2,
            marked=marked,
            device=torch.device("cpu"),
            processes=processes,
        )
        objective = Objective(job, Stage(epochs=1), torch.arange(count))
        parts = TrainingOutput(*(part[chosen] for part in output if part is not None))
        return float(objective(parts, chosen, update, masks[chosen]))

    order = torch.randperm(count, generator=generator).view(batches, 4)
    shares = [share(part, order, processes=processes) for batch in order for part in batch.split(each)]
    whole = share(order.flatten(), order.view(1, -1), processes=1)
    assert sum(shares) == pytest.approx(whole, rel=1e-5, abs=1e-6)
    assert bool((targets >= 0).any()) is (whole != 0)
