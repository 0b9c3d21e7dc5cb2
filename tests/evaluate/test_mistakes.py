"""The worst mistakes: which they are, and that the picture shows the frame, the crops' places and the crops."""

import base64
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.io import decode_jpeg

import lag_zoo
from lag_zoo.data.images import read_image
from lag_zoo.data.manifest import Manifest
from lag_zoo.evaluate import evaluate
from lag_zoo.evaluate.mistakes import worst_mistakes
from lag_zoo.evaluate.pages import html
from lag_zoo.evaluate.scores import Scores, score
from tests.training.drawn_data import SIZE, write_frames


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return write_frames(tmp_path_factory.mktemp("frames"))


@pytest.fixture(scope="module")
def model() -> lag_zoo.LAG:
    torch.manual_seed(0)
    return lag_zoo.LAG(
        "mobilenetv3_small_050", label_names=["normal", "IM"], global_size=32, num_crops=4, crop_size=32
    ).eval()


def said(model: lag_zoo.LAG, data: Manifest) -> Scores:
    """Scores whose probability of IM is 0.1, 0.9, 0.8, 0.2 and so on, whatever the frames show."""
    scores = score(model, data, split=None, workers=0)
    wanted = np.resize([0.1, 0.9, 0.8, 0.2, 0.6, 0.95], len(scores))
    logits = np.stack([np.zeros(len(scores)), np.log(wanted / (1 - wanted))], axis=1)
    return dataclasses.replace(scores, logits=logits)


def test_the_furthest_from_the_threshold_come_first(model: lag_zoo.LAG, data: Manifest) -> None:
    scores = said(model, data)
    report = evaluate(scores, draws=100)
    found = [m for m in worst_mistakes(model, data, scores, report, count=3) if m.label == "IM"]
    probabilities, truth = scores.probabilities[:, 1], scores.targets == 1
    positives = sorted(
        (p for p, t in zip(probabilities, truth, strict=True) if p >= 0.5 and not t), reverse=True
    )
    negatives = sorted(p for p, t in zip(probabilities, truth, strict=True) if p < 0.5 and t)
    assert [m.probability for m in found if not m.truth] == pytest.approx(positives[:3])
    assert [m.probability for m in found if m.truth] == pytest.approx(negatives[:3])
    assert len(found) == 6


def test_the_picture_holds_the_frame_and_its_crops(model: lag_zoo.LAG, data: Manifest) -> None:
    scores = said(model, data)
    mistake = worst_mistakes(model, data, scores, evaluate(scores, draws=100), count=1)[0]
    picture = decode_jpeg(torch.frombuffer(bytearray(base64.b64decode(mistake.picture)), dtype=torch.uint8))
    width = round(SIZE[1] * 320 / SIZE[0])
    assert picture.shape == (3, 320, width + 4 * (32 + 4) + 4)
    views = model.views(read_image(data.root / mistake.image))
    shown = picture[:, 4:36, width + 4 : width + 36].float()
    assert (shown - views.crops[0, 0].float()).abs().mean() < 6, "the first crop, at its native pixels"


def test_the_page_says_that_it_holds_frames(model: lag_zoo.LAG, data: Manifest) -> None:
    scores = said(model, data)
    report = evaluate(scores, draws=100)
    mistakes = worst_mistakes(model, data, scores, report, count=2)
    assert "parts of frames" not in html(report, title="t")
    page = html(report, title="t", mistakes=mistakes)
    assert "parts of frames" in page
    assert page.count("data:image/jpeg;base64,") == len(mistakes) == 8


def test_a_frame_that_is_gone(model: lag_zoo.LAG, tmp_path: Path) -> None:
    data = write_frames(tmp_path / "frames", patients=6)
    scores = said(model, data)
    for frame in data.frames:
        (data.root / frame.image).unlink()
    with pytest.raises(lag_zoo.errors.UnreadableImageError):
        worst_mistakes(model, data, scores, evaluate(scores, draws=100))
