"""Two processes train as one does."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lag_zoo.data.sources import open_data
from lag_zoo.data.tables import write_manifest
from lag_zoo.training import Recipe
from lag_zoo.training.checkpoint_file import read_checkpoint
from tests.launch import LAUNCH
from tests.training.drawn_data import with_masks, write_frames
from tests.training.tiny import RECIPE


def with_unknown_labels(folder: Path) -> None:
    """Turns the labels of `data.csv` into two, of which many are unknown: micro-batches weigh differently."""
    lines = (folder / "data.csv").read_text().splitlines()
    names = lines[0].split(",")
    rows = [dict(zip(names, line.split(","), strict=True)) for line in lines[1:]]
    told = ["1,0", ",1", ",", "0,", "1,1"]
    text = [f"{row['image']},{row['patient']},{row['split']},{told[n % 5]}" for n, row in enumerate(rows)]
    (folder / "data.csv").write_text("\n".join(["image,patient,split,IM,GA", *text]) + "\n")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["exclusive", "unknown", "masks"])
def test_two_processes_give_the_losses_of_one(kind: str, tmp_path: Path, root: Path) -> None:
    """For the same updates: of 8 frames at once, or of 2 times 4 that two processes share.

    Batch norms would see other batches, so all of them are frozen.
    """
    write_frames(tmp_path)
    if kind == "unknown":
        with_unknown_labels(tmp_path)
    recipe = RECIPE.changed({"freeze_norm": True, "average": 0.0, "balance": "weights", "batch_size": 8})
    if kind == "masks":
        write_manifest(with_masks(open_data(tmp_path / "data.csv")), tmp_path / "data.csv")
        recipe = recipe.changed({"fields": {**recipe.fields, "global_size": 64, "pooling": "topk"}})
    shared = recipe.changed({"batch_size": 4, "accumulate": 2})
    found = []
    for name, launch, chosen in (("one", [], recipe), ("two", LAUNCH, shared)):
        told, said = _run(launch, "train", chosen, name, tmp_path, root, module="tests.training.frozen_norms")
        assert told.count("epoch 1 of 3,") == said.count("its network") == 1
        assert ("2 processes, the first on CPU" in told) is bool(launch)
        started = json.loads((tmp_path / name / "environment.json").read_text())["processes"]
        assert started == (2 if launch else 1)
        assert ("their loss has the weight 1" in told) is (kind == "masks")
        found.append(
            [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        )
    for one, two in zip(*found, strict=True):
        for key in ("train_loss", "val_loss", "val_auroc"):
            assert two[key] == pytest.approx(one[key], abs=1e-4)


@pytest.mark.slow
def test_two_processes_stop_together_and_go_on_as_if_they_had_not(tmp_path: Path, root: Path) -> None:
    """Ctrl-C reaches one of them alone; each goes on with its own random numbers, by which it drops paths."""
    write_frames(tmp_path / "frames")
    script = [sys.executable, *LAUNCH, "-m", "tests.training.dropped_paths", "frames/data.csv"]
    env = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}

    def run(output: str, *how: str) -> str:
        done = subprocess.run([*script, output, *how], cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run("stopped", "stop").count("stopped after step 6") == 2
    state = read_checkpoint(tmp_path / "stopped" / "last.safetensors")
    assert (state["progress"]["epoch"], state["progress"]["step"]) == (1, 2)
    one, other = (cpu for cpu, _ in state["random"])
    assert not torch.equal(one, other)
    run("stopped", "resume")
    run("whole")
    weights = [(tmp_path / name / "best" / "model.safetensors").read_bytes() for name in ("stopped", "whole")]
    assert weights[0] == weights[1]


@pytest.mark.slow
def test_two_processes_cross_validate_and_one_tells(tmp_path: Path, root: Path) -> None:
    """Stopped after the first fold too: whoever comes last must not take the other's beginning for an earlier run."""
    write_frames(tmp_path)
    recipe = dataclasses.replace(RECIPE, stages=RECIPE.stages[:1])
    told, said = _run(LAUNCH, "cv", recipe, "out", tmp_path, root)
    assert told.count("fold1, epoch 1 of 1") == told.count("fold2, epoch 1 of 1") == 1
    assert said.count("recipe 1 ") == 1
    run = tmp_path / "out" / "recipe" / "repeat1"
    kept = {name: (run / name).read_bytes() for name in ("scores.csv", "report.json", "report.html")}
    (run / "fold2" / "scores.csv").unlink()
    told, said = _run(LAUNCH, "cv", recipe, "out", tmp_path, root)
    assert "epoch 1" not in told
    assert {name: (run / name).read_bytes() for name in kept} == kept


def _run(
    launch: list[str],
    command: str,
    recipe: Recipe,
    output: str,
    folder: Path,
    root: Path,
    *,
    module: str = "lag_zoo.cli",
) -> tuple[str, str]:
    """What a command tells meanwhile, and says at its end, that trains in a folder of drawn frames."""
    (folder / "recipe.yaml").write_text(recipe.to_yaml())
    arguments = [command, "recipe.yaml", "data.csv", "-o", output, "--device", "cpu"]
    if command == "cv":
        arguments += ["--folds", "2"]
    done = subprocess.run(
        [sys.executable, *launch, "-m", module, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr, done.stdout
