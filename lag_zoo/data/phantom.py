"""Drawn frames: for demonstrations, tests and saved examples, where no patient's picture may go.

`draw_frame` draws what a scope shows: a lit disc cut by the frame, mucosa with folds, vessels and a dark lumen, and
marks like burnt-in text around it. `draw_texture_frame` draws a label that exists only in texture too fine to survive
shrinking, which is the reason for the crops. Nothing here looks real enough to say anything about a model's accuracy.
"""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from lag_zoo.errors import InvalidConfigError

Light = Literal["wli", "lci"]

_MUCOSA: dict[Light, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    # Mean colour, and the direction in which folds and vessels change it, 0..255.
    "wli": ((196.0, 108.0, 78.0), (34.0, 44.0, 38.0)),
    "lci": ((186.0, 132.0, 138.0), (30.0, 52.0, 40.0)),
}


def draw_frame(
    size: tuple[int, int] = (1024, 1280),
    *,
    seed: int = 0,
    modality: Light = "wli",
    texture: float = 1.0,
    text: bool = True,
    polyp: bool = False,
) -> Tensor:
    """A drawn endoscopic frame (3, H, W), uint8; the same for the same arguments.

    Args:
        size: height and width, at least 64 each.
        seed: which frame.
        modality: the colours: white light (`wli`) or linked colour imaging (`lci`).
        texture: strength of the fine mucosal texture; 0: none.
        text: marks like burnt-in text in the corners outside the disc.
        polyp: with a round, lit bump.

    Raises:
        InvalidConfigError: a size below 64, or an unknown modality.

    >>> draw_frame((256, 320), seed=1).shape
    torch.Size([3, 256, 320])
    """
    height, width = size
    if min(height, width) < 64:
        raise InvalidConfigError(f"a drawn frame needs 64 pixels on a side; got {width} x {height}")
    if modality not in _MUCOSA:
        raise InvalidConfigError(f"modality must be one of {', '.join(_MUCOSA)}; got {modality!r}")
    rng = torch.Generator().manual_seed(seed)
    x, y = _plane(height, width)
    depth, lumen = _shading(x, y, rng)
    mean, change = (torch.tensor(c)[:, None, None] for c in _MUCOSA[modality])
    relief = 0.9 * _noise(size, width / 5, rng) + 0.5 * _noise(size, width / 12, rng)
    vessels = torch.exp(-((_noise(size, width / 9, rng) / 0.05) ** 2))
    grain = _noise(size, 3.0, rng) + 0.5 * _noise(size, 1.5, rng)
    frame = mean + change * (0.5 * relief - 0.6 * vessels + 0.18 * texture * grain)
    if polyp:
        frame = _with_bump(frame, x, y, rng)
    frame = frame * depth * (1 - 0.9 * lumen)
    frame = frame * _disc(x, y, width / height) + 6.0 * torch.rand(size, generator=rng)
    if text:
        _write_marks(frame, rng)
    return frame.round().clamp(0, 255).to(torch.uint8)


def draw_texture_frame(
    label: int, *, size: tuple[int, int] = (896, 896), seed: int = 0, coarse: bool = False
) -> Tensor:
    """A frame (3, H, W), uint8, whose label, 0 or 1, lives in a checkerboard of 1-pixel or of 2-pixel squares.

    Both boards add the same number to as many pixels as they take it from, so means and histograms are equal, quarter
    turns and flips change nothing, and an antialiased shrink by 4 or more removes both. The ground under them
    is smooth and says nothing. With `coarse` the label is the ground's tint instead, which shrinking keeps, under a
    board drawn by chance: the control that anything can learn.

    Raises:
        InvalidConfigError: another label.

    >>> fine = draw_texture_frame(0, size=(128, 128))
    >>> torch.equal(fine, draw_texture_frame(1, size=(128, 128)))
    False
    """
    if label not in (0, 1):
        raise InvalidConfigError(f"the label of a texture frame is 0 or 1; got {label!r}")
    rng = torch.Generator().manual_seed(seed)
    height, width = size
    tint = torch.rand(3, generator=rng)[:, None, None] * 40 - 20
    ground = 128 + tint + 25 * _noise(size, max(size) / 3, rng).clamp(-1.5, 1.5)
    strength = int(torch.randint(18, 27, (), generator=rng))
    shift = torch.randint(0, 4, (2,), generator=rng)
    side = 1 + (int(torch.randint(0, 2, (), generator=rng)) if coarse else label)
    if coarse:
        ground = ground + torch.tensor([24.0, 0.0, -24.0])[:, None, None] * (1 - 2 * label)
    rows, columns = torch.arange(height) + shift[0], torch.arange(width) + shift[1]
    board = 1 - 2 * (((rows // side)[:, None] + (columns // side)[None]) % 2)
    # Rounded before the board is laid on: rounding the sum could leave a trace of it in the local mean.
    return (ground.round() + strength * board).clamp(0, 255).to(torch.uint8)


def _plane(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Coordinates with the origin in the middle and half the frame's height as their unit."""
    y = (torch.arange(height) + 0.5 - height / 2) / (height / 2)
    x = (torch.arange(width) + 0.5 - width / 2) / (height / 2)
    return x[None].expand(height, width), y[:, None].expand(height, width)


def _noise(size: tuple[int, int], scale: float, rng: torch.Generator) -> Tensor:
    """Smooth noise (H, W) about 0, about 1 strong, whose hills are `scale` pixels wide."""
    cells = [max(4, math.ceil(side / scale) + 3) for side in size]
    coarse = torch.randn(1, 1, cells[0], cells[1], generator=rng)
    return F.interpolate(coarse, size=size, mode="bicubic", align_corners=False)[0, 0]


def _shading(x: Tensor, y: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """The light, which fades outward and along rings of folds around the lumen; and the lumen, 0 to 1."""
    angle, reach = torch.rand(2, generator=rng).tolist()
    at_x, at_y = (
        (0.25 + 0.3 * reach) * math.cos(2 * math.pi * angle),
        (0.25 + 0.3 * reach) * math.sin(2 * math.pi * angle),
    )
    from_lumen = ((x - at_x) ** 2 + (1.3 * (y - at_y)) ** 2).sqrt()
    turn = torch.atan2(y - at_y, x - at_x)
    phase = 6.28 * float(torch.rand((), generator=rng))
    rings = torch.sin(9 * from_lumen.clamp(min=0.05).log() + 0.5 * torch.sin(3 * turn + phase))
    lumen = torch.sigmoid((0.22 - from_lumen) * 18)
    light = 1.08 - 0.28 * (x**2 + y**2)
    return light.clamp(min=0) * (1 + 0.10 * rings), lumen


def _disc(x: Tensor, y: Tensor, aspect: float) -> Tensor:
    """The lit disc, cut by the upper and lower edge of the frame where the frame is wide; its edge one pixel soft."""
    radius = min(0.975 * aspect, 1.22)
    unit = 1 / (x.shape[0] / 2)
    return ((radius - (x**2 + y**2).sqrt()) / unit + 0.5).clamp(0, 1)


def _with_bump(frame: Tensor, x: Tensor, y: Tensor, rng: torch.Generator) -> Tensor:
    angle, size = torch.rand(2, generator=rng).tolist()
    at_x, at_y, radius = (
        0.5 * math.cos(2 * math.pi * angle),
        0.5 * math.sin(2 * math.pi * angle),
        0.16 + 0.14 * size,
    )
    from_top = ((x - at_x) ** 2 + (y - at_y) ** 2).sqrt() / radius
    dome: Tensor = (1 - from_top**2).clamp(min=0).sqrt()
    rim = torch.exp(-(((from_top - 1.05) / 0.08) ** 2))
    glint = torch.exp(
        -(((x - at_x + 0.3 * radius) ** 2 + (y - at_y + 0.3 * radius) ** 2) / (0.12 * radius) ** 2)
    )
    return frame * (1 + 0.22 * dome - 0.3 * rim) + 120 * glint


def _write_marks(frame: Tensor, rng: torch.Generator) -> None:
    """Rows of blocky characters in the four corners of a frame (3, H, W) of floats, which is changed."""
    height, width = frame.shape[-2:]
    dot = max(1, height // 340)
    for corner in range(4):
        signs = 3 + int(torch.randint(0, 4, (), generator=rng))
        glyphs = (torch.rand(7, signs, 6, generator=rng) < 0.55).float()
        glyphs[:, :, 5] = 0  # the gap between characters
        mark = 235 * glyphs.flatten(1).repeat_interleave(dot, 0).repeat_interleave(dot, 1)
        tall, wide = mark.shape
        wide = min(wide, width // 8)
        top = 4 * dot if corner < 2 else height - tall - 4 * dot
        left = 4 * dot if corner % 2 == 0 else width - wide - 4 * dot
        spot = frame[:, top : top + tall, left : left + wide]
        spot.copy_(torch.maximum(spot, mark[None, :, :wide]))
