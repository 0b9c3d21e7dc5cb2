"""Burnt-in text inside the field of view: suspected by a rule, and never found for certain.

Letters are thin: along a row, the light goes up and down again every few pixels, and does so row after row. Highlights
and vessels do it once or twice. So strokes are counted, sharp rises and sharp falls of the luma alike, in a stretch of
a row, and a frame is suspected where several rows in a row have many.
`python -m benchmarks.burnt_in` counts what is suspected in frames with text and without.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch.nn.functional as F
from torch import Tensor

RISE = 60
"""Of 255: by so much the luma rises, and falls, within two pixels at the edges of a stroke."""

STROKES = 5
"""Strokes in a stretch of a row that make it one of text."""

STRETCH = 96
"""Pixels of such a stretch."""

ROWS, OF_ROWS = 6, 9
"""So many rows of so many that follow each other have as many strokes."""

_RIM = 4  # pixels at the field's edge, whose own step from light to dark is none of a letter
_STEP = 2
_LUMA = np.array([77, 150, 29], np.uint32)[:, None, None]  # of 256: ITU-R BT.601


def text_suspected(pixels: Tensor, lit: Tensor) -> bool:
    """True where a frame (3, H, W) uint8 looks as if text were burnt into its field of view `lit` (H, W) bool.

    >>> import torch
    >>> text_suspected(torch.zeros(3, 64, 64, dtype=torch.uint8), torch.ones(64, 64, dtype=torch.bool))
    False
    """
    inside = ~(F.max_pool2d((~lit).float()[None, None], 2 * _RIM + 1, stride=1, padding=_RIM)[0, 0] > 0)
    luma = ((pixels.numpy() * _LUMA).sum(0) >> 8).astype(np.int16)
    rise = np.zeros_like(luma)
    rise[:, _STEP:] = luma[:, _STEP:] - luma[:, :-_STEP]
    both = inside.numpy().copy()
    both[:, _STEP:] &= both[:, :-_STEP].copy()
    rise[~both] = 0
    strokes = np.minimum(_begun(rise >= RISE), _begun(rise <= -RISE))
    rows = _windowed(strokes >= STROKES, OF_ROWS, axis=0)
    return bool(rows.max() >= ROWS)


def _begun(marked: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
    """Of each pixel the runs of marked pixels that begin in the stretch of the row that ends there."""
    first = marked.copy()
    first[:, 1:] &= ~marked[:, :-1]
    return _windowed(first, STRETCH, axis=1)


def _windowed(marked: npt.NDArray[np.bool_], size: int, *, axis: int) -> npt.NDArray[np.int32]:
    """The number of marked pixels among the last so many along an axis."""
    total: npt.NDArray[Any] = np.cumsum(marked, axis, dtype=np.int32)
    before = np.zeros_like(total)
    if axis:
        before[:, size:] = total[:, :-size]
    else:
        before[size:] = total[:-size]
    found: npt.NDArray[np.int32] = total - before
    return found
