"""`lag-zoo data cache`: what it decodes, training does not decode again."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from lag_zoo.cli.app import app
from lag_zoo.data import cache
from lag_zoo.training import Stage, finetune
from tests.training.drawn_data import write_frames


def test_training_reads_from_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = write_frames(tmp_path / "frames", patients=6)
    command = [
        "data",
        "cache",
        str(manifest.root / "data.csv"),
        str(tmp_path / "cache"),
        "--global-size",
        "32",
    ]
    for _ in range(2):  # the second finds it ready
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, done.output
        assert done.output.endswith("cache: 12 frames, 0 unreadable\n")
    decoded: list[Path] = []
    monkeypatch.setattr(cache, "read_image", decoded.append)
    finetune(
        "lag_mobilenetv3_small_050",
        manifest,
        tmp_path / "run",
        recipe="frozen",
        pretrained=False,
        fields={"global_size": 32, "num_crops": 2, "crop_size": 32},
        stages=[Stage(epochs=1)],
        batch_size=4,
        workers=0,
        device="cpu",
        cache=tmp_path / "cache",
    )
    assert decoded == []


def test_an_unreadable_frame(tmp_path: Path) -> None:
    manifest = write_frames(tmp_path / "frames", patients=6)
    (manifest.root / "0_0.png").write_bytes(b"no image")
    command = ["data", "cache", str(manifest.root / "data.csv"), str(tmp_path / "cache")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1
    assert "0_0.png" in str(done.exception)
    done = CliRunner().invoke(app, [*command, "--skip-unreadable"])
    assert done.exit_code == 0, done.output
    assert done.output.endswith("cache: 11 frames, 1 unreadable\n")
