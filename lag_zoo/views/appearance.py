"""Appearance: colours, texture and layout of a frame in a few numbers that a reader can check by eye.

They are taken from the global view, averaged down to about a hundred pixels a side, so that they cost little and do
not depend on the size of the frame.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Appearance", "appearance_of"]

_SIDE = 112  # pixels, about
_DARK = 20  # 0..255: of the brightest channel, in the gap between two pictures
_BORDER = 2  # pixels
_PAGE = 40  # 0..255: the darkest border that is none of the black around the light
_EVEN = 6  # 0..255: a border is of one colour where it stays so close to its median
_JUMP = 6  # 0..255: between neighbours, across a seam
_TWO = (0.3, 0.7)  # of all light lies to the left, where two pictures meet
_LEAST = 0.3  # of the height that is in the field, where two pictures meet


class Appearance(NamedTuple):
    """A frame in numbers, counted in its field of view.

    red, green, blue: each colour's share of the light; they sum to 1.
    roughness: the mean square of a step to the next pixel over twice the variance: 1 for noise, near 0 for a blur.
    contrast: standard deviation of the grey level, 0 to 255.
    gap: the depth of the dark notches between two pictures, relative to the height of the field, 0 to 1.
    seam: the part of the height over which brightness jumps at one column (or of the width, at one row).
    border: the part of the frame's outermost pixels that is lit and of one colour.
    """

    red: float
    green: float
    blue: float
    roughness: float
    contrast: float
    gap: float
    seam: float
    border: float


def appearance_of(view: Tensor, lit: Tensor) -> Appearance:
    """The appearance of one frame.

    Args:
        view: its global view (3, G, G), raw: uint8, or float in 0..1.
        lit: (G, G) bool, its field of view; an empty one gives numbers without meaning.

    >>> grey = torch.full((3, 64, 64), 128, dtype=torch.uint8)
    >>> found = appearance_of(grey, torch.ones(64, 64, dtype=torch.bool))
    >>> round(found.red, 3), found.contrast, found.border
    (0.333, 0.0, 1.0)
    """
    step = max(1, round(view.shape[-1] / _SIDE))
    pixels = F.avg_pool2d(view[None].float(), step)[0]
    pixels = pixels if view.dtype == torch.uint8 else pixels * 255
    lit = lit[step // 2 :: step, step // 2 :: step][: pixels.shape[1], : pixels.shape[2]]
    light = (pixels * lit).sum((1, 2)) + 1e-3  # of a black frame all shares are a third
    red, green, blue = (light / light.sum()).tolist()
    roughness, contrast = _texture(pixels.mean(0), lit)
    # What is looked for from column to column is looked for from row to row in the frame turned over its diagonal.
    both_ways = (pixels, lit), (pixels.transpose(1, 2), lit.T)
    gaps, seams = zip(*(_meeting(*way) for way in both_ways), strict=True)
    return Appearance(red, green, blue, roughness, contrast, max(gaps), max(seams), _border(pixels))


def _texture(grey: Tensor, lit: Tensor) -> tuple[float, float]:
    """Roughness and contrast of a grey view (h, w)."""
    values = grey[lit]
    if len(values) < 2:
        return 0.0, 0.0
    spread = float(values.var())
    across = (grey[:, 1:] - grey[:, :-1])[lit[:, 1:] & lit[:, :-1]]
    down = (grey[1:] - grey[:-1])[lit[1:] & lit[:-1]]
    steps = torch.cat([across, down])
    return float(steps.square().mean()) / (2 * spread + 1e-3) if len(steps) else 0.0, spread**0.5


def _meeting(pixels: Tensor, lit: Tensor) -> tuple[float, float]:
    """Gap and seam at the column where two pictures would meet, with about as much light on either side."""
    bright = (pixels.amax(0) > _DARK) & lit
    height = lit.sum(0)
    light = bright.sum(0).cumsum(0)
    share = light / light[-1].clamp(min=1)
    middle = (share > _TWO[0]) & (share < _TWO[1]) & (height > _LEAST * len(lit))
    # Dark from above and from below at once: a lumen at the edge of one picture is dark from one side alone.
    dark = [_depth(~part) - _depth(~field) for part, field in ((bright, lit), (bright.flip(0), lit.flip(0)))]
    gap = (2 * torch.minimum(*dark) / height.clamp(min=1)).clamp(max=1)
    inside = lit[:, 1:] & lit[:, :-1]
    step = (pixels[:, :, 1:] - pixels[:, :, :-1]).abs().amax(0)
    around = F.pad(step, (2, 2))
    near = torch.stack([around[:, k : k + step.shape[1]] for k in (0, 1, 3, 4)]).amax(0)
    jumps = ((step > _JUMP) & (step > near) & inside).sum(0) / inside.sum(0).clamp(min=1)
    return float((gap * middle).max()), float((jumps * middle[1:]).max())


def _depth(mask: Tensor) -> Tensor:
    """(w,) how many rows from the top each column is True in (h, w)."""
    return mask.int().cumprod(0).sum(0)


def _border(pixels: Tensor) -> float:
    """The part of the outermost pixels that is lit and of one colour."""
    w = _BORDER
    strips = (pixels[:, :w], pixels[:, -w:], pixels[:, :, :w], pixels[:, :, -w:])
    border = torch.cat([strip.flatten(1) for strip in strips], 1)
    even = (border - border.median(1, keepdim=True).values).abs().amax(0) <= _EVEN
    return float((even & (border.amax(0) > _PAGE)).float().mean())
