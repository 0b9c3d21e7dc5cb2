"""A run whose disk fills up: a clear stop, a whole folder, and the same numbers once there is room."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import lag_zoo
from lag_zoo.data.manifest import Manifest
from lag_zoo.errors import TrainingError
from lag_zoo.training import Recipe, finetune
from tests.listening import EachEpoch
from tests.networks import equal
from tests.small_disk import disk, remount
from tests.training.drawn_data import write_frames
from tests.training.tiny import RECIPE, SHORT, WholeRun

__all__ = ["disk"]


def test_a_disk_that_fills_up(whole_run: WholeRun, data: Manifest, disk: Path) -> None:
    remount(disk, "size=200m")
    run, filler = disk / "run", disk / "filler"

    def fill(row: Mapping[str, Any]) -> None:
        if row["epoch"] == 1:
            room = os.statvfs(disk)
            filler.write_bytes(bytes(room.f_bavail * room.f_frsize - 2_000_000))

    with pytest.raises(
        TrainingError, match=r"last\.safetensors cannot be written: .*No space left.* is whole: make room"
    ):
        finetune(None, data, run, recipe=RECIPE, device="cpu", listener=EachEpoch(fill))
    assert not list(run.glob(".*.part"))
    assert lag_zoo.create_model(f"local-dir:{run / 'best'}", pretrained=True).num_classes == 2
    filler.unlink()
    resumed = finetune(None, data, run, recipe=RECIPE, device="cpu", resume=True)
    assert equal(resumed, whole_run.model)


def test_a_disk_that_is_full_from_the_start(disk: Path, tmp_path: Path) -> None:
    data = write_frames(tmp_path / "frames", patients=6)
    (disk / "filler").write_bytes(bytes(os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize))
    with pytest.raises((TrainingError, OSError), match="No space left"):
        finetune(None, data, disk / "run", recipe=RECIPE, device="cpu")


def test_a_run_whose_beginning_was_killed_begins_anew(
    data: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its recipe is written there is no run, and nobody has to clear up what there is."""

    class Killed(BaseException):
        pass

    def killed(self: Recipe) -> str:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Recipe, "to_yaml", killed)
        with pytest.raises(Killed):
            finetune(None, data, tmp_path / "run", recipe=SHORT, device="cpu")
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"data.json", "environment.json"}
    finetune(None, data, tmp_path / "run", recipe=SHORT, device="cpu")
    assert (tmp_path / "run" / "validation.json").is_file()
