"""Augmentation of the global view, besides the flips and quarter turns that all views get.

Crops stay native pixels. Colours stay nearly as they are: they are the modality, and half the diagnosis. A draw is
settled by (seed, epoch, index) and nothing else, so neither workers nor a resumed run change it.
"""

import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from lag_zoo.views import Views
from lag_zoo.views.policies import mix

_LIT = 16  # 0..255: darker is not lit


class Draw(NamedTuple):
    """The change of one global view."""

    angle: float  # radians
    zoom: float
    gain: tuple[float, float, float]  # of red, green and blue
    blur: float  # sigma in pixels; 0: none
    glints: tuple[tuple[float, float, float], ...]  # x, y and radius, as shares of the side


def draw(generator: torch.Generator, *, strength: float = 1.0) -> Draw:
    """Draw the change of a view: any angle, 0.85 to 1.2 times, light by 15% and its cast by 3%, rarely a blur, glints.

    Glints are spots of reflected light without information; as many spots are blanked. Half the `strength` changes
    half as far and as often.
    """

    def between(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    light = strength * between(-0.15, 0.15)
    cast = [strength * between(-0.03, 0.03) for _ in range(3)]
    count = round(strength * int(torch.randint(0, 4, (), generator=generator)))
    return Draw(
        angle=strength * between(-math.pi, math.pi),
        zoom=between(0.85, 1.2) ** strength,
        gain=(math.exp(light + cast[0]), math.exp(light + cast[1]), math.exp(light + cast[2])),
        blur=between(0.3, 1.5) if between(0, 1) < 0.2 * strength else 0.0,
        glints=tuple((between(0.1, 0.9), between(0.1, 0.9), between(0.01, 0.05)) for _ in range(count)),
    )


def apply(view: Tensor, done: Draw) -> Tensor:
    """Apply a draw to a global view (3, G, G), uint8 or float in 0..1; the result is of the same type.

    The view is turned and scaled about the centre of its lit area. Beyond its edges the last pixels go on: black where
    it has a black border, lit where it is lit to the edge.
    """
    pixels = _from_0_to_1(view)
    pixels = _moved(pixels, _geometry(pixels, done))
    pixels = pixels * torch.tensor(done.gain).view(3, 1, 1)
    if done.blur:
        pixels = _blurred(pixels, done.blur)
    for spot in done.glints:
        pixels = pixels * ~_disc(spot, pixels.shape[-1])
    return _as_type(pixels.clamp(0, 1), view.dtype)


def apply_to_mask(mask: Tensor, view: Tensor, done: Draw) -> Tensor:
    """Move a mask (1, G, G) as `apply` moves its global view (3, G, G); light, blur and glints do not concern it.

    Both are uint8 or float in 0..1, and the result is of the mask's type.
    """
    moved = _moved(_from_0_to_1(mask), _geometry(_from_0_to_1(view), done))
    return _as_type(moved.clamp(0, 1), mask.dtype)


def _from_0_to_1(image: Tensor) -> Tensor:
    return image.float() / (255 if image.dtype == torch.uint8 else 1)


def _as_type(pixels: Tensor, dtype: torch.dtype) -> Tensor:
    return (pixels * 255).round().to(torch.uint8) if dtype == torch.uint8 else pixels


def _geometry(pixels: Tensor, done: Draw) -> Tensor:
    """The affine map (2, 3) from each place of the result, in -1..1, to the place in the view that is seen there."""
    x, y = _centre(pixels)
    cos, sin = math.cos(done.angle) / done.zoom, math.sin(done.angle) / done.zoom
    return torch.tensor([[cos, -sin, x - cos * x + sin * y], [sin, cos, y - sin * x - cos * y]])


def _moved(pixels: Tensor, geometry: Tensor) -> Tensor:
    grid = F.affine_grid(geometry[None], [1, *pixels.shape], align_corners=False)
    return F.grid_sample(pixels[None], grid, padding_mode="border", align_corners=False)[0]


def _centre(pixels: Tensor) -> tuple[float, float]:
    """The centre of the lit area, in -1..1."""
    lit = (pixels.amax(0) > _LIT / 255).float()
    total = lit.sum()
    if not total:
        return 0.0, 0.0
    axis = torch.linspace(-1, 1, len(lit))
    return float((lit.sum(0) * axis).sum() / total), float((lit.sum(1) * axis).sum() / total)


def _blurred(pixels: Tensor, sigma: float) -> Tensor:
    reach = torch.arange(-4, 5).float()
    weights = (-(reach**2) / (2 * sigma**2)).exp()
    weights = (weights / weights.sum()).repeat(3, 1, 1, 1)
    wide = F.pad(pixels[None], (4, 4, 4, 4), mode="replicate")
    return F.conv2d(F.conv2d(wide, weights, groups=3), weights.transpose(2, 3), groups=3)[0]


def _disc(spot: tuple[float, float, float], side: int) -> Tensor:
    x, y, radius = (value * side for value in spot)
    axis = torch.arange(side) + 0.5
    return (axis[None] - x) ** 2 + (axis[:, None] - y) ** 2 < radius**2


class AugmentedViews(Dataset[tuple[Views, Any]]):
    """A data set of (Views, label), such as `lag_zoo.data.ViewDataset`, with augmented global views."""

    def __init__(self, dataset: Any, *, seed: int, strength: float = 1.0) -> None:
        self.dataset = dataset
        self.seed = seed
        self.strength = strength

    @property
    def epoch(self) -> int:
        """The epoch of the data set inside."""
        return int(self.dataset.epoch)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, in every worker too."""
        self.dataset.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Views, Any]:
        views, label = self.dataset[index]
        return self.changed(views, index), label

    def draw(self, index: int) -> Draw:
        """Draw the change of the views with this index, in this epoch."""
        generator = torch.Generator().manual_seed(mix(self.seed + 2, self.epoch, index))
        return draw(generator, strength=self.strength)

    def changed(self, views: Views, index: int) -> Views:
        """Return views of the data set inside with their global view changed."""
        return views._replace(global_view=apply(views.global_view, self.draw(index)))
