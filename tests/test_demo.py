"""`make demo`: examples/demo.py, with a small untrained network in place of the built-in one."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import lag_zoo
import lag_zoo.predict.predictor as predict
from lag_zoo.data.phantom import draw_frame

FIELD, CROPS, OUTSIDE = (90, 220, 255), (255, 225, 90), (28, 28, 28)


@pytest.fixture
def demo(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    model = lag_zoo.LAG("mobilenetv3_small_050", label_names=("mucosa", "polyp"), global_size=64)
    monkeypatch.setattr(predict, "create_model", lambda name, pretrained: model)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LAG_ZOO_SAMPLES", raising=False)
    return lambda: runpy.run_path(str(root / "examples" / "demo.py"), run_name="__main__")


def test_on_drawn_frames(demo, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    demo()
    out = " ".join(capsys.readouterr().out.split())
    for part in (
        "drawn by lag_zoo.data.phantom",
        "drawn_1_polyp.png",
        "drawn_2_mucosa.png",
        "not a medical device",
    ):
        assert part in out
    with Image.open(tmp_path / "demo.png") as picture:
        assert picture.width == 1280
        assert picture.height > 1024  # the answer stands beneath the frame
        pixels = np.asarray(picture)
    for colour in (FIELD, CROPS, OUTSIDE):
        assert (pixels[:1024] == colour).all(-1).sum() > 1000
    assert tuple(pixels[10, 10]) == OUTSIDE  # where a name may stand
    assert (pixels[1024:] > 200).any()


def test_on_one_s_own_frames(demo, tmp_path: Path, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "mine" / "below").mkdir(parents=True)
    Image.fromarray(draw_frame((200, 260)).permute(1, 2, 0).numpy()).save(
        tmp_path / "mine" / "below" / "a.png"
    )
    (tmp_path / "mine" / "0.jpg").write_text("no image")
    monkeypatch.setenv("LAG_ZOO_SAMPLES", str(tmp_path / "mine"))
    demo()
    out = " ".join(capsys.readouterr().out.split())
    assert f"those in {tmp_path / 'mine'} (LAG_ZOO_SAMPLES)" in out
    assert "below/a.png" in out
    assert "failed: not a TIFF" in out
    assert (tmp_path / "demo.png").is_file()


def test_on_an_empty_folder(demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("LAG_ZOO_SAMPLES", str(tmp_path))
    with pytest.raises(SystemExit, match="no image found in"):
        demo()
