"""Boxes: (B, N, 4) int64, x1 y1 x2 y2 in pixels of the frame, right and bottom exclusive."""

import torch
from torch import Tensor

from lag_zoo.views.field_of_view import FieldOfView

_GRID = 128


def boxes_at(corners: Tensor, size: int) -> Tensor:
    """Square boxes (..., 4) of `size` pixels whose left upper corners (..., 2) are given.

    >>> boxes_at(torch.tensor([[3, 5]]), 64).tolist()
    [[3, 5, 67, 69]]
    """
    return torch.cat([corners, corners + size], dim=-1)


def share_seen(boxes: Tensor, field: FieldOfView) -> Tensor:
    """The part of each field, from 0 to 1, that its boxes (B, N, 4) cover together: (B,) float32.

    Counted on a grid of 128 x 128 points; an empty field gives 0.
    """
    height, width = field.size
    steps = (torch.arange(_GRID, device=boxes.device) + 0.5) / _GRID
    x, y = steps * width, steps * height
    across = (boxes[..., 0:1] <= x) & (x < boxes[..., 2:3])  # (B, N, grid)
    down = (boxes[..., 1:2] <= y) & (y < boxes[..., 3:4])
    covered = torch.bmm(down.float().transpose(1, 2), across.float()) > 0
    lit = field.mask((_GRID, _GRID))
    seen = (covered & lit).sum((1, 2)).float()
    return seen / lit.sum((1, 2)).clamp(min=1)
