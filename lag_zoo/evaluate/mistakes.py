"""The worst mistakes as pictures: the global view with the crops' places drawn, beside it the crops, pixel for pixel.

They are parts of frames: whoever gets the page gets them too.
"""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.io import encode_png
from torchvision.utils import draw_bounding_boxes, make_grid

from lag_zoo.data.images import read_image
from lag_zoo.data.manifest import Manifest
from lag_zoo.evaluate.report import Report
from lag_zoo.evaluate.scores import Scores
from lag_zoo.nn import LAG

GAP = 4  # white pixels around each crop
_ROW = 5  # crops side by side
_LINE = (0, 255, 255)  # cyan: no mucosa has it


class Mistake(NamedTuple):
    """A frame that was called wrongly: the label, the frame's name, and how it came to it.

    Attributes:
        label: that it was called, or not called.
        image: its name in the manifest.
        probability: of the label; the frame is called where it reaches the `threshold`.
        truth: whether it has the label; if so, this is a false negative, else a false positive.
        reference: what it is in truth: its label where labels exclude each other, else the label or "not" it.
        picture: PNG, base64.
    """

    label: str
    image: str
    probability: float
    threshold: float
    truth: bool
    reference: str
    picture: str


def worst_mistakes(
    model: LAG,
    manifest: Manifest,
    scores: Scores,
    report: Report,
    *,
    count: int = 4,
    with_crops: bool = True,
) -> list[Mistake]:
    """Of each label the false positives and the false negatives furthest from the threshold, so many of each at most.

    Args:
        manifest: has the frames of `scores`.
        report: of these scores, by frame; its rows have the thresholds.
        with_crops: show the crops; without, only the global view, which is all that `without_crops()` sees.

    Raises:
        UnreadableImageError: a frame that cannot be read any more.
    """
    paths = {frame.image: manifest.path(frame) for frame in manifest.frames}
    found = []
    numbers = {scores.rules.claim(name): number for number, name in enumerate(scores.label_names)}
    claims = scores.rules.claims(scores.probabilities)
    for row in report.rows:
        number = numbers[row.label]
        for place, truth in _furthest(scores, number, claims[:, number] - row.threshold, count):
            image = scores.frames.images[place]
            probability = float(claims[place, number])
            picture = _picture(model, paths[image], with_crops)
            reference = _reference(scores, place, row.label, truth)
            found.append(Mistake(row.label, image, probability, row.threshold, truth, reference, picture))
    return found


def _furthest(scores: Scores, number: int, margins: np.ndarray, count: int) -> Iterator[tuple[int, bool]]:
    """Places of the frames with the largest error, and what is true of them; `margins` (n,) over the threshold."""
    targets = scores.frames.targets
    known, marks = scores.rules.known(targets, number), scores.rules.truth(targets, number)
    for truth in (False, True):
        wrong = np.flatnonzero(known & (marks == truth) & ((margins >= 0) != truth))
        order = np.argsort(margins[wrong] if truth else -margins[wrong], kind="stable")
        yield from ((int(place), truth) for place in wrong[order][:count])


def _reference(scores: Scores, place: int, label: str, truth: bool) -> str:
    if scores.rules.exclusive:
        return str(scores.rules.as_called(scores.frames.targets[place], scores.label_names))
    return label if truth else f"not {label}"


def _picture(model: LAG, path: Path, with_crops: bool) -> str:
    """The network's input at its true size: the global view in the frame's proportions, and the crops."""
    pixels = read_image(path)
    _, height, width = pixels.shape
    views = model.sampler()(pixels)
    side = views.global_view.shape[-1]
    wide = max(1, round(side * width / height))
    view = F.interpolate(
        views.global_view[None].float(), (side, wide), mode="bilinear", antialias=True, align_corners=False
    )[0]
    picture = view.round().to(torch.uint8)
    if with_crops:
        scale = torch.tensor([wide / width, side / height] * 2)
        picture = draw_bounding_boxes(picture, views.boxes * scale, colors=_LINE, width=1)
        crops = make_grid(list(views.crops), nrow=_ROW, padding=GAP, pad_value=255)
        picture = torch.cat(_of_one_height(picture, crops), dim=2)
    encoded = encode_png(picture)
    return base64.b64encode(encoded.numpy().tobytes()).decode("ascii")


def _of_one_height(*pictures: Tensor) -> list[Tensor]:
    height = max(picture.shape[1] for picture in pictures)
    return [F.pad(picture, (0, 0, 0, height - picture.shape[1]), value=255) for picture in pictures]
