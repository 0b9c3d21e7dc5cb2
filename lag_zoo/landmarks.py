"""Landmarks of a frame: small places that a copy shows too, whatever was cut off, laid over or moved.

A landmark is a spot that is brighter or darker than what is around it, at one of a few scales (D. Lowe, Distinctive
Image Features from Scale-Invariant Keypoints, 2004). Its vector tells the pattern around it: a few cosines of local
contrast, so that neither light nor exposure count. A turned or mirrored frame has its landmarks turned and mirrored;
so each is put upright first, by the two slowest cosines, which give one of eight positions. Where two positions are as
good, the landmark is there in both.
"""

import functools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Sums = npt.NDArray[np.float64]
Box = tuple[float, ...]  # left, top, right, bottom

SIZE = 128  # root of the area of the field's box, in the cells that landmarks are looked for in
_FIRST, _LEVELS, _RATIO = (
    1.3,
    7,
    2 ** (1 / 3),
)  # the finest scale in cells, how many there are, from one to the next
_AREAS = 5  # on a side: of each scale the clearest landmark of each area, so that glints do not take all
_SIGMAS = tuple(_FIRST * _RATIO**level for level in range(_LEVELS + 2))
_AROUND = SIZE / 6  # cells over which the local brightness is taken
_INSIDE, _WITHIN = (
    4.0,
    0.8,
)  # the field over so many cells around a landmark, and the share of it that must be lit
_DARK = 8.0  # of 255, added to the local brightness: what is black has no contrast
_SIDE, _MOST = 8, 5  # points on a side of the pattern, a scale apart; the fastest cosine
_AMBIGUOUS = 0.15  # of their length: the slowest cosines' distance from another position

_WAVES = tuple((u, v) for u in range(_MOST + 1) for v in range(_MOST + 1) if 0 < u + v <= _MOST)
LENGTH = len(_WAVES)
"""Numbers of a landmark's vector."""

_SPEED = np.array(
    [np.hypot(u, v) for u, v in _WAVES], np.float32
)  # natural patterns have less of the faster waves
_ODD_X = np.array([(-1) ** u for u, _ in _WAVES], np.float32)
_ODD_Y = np.array([(-1) ** v for _, v in _WAVES], np.float32)
_SWAPPED = np.array([_WAVES.index((v, u)) for u, v in _WAVES])
_ALONG, _DOWN = _WAVES.index((1, 0)), _WAVES.index((0, 1))
_POINTS = np.arange(_SIDE, dtype=np.float32) - (_SIDE - 1) / 2

_PICTURE = 2  # cells on a side of one of the picture's
_CONTRAST = 200.0  # of the picture: steps of a contrast of 1
OUTSIDE = -128
"""In a picture: outside of the field."""


def _patterns() -> Floats:
    turns = (np.arange(_SIDE) + 0.5) * np.pi / _SIDE
    window = np.exp(-0.5 * (_POINTS / (_SIDE / 2)) ** 2)
    rows = []
    for u, v in _WAVES:
        row = np.outer(np.cos(v * turns) * window, np.cos(u * turns) * window)
        row -= row.mean()
        rows.append(row.ravel() / np.linalg.norm(row))
    return np.array(rows, np.float32)


_PATTERNS = _patterns()

TURNS: Floats = np.array(
    [
        np.diag([-1 if mirrored & 2 else 1, -1 if mirrored & 1 else 1])
        @ np.eye(2)[:: -1 if mirrored & 4 else 1]
        for mirrored in range(8)
    ],
    np.float32,
)
"""(8, 2, 2): of each position, what puts a landmark upright."""


class Landmarks(NamedTuple):
    """The landmarks of one frame, n of them, and a small picture of it, to compare frames by.

    Attributes:
        places: (n, 3) float32: x and y in cells of the picture, and the scale.
        vectors: (n, `LENGTH`) float32, of length 1.
        positions: (n,) int8, of `TURNS`.
        picture: (h, w) int8: local contrast of the field's box; `OUTSIDE`: outside of the field.
    """

    places: Floats
    vectors: Floats
    positions: npt.NDArray[np.int8]
    picture: npt.NDArray[np.int8]


def find_landmarks(cells: Floats, lit: npt.NDArray[np.bool_]) -> Landmarks:
    """Find the landmarks of a frame that was shrunk to `SIZE`.

    Args:
        cells: (h, w) grey, from 0 to 255; `grid_of` gives h and w.
        lit: (h, w) what lies in the field of view.
    """
    light = lit.astype(np.float32)
    over, under = blurred(cells * light, _AROUND), blurred(light, _AROUND)
    around = over / np.maximum(under, 1e-3)
    contrast = _blurred_all(np.where(lit, cells - around, 0).astype(np.float32)) / (around + _DARK)
    within = lit & (blurred(light, _INSIDE) > _WITHIN)
    places, patterns = [], []
    for level in range(1, _LEVELS + 1):
        spots = np.abs(contrast[level] - contrast[level + 1]) * within
        found = _peaks(spots, _SIGMAS[level])
        places.append(found)
        patterns.append(_sampled(contrast[level - 1], found) @ _PATTERNS.T * _SPEED)
    place, vector = np.concatenate(places), np.concatenate(patterns)
    length = np.linalg.norm(vector, axis=1, keepdims=True)
    some = length[:, 0] > 1e-3
    numbers, vectors, positions = _upright(vector[some] / length[some])
    place = place[some][numbers]
    place[:, :2] = (place[:, :2] + 0.5) / _PICTURE - 0.5
    place[:, 2] /= _PICTURE
    return Landmarks(place, vectors, positions, _picture(contrast[1], lit))


def grid_of(box: Box) -> tuple[int, int]:
    """The rows and columns of cells that a box is shrunk to: its shape, and an area of `SIZE` by `SIZE`."""
    wide, tall = max(box[2] - box[0], 1e-6), max(box[3] - box[1], 1e-6)
    shape = float(np.clip(np.sqrt(wide / tall), 0.5, 2))
    return 2 * round(SIZE / shape / 2), 2 * round(SIZE * shape / 2)


@functools.lru_cache(maxsize=256)
def _blur(length: int, sigma: float) -> Floats:
    """(length, length): what blurs a column of so many cells; past the ends there is nothing to take in."""
    at = np.arange(length)
    weights = np.exp(-0.5 * ((at[:, None] - at) / sigma) ** 2)
    weights[weights < 1e-4] = 0
    found: Floats = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return found


def blurred(cells: Floats, sigma: float) -> Floats:
    """Cells (h, w) blurred by a Gaussian of so many cells, which takes in nothing from beyond the edge."""
    found: Floats = (_blur(cells.shape[0], sigma) @ cells @ _blur(cells.shape[1], sigma).T).astype(
        np.float32, copy=False
    )
    return found


def _blurred_all(cells: Floats) -> Floats:
    return np.stack([blurred(cells, sigma) for sigma in _SIGMAS])


def _peaks(spots: Floats, scale: float) -> Floats:
    """(n, 3): x, y and scale of the highest of those that are higher than their neighbours."""
    inner = spots[1:-1, 1:-1]
    highest = np.maximum(spots[:-2], np.maximum(spots[1:-1], spots[2:]))
    highest = np.maximum(highest[:, :-2], np.maximum(highest[:, 1:-1], highest[:, 2:]))
    y, x = np.nonzero((inner == highest) & (inner > 0))
    area = y * _AREAS // len(inner) * _AREAS + x * _AREAS // inner.shape[1]
    order = np.lexsort((-inner[y, x], area))
    order = order[np.unique(area[order], return_index=True)[1]]
    y, x = y[order] + 1, x[order] + 1
    here = spots[y, x]
    across = _between(spots[y, x - 1], here, spots[y, x + 1])
    down = _between(spots[y - 1, x], here, spots[y + 1, x])
    return np.stack([x + across, y + down, np.full(len(x), scale)], 1).astype(np.float32)


def _between(before: Floats, here: Floats, after: Floats) -> Floats:
    """Give the place at which the parabola through three neighbours is highest."""
    bend = before - 2 * here + after
    found: Floats = np.clip((before - after) / np.minimum(2 * bend, -1e-9), -0.5, 0.5)
    return found


def _sampled(cells: Floats, places: Floats) -> Floats:
    """(n, points): the pattern around each place."""
    height, width = cells.shape
    off = _POINTS * places[:, 2:]
    x = np.clip(places[:, :1] + off, 0, width - 1.001)[:, None, :]
    y = np.clip(places[:, 1:2] + off, 0, height - 1.001)[:, :, None]
    left, top = x.astype(np.int64), y.astype(np.int64)
    x, y, at, flat = x - left, y - top, top * width + left, cells.ravel()
    upper = flat[at] * (1 - x) + flat[at + 1] * x
    lower = flat[at + width] * (1 - x) + flat[at + width + 1] * x
    found: Floats = (upper * (1 - y) + lower * y).reshape(len(places), _SIDE**2).astype(np.float32)
    return found


def _upright(vectors: Floats) -> tuple[npt.NDArray[np.int64], Floats, npt.NDArray[np.int8]]:
    """The number, the vector and the position of each landmark as it stands upright; of some, in several."""
    along, down = vectors[:, _ALONG], vectors[:, _DOWN]
    slack = _AMBIGUOUS * np.hypot(along, down)
    numbers, turned, positions = [], [], []
    for position in range(8):
        x, y = (down, along) if position & 4 else (along, down)
        x, y = (-x if position & 2 else x), (-y if position & 1 else y)
        which = np.flatnonzero((x >= -slack) & (y >= -slack) & (x - y >= -slack))
        vector = vectors[which]
        vector = vector[:, _SWAPPED] if position & 4 else vector
        vector = vector * _ODD_X if position & 2 else vector
        numbers.append(which)
        turned.append(vector * _ODD_Y if position & 1 else vector)
        positions.append(np.full(len(which), position, np.int8))
    return np.concatenate(numbers), np.concatenate(turned), np.concatenate(positions)


def _picture(contrast: Floats, lit: npt.NDArray[np.bool_]) -> npt.NDArray[np.int8]:
    rows, columns = (side // _PICTURE for side in contrast.shape)
    blocks = contrast.reshape(rows, _PICTURE, columns, _PICTURE).mean((1, 3))
    picture: npt.NDArray[np.int8] = np.clip(np.rint(blocks * _CONTRAST), -127, 127).astype(np.int8)
    picture[~lit.reshape(rows, _PICTURE, columns, _PICTURE).all((1, 3))] = OUTSIDE
    return picture
