"""What decorates a run never stops it: pictures, trackers, and what a notebook left in the environment."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from accelerate import Accelerator
from PIL import Image

from lag_zoo.data.manifest import Manifest
from lag_zoo.errors import LagZooWarning
from lag_zoo.training import Stage, finetune, run_folder
from lag_zoo.training.checkpoint_file import read_checkpoint
from lag_zoo.training.curves import draw_curves
from lag_zoo.training.display import Display
from lag_zoo.training.plan import StagePlan
from tests.training.parts import job_for
from tests.training.tiny import SHORT


def test_a_picture_that_cannot_be_drawn(
    data: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[int] = []

    def fail(*_: object, **__: object) -> bytes:
        kept.append(read_checkpoint(tmp_path / "run" / "last.safetensors")["progress"]["epoch"])
        raise ValueError("Key backend: 'module://x' is not a valid value")

    monkeypatch.setattr(run_folder, "draw_curves", fail)
    with pytest.warns(LagZooWarning, match="curves could not be drawn, and the run goes on"):
        finetune(None, data, tmp_path / "run", recipe=SHORT, device="cpu")
    assert kept == [1], "the checkpoint stands before the picture is drawn"
    assert (tmp_path / "run" / "best" / "config.json").is_file()
    assert (tmp_path / "run" / "validation.json").is_file()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), MemoryError(), KeyError("font")])
def test_whatever_the_reason(error: Exception, data: Manifest, tmp_path: Path) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    with job_for(SHORT, data, tmp_path) as job:
        job.folder.draw_curves = fail  # type: ignore[method-assign]
        with pytest.warns(LagZooWarning, match=f"could not be drawn.*{type(error).__name__}"):
            Display(job).draw([{"epoch": 1}])


def test_a_tracker_that_fails(data: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr(Accelerator, "log", fail)
    with pytest.warns(LagZooWarning, match="tracker tensorboard could not be reached"):
        finetune(None, data, tmp_path / "run", recipe=SHORT, device="cpu", tracker="tensorboard")
    assert (tmp_path / "run" / "validation.json").is_file()


@pytest.mark.parametrize("backend", ["nonsense", "module://nowhere.backend", "qtagg"])
def test_whatever_a_notebook_named_pictures_are_drawn(backend: str, root: Path) -> None:
    code = """if True:
        import os, runpy, sys
        module = runpy.run_path(sys.argv[1])  # by itself: the rooms above load torch
        figure = module["new_figure"](2, 1)
        figure.subplots().plot([1, 2])
        print(module["png"](figure, dpi=20)[1:4], os.environ["MPLBACKEND"])
    """
    done = subprocess.run(
        [sys.executable, "-c", code, str(root / "lag_zoo" / "evaluate" / "figure.py")],
        cwd=root,
        env={**os.environ, "MPLBACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == (f"b'PNG' {backend}\n", 0), done.stderr


@pytest.mark.parametrize("until", [1, 2, 3, 5])
@pytest.mark.parametrize("title", ["lag_resnet50 on split.csv, recipe finetune", "a $_{b$ on 数据.csv"])
def test_the_curves(until: int, title: str, tmp_path: Path) -> None:
    """Of each length, without a warning; a title is text, not mathematics."""
    plan = [
        StagePlan(0, Stage(name="backbone", epochs=2, crops=False), 0, 4, 2),
        StagePlan(1, Stage(name="crops", epochs=3), 2, 4, 2),
    ]
    rows: list[dict[str, Any]] = [
        {
            "epoch": epoch,
            "train_loss": 1 / epoch,
            "val_loss": 2 / epoch,
            "val_auroc": None if until == 1 else 0.5 + epoch / 20,
            "val_auroc_without_crops": 0.6 if epoch > 2 else None,
            "best": until > 1,
        }
        for epoch in range(1, until + 1)
    ]
    (tmp_path / "curves.png").write_bytes(draw_curves(rows, plan, title=title))
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.size == (1080, 504)
