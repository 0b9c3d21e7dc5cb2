"""Masks: images that mark where in a frame its label is seen, as large as the frame.

Two values are expected, marked or not: 0 and 1, or dark and light. Of the latter more than 127 is marked, in whichever
colour, so that the noise of a JPEG marks nothing. A mask in which nothing is marked says nothing.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from lag_zoo.data.images import read_image, read_size
from lag_zoo.data.manifest import Frame, Manifest
from lag_zoo.errors import DataError, UnreadableImageError

_LIGHT = 127  # of 255: what is lighter is marked


def read_mask(path: Path) -> Tensor:
    """Read a mask: (H, W) bool, true where it marks the frame.

    Raises:
        UnreadableImageError: see `lag_zoo.data.read_image`.
        DataError: values that are neither 0 and 1 nor dark and light, as of a mask with a number for each class.
    """
    values = read_image(path).amax(0)
    highest = int(values.max())
    if 1 < highest <= _LIGHT:
        raise DataError(
            f"{path}: a mask has the values 0 and 1, or dark ones and light ones above {_LIGHT}; this one reaches "
            f"{highest} of 255. Of a mask with a number for each class, write the class of the label alone"
        )
    return values > (0 if highest == 1 else _LIGHT)


def check_mask(path: Path, size: Sequence[int]) -> Tensor:
    """Read the mask of a frame of `size`, height and width: (H, W) bool.

    Raises:
        UnreadableImageError: see `lag_zoo.data.read_image`.
        DataError: no mask, or one of another size.
    """
    mask = read_mask(path)
    if tuple(mask.shape) != tuple(size):
        raise DataError(
            f"{path}: the mask is {mask.shape[1]} x {mask.shape[0]}, and its image {size[1]} x {size[0]}: a mask "
            "covers its image pixel by pixel"
        )
    return mask


def mask_of(manifest: Manifest, frame: Frame) -> Tensor | None:
    """Read the mask of a frame: (H, W) bool; `None`: it has none.

    Raises:
        DataError: the mask cannot be read, is none, or is not as large as its image; the message names the line.
    """
    path = manifest.mask_path(frame)
    if path is None:
        return None
    try:
        return check_mask(path, read_size(manifest.path(frame)))
    except (UnreadableImageError, DataError) as error:
        line = f", line {frame.line}" if frame.line else ""
        raise DataError(f"{manifest.source}{line}, column mask: {error}") from error


def as_pixels(mask: Tensor) -> Tensor:
    """Return a mask (H, W) as a picture (3, H, W), uint8: white where it marks, so that it can be resized like a frame.

    >>> as_pixels(torch.tensor([[True, False]]))[:, 0].tolist()
    [[255, 0], [255, 0], [255, 0]]
    """
    return (mask.to(torch.uint8) * 255).expand(3, -1, -1)
