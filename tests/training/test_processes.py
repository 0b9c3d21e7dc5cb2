"""Two processes train as one does."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.launch import LAUNCH
from tests.training.drawn_data import write_frames
from tests.training.test_finetune import RECIPE


def test_two_processes_give_the_losses_of_one(tmp_path: Path, root: Path) -> None:
    """For the same batches over all processes; batch norms would see half of each, so their statistics are frozen."""
    write_frames(tmp_path)
    recipe = dataclasses.replace(RECIPE, freeze_norm=True, average=0.0)
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    found = []
    for name, launch in (("one", []), ("two", LAUNCH)):
        command = [
            sys.executable,
            *launch,
            "-m",
            "lag_zoo.cli",
            "train",
            "recipe.yaml",
            "data.csv",
            "-o",
            name,
            "--cpu",
        ]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("epoch 1,") == done.stdout.count("the best epoch's network") == 1
        started = json.loads((tmp_path / name / "environment.json").read_text())["processes"]
        assert started == (2 if launch else 1)
        found.append(
            [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        )
    for one, two in zip(*found, strict=True):
        for key in ("train_loss", "val_loss", "val_auroc"):
            assert two[key] == pytest.approx(one[key], abs=1e-4)
