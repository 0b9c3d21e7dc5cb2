"""Two processes train as one does."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lag_zoo.training import Recipe
from tests.launch import LAUNCH
from tests.training.drawn_data import write_frames
from tests.training.tiny import RECIPE


@pytest.mark.slow
def test_two_processes_give_the_losses_of_one(tmp_path: Path, root: Path) -> None:
    """For the same batches over all processes; batch norms would see half of each, so all of them are frozen."""
    write_frames(tmp_path)
    recipe = dataclasses.replace(RECIPE, freeze_norm=True, average=0.0)
    found = []
    for name, launch in (("one", []), ("two", LAUNCH)):
        told, said = _run(launch, "train", recipe, name, tmp_path, root, module="tests.training.frozen_norms")
        assert told.count("epoch 1 of 3,") == said.count("the best epoch's network") == 1
        assert ("2 processes, the first on CPU" in told) is bool(launch)
        started = json.loads((tmp_path / name / "environment.json").read_text())["processes"]
        assert started == (2 if launch else 1)
        found.append(
            [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        )
    for one, two in zip(*found, strict=True):
        for key in ("train_loss", "val_loss", "val_auroc"):
            assert two[key] == pytest.approx(one[key], abs=1e-4)


@pytest.mark.slow
def test_two_processes_cross_validate_and_one_tells(tmp_path: Path, root: Path) -> None:
    """Stopped after the first fold too: whoever comes last must not take the other's beginning for an earlier run."""
    write_frames(tmp_path)
    recipe = dataclasses.replace(RECIPE, stages=RECIPE.stages[:1])
    told, said = _run(LAUNCH, "cv", recipe, "out", tmp_path, root)
    assert told.count("fold1, epoch 1 of 1") == told.count("fold2, epoch 1 of 1") == 1
    assert said.count("IM ") == 1
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
