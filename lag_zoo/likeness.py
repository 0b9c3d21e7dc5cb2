"""Near-copies: frames that show the same moment, whatever they were called, turned, cut, resized or compressed to.

The hash is the difference hash: the frame shrunk to a few grey cells, one bit for each two neighbours, whichever is
brighter (N. Krawetz, Kind of like that, The Hacker Factor Blog, 2013). On the whole frame it would mostly tell scopes
apart, and miss the copy whose black border was cut off; so it is taken of the middle of the field of view, which the
mucosa fills; and twice, along and across.

Lists of frames behind weights hold this hash and nothing else; frames that are there to be read are compared by more
(`lag_zoo.sketches`).

A turned or mirrored frame has the same bits in other places, so two frames are compared in all eight positions. One
that was cut shows less: a frame has a hash as it is, and one for each share that may have been cut from its sides.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lag_zoo.errors import InvalidImageError
from lag_zoo.views import FieldOfView, find_field_of_view

DISTANCE = 34
"""Bits of 288 by which near-copies may differ; `python -m benchmarks.near_duplicates` prints what others would find."""

CUTS = (0.0, 0.03, 0.06, 0.09, 0.12)
"""Of each side of a frame, the shares that its copy may lack."""

Hashes = tuple[int, ...]
"""Of one frame: as it is, and cut by each share of `CUTS`."""

_CELLS = 12
BITS = 2 * _CELLS**2
"""Of one hash."""

_MARGIN = 0.15  # of each side of the field's box, left out: corners, text, insets
_SIDE = 192  # blocks on the shorter side, at least: a cell of the smallest box has some eight each way
_LEAST = 0.5  # of each side of the field's box: where a cut would leave less, there is nothing to compare
_TABLE = 1 << 24  # agreements that are held at once

Box = tuple[float, ...]  # left, top, right, bottom
Floats = npt.NDArray[np.float64]


def frame_hashes(pixels: Tensor, *, field: FieldOfView | None = None) -> Hashes:
    """Hashes a frame (3, H, W), uint8, as it is and cut. One without a lit area is hashed whole.

    Args:
        field: the frame's field of view, where it is known already; else it is found here, which warns of frames
            without a lit area.

    Raises:
        InvalidImageError: other pixels.

    >>> ramp = torch.arange(90).expand(3, 80, 90).to(torch.uint8)
    >>> whole, *cut = frame_hashes(ramp)
    >>> whole >> 144 == 0, frame_hashes(ramp.flip(-1))[0] >> 144 == 2**144 - 1
    (True, True)
    """
    if pixels.dtype != torch.uint8 or pixels.ndim != 3:
        raise InvalidImageError(
            f"a frame (3, H, W) of uint8 has a hash; got {tuple(pixels.shape)}, {pixels.dtype}"
        )
    height, width = pixels.shape[1:]
    left, top, right, bottom = field_box(pixels, find_field_of_view(pixels[None]) if field is None else field)
    sums, side = sums_of(pixels)
    hashes: list[int] = []
    for cut in CUTS:
        x, y = cut * width, cut * height
        box = max(left, x), max(top, y), min(right, width - x), min(bottom, height - y)
        enough = box[2] - box[0] >= _LEAST * (right - left) and box[3] - box[1] >= _LEAST * (bottom - top)
        hashes.append(hash_of(sums, tuple(x / side for x in box)) if enough else hashes[0])
    return tuple(hashes)


def field_box(pixels: Tensor, field: FieldOfView) -> Box:
    """The box of a frame's field of view: left, top, right, bottom; the whole frame's where nothing is lit."""
    if bool(field.empty):
        return 0, 0, pixels.shape[2], pixels.shape[1]
    return tuple(field.bounds()[0].tolist())


def sums_of(pixels: Tensor) -> tuple[Floats, int]:
    """A table of sums over all that is above and left, of a frame in blocks of grey pixels, and the side of a block."""
    height, width = pixels.shape[1:]
    side = max(1, min(height, width) // _SIDE)
    red, green, blue = pixels.cpu().numpy()
    grey = red.astype(np.uint16)
    grey += green
    grey += blue
    grey = np.pad(grey, ((0, -height % side), (0, -width % side)))
    rows = grey[::side].astype(
        np.uint32
    )  # row by row and column by column: a tenth of the time of other ways
    for number in range(1, side):
        rows += grey[number::side]
    blocks = rows[:, ::side].copy()
    for number in range(1, side):
        blocks += rows[:, number::side]
    tall, wide = (np.minimum(side, size - np.arange(0, size, side)) for size in (height, width))
    means = blocks / (3.0 * tall[:, None] * wide)
    return np.pad(means.cumsum(0).cumsum(1), ((1, 0), (1, 0))), side


def hash_of(sums: Floats, box: Box) -> int:
    """The hash of a box, in blocks, of a frame's table of sums."""
    left, top, right, bottom = box
    x, y = (right - left) * _MARGIN, (bottom - top) * _MARGIN
    inner = left + x, top + y, right - x, bottom - y
    along = cells_of(sums, inner, _CELLS, _CELLS + 1)
    across = cells_of(sums, inner, _CELLS + 1, _CELLS)
    bits = np.concatenate([(along[:, :-1] > along[:, 1:]).ravel(), (across[:-1] > across[1:]).ravel()])
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def cells_of(sums: Floats, box: Box, rows: int, columns: int) -> Floats:
    """The sums over the cells (rows, columns) of a box, in blocks, by a frame's table of sums."""
    ys, xs = np.linspace(box[1], box[3], rows + 1), np.linspace(box[0], box[2], columns + 1)
    # Cells end between pixels: the table is linear there.
    y, x = np.minimum(ys.astype(int), len(sums) - 2), np.minimum(xs.astype(int), sums.shape[1] - 2)
    down, right = (ys - y)[:, None], xs - x
    upper = sums[y][:, x] * (1 - right) + sums[y][:, x + 1] * right
    lower = sums[y + 1][:, x] * (1 - right) + sums[y + 1][:, x + 1] * right
    corners = upper * (1 - down) + lower * down
    return np.diff(np.diff(corners, axis=0), axis=1)


def near_duplicates(frames: Sequence[Hashes], *, distance: int = DISTANCE) -> list[tuple[int, ...]]:
    """Groups near-copies, by their number: each is alike another one of its group, in some position, one of them cut.

    Args:
        frames: as `frame_hashes` gives them, or of each as many of these.
        distance: bits by which they may differ.

    >>> y, x = torch.meshgrid(torch.arange(80), torch.arange(90), indexing="ij")
    >>> slope, valley = ((x + y).expand(3, -1, -1).byte(), ((x - 45).abs() + y).expand(3, -1, -1).byte())
    >>> near_duplicates([frame_hashes(frame) for frame in (slope, valley, slope.rot90(1, (1, 2)))])
    [(0, 2)]
    """
    places: dict[
        Hashes, list[int]
    ] = {}  # equal hashes are one: blank frames would else be pairs without number
    for place, hashes in enumerate(frames):
        places.setdefault(hashes, []).append(place)
    uncut = all(len(hashes) == 1 for hashes in places)
    found = _pairs(list(places), signs([hashes[0] for hashes in places]), distance, both_ways=uncut)
    held = list(places.values())
    same = ((first, other) for first, *others in held for other in others)
    return joined_pairs(chain(same, ((held[one][0], held[other][0]) for one, other in found)))


def joined_pairs(pairs: Iterable[tuple[int, int]]) -> list[tuple[int, ...]]:
    """Groups of numbers that pairs of them join, directly or by others.

    >>> joined_pairs([(4, 1), (2, 3), (1, 7), (5, 5)])
    [(1, 4, 7), (2, 3)]
    """
    parent: dict[int, int] = {}

    def root(number: int) -> int:
        parent.setdefault(number, number)
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    for one, other in pairs:
        parent[root(other)] = root(one)  # of which one may be itself
    groups: dict[int, list[int]] = {}
    for number in sorted(parent):
        groups.setdefault(root(number), []).append(number)
    return sorted(tuple(members) for members in groups.values() if len(members) > 1)


def looks_like(hashes: Hashes, known: Tensor, *, distance: int = DISTANCE) -> bool:
    """True where a frame is a near-copy of one of those of which `known` (n, 288) holds the `signs`.

    A frame that shows more than the known one is found too, and one that was cut by less than some three percent.
    """
    return next(_pairs([hashes], known, distance), None) is not None


def signs(hashes: Sequence[int]) -> Tensor:
    """Each hash as a row of its bits, 1 and -1: (n, 288), float32."""
    data = b"".join(value.to_bytes(BITS // 8, "big") for value in hashes)
    bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8)).reshape(-1, BITS)
    return torch.from_numpy(bits).float() * 2 - 1


def _pairs(
    frames: Sequence[Hashes], whole: Tensor, distance: int, *, both_ways: bool = False
) -> Iterator[tuple[int, int]]:
    """The frames, by number, that are alike one of those in `whole`, by row.

    Args:
        both_ways: `whole` are these very frames, none of them is cut, and so what one is to another the other is to it.
    """
    cuts = len(frames[0]) if frames else 1
    positions = 8 * cuts
    step = max(1, _TABLE // (positions * max(1, len(whole))))
    for start in range(0, len(frames), step):
        block = frames[start : start + step]
        first = start if both_ways else 0
        turned = _positions(signs([value for hashes in block for value in hashes]))
        # Bits that agree less bits that differ, and so 288 less twice the distance: exact in any precision.
        agreeing = (turned @ whole[first:].T).view(8, len(block), cuts, -1).amax((0, 2))
        for one, other in (agreeing >= BITS - 2 * distance).nonzero().tolist():
            yield start + one, first + other


def _positions(hashes: Tensor) -> Tensor:
    """The hashes (n, 288) of frames as they would be mirrored and turned: (8 n, 288), position by position."""
    along, across = hashes.view(-1, 2, _CELLS, _CELLS).unbind(1)
    found = []
    for position in range(8):
        found.append(torch.stack([along, across], 1).flatten(1))
        if position % 2:
            along, across = across.mT, along.mT
        else:
            along, across = -along.flip(-1), across.flip(-1)
    return torch.cat(found)
