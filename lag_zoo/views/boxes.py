"""Boxes: (B, N, 4) int64, x1 y1 x2 y2 in pixels of the frame, right and bottom exclusive."""

import torch
from torch import Tensor


def boxes_at(corners: Tensor, size: int) -> Tensor:
    """Left upper corners (..., 2) -> square boxes (..., 4) of `size` pixels.

    >>> boxes_at(torch.tensor([[3, 5]]), 64).tolist()
    [[3, 5, 67, 69]]
    """
    return torch.cat([corners, corners + size], dim=-1)


def covered(boxes: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """(B, h, w) bool: the points of the lattice of x (w,) and y (h,) that lie in any of the boxes (B, N, 4).

    >>> covered(torch.tensor([[[1, 0, 3, 1]]]), torch.arange(4), torch.arange(2)).int().tolist()
    [[[0, 1, 1, 0], [0, 0, 0, 0]]]
    """
    across = (boxes[..., 0:1] <= x) & (x < boxes[..., 2:3])  # (B, N, w)
    down = (boxes[..., 1:2] <= y) & (y < boxes[..., 3:4])
    return torch.bmm(down.float().transpose(1, 2), across.float()) > 0
