"""Appearance: colours, texture and layout of a frame in a few numbers that a reader can check by eye.

They are taken from the global view, averaged down to about a hundred pixels a side, so that they cost little and do
not depend on the size of the frame.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
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

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


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
    pixels: Array = F.avg_pool2d(view[None].float(), step)[0].numpy()  # small arrays: numpy's steps cost less
    pixels = pixels if view.dtype == torch.uint8 else pixels * np.float32(255)
    field: Mask = lit[step // 2 :: step, step // 2 :: step].numpy()[: pixels.shape[1], : pixels.shape[2]]
    light = (pixels * field).sum((1, 2)) + 1e-3  # of a black frame all shares are a third
    red, green, blue = (light / light.sum()).tolist()
    grey, bright = pixels.mean(0), (pixels.max(0) > _DARK) & field
    roughness, contrast = _texture(grey, field)
    # What is looked for from column to column is looked for from row to row in the frame turned over its diagonal.
    turned = (np.ascontiguousarray(part.T) for part in (grey, bright, field))
    gaps, seams = zip(_meeting(grey, bright, field), _meeting(*turned), strict=True)
    return Appearance(red, green, blue, roughness, contrast, max(gaps), max(seams), _border(pixels))


def _texture(grey: Array, lit: Mask) -> tuple[float, float]:
    """Roughness and contrast of a grey view (h, w)."""
    count = max(1, int(lit.sum()))
    above = (grey - (grey * lit).sum() / count) * lit
    spread = float((above**2).sum()) / count
    across, down = lit[:, 1:] & lit[:, :-1], lit[1:] & lit[:-1]
    squares = ((np.diff(grey, axis=1) * across) ** 2).sum() + ((np.diff(grey, axis=0) * down) ** 2).sum()
    steps = max(1, int(across.sum() + down.sum()))
    return float(squares) / steps / (2 * spread + 1e-3), spread**0.5


def _meeting(grey: Array, bright: Mask, lit: Mask) -> tuple[float, float]:
    """Gap and seam at the column where two pictures would meet, with about as much light on either side."""
    height = lit.sum(0)
    light = bright.sum(0).cumsum()
    share = light / max(1, light[-1])
    middle = (share > _TWO[0]) & (share < _TWO[1]) & (height > _LEAST * len(lit))
    # Dark from above and from below at once: a lumen at the edge of one picture is dark from one side alone.
    above, below = (
        _depth(part) - _depth(field) for part, field in ((bright, lit), (bright[::-1], lit[::-1]))
    )
    gap = np.minimum(1, 2 * np.minimum(above, below) / np.maximum(1, height))
    inside = lit[:, 1:] & lit[:, :-1]
    step = np.abs(np.diff(grey, axis=1)) * inside
    near = np.zeros_like(step)  # the largest of the two steps on either side
    pairs = np.maximum(step[:, :-1], step[:, 1:])
    near[:, 2:] = pairs[:, :-1]
    near[:, :-2] = np.maximum(near[:, :-2], pairs[:, 1:])
    jumps = ((step > _JUMP) & (step > near)).sum(0) / np.maximum(1, inside.sum(0))
    return float((gap * middle).max()), float((jumps * middle[1:]).max())


def _depth(mask: Mask) -> npt.NDArray[np.intp]:
    """(w,) how many rows from the top each column of (h, w) is False."""
    return np.where(mask.any(0), mask.argmax(0), len(mask))


def _border(pixels: Array) -> float:
    """The part of the outermost pixels that is lit and of one colour."""
    w = _BORDER
    strips = (pixels[:, :w], pixels[:, -w:], pixels[:, :, :w], pixels[:, :, -w:])
    border = np.concatenate([strip.reshape(3, -1) for strip in strips], 1)
    even = np.abs(border - np.median(border, axis=1, keepdims=True)).max(0) <= _EVEN
    return float((even & (border.max(0) > _PAGE)).mean())
