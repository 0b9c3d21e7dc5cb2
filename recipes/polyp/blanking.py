"""Fields of view drawn at random: windows are shown through them, since whole frames have one and windows do not."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from recipes.polyp.windows import Frame, Window

STILL_SEEN = 0.6  # of the polyp's pixels, at least
_SIDE = 128


def drawn_field(frames: Sequence[Frame], pair: Iterable[Window], rng: np.random.Generator) -> Tensor | None:
    """A field (128, 128) to show both windows of a pair through; `None` where it would hide the polyp."""
    keep = _random_field(_SIDE, rng)
    positive = next(window for window in pair if window.label)
    x1, y1, x2, y2 = positive.box
    polyp = torch.from_numpy(frames[positive.frame].mask()[y1:y2, x1:x2])
    seen = (polyp & stretched(keep, y2 - y1, x2 - x1)).sum() / polyp.sum()
    return keep if seen >= STILL_SEEN else None


def stretched(keep: Tensor, height: int, width: int) -> Tensor:
    """A field as large as a window, (height, width) bool."""
    rows, columns = (torch.arange(side) * len(keep) // side for side in (height, width))
    return keep[rows][:, columns]


def _random_field(size: int, rng: np.random.Generator) -> Tensor:
    """A lit field (size, size): an octagon, a disc or something between, at times with a box cut out of a corner."""
    axis = torch.linspace(-1, 1, size)
    y, x = torch.meshgrid(axis - rng.uniform(-0.1, 0.1), axis - rng.uniform(-0.1, 0.1), indexing="ij")
    power = rng.choice([2.0, 4.0, 6.0])
    reach = rng.uniform(0.95, 1.25)
    keep = (x.abs() ** power + y.abs() ** power) <= reach**power
    keep &= (x.abs() + y.abs()) <= rng.uniform(1.3, 1.9)
    if rng.random() < 0.4:
        keep &= ~((x < -rng.uniform(0.3, 0.6)) & (y > rng.uniform(0.3, 0.6)))
    return keep
