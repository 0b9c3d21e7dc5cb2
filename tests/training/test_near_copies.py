"""Near-copies in two splits stop a training before it begins."""

import dataclasses
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from lag_zoo.errors import NearCopiesError
from lag_zoo.training import finetune
from tests.training.drawn_data import write_frames


def test_nothing_is_trained_or_written(tmp_path: Path) -> None:
    data = write_frames(tmp_path / "data")
    place = next(n for n, frame in enumerate(data.frames) if frame.split == "val")
    with Image.open(data.root / "0_0.png") as image:
        ImageOps.mirror(image).save(data.root / "copy.png")
    frames = list(data.frames)
    frames[place] = dataclasses.replace(frames[place], image="copy.png")
    with pytest.raises(NearCopiesError, match=r"0_0\.png \(train\) = copy\.png \(val\).*--allow-near-copies"):
        finetune(None, data.with_frames(frames), tmp_path / "run", pretrained=False, device="cpu")
    assert not (tmp_path / "run").exists()
