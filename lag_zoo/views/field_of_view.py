"""The field of view: where the scope's light falls, as a convex shape with rectangles cut out of it.

A frame is more than the picture: black corners, a status bar, a name and a date burnt in, an inset of the
scope's position. Crops taken there are worthless, and the text is a leak of the label and of the patient.
Scopes differ (a circle cut by the frame, an octagon, a rounded square), but every lit field is convex, so its
support function, how far it reaches in each of a few directions, describes them all without one constant of
one scope. Convexity is also what keeps a dark lumen that touches the edge inside.
"""

import functools
import math
from typing import NamedTuple

import torch
from torch import Tensor

from lag_zoo.brief import brief
from lag_zoo.views.boxes import covered

__all__ = ["NORMALS", "FieldOfView", "normals", "whole_frame"]

_K = 64  # a disc of radius 600 is drawn to 0.7 pixels
_TOLERANCE = 1e-2  # pixels: offsets are float32, and a box may lie exactly on an edge
NORMALS: tuple[tuple[float, float], ...] = tuple(
    (round(math.cos(2 * math.pi * k / _K), 12), round(math.sin(2 * math.pi * k / _K), 12)) for k in range(_K)
)
_RIGHT = tuple(k for k, (x, _) in enumerate(NORMALS) if x > 0)
_LEFT = tuple(k for k, (x, _) in enumerate(NORMALS) if x < 0)
_GRID = 128  # points a side, on which the coverage is counted


@functools.lru_cache(maxsize=16)
def normals(device: torch.device) -> Tensor:
    """`NORMALS` as a tensor (K, 2) float64."""
    with torch.inference_mode(False):  # the tensor outlives the caller's mode
        return torch.tensor(NORMALS, dtype=torch.float64, device=device)


@functools.lru_cache(maxsize=16)
def _reaches(device: torch.device) -> Tensor:
    """(4, K) float64: a box x1 y1 x2 y2 times this is how far it reaches in each direction of `NORMALS`."""
    with torch.inference_mode(False):
        n = normals(device)
        return torch.cat([n.clamp(max=0), n.clamp(min=0)], 1).T.contiguous()


@functools.lru_cache(maxsize=64)
def _middles(parts: int, length: int, device: torch.device) -> Tensor:
    """(parts,) float64: the middles of that many equal parts of a length."""
    with torch.inference_mode(False):
        return (torch.arange(parts, device=device, dtype=torch.float64) + 0.5) * (length / parts)


@functools.lru_cache(maxsize=16)
def _sides(device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Edges to the right, then those to the left: numbers (k,), x of their normals (k,), slopes (k, 1)."""
    with torch.inference_mode(False):
        which = torch.tensor(_RIGHT + _LEFT, device=device)
        n = normals(device)[which]
        return which, n[:, 0], (n[:, 1] / n[:, 0])[:, None]


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

    def __repr__(self) -> str:
        return brief(self)

    @property
    def empty(self) -> Tensor:
        """(B,) bool: without any lit area."""
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
        # overlapping cutouts count once: sorted by start, each adds what lies past the ends before
        if start.shape[1]:
            start, order = start.sort(1)
            end = end.gather(1, order)
            before = torch.cat([start[:, :1], end.cummax(1).values[:, :-1]], 1)
            dark = (end - torch.maximum(start, before)).clamp(min=0).sum(1)
        return (hi - lo - dark).sum(1).float()

    def contains(self, boxes: Tensor) -> Tensor:
        """(B, N, 4) int64 xyxy boxes -> (B, N) bool: wholly inside the convex shape, touching no cutout."""
        reach = boxes.double() @ _reaches(self.offsets.device)
        inside = (reach <= self.offsets[:, None, :] + _TOLERANCE).all(-1)
        box, cut = boxes[:, :, None], self.cutouts[:, None]
        touch = (box[..., :2] < cut[..., 2:]) & (cut[..., :2] < box[..., 2:])
        return inside & ~touch.all(-1).any(-1)

    def mask(self, size: tuple[int, int] | None = None) -> Tensor:
        """(B, h, w) bool: pixels whose centre is lit; ``size`` (h, w) scales the shape, as for a global view."""
        x, y = self._centres(*(size or self.size))
        return self.convex_mask(size) & ~covered(self.cutouts, x, y)

    def convex_mask(self, size: tuple[int, int] | None = None) -> Tensor:
        """(B, h, w) bool: `mask` without regard to the cutouts."""
        h, w = size or self.size
        lo, hi = self._rows(h)
        x, _ = self._centres(h, w)
        return (x >= lo[..., None]) & (x < hi[..., None])

    def coverage(self, boxes: Tensor) -> Tensor:
        """The part of each field, from 0 to 1, that its boxes (B, N, 4) cover together: (B,) float32.

        Counted on a grid of 128 x 128 points; an empty field gives 0.
        """
        lit = self.mask((_GRID, _GRID))
        seen = covered(boxes, *self._centres(_GRID, _GRID)) & lit
        return seen.sum((1, 2)).float() / lit.sum((1, 2)).clamp(min=1)

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

    def _centres(self, h: int, w: int) -> tuple[Tensor, Tensor]:
        """The x (w,) and y (h,) of the middles of h x w equal parts of the frame, float64."""
        device, (height, width) = self.offsets.device, self.size
        return _middles(w, width, device), _middles(h, height, device)

    def _rows(self, h: int) -> tuple[Tensor, Tensor]:
        """The convex shape's interval [lo, hi) of x on the centre line of h rows, (B, h) float64; lo = hi: none."""
        _, y = self._centres(h, 1)
        which, x, slope = _sides(y.device)
        at_zero = self.offsets.index_select(1, which).double() / x
        reach = at_zero[..., None] - slope * y  # (B, k, h): x where the line meets each of these edges
        hi = reach[:, : len(_RIGHT)].amin(1).clamp_(0, self.size[1])
        lo = reach[:, len(_RIGHT) :].amax(1).clamp_(0, self.size[1])
        top, bottom = -self.offsets[:, 3 * _K // 4, None], self.offsets[:, _K // 4, None]
        ok = (y >= top - _TOLERANCE) & (y <= bottom + _TOLERANCE) & (hi > lo)
        return torch.where(ok, lo, 0), torch.where(ok, hi, 0)


def whole_frame(
    batch: int, size: tuple[int, int], *, device: torch.device | str | None = None
) -> FieldOfView:
    """The field of view of B frames (H, W) without borders: every pixel."""
    h, w = size
    offsets = torch.tensor([max(x, 0.0) * w + max(y, 0.0) * h for x, y in NORMALS], device=device)
    cutouts = torch.zeros(batch, 8, 4, dtype=torch.int64, device=device)
    return FieldOfView(offsets.expand(batch, -1).clone(), cutouts, (h, w))
