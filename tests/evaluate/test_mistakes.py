"""The worst mistakes: which they are, and that the picture shows the frame, the crops' places and the crops."""

import base64
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.io import decode_png

import lag_zoo
from lag_zoo.data.images import read_image
from lag_zoo.data.manifest import Manifest
from lag_zoo.evaluate import evaluate
from lag_zoo.evaluate.mistakes import GAP, Mistake, worst_mistakes
from lag_zoo.evaluate.pages import html
from lag_zoo.evaluate.scores import Scores
from lag_zoo.evaluate.scoring import score
from tests.evaluate.drawn_scores import with_frames
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
    report = evaluate(scores, n_resamples=10)
    found = [m for m in worst_mistakes(model, data, scores, report, count=3) if m.label == "IM"]
    probabilities, truth = scores.probabilities[:, 1], scores.frames.targets == 1
    positives = sorted(
        (p for p, t in zip(probabilities, truth, strict=True) if p >= 0.5 and not t), reverse=True
    )
    negatives = sorted(p for p, t in zip(probabilities, truth, strict=True) if p < 0.5 and t)
    assert [m.probability for m in found if not m.truth] == pytest.approx(positives[:3])
    assert [m.probability for m in found if m.truth] == pytest.approx(negatives[:3])
    assert len(found) == 6
    assert [m.reference for m in found] == ["normal"] * 3 + ["IM"] * 3


def pixels_of(mistake: Mistake) -> torch.Tensor:
    return decode_png(torch.frombuffer(bytearray(base64.b64decode(mistake.picture)), dtype=torch.uint8))


def test_the_picture_holds_the_view_and_the_crops(model: lag_zoo.LAG, data: Manifest) -> None:
    scores = said(model, data)
    mistake = worst_mistakes(model, data, scores, evaluate(scores, n_resamples=10), count=1)[0]
    picture, wide = pixels_of(mistake), round(32 * SIZE[1] / SIZE[0])
    assert picture.shape == (3, 32 + 2 * GAP, wide + 4 * (32 + GAP) + GAP)
    views = model.views(read_image(data.root / mistake.image))
    for number, crop in enumerate(views.crops[0]):
        left = wide + GAP + number * (32 + GAP)
        assert (picture[:, GAP : GAP + 32, left : left + 32] == crop).all(), "pixel for pixel"
    x1, y1, x2, y2 = (views.boxes[0, 0] * torch.tensor([wide / SIZE[1], 32 / SIZE[0]] * 2)).long().tolist()
    cyan = torch.tensor([0, 255, 255], dtype=torch.uint8)[:, None]
    assert (picture[:, y1, x1:x2] == cyan).all(), "the first crop's upper edge is drawn where it lies"
    assert (picture[:, y1:y2, x1] == cyan).all()


def test_without_crops_none_are_shown(model: lag_zoo.LAG, data: Manifest) -> None:
    scores = said(model, data)
    report = evaluate(scores, n_resamples=10)
    mistake = worst_mistakes(model, data, scores, report, count=1, with_crops=False)[0]
    assert pixels_of(mistake).shape == (3, 32, round(32 * SIZE[1] / SIZE[0]))


def test_what_is_blanked_for_the_network_is_blanked_here(data: Manifest) -> None:
    model = lag_zoo.LAG(
        "mobilenetv3_small_050", label_names=["normal", "IM"], global_size=32, mask_outside=True
    ).eval()
    scores = said(model, data)
    mistake = worst_mistakes(model, data, scores, evaluate(scores, n_resamples=10), count=1)[0]
    assert (pixels_of(mistake)[:, :2, :2] == 0).all(), "text burnt into a corner does not come back"


def test_unknown_labels_are_no_mistakes(model: lag_zoo.LAG, data: Manifest) -> None:
    scores = said(model, data)
    marks = np.stack([scores.frames.targets == 0, scores.frames.targets == 1], axis=1).astype(int)
    marks[:4] = -1
    several = dataclasses.replace(with_frames(scores, targets=marks), task="multilabel")
    found = worst_mistakes(model, data, several, evaluate(several, n_resamples=10), count=99)
    assert found
    assert not {m.image for m in found} & set(scores.frames.images[:4])
    assert {m.reference for m in found} == {"not normal", "IM", "not IM"}


@pytest.mark.usefixtures("no_pictures")
def test_the_page_says_that_it_holds_frames(model: lag_zoo.LAG, data: Manifest) -> None:
    scores = said(model, data)
    report = evaluate(scores, n_resamples=10)
    mistakes = worst_mistakes(model, data, scores, report, count=2)
    plain = html(report)
    assert "parts of frames" not in plain
    assert "worst mistakes" not in plain
    assert not any(image in plain for image in scores.frames.images)
    page = html(report, mistakes=mistakes)
    assert "parts of frames" in page
    assert page.count("<figure>") == len(mistakes) == 4
    assert "no frame was called wrongly" in html(report, mistakes=[])


def test_a_frame_that_is_gone(model: lag_zoo.LAG, tmp_path: Path) -> None:
    data = write_frames(tmp_path / "frames", patients=6)
    scores = said(model, data)
    for frame in data.frames:
        (data.root / frame.image).unlink()
    with pytest.raises(lag_zoo.errors.UnreadableImageError):
        worst_mistakes(model, data, scores, evaluate(scores, n_resamples=10))
