"""Batch norms that are frozen: the backbone's, and no others."""

from pathlib import Path
from typing import Any

import pytest
import torch

import lag_zoo
from lag_zoo.data.manifest import Manifest
from lag_zoo.training import Recipe, Stage, finetune
from lag_zoo.training.checkpoint_file import read_checkpoint
from tests.networks import small

RECIPE = Recipe(
    model="lag_mobilenetv3_small_050",
    stages=(Stage(epochs=1),),
    batch_size=4,
    learning_rate=2e-3,
    workers=0,
    tracker="none",
)


def statistics(model: lag_zoo.LAG) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.named_buffers() if "running_" in name}


@pytest.mark.parametrize(
    "changes",
    [{"freeze_norm": True, "average": 0.9}, {"stages": [Stage(epochs=1, train="head")]}],
    ids=["freeze_norm, averaged", "only the head is trained"],
)
def test_the_backbones_statistics_stay_and_the_crops_learn_theirs(
    data: Manifest, tmp_path: Path, changes: dict[str, Any]
) -> None:
    model = small(global_size=32)
    before = statistics(model)
    finetune(model, data, tmp_path / "run", recipe=RECIPE, device="cpu", **changes)
    best = lag_zoo.create_model(f"local-dir:{tmp_path / 'run' / 'best'}", pretrained=True)
    for network in (model, best):
        after = statistics(network)
        assert after.keys() == before.keys()
        moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
        assert moved
        assert moved == {name for name in after if not name.startswith("backbone.")}


def test_else_all_learn_theirs(data: Manifest, tmp_path: Path) -> None:
    """And after a stage of the head alone those of the backbone learn again."""
    stages = [Stage(epochs=1, train="head"), Stage(epochs=1)]
    model = small(global_size=32)
    before = statistics(model)
    finetune(model, data, tmp_path / "run", recipe=RECIPE, device="cpu", stages=stages, select="loss")
    state = read_checkpoint(tmp_path / "run" / "last.safetensors")["model"]
    assert not any(torch.equal(state[name], value) for name, value in before.items())
