"""Finding the field of view on a frame's own pixels: rays over a thumbnail, sharpened on the frame."""

import functools
import math
import warnings

import torch
import torch.nn.functional as F
from torch import Tensor

from lag_zoo.errors import FieldOfViewWarning
from lag_zoo.views.field_of_view import FieldOfView, normals

__all__ = ["find_field_of_view"]

_THUMB = 160  # pixels on the thumbnail's long side, about
_BLACK, _OVER_BLACK = 10.0, 10.0  # 0..255: the brightest black border; how far above it light begins
_LEAST_CUTOUT = 0.005  # of the field
_LIGHT_PAST = 0.75  # of what lies just past a cutout
_BAR = 0.25  # of the light's height: the most that status bars take
_LARGEST_INSET = 0.2  # of the thumbnail
_LEAST_LIT = 0.01  # of the thumbnail
_RAYS = 128
_RUN = 0.09  # of the thumbnail's long side: the shortest run of lit pixels that is no text


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
    thumb = frames[:, :, step // 2 :: step, step // 2 :: step].float()
    if frames.is_floating_point():
        thumb = thumb * 255
    bright = thumb.amax(1)
    level = _black_level(bright)
    lit = _without_bars(bright, _opened((bright > level[:, None, None]) & ~_insets(thumb)))
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
    offsets = (ends @ normals(frames.device).T).amax(1).float()
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
    return _grown(~_grown(~mask))


def _grown(mask: Tensor) -> Tensor:
    """The mask (B, h, w) and its eight neighbours."""
    for dim in (1, 2):
        rest = mask.shape[dim] - 1
        wide = mask.clone()
        wide.narrow(dim, 1, rest).bitwise_or_(mask.narrow(dim, 0, rest))
        wide.narrow(dim, 0, rest).bitwise_or_(mask.narrow(dim, 1, rest))
        mask = wide
    return mask


def _insets(thumb: Tensor) -> Tensor:
    """(B, h, w) bool: green, as the pictures of the scope's position are that processors lay over a corner."""
    red, green, _ = thumb.unbind(1)
    inset = (green > 1.3 * red) & (green > 60)
    if not inset.any():
        return inset
    inset = _opened(inset)
    # Where much is green it is the light: another modality, not a picture laid over.
    return inset & (inset.flatten(1).float().mean(1) < _LARGEST_INSET)[:, None, None]


def _without_bars(bright: Tensor, lit: Tensor) -> Tensor:
    """The mask without status bars: rows, not many, lit over the width of all light, and flat, as mucosa rarely is."""
    across, down = lit.sum(1), lit.sum(2)
    width, height = (across > 0).sum(1, keepdim=True), (down > 0).sum(1, keepdim=True)
    flat = ((bright[:, :, 1:] - bright[:, :, :-1]).abs() <= 1) & lit[:, :, 1:] & lit[:, :, :-1]
    bar = (down >= 0.9 * width) & (flat.sum(2) >= 0.5 * width)
    bar &= bar.sum(1, keepdim=True) <= _BAR * height  # a frame that is smooth all over is no bar
    return lit & ~bar[:, :, None]


def _middle(lit: Tensor) -> Tensor:
    """(B, 2) the middle x, y of the light, in thumbnail pixels: inside its convex hull, whatever is dark there."""
    x = torch.arange(lit.shape[2], device=lit.device, dtype=torch.float64) + 0.5
    y = torch.arange(lit.shape[1], device=lit.device, dtype=torch.float64) + 0.5
    across, down = lit.sum(1), lit.sum(2)
    count = across.sum(1).clamp(min=1)
    return torch.stack([(across * x).sum(1) / count, (down * y).sum(1) / count], 1)


@functools.lru_cache(maxsize=16)
def _turns(device: torch.device) -> Tensor:
    """The directions (R, 2) of rays all around."""
    with torch.inference_mode(False):  # the tensor outlives the caller's mode
        turns = torch.arange(_RAYS, device=device, dtype=torch.float64) * (2 * math.pi / _RAYS)
        return torch.stack([turns.cos(), turns.sin()], 1)


def _ray_ends(lit: Tensor, seed: Tensor, step: int, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Rays that leave the light, in frame pixels: origins (B, 1, 2), directions (B, R, 2) and lengths (B, R)."""
    h, w = lit.shape[1:]
    height, width = size
    origin = (seed * step)[:, None]
    corners = (
        torch.tensor([[0, 0], [width, 0], [0, height], [width, height]], device=lit.device).double() - origin
    )
    away = corners.norm(dim=2, keepdim=True).clamp(min=1)  # of a black frame the middle is a corner itself
    ways = torch.cat([_turns(lit.device).expand(len(lit), -1, -1), corners / away], 1)
    longest = math.ceil(float(away.max()) / step) + 1  # past it every ray has left the frame
    reach = torch.arange(longest, device=lit.device, dtype=torch.float64)
    # A dark rim around the thumbnail stands for all that lies beyond it.
    x, y = (
        torch.addcmul(seed[:, i, None, None], ways[:, :, i, None], reach).floor_().clamp_(-1, side).long() + 1
        for i, side in enumerate((w, h))
    )  # (B, R, T)
    rimmed = F.pad(lit, (1, 1, 1, 1)).flatten(1)
    on = rimmed.gather(1, (y * (w + 2) + x).flatten(1)).view(x.shape)
    run = max(4, round(_RUN * max(h, w)))
    total = F.pad(on.cumsum(2, dtype=torch.int32), (run, 0))
    least = torch.arange(1, longest + 1, device=x.device).clamp(max=run)
    whole = total[:, :, run:] - total[:, :, :-run] >= least
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
    # The thumbnail holds every step-th pixel and the ray was cut to whole pixels of it: the end is within two steps.
    near = torch.arange(-2 * step, 2 * step + 1, device=frames.device, dtype=torch.float64)
    reach = (length[:, :, None] + near).clamp(min=0)
    x, y = (
        torch.addcmul(origin[..., i, None], ways[:, :, i, None], reach).floor_().long() for i in range(2)
    )  # (B, R, T)
    within = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    # One look-up for all rays; a point beyond the frame reads the edge, and `within` takes it out again.
    place = (y.clamp_(0, height - 1) * width + x.clamp_(0, width - 1)).flatten(1)
    # Colour by colour: no copy, whichever of planes and pixels stand side by side in memory.
    red, green, blue = (colour.flatten(1).gather(1, place) for colour in frames.unbind(1))
    seen = torch.maximum(torch.maximum(red, green), blue).view(x.shape)
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
    # An end within a pixel and a half of the frame's edge lies on it: else the hull would cut off the outermost row.
    room = torch.tensor([width, height], device=frames.device, dtype=torch.float64)
    point = torch.where(point > room - 1.5, room, torch.where(point < 1.5, 0.0, point))
    return torch.minimum(torch.maximum(point, room * 0), room)


def _cutouts(field: FieldOfView, lit: Tensor, step: int) -> Tensor:
    """(B, 8, 4) boxes: in each corner of the field's bounding box up to two unlit rectangles that fill it.

    Two, because what is laid over a corner may be an L: the second rectangle takes what the first has left.
    """
    h, w = lit.shape[1:]
    inside = field.convex_mask((h, w))
    cutouts = torch.zeros(len(lit), 8, 4, dtype=torch.int64)
    # Most frames have none. Those that may are looked at one by one, since each bounding box has its own size.
    suspect = (~lit & inside).flatten(1).sum(1) > _LEAST_CUTOUT * inside.flatten(1).sum(1)
    if not suspect.any():
        return cutouts.to(lit.device)
    bounds = (field.bounds() / step).tolist()
    for i in suspect.nonzero()[:, 0].tolist():
        left, top, right, bottom = bounds[i]
        x1, y1, x2, y2 = round(left), round(top), min(w, math.ceil(right)), min(h, math.ceil(bottom))
        dark, within = ~lit[i, y1:y2, x1:x2], inside[i, y1:y2, x1:x2].clone()
        least = _LEAST_CUTOUT * int(within.sum())
        # Mirrored, every corner is the left upper one. Numbers 0, 1: that one; 2, 3: below it; from 4 on: the right.
        for number in range(8):
            flips = [d for d, on in ((0, number // 2 % 2), (1, number // 4)) if on]
            tall, wide = _corner_rectangle(dark.flip(flips), within.flip(flips), least)
            if not tall:
                continue
            rows = slice(-tall, None) if 0 in flips else slice(0, tall)
            columns = slice(-wide, None) if 1 in flips else slice(0, wide)
            within[rows, columns] = False  # taken: the next rectangle counts only what is left
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
    # How far each row is dark from its left end, and all rows above it too: the widest rectangle that ends there.
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
