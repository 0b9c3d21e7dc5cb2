"""The field of view: where the scope's light falls, as a convex shape with rectangles cut out of it.

A frame is more than the picture: black corners, a status bar, a name and a date burnt in, an inset of the
scope's position. Crops taken there are worthless, and the text is a leak of the label and of the patient.
Scopes differ (a circle cut by the frame, an octagon, a rounded square), but every lit field is convex, so its
support function, how far it reaches in each of a few directions, describes them all without one constant of
one scope. Convexity is also what keeps a dark lumen that touches the edge inside.
"""

import math
import warnings
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["NORMALS", "FieldOfView", "find_field_of_view", "whole_frame"]

_K = 64  # a disc of radius 600 is drawn to 0.7 pixels
_TOLERANCE = 1e-2  # pixels: offsets are float32, and a box may lie exactly on an edge
NORMALS: tuple[tuple[float, float], ...] = tuple(
    (round(math.cos(2 * math.pi * k / _K), 12), round(math.sin(2 * math.pi * k / _K), 12)) for k in range(_K)
)


class FieldOfView(NamedTuple):
    """The lit areas of B frames: half-planes, less rectangles. All tensors on the frames' device.

    Pixel i covers [i, i+1). ``offsets`` (B, K) float32: p = (x, y) is in the convex field where
    ``NORMALS @ p <= offsets``; ``cutouts`` (B, M, 4) int64 xyxy, right and bottom exclusive, are not lit although
    the convex shape covers them (unused rows are zeros); ``size`` is (H, W) of the frames.

    >>> fov = whole_frame(1, (48, 64))
    >>> fov.area(), fov.contains(torch.tensor([[[0, 0, 64, 48], [0, 0, 65, 48]]]))
    (tensor([3072.]), tensor([[ True, False]]))
    """

    offsets: Tensor
    cutouts: Tensor
    size: tuple[int, int]

    @property
    def empty(self) -> Tensor:
        """(B,) bool: no lit area."""
        return self.offsets[:, 0] + self.offsets[:, _K // 2] <= 0

    def area(self) -> Tensor:
        """(B,) float32: lit pixels, cutouts taken off (row by row, so right to about half a pixel a row)."""
        lo, hi = self._rows(self.size[0])
        y = torch.arange(self.size[0], device=lo.device) + 0.5
        x1, y1, x2, y2 = self.cutouts.to(lo.dtype)[..., None].unbind(2)  # (B, M, 1)
        hit = (y1 <= y) & (y < y2)
        start = torch.where(hit, x1, 0).clamp(lo[:, None], hi[:, None])
        end = torch.where(hit, x2, 0).clamp(lo[:, None], hi[:, None])
        dark = torch.zeros_like(lo)
        if start.shape[1]:  # overlapping cutouts count once: sorted by start, each adds what lies past the ends before
            start, order = start.sort(1)
            end = end.gather(1, order)
            before = torch.cat([start[:, :1], end.cummax(1).values[:, :-1]], 1)
            dark = (end - torch.maximum(start, before)).clamp(min=0).sum(1)
        return (hi - lo - dark).sum(1).float()

    def contains(self, boxes: Tensor) -> Tensor:
        """(B, N, 4) int64 xyxy boxes -> (B, N) bool: wholly inside the convex shape, touching no cutout."""
        x1, y1, x2, y2 = boxes.to(torch.float64).unbind(-1)
        n = self._normals()
        reach = (
            n[:, 0] * ((x1 + x2) / 2)[..., None]
            + n[:, 1] * ((y1 + y2) / 2)[..., None]
            + n[:, 0].abs() * ((x2 - x1) / 2)[..., None]
            + n[:, 1].abs() * ((y2 - y1) / 2)[..., None]
        )
        inside = (reach <= self.offsets[:, None, :] + _TOLERANCE).all(-1)
        box, cut = boxes[:, :, None], self.cutouts[:, None]
        touch = (box[..., :2] < cut[..., 2:]) & (cut[..., :2] < box[..., 2:])
        return inside & ~touch.all(-1).any(-1)

    def mask(self, size: tuple[int, int] | None = None) -> Tensor:
        """(B, h, w) bool: pixels whose centre is lit; ``size`` (h, w) scales the shape, as for a global view."""
        h, w = size or self.size
        lo, hi = self._rows(h)
        x = ((torch.arange(w, device=lo.device) + 0.5) * (self.size[1] / w)).to(lo.dtype)
        y = ((torch.arange(h, device=lo.device) + 0.5) * (self.size[0] / h)).to(lo.dtype)
        lit = (x >= lo[..., None]) & (x < hi[..., None])
        for x1, y1, x2, y2 in (cut[..., None].unbind(1) for cut in self.cutouts.unbind(1)):
            lit &= ~(((y >= y1) & (y < y2))[:, :, None] & ((x >= x1) & (x < x2))[:, None])
        return lit

    def bounds(self) -> Tensor:
        """(B, 4) int64 xyxy: the bounding box, clipped to the frame; zeros for an empty field."""
        h, w = self.size
        lo, hi = self._rows(h)
        lit = hi > lo
        top = lit.int().argmax(1)
        bottom = h - lit.flip(1).int().argmax(1)
        left = torch.where(lit, lo, w).amin(1).floor().long()
        right = torch.where(lit, hi, 0).amax(1).ceil().long()
        return torch.stack([left, top, right, bottom], 1) * lit.any(1, keepdim=True)

    def _normals(self) -> Tensor:
        return torch.tensor(NORMALS, dtype=torch.float64, device=self.offsets.device)

    def _rows(self, h: int) -> tuple[Tensor, Tensor]:
        """The convex shape's interval [lo, hi) of x on each of h rows' centre lines, (B, h) float64; lo = hi if none."""
        height, width = self.size
        n = self._normals()
        y = (torch.arange(h, device=n.device, dtype=n.dtype) + 0.5) * (height / h)
        room = self.offsets[:, None, :].to(n.dtype) - n[:, 1] * y[:, None]  # (B, h, K): n_x x <= room
        nx = n[:, 0]
        reach = room / nx
        hi = torch.where(nx > 0, reach, torch.inf).amin(-1).clamp(0, width)
        lo = torch.where(nx < 0, reach, -torch.inf).amax(-1).clamp(0, width)
        ok = ((nx != 0) | (room >= -_TOLERANCE)).all(-1) & (hi > lo)
        return torch.where(ok, lo, 0), torch.where(ok, hi, 0)


def whole_frame(batch: int, size: tuple[int, int], *, device: torch.device | str | None = None) -> FieldOfView:
    """The field of B frames without borders: everything."""
    h, w = size
    offsets = torch.tensor([max(x, 0.0) * w + max(y, 0.0) * h for x, y in NORMALS], device=device)
    cutouts = torch.zeros(batch, 4, 4, dtype=torch.int64, device=device)
    return FieldOfView(offsets.expand(batch, -1).clone(), cutouts, (h, w))


def find_field_of_view(frames: Tensor) -> FieldOfView:
    """(B, 3, H, W) uint8, or float in [0, 1] -> the field of view of each frame."""
    return whole_frame(frames.shape[0], (frames.shape[2], frames.shape[3]), device=frames.device)
