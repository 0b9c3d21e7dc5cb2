"""`make demo`: examples/demo.py on its four frames, with the weights that ship, and on frames of one's own."""

import hashlib
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import lag_zoo
import lag_zoo.predict.predictor as predict
from lag_zoo.data.images import read_image
from lag_zoo.data.phantom import draw_frame
from lag_zoo.provenance import known_frames

SHOWN = {"polyp.jpg": "polyp", "polyp_hd.jpg": "polyp", "mucosa.jpg": "mucosa", "mucosa_hd.jpg": "mucosa"}
BUILT_IN = lag_zoo.list_models(pretrained=True)


@pytest.fixture
def run(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LAG_ZOO_SAMPLES", raising=False)
    monkeypatch.setattr(sys, "argv", ["demo.py"])
    return lambda: runpy.run_path(str(root / "examples" / "demo.py"), run_name="__main__")


def test_it_says_what_is_wrong(run, root: Path, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    say = run()["say_what_they_show"]
    (answer,) = lag_zoo.Predictor("lag_tf_efficientnet_lite0_polyp")(
        root / "examples" / "frames" / "polyp.jpg"
    )
    say([answer], {"polyp.jpg": "mucosa"})
    assert "polyp.jpg shows mucosa: WRONG: it is called polyp" in capsys.readouterr().out


def test_it_says_what_each_frame_shows(run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    run()
    out = capsys.readouterr().out
    for name, shown in SHOWN.items():
        assert f"{name} shows {shown}: " in out
    verdicts = [line.split(": ")[1].split(" ")[0] for line in out.splitlines() if " shows " in line]
    assert f"{verdicts.count('right')} of 4 are right" in out
    assert verdicts.count("right") == 4, "today's weights get all right; other weights change the README too"
    assert "not a medical device" in out
    with Image.open(tmp_path / "demo.png") as picture:
        assert picture.width > 1280, "two frames side by side"
        pixels = np.asarray(picture)
    for colour in ((90, 220, 255), (28, 28, 28), (120, 230, 120)):
        assert (pixels == colour).all(-1).any(), "field, outside, right"
    red, green, blue = pixels.reshape(-1, 3).astype(int).T
    assert ((green > 150) & (green - blue > 60) & (green >= red)).sum() > 1000, "evidence, green to yellow"


def test_on_one_s_own_frames(run, tmp_path: Path, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    model = lag_zoo.LAG("mobilenetv3_small_050", label_names=("mucosa", "polyp"), global_size=64)
    monkeypatch.setattr(predict, "create_model", lambda name, pretrained: model)
    (tmp_path / "mine" / "below").mkdir(parents=True)
    Image.fromarray(draw_frame((200, 260)).permute(1, 2, 0).numpy()).save(
        tmp_path / "mine" / "below" / "a.png"
    )
    (tmp_path / "mine" / "0.jpg").write_text("no image")
    monkeypatch.setenv("LAG_ZOO_SAMPLES", str(tmp_path / "mine"))
    run()
    out = " ".join(capsys.readouterr().out.split())
    assert f"those in {tmp_path / 'mine'} (LAG_ZOO_SAMPLES)" in out
    assert "below/a.png" in out
    assert "failed: not a TIFF" in out
    assert "are right" not in out, "what they show nobody said"
    assert (tmp_path / "demo.png").is_file()


def test_on_an_empty_folder(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("LAG_ZOO_SAMPLES", str(tmp_path))
    with pytest.raises(SystemExit, match="no image found in"):
        run()


class TestTheFrames:
    def test_are_those_that_nobody_trains_on(self, root: Path, shared: Path) -> None:
        def digests(folder: Path) -> dict[str, str]:
            return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.glob("*.jpg")}

        assert digests(root / "examples" / "frames") == digests(shared / "demo")

    @pytest.mark.parametrize("name", BUILT_IN)
    def test_are_in_no_training_set(self, root: Path, name: str) -> None:
        known = known_frames(name)
        assert known, f"{name} ships without the list of its frames"
        assert None not in known.hashes.values(), "each with its hash, by which near-copies are known"
        for frame in SHOWN:
            assert not known.holds(read_image(root / "examples" / "frames" / frame))

    def test_keep_their_attribution(self, root: Path) -> None:
        text = (root / "examples" / "frames" / "README.md").read_text(encoding="utf-8")
        for part in (*SHOWN, "CC BY 4.0", "Jha et al.", "Borgli et al."):
            assert part in text
