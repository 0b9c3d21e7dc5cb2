"""Sketches of frames, and the near-copies among them: the one detector behind every command that looks at a data set.

A sketch is the hash of a frame (`lag_zoo.likeness`) and its landmarks (`lag_zoo.landmarks`). Hashes know copies that
show the same field, in all eight positions, also those of frames without a single landmark; landmarks
(`lag_zoo.alignment`) know copies that show a part of it, at another place, or under something that was laid over.
`python -m benchmarks.near_duplicates` prints what is found of each kind.
"""

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lag_zoo.alignment import aligned_pairs
from lag_zoo.errors import InvalidImageError
from lag_zoo.landmarks import SIZE, Landmarks, find_landmarks, grid_of
from lag_zoo.likeness import (
    DISTANCE,
    Box,
    cells_of,
    field_box,
    hash_of,
    joined_pairs,
    near_duplicates,
    sums_of,
)
from lag_zoo.views import FieldOfView, find_field_of_view

_MASK = 128  # points on a side of the frame, at which the field of view is asked for


class Sketch(NamedTuple):
    """The marks by which a frame is known: its hash as a whole, of `lag_zoo.likeness.BITS`, and its landmarks."""

    whole: int
    landmarks: Landmarks


def sketch_frame(pixels: Tensor, *, field: FieldOfView | None = None) -> Sketch:
    """Sketch a frame (3, H, W), uint8. One without a lit area is sketched whole.

    A field of view of less than 128 pixels on a side gives no landmarks: of such small frames only copies that show the
    same field are found.

    Args:
        field: the frame's field of view, where it is known already; else it is found here, which warns of frames
            without a lit area.

    Raises:
        InvalidImageError: other pixels.

    >>> from lag_zoo.data.phantom import draw_frame
    >>> frame = draw_frame((240, 300), seed=1)
    >>> near_copies_among([sketch_frame(each) for each in (frame, draw_frame((240, 300), seed=2), frame[:, 40:, 50:])])
    [(0, 2)]
    """
    if pixels.dtype != torch.uint8 or pixels.ndim != 3 or len(pixels) != 3:
        raise InvalidImageError(
            f"a frame (3, H, W) of uint8 has a sketch; got {tuple(pixels.shape)}, {pixels.dtype}"
        )
    found = find_field_of_view(pixels[None]) if field is None else field
    box = field_box(pixels, found)
    sums, side = sums_of(pixels)
    inner = tuple(edge / side for edge in box)
    rows, columns = grid_of(box)
    area = (inner[2] - inner[0]) * (inner[3] - inner[1]) / (rows * columns)
    cells = (cells_of(sums, inner, rows, columns) / area).astype(np.float32)
    lit = _lit(found, box, rows, columns)
    if min(box[2] - box[0], box[3] - box[1]) < SIZE:  # fewer pixels than cells
        lit[:] = False
    return Sketch(hash_of(sums, inner), find_landmarks(cells, lit))


def _lit(field: FieldOfView, box: Box, rows: int, columns: int) -> np.ndarray:
    """(rows, columns) bool: the cells of a box that lie in the field of view; all of them where there is none."""
    if bool(field.empty):
        return np.ones((rows, columns), bool)
    mask = field.mask((_MASK, _MASK))[0].cpu().numpy()
    height, width = field.size
    y = (box[1] + (np.arange(rows) + 0.5) * (box[3] - box[1]) / rows) / height
    x = (box[0] + (np.arange(columns) + 0.5) * (box[2] - box[0]) / columns) / width
    lit: np.ndarray = mask[(y * _MASK).astype(int)][:, (x * _MASK).astype(int)]
    return lit


def near_copies_among(sketches: Sequence[Sketch], *, distance: int = DISTANCE) -> list[tuple[int, ...]]:
    """Groups near-copies, by their number: each shows what another one of its group shows, or a part of it.

    Args:
        distance: bits by which two hashes of copies may differ.
    """
    by_hash = near_duplicates([(sketch.whole,) for sketch in sketches], distance=distance)
    known = np.arange(len(sketches))
    for group in by_hash:
        known[list(group)] = group[0]
    # Equal hashes are one frame here too: of thousands of blank or repeated ones each two would be compared.
    once = list({sketch.whole: number for number, sketch in enumerate(sketches)}.values())
    found = aligned_pairs([sketches[number].landmarks for number in once], known[once])
    same = ((first, other) for first, *others in by_hash for other in others)
    return joined_pairs(chain(same, ((once[one], once[other]) for one, other in found)))
