"""Foreign images, made of frames and of nothing: what `Prediction.warnings` has to doubt."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import sklearn.datasets  # type: ignore[import-untyped]
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from lag_zoo.data.phantom import draw_frame

_SIZE = (480, 600)
_MUCOSA = torch.tensor([190, 110, 85]).view(3, 1, 1)
_MADE = 20  # images of each kind that needs no frame


def foreign_images(frames: Sequence[Tensor]) -> Iterator[tuple[str, list[Tensor]]]:
    """Yield kinds of foreign images by name, made of frames (3, H, W), uint8, of different examinations."""
    yield "red and blue swapped", [frame.flip(0) for frame in frames]
    yield "green and blue swapped", [frame[[0, 2, 1]] for frame in frames]
    yield "negative", [255 - frame for frame in frames]
    yield "grey", [frame.float().mean(0, keepdim=True).expand(3, -1, -1).to(torch.uint8) for frame in frames]
    pairs = list(zip(frames[::2], frames[1::2], strict=False))
    yield "two side by side", [beside(*pair) for pair in pairs]
    yield "two side by side, white between", [beside(*pair, gap=20) for pair in pairs]
    yield "two, one above the other", [beside(*(f.mT for f in pair)).mT.contiguous() for pair in pairs]
    yield "two windows side by side", [beside(*map(window, pair)) for pair in pairs]
    for share in (0.5, 0.7, 0.9):
        yield f"white page, the frame {share:.0%} of its side", [on_page(f, share) for f in frames]
    yield "grey page, 70%", [on_page(frame, 0.7, (200, 200, 200)) for frame in frames]
    yield "blue page, 70%", [on_page(frame, 0.7, (30, 60, 140)) for frame in frames]
    yield "shrunk to 12 x 12 and enlarged", [resized(resized(f, 12, 12), *_SIZE) for f in frames]
    yield "noise, uniform", [_uniform(seed) for seed in range(_MADE)]
    yield "noise in the colour of mucosa", [_reddish(seed) for seed in range(_MADE)]
    yield "one colour", [_one_colour(seed) for seed in range(_MADE)]
    yield "the colour of mucosa", [_MUCOSA.expand(3, *_SIZE).to(torch.uint8)]
    yield "drawn frames", [draw_frame(_SIZE, seed=k, polyp=bool(k % 2)) for k in range(2 * _MADE)]
    yield "photographs and quarters of them", photographs()


def beside(left: Tensor, right: Tensor, gap: int = 0) -> Tensor:
    """Two frames side by side, as high as the lower one, with so many white pixels between."""
    height = min(left.shape[1], right.shape[1])
    left, right = (resized(f, height, round(f.shape[2] * height / f.shape[1])) for f in (left, right))
    return torch.cat([left, left.new_full((3, height, gap), 255), right], 2)


def on_page(frame: Tensor, share: float, colour: tuple[int, int, int] = (255, 255, 255)) -> Tensor:
    """The frame in the middle of a page of its own size, shrunk to a share of its side."""
    height, width = frame.shape[1:]
    page = torch.tensor(colour, dtype=torch.uint8).view(3, 1, 1).repeat(1, height, width)
    small = resized(frame, round(height * share), round(width * share))
    top, left = (height - small.shape[1]) // 2, (width - small.shape[2]) // 2
    page[:, top : top + small.shape[1], left : left + small.shape[2]] = small
    return page


def window(frame: Tensor) -> Tensor:
    """The middle of a frame, half as high and half as wide: without a dark border."""
    height, width = frame.shape[1:]
    return frame[:, height // 4 : 3 * height // 4, width // 4 : 3 * width // 4]


def resized(frame: Tensor, height: int, width: int) -> Tensor:
    """The frame (3, H, W), uint8, in another size."""
    pixels = F.interpolate(frame[None].float(), (height, width), mode="bilinear", antialias=True)[0]
    return pixels.round().clamp(0, 255).to(torch.uint8)


def photographs() -> list[Tensor]:
    """The photographs that scikit-learn and matplotlib bring along, and the quarters of each."""
    folder = Path(sklearn.datasets.__file__).parent / "images"
    hopper = Path(matplotlib.__file__).parent / "mpl-data" / "sample_data" / "grace_hopper.jpg"
    found = []
    for path in (folder / "china.jpg", folder / "flower.jpg", hopper):
        with Image.open(path) as image:
            whole = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)
        h, w = whole.shape[1] // 2, whole.shape[2] // 2
        quarters = [whole[:, y : y + h, x : x + w] for y in (0, h) for x in (0, w)]
        found += [whole, *quarters]
    return found


def _uniform(seed: int) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, *_SIZE), generator=rng, dtype=torch.uint8)


def _reddish(seed: int) -> Tensor:
    noise = 40 * torch.randn(1, *_SIZE, generator=torch.Generator().manual_seed(seed))
    return (noise + _MUCOSA).round().clamp(0, 255).to(torch.uint8)


def _one_colour(seed: int) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(30, 256, (3, 1, 1), generator=rng, dtype=torch.uint8).expand(3, *_SIZE).contiguous()
