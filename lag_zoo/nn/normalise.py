"""Normalisation of raw pixels, by the mean and standard deviation that a backbone was trained with."""

import torch
from torch import Tensor


def normalise(pixels: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Raw pixels (..., 3, H, W), uint8 or float from 0 to 1 -> (pixels - mean) / std, in the dtype of `mean`.

    `mean` and `std` are (3, 1, 1), on the scale 0 to 1.

    >>> half = torch.full((3, 1, 1), 0.5)
    >>> normalise(torch.tensor([0, 255], dtype=torch.uint8).expand(3, 1, 2), half, half)[0]
    tensor([[-1.,  1.]])
    """
    scale = 255.0 if pixels.dtype == torch.uint8 else 1.0
    return (pixels.to(mean.dtype) / scale - mean) / std
