"""Frames and one whole run that tests share; neither is to be changed (`shutil.copytree`)."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lag_zoo.data.manifest import Manifest
from lag_zoo.training import finetune
from tests.listening import Heard
from tests.training.drawn_data import write_frames
from tests.training.tiny import RECIPE, WholeRun


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """24 frames of 12 patients, 16 to train on."""
    return write_frames(tmp_path_factory.mktemp("frames"))


@pytest.fixture(scope="session")
def whole_run(data: Manifest, tmp_path_factory: pytest.TempPathFactory) -> WholeRun:
    folder = tmp_path_factory.mktemp("whole") / "run"
    bests: list[Path] = []

    class Keeps(Heard):
        def epoch(self, row: Mapping[str, Any]) -> None:
            super().epoch(row)
            bests.append(folder.with_name(f"best{row['epoch']}"))
            shutil.copytree(folder / "best", bests[-1])

    heard = Keeps()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAG_ZOO_CACHE", str(folder.with_name("cache")))
        recipe = RECIPE.changed({"tracker": "tensorboard"})
        model = finetune(None, data, folder, recipe=recipe, device="cpu", listener=heard)
    return WholeRun(folder, model, bests, heard)
