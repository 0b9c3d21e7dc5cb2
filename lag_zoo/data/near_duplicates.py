"""Near-copies: frames that show the same moment, whatever they were called, resized or compressed to.

The hash is the difference hash: the frame shrunk to 9 x 8 grey cells, one bit for each two neighbours, whichever is
brighter (N. Krawetz, Kind of like that, The Hacker Factor Blog, 2013). On the whole frame it would mostly tell scopes
apart, and miss the copy whose black border was cut off; so it is taken of the middle of the field of view, which the
mucosa fills; and twice, along and across, for 128 bits. Two frames whose hashes differ in few bits are near-copies.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lag_zoo.errors import InvalidImageError
from lag_zoo.views import FieldOfView, find_field_of_view

DISTANCE = 16
"""Bits of 128 by which near-copies may differ; `python -m benchmarks.near_duplicates` prints what others would find."""

_CELLS = 8
_BITS = 2 * _CELLS**2
_MARGIN = 0.15  # of each side of the field's box, left out: corners, text, insets
_BLOCK = 512  # hashes that are compared with all others at once


def frame_hash(pixels: Tensor, *, field: FieldOfView | None = None) -> int:
    """The hash of a frame (3, H, W), uint8: 128 bits. Of one without a lit area, of its whole middle.

    Args:
        field: the frame's field of view, where it is known already; else it is found here, which warns of frames
            without a lit area.

    Raises:
        InvalidImageError: other pixels.

    >>> ramp = torch.arange(90).expand(3, 80, 90).to(torch.uint8)
    >>> frame_hash(ramp) >> 64 == 0, frame_hash(ramp.flip(-1)) >> 64 == 2**64 - 1
    (True, True)
    """
    if pixels.dtype != torch.uint8 or pixels.ndim != 3:
        raise InvalidImageError(
            f"a frame (3, H, W) of uint8 has a hash; got {tuple(pixels.shape)}, {pixels.dtype}"
        )
    found = find_field_of_view(pixels[None]) if field is None else field
    left, top, right, bottom = found.bounds()[0].tolist()
    if bool(found.empty):
        left, top, right, bottom = 0, 0, pixels.shape[2], pixels.shape[1]
    y, x = int((bottom - top) * _MARGIN), int((right - left) * _MARGIN)
    grey = pixels[:, top + y : bottom - y, left + x : right - x].float().mean(0)[None, None]
    along = F.adaptive_avg_pool2d(grey, (_CELLS, _CELLS + 1))[0, 0]
    across = F.adaptive_avg_pool2d(grey, (_CELLS + 1, _CELLS))[0, 0]
    bits = torch.cat([(along[:, :-1] > along[:, 1:]).flatten(), (across[:-1] > across[1:]).flatten()])
    return int("".join("1" if bit else "0" for bit in bits.tolist()), 2)


def near_duplicates(hashes: Sequence[int], *, distance: int = DISTANCE) -> list[tuple[int, ...]]:
    """Groups of frames, by their number: each differs in at most so many bits from another one of its group.

    >>> near_duplicates([0b0000, 0b0001, 2**100 - 1, 0b0011], distance=1)
    [(0, 1, 3)]
    """
    places: dict[int, list[int]] = {}  # equal hashes are one: blank frames would else be pairs without number
    for place, value in enumerate(hashes):
        places.setdefault(value, []).append(place)
    signs = _signs(list(places))
    parent = list(range(len(signs)))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    for start in range(0, len(signs), _BLOCK):
        # Bits that agree less bits that differ, and so 128 less twice the distance: exact in any precision.
        agreeing = signs[start : start + _BLOCK] @ signs[start:].T
        for one, other in (agreeing >= _BITS - 2 * distance).nonzero().tolist():
            if one < other:
                parent[root(start + other)] = root(start + one)
    groups: dict[int, list[int]] = {}
    for number, held in enumerate(places.values()):
        groups.setdefault(root(number), []).extend(held)
    return sorted(tuple(sorted(members)) for members in groups.values() if len(members) > 1)


def _signs(hashes: Sequence[int]) -> Tensor:
    """Each hash as a row of its bits, 1 and -1."""
    data = b"".join(value.to_bytes(_BITS // 8, "big") for value in hashes)
    bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8)).reshape(-1, _BITS)
    return torch.from_numpy(bits).float() * 2 - 1
