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
import torch.nn.functional as F
from torch import Tensor

from lag_zoo.errors import FieldOfViewWarning

__all__ = ["NORMALS", "FieldOfView", "find_field_of_view", "whole_frame"]

_K = 64  # a disc of radius 600 is drawn to 0.7 pixels
_THUMB = 160  # pixels on the thumbnail's long side, about
_BLACK, _OVER_BLACK = 10.0, 10.0  # 0..255: the brightest black border; how far above it light begins
_LEAST_CUTOUT = 0.005  # of the field
_LIGHT_PAST = 0.75  # of what lies just past a cutout
_BAR = 0.25  # of the light's height: the most that status bars take
_LARGEST_INSET = 0.2  # of the thumbnail
_LEAST_LIT = 0.01  # of the thumbnail
_RAYS = 128
_RUN = 0.09  # of the thumbnail's long side: the shortest run of lit pixels that is no text
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
        # overlapping cutouts count once: sorted by start, each adds what lies past the ends before
        if start.shape[1]:
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
        """The convex shape's interval [lo, hi) of x on the centre line of h rows, (B, h) float64; lo = hi: none."""
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


def whole_frame(
    batch: int, size: tuple[int, int], *, device: torch.device | str | None = None
) -> FieldOfView:
    """The field of B frames without borders: everything."""
    h, w = size
    offsets = torch.tensor([max(x, 0.0) * w + max(y, 0.0) * h for x, y in NORMALS], device=device)
    cutouts = torch.zeros(batch, 8, 4, dtype=torch.int64, device=device)
    return FieldOfView(offsets.expand(batch, -1).clone(), cutouts, (h, w))


def find_field_of_view(frames: Tensor) -> FieldOfView:
    """(B, 3, H, W) uint8, or float in [0, 1] -> the field of view of each frame.

    Warns with `FieldOfViewWarning` of frames in which nothing is lit; their field is empty.

    Rays run from the middle of the light outward over a thumbnail; each ends where its outermost long run of lit
    pixels does. A run, because burnt-in text is short; the outermost, because a lumen may be black. The ends are
    sharpened on the frame's own pixels, and the field is their convex hull, less what is dark and rectangular in its
    corners.
    """
    height, width = frames.shape[-2:]
    step = max(1, max(height, width) // _THUMB)
    thumb = frames[:, :, step // 2 :: step, step // 2 :: step]
    if frames.is_floating_point():
        thumb = thumb * 255
    bright = thumb.amax(1).float()
    level = _black_level(bright)
    lit = _without_bars(bright, _opened((bright > level[:, None, None]) & ~_insets(thumb.float())))
    empty = lit.flatten(1).float().mean(1) < _LEAST_LIT
    if empty.any():
        which = ", ".join(str(i) for i in empty.nonzero()[:, 0].tolist())
        warnings.warn(
            f"no lit area in frame {which} of {len(frames)}: its field of view is empty",
            FieldOfViewWarning,
            stacklevel=2,
        )
    seed = _middle(lit)
    ends = _sharpened(frames, level, step, *_ray_ends(lit, seed, step, (height, width)))
    normals = torch.tensor(NORMALS, dtype=torch.float64, device=frames.device)
    offsets = (ends @ normals.T).amax(1).float()
    offsets = torch.where(empty[:, None], -1.0, offsets)
    found = FieldOfView(
        offsets, torch.zeros(len(frames), 8, 4, dtype=torch.int64, device=frames.device), (height, width)
    )
    return found._replace(cutouts=_cutouts(found, lit, step))


def _black_level(bright: Tensor) -> Tensor:
    """Per frame, the brightness above which a pixel is lit: a little over its darkest hundredth."""
    flat = bright.flatten(1)
    dark = flat.kthvalue(max(1, flat.shape[1] // 100), dim=1).values
    return dark.clamp(max=_BLACK) + _OVER_BLACK


def _opened(mask: Tensor) -> Tensor:
    """The mask without what is thinner than three pixels: strokes of text."""
    x = mask[:, None].float()
    x = -F.max_pool2d(-F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return F.max_pool2d(x, 3, 1, 1)[:, 0] > 0


def _insets(thumb: Tensor) -> Tensor:
    """(B, h, w) bool: green, as the pictures of the scope's position are that processors lay over a corner."""
    red, green, _ = thumb.unbind(1)
    inset = _opened((green > 1.3 * red) & (green > 60))
    # Where much is green it is the light: another modality, not a picture laid over.
    return inset & (inset.flatten(1).float().mean(1) < _LARGEST_INSET)[:, None, None]


def _without_bars(bright: Tensor, lit: Tensor) -> Tensor:
    """The mask without status bars: rows, not many, lit over the width of all light, and flat, as mucosa rarely is."""
    width, height = lit.any(1).sum(1)[:, None], lit.any(2).sum(1)[:, None]
    flat = ((bright[:, :, 1:] - bright[:, :, :-1]).abs() <= 1) & lit[:, :, 1:] & lit[:, :, :-1]
    bar = (lit.sum(2) >= 0.9 * width) & (flat.sum(2) >= 0.5 * width)
    bar &= bar.sum(1, keepdim=True) <= _BAR * height  # a frame that is smooth all over is no bar
    return lit & ~bar[:, :, None]


def _middle(lit: Tensor) -> Tensor:
    """(B, 2) the middle x, y of the light, in thumbnail pixels: inside its convex hull, whatever is dark there."""
    x = torch.arange(lit.shape[2], device=lit.device, dtype=torch.float64) + 0.5
    y = torch.arange(lit.shape[1], device=lit.device, dtype=torch.float64) + 0.5
    across, down = lit.sum(1), lit.sum(2)
    count = across.sum(1).clamp(min=1)
    return torch.stack([(across * x).sum(1) / count, (down * y).sum(1) / count], 1)


def _ray_ends(lit: Tensor, seed: Tensor, step: int, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Where rays leave the light, in frame pixels: their origins (B, 1, 2), directions (B, R, 2) and lengths (B, R)."""
    h, w = lit.shape[1:]
    height, width = size
    origin = (seed * step)[:, None]
    corners = (
        torch.tensor([[0, 0], [width, 0], [0, height], [width, height]], device=lit.device).double() - origin
    )
    turns = torch.arange(_RAYS, device=lit.device, dtype=torch.float64) * (2 * math.pi / _RAYS)
    ways = torch.stack([turns.cos(), turns.sin()], 1).expand(len(lit), -1, -1)
    ways = torch.cat([ways, corners / corners.norm(dim=2, keepdim=True)], 1)
    reach = torch.arange(math.ceil(math.hypot(h, w)), device=lit.device, dtype=torch.float64)
    at = (origin[:, :, None] + ways[:, :, None] * (reach * step)[:, None]) / step  # (B, R, T, 2)
    x, y = at.floor().long().unbind(-1)
    within = (x >= 0) & (x < w) & (y >= 0) & (y < h)
    index = (y.clamp(0, h - 1) * w + x.clamp(0, w - 1)).flatten(1)
    on = lit.flatten(1).gather(1, index).view(x.shape) & within
    run = max(4, round(_RUN * max(h, w)))
    total = F.pad(on.cumsum(2), (run, 0))
    whole = total[:, :, run:] - total[:, :, :-run] >= (torch.arange(x.shape[2], device=x.device) + 1).clamp(
        max=run
    )
    last = torch.where(on & whole, reach, 0).amax(2)
    # A run of text that slipped through is a spike among its neighbours.
    around = (
        torch.cat([last[:, _RAYS - 2 : _RAYS], last[:, :_RAYS], last[:, :2]], 1)
        .unfold(1, 5, 1)
        .median(2)
        .values
    )
    last = torch.cat([torch.minimum(last[:, :_RAYS], around + 2), last[:, _RAYS:]], 1)
    return origin, ways, last * step


def _sharpened(
    frames: Tensor, level: Tensor, step: int, origin: Tensor, ways: Tensor, length: Tensor
) -> Tensor:
    """The ends (B, R, 2) of the rays to a pixel: the outermost lit pixel near where the thumbnail saw the end."""
    height, width = frames.shape[-2:]
    near = torch.arange(-2 * step, 2 * step + 1, device=frames.device, dtype=torch.float64)
    at = origin[:, :, None] + ways[:, :, None] * (length[:, :, None] + near).clamp(min=0)[..., None]
    x, y = at.floor().long().unbind(-1)
    within = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    index = (y.clamp(0, height - 1) * width + x.clamp(0, width - 1)).flatten(1)
    seen = torch.stack([c.flatten(1).gather(1, index) for c in frames.unbind(1)], 1).amax(1).view(x.shape)
    scale = 255 if frames.is_floating_point() else 1
    on = (seen.float() * scale > level[:, None, None]) & within
    # From the inside out, up to the first dark pixel after a lit one: what lies beyond it is a mark of its own.
    broken = (~on & (near > -step) & (on.cumsum(2) > 0)).cumsum(2) > 0
    best = torch.where(on & ~broken, near, -2.0 * step).amax(2)
    found = (on & ~broken).any(2)
    end = (length + torch.where(found, best, 0)).clamp(min=0)
    # One pixel further is the pixel's outer edge; the frame's own edge is exact.
    end = end + 0.5
    point = origin + ways * end[..., None]
    room = torch.tensor([width, height], device=frames.device, dtype=torch.float64)
    point = torch.where(point > room - 1.5, room, torch.where(point < 1.5, 0.0, point))
    return torch.minimum(torch.maximum(point, room * 0), room)


def _cutouts(field: FieldOfView, lit: Tensor, step: int) -> Tensor:
    """(B, 8, 4) boxes: in each corner of the field's bounding box up to two unlit rectangles that fill it."""
    h, w = lit.shape[1:]
    inside = field.mask((h, w))
    cutouts = torch.zeros(len(lit), 8, 4, dtype=torch.int64)
    suspect = (~lit & inside).flatten(1).sum(1) > _LEAST_CUTOUT * inside.flatten(1).sum(1)
    for i in suspect.nonzero()[:, 0].tolist():
        left, top, right, bottom = (side / step for side in field.bounds()[i].tolist())
        x1, y1, x2, y2 = round(left), round(top), min(w, math.ceil(right)), min(h, math.ceil(bottom))
        dark, within = ~lit[i, y1:y2, x1:x2], inside[i, y1:y2, x1:x2].clone()
        least = _LEAST_CUTOUT * int(within.sum())
        for number in range(8):
            flips = [d for d, on in ((0, number // 2 % 2), (1, number // 4)) if on]
            tall, wide = _corner_rectangle(dark.flip(flips), within.flip(flips), least)
            if not tall:
                continue
            rows = slice(-tall, None) if 0 in flips else slice(0, tall)
            columns = slice(-wide, None) if 1 in flips else slice(0, wide)
            within[rows, columns] = False
            # One thumbnail pixel more, for its edge lies between two of them.
            far_x, far_y = (wide + 1) * step, (tall + 1) * step
            box_x = (x2 * step - far_x, x2 * step) if 1 in flips else (x1 * step, x1 * step + far_x)
            box_y = (y2 * step - far_y, y2 * step) if 0 in flips else (y1 * step, y1 * step + far_y)
            cutouts[i, number] = torch.tensor([box_x[0], box_y[0], box_x[1], box_y[1]])
    return cutouts.to(lit.device)


def _corner_rectangle(dark: Tensor, within: Tensor, least: float) -> tuple[int, int]:
    """Height and width of the dark rectangle from (0, 0) that takes most of the field; 0, 0: none worth it.

    Just past its two inner sides it must be light: a lumen at the edge is dark too, but round.
    """
    wide = dark.cumprod(1).sum(1).cummin(0).values
    covered = F.pad(within.long().cumsum(0).cumsum(1), (1, 0)).gather(1, wide[:, None])[:, 0]
    row = int(covered.argmax())
    tall, across = row + 1, int(wide[row])
    if int(covered[row]) < least:
        return 0, 0
    past = (slice(tall + 1, tall + 2), slice(0, across)), (slice(0, tall), slice(across + 1, across + 2))
    field = sum(int(within[side].sum()) for side in past)
    light = sum(int((within[side] & ~dark[side]).sum()) for side in past)
    return (tall, across) if light >= _LIGHT_PAST * field else (0, 0)
