"""Frames that show the same: landmarks that are alike propose how one frame lies in another, and pixels decide.

Three steps, each of which leaves far fewer pairs to the next. Landmarks that fall together in a table of hashes are
compared (locality-sensitive hashing by random planes: M. Charikar, Similarity Estimation Techniques from Rounding
Algorithms, 2002), and each two that are alike say how one frame would lie in the other: turned, larger, moved. Where
two say the same, the frames are laid over each other, by steps of least squares (B. Lucas and T. Kanade, An Iterative
Image Registration Technique, 1981) in which what does not fit counts little. Last, they are compared block by block: a
copy agrees in most of them, whatever was laid over the rest.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lag_zoo.landmarks import LENGTH, OUTSIDE, TURNS, Floats, Landmarks, blurred

Numbers = npt.NDArray[np.signedinteger[Any]]

_TABLES = 12
_MORE_BITS, _MOST_BITS = 8, 32  # of a hash, than it takes to number the landmarks
_LEAST_SPREAD = 2e-3  # of the vectors in any direction: of few frames they may lie in one plane
_RUN = 48  # of landmarks with one hash, how many each is compared with
_ALIKE = 0.98  # cosine of two landmarks' vectors
_SMALLEST = 0.45  # of a frame's scale: what a copy may show of it
_OFF = 0.25  # of a frame's side: how far a copy's middle may lie from its own
_APART = (
    5.0  # cells of the picture between two landmarks, at least: nearer ones are often one, seen at two scales
)
_ASTRAY = (
    1.2  # cells of the picture, by which the way from one landmark to the other may differ, along and down
)
_STRETCHED = 0.4  # octaves by which that way's length may differ from what the landmarks' scales say
_LOOKED_AT = 8  # proposals of one pair and position that are held against each other
_TRIED = 3  # proposals of one pair that are looked at

_LATTICE = 16  # points on a side on which frames are laid over each other
_COARSE, _FINE = 6, 4  # steps on the blurred pictures, and on the sharp
_BLUR, _SLOW = 2.0, 5.0  # cells
_SCALES = 0.5, 1.25  # of the small frame in the large one, along and down
_SKEWED = 1.25  # how far these may differ
_FLAT = 1.0  # steps of contrast: a block with less has nothing to agree in
_REACH = 16  # cells from the middle at which stretching by one would move by one
_BLOCKS, _IN_BLOCK = 5, 6  # blocks on a side, and points on a side of one
_AGREES = 0.6  # correlation of a block
_BATCH = 1024
AGREEING = 0.5
"""Of the blocks that two frames share, those that have to agree."""

_LEAST_SHARED = 0.35  # of the blocks


def aligned_pairs(frames: Sequence[Landmarks], known: Numbers | None = None) -> Iterator[tuple[int, int]]:
    """The pairs of frames, by number, of which one shows what the other does, or a part of it.

    Args:
        known: (n,) of each frame a number; those that share one are known to be alike, and are not compared.
    """
    if not sum(len(frame.places) for frame in frames):
        return
    proposals = propose(frames, np.arange(len(frames)) if known is None else known)
    pictures = Pictures.of(frames)
    for start in range(0, len(proposals.large), _BATCH):
        batch = proposals.take(slice(start, start + _BATCH))
        shared, agreeing = compare(pictures, batch)
        found = (shared >= _LEAST_SHARED) & (agreeing >= AGREEING)
        yield from zip(batch.large[found].tolist(), batch.small[found].tolist(), strict=True)


class Proposals(NamedTuple):
    """A place of the small frame in the large one: `large = turn @ (small * scale) + shift`, in cells of pictures.

    Attributes:
        large: (n,) numbers of frames; `small`: likewise.
        turn: (n, 2, 2); `scale`: (n,); `shift`: (n, 2).
    """

    large: Numbers
    small: Numbers
    turn: Floats
    scale: Floats
    shift: Floats

    def take(self, which: slice | Numbers) -> "Proposals":
        """Some of them."""
        return Proposals(
            self.large[which], self.small[which], self.turn[which], self.scale[which], self.shift[which]
        )


def propose(frames: Sequence[Landmarks], known: Numbers) -> Proposals:
    """Proposals on which two landmarks agree, of each pair of frames a few; `known` as in `aligned_pairs`."""
    counts = np.array([len(frame.places) for frame in frames])
    owner = np.repeat(np.arange(len(frames)), counts)
    places = np.concatenate([frame.places for frame in frames])
    positions = np.concatenate([frame.positions for frame in frames])
    vectors = np.concatenate([frame.vectors for frame in frames])
    sizes = np.array([frame.picture.shape[::-1] for frame in frames], np.float32)
    one, other = _alike(vectors, known[owner])
    swapped = places[one, 2] > places[other, 2]  # of the two, the frame whose landmark is smaller shows more
    large, small = np.where(swapped, other, one), np.where(swapped, one, other)
    scale = places[large, 2] / places[small, 2]
    turn = TURNS.transpose(0, 2, 1)[positions[large]] @ TURNS[positions[small]]
    at, middle = places[small, :2], (sizes[owner[small]] - 1) / 2
    moved = np.einsum("nij,nj->ni", turn, (middle - at) * scale[:, None])
    there = places[large, :2] + moved  # the small frame's middle in the large one
    own = (sizes[owner[large]] - 1) / 2
    near = (np.abs(there - own) <= _OFF * sizes[owner[large]]).all(1) & (scale >= _SMALLEST)
    large, small, scale, turn, there = (each[near] for each in (large, small, scale, turn, there))
    first, second = _agreed(
        owner[large], owner[small], turn, scale, places[large, :2], places[small, :2], len(frames)
    )
    ends = [(places[side[first], :2], places[side[second], :2]) for side in (large, small)]
    long, short = (np.linalg.norm(one - other, axis=1) for one, other in ends)
    scale = long / short  # the landmarks' own scales tell it less well
    above, below = ((one + other) / 2 for one, other in ends)
    shift = above - np.einsum("nij,nj->ni", turn[first], below * scale[:, None])
    return Proposals(owner[large[first]], owner[small[first]], turn[first], scale, shift)


def _alike(vectors: Floats, owner: Numbers) -> tuple[Numbers, Numbers]:
    """Landmarks of different owners, by number, whose vectors are alike; each two once."""
    found = [np.empty(0, np.int64)]
    total = len(vectors)
    bits = min(_MOST_BITS, round(np.log2(total)) + _MORE_BITS)
    middle, spread = _spread_of(vectors)
    planes = np.random.default_rng(0).standard_normal((_TABLES, LENGTH, bits))
    powers = 2.0 ** np.arange(bits)
    mixed = np.random.default_rng(1).permutation(total)  # so that in a long run neighbours are any two
    for table in planes:
        sides = (spread @ table).astype(np.float32)
        keys = np.concatenate([
            ((vectors[start : start + 65536] - middle) @ sides > 0) @ powers for start in range(0, total, 65536)
        ]).astype(np.int64)  # fmt: skip
        order = mixed[np.argsort(keys[mixed], kind="stable")]
        keys = keys[order]
        run = np.arange(total)
        for off in range(1, _RUN + 1):
            run = run[run < total - off]
            run = run[keys[run] == keys[run + off]]
            if not len(run):
                break
            one, other = order[run], order[run + off]
            new = owner[one] != owner[other]
            one, other = one[new], other[new]
            close = np.einsum("ni,ni->n", vectors[one], vectors[other]) >= _ALIKE
            found.append(np.minimum(one, other)[close] * total + np.maximum(one, other)[close])
    pairs = np.unique(np.concatenate(found))
    return pairs // max(1, total), pairs % max(1, total)


def _spread_of(vectors: Floats) -> tuple[Floats, npt.NDArray[np.float64]]:
    """The middle of vectors, and what makes them spread alike in all directions: else most would have like hashes."""
    middle = vectors.mean(0)
    spread, ways = np.linalg.eigh((vectors - middle).T @ (vectors - middle) / len(vectors))
    return middle, ways @ np.diag((spread + _LEAST_SPREAD) ** -0.5) @ ways.T


def _agreed(
    large: Numbers,
    small: Numbers,
    turn: Floats,
    scale: Floats,
    at: Floats,
    beside: Floats,
    frames: int,
) -> tuple[Numbers, Numbers]:
    """Of proposals, by number, two and two that agree, from different landmarks; of each pair of frames a few."""
    position = np.rint(turn.reshape(-1, 4) @ np.array([27, 9, 3, 1], np.float32)).astype(np.int64)
    low, high = np.minimum(large, small), np.maximum(large, small)
    pair = low * frames + high
    group = (pair * 2 + (large == low)) * 81 + position + 40
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    first, second = [], []
    for off in range(1, _LOOKED_AT + 1):
        run = np.flatnonzero(ordered[off:] == ordered[:-off]) if off < len(ordered) else np.empty(0, np.int64)
        if not len(run):
            break
        a, b = order[run], order[run + off]
        way, under = at[a] - at[b], np.einsum("nij,nj->ni", turn[a], beside[a] - beside[b])
        long, short = np.linalg.norm(way, axis=1), np.linalg.norm(under, axis=1)
        levels, length = np.sqrt(scale[a] * scale[b]), np.maximum(short, 1e-3)
        long = np.maximum(long, 1e-3)
        same = (np.minimum(long, short) >= _APART) & (
            np.abs(way - under * (long / length)[:, None]) <= _ASTRAY
        ).all(1)
        same &= np.abs(np.log2(long / length / levels)) <= _STRETCHED
        same &= np.abs(np.log2(scale[a] / scale[b])) < 0.5
        first.append(a[same])
        second.append(b[same])
    a, b = (np.concatenate([np.empty(0, np.int64), *each]) for each in (first, second))
    far = np.abs(at[a] - at[b]).sum(1)
    order = np.lexsort((-far, pair[a]))
    a, b = a[order], b[order]
    rank = np.arange(len(a)) - np.searchsorted(pair[a], pair[a])
    return a[rank < _TRIED], b[rank < _TRIED]


class Pictures(NamedTuple):
    """The pictures of all frames, one after another.

    Attributes:
        sharp: the cells of all, float32, as they are; `blurred`: without detail; `detail`: without what changes slowly;
            NaN: outside of the field.
        start: where the cells of each frame begin; `sizes`: (n, 2) width and height.
    """

    sharp: Floats
    blurred: Floats
    detail: Floats
    start: Numbers
    sizes: Numbers

    @classmethod
    def of(cls, frames: Sequence[Landmarks]) -> "Pictures":
        """Lay the pictures of frames one after another."""
        sizes = np.array([frame.picture.shape[::-1] for frame in frames], np.int64)
        start = np.concatenate([[0], np.cumsum(sizes.prod(1))[:-1]])
        kinds: tuple[list[Floats], ...] = ([], [], [])
        for frame in frames:
            outside = frame.picture == OUTSIDE
            cells = np.where(outside, 0, frame.picture).astype(np.float32)
            seen = cells, blurred(cells, _BLUR), cells - blurred(cells, _SLOW)
            for kind, each in zip(kinds, seen, strict=True):
                kind.append(np.where(outside, np.float32(np.nan), each).ravel())
        sharp, soft, detail = map(np.concatenate, kinds)
        return cls(sharp, soft, detail, start, sizes)

    def at(self, cells: Floats, frames: Numbers, points: Floats) -> Floats:
        """The cells at points (n, p, 2) of n frames, between four of them; NaN: outside."""
        width, height = self.sizes[frames, :1], self.sizes[frames, 1:]
        x, y = points[..., 0], points[..., 1]
        within = (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
        x, y = np.clip(x, 0, width - 1.001), np.clip(y, 0, height - 1.001)
        left, top = x.astype(np.int64), y.astype(np.int64)
        x, y = (x - left).astype(np.float32), (y - top).astype(np.float32)
        place = self.start[frames][:, None] + top * width + left
        upper = cells[place] * (1 - x) + cells[place + 1] * x
        place += width
        lower = cells[place] * (1 - x) + cells[place + 1] * x
        return np.where(within, upper * (1 - y) + lower * y, np.nan).astype(np.float32)


def compare(pictures: Pictures, proposals: Proposals) -> tuple[Floats, Floats]:
    """Of each proposal, once it is bettered: the share of the small frame's blocks that the large one holds too, and
    of these the share that agrees."""
    fit = _Fit.of(pictures, proposals)
    for cells, steps in ((pictures.blurred, _COARSE), (pictures.sharp, _FINE)):
        fit = fit.bettered(pictures, cells, steps)
    side = _BLOCKS * _IN_BLOCK
    points = _lattice(pictures.sizes[proposals.small], side)
    small = pictures.at(pictures.detail, proposals.small, points)
    large = pictures.at(pictures.detail, proposals.large, fit.moved(points))
    one, other = _in_blocks(small), _in_blocks(large)
    both = np.isfinite(one) & np.isfinite(other)
    shared = (both.mean(2) >= 0.5) & fit.likely()[:, None]
    agreeing = shared & (_correlation(one, other, both) >= _AGREES)
    own = (np.isfinite(one).mean(2) >= 0.5).sum(1)
    return shared.sum(1) / np.maximum(own, 1), agreeing.sum(1) / np.maximum(shared.sum(1), 1)


def _in_blocks(points: Floats) -> Floats:
    """(n, blocks, points of a block), of lattices of points, row by row."""
    split = points.reshape(-1, _BLOCKS, _IN_BLOCK, _BLOCKS, _IN_BLOCK).transpose(0, 1, 3, 2, 4)
    return split.reshape(len(points), _BLOCKS**2, -1)


def _correlation(one: Floats, other: Floats, both: npt.NDArray[np.bool_]) -> Floats:
    count = np.maximum(both.sum(-1, keepdims=True), 1)
    one, other = (np.where(both, each, 0) for each in (one, other))
    one, other = (np.where(both, each - each.sum(-1, keepdims=True) / count, 0) for each in (one, other))
    spread = np.sqrt((one**2).sum(-1) * (other**2).sum(-1))
    found: Floats = (one * other).sum(-1) / np.maximum(spread, _FLAT**2 * count[..., 0])
    return found


def _lattice(sizes: Numbers, side: int) -> Floats:
    """(n, side * side, 2): points in cells of n pictures, row by row."""
    share = (np.arange(side) + 0.5) / side
    x, y = np.meshgrid(share, share)
    shares = np.stack([x.ravel(), y.ravel()], 1)
    return (shares * sizes[:, None] - 0.5).astype(np.float32)


class _Fit(NamedTuple):
    """Places of small frames in large ones: `large = matrix @ small + shift`."""

    proposals: Proposals
    matrix: Floats
    shift: Floats

    @classmethod
    def of(cls, pictures: Pictures, proposals: Proposals) -> "_Fit":
        return cls(proposals, proposals.turn * proposals.scale[:, None, None], proposals.shift)

    def moved(self, points: Floats) -> Floats:
        moved: Floats = points @ self.matrix.transpose(0, 2, 1) + self.shift[:, None]
        return moved

    def likely(self) -> npt.NDArray[np.bool_]:
        """(n,) whether a copy may lie so: of a size, and a shape, that a frame is cut or resized to."""
        sizes = np.linalg.norm(self.matrix, axis=2)
        low, high = sizes.min(1), sizes.max(1)
        likely: npt.NDArray[np.bool_] = (low >= _SCALES[0]) & (high <= _SCALES[1]) & (high <= _SKEWED * low)
        return likely

    def bettered(self, pictures: Pictures, cells: Floats, steps: int) -> "_Fit":
        """The fit after some steps of least squares in scale along and across, and shift."""
        fit = self
        points = _lattice(pictures.sizes[self.proposals.small], _LATTICE)
        small = pictures.at(cells, self.proposals.small, points)
        middle = points.mean(1, keepdims=True)
        for _ in range(steps):
            at = fit.moved(points)
            half = np.array([0.5, 0], np.float32)
            large = pictures.at(cells, self.proposals.large, at)
            along = pictures.at(cells, self.proposals.large, at + half) - pictures.at(
                cells, self.proposals.large, at - half
            )
            down = pictures.at(cells, self.proposals.large, at + half[::-1]) - pictures.at(
                cells, self.proposals.large, at - half[::-1]
            )
            both = np.isfinite(small) & np.isfinite(large) & np.isfinite(along) & np.isfinite(down)
            lack = _misfit(small, large, both)
            weight = np.where(both, 1 / (1 + lack**2), 0)
            spread = _spread(large, both)
            ways = (points - middle) @ fit.matrix.transpose(0, 2, 1) / _REACH
            along, down = np.where(both, along, 0) / spread, np.where(both, down, 0) / spread
            slopes = np.stack([along * ways[..., 0], down * ways[..., 1], along, down], -1)
            weighted = slopes * weight[..., None]
            normal = weighted.transpose(0, 2, 1) @ slopes
            trace = np.maximum(np.einsum("nii->ni", normal), 1e-3)
            normal += 0.01 * trace[:, None] * np.eye(4)
            right = weighted.transpose(0, 2, 1) @ np.where(both, lack, 0)[..., None]
            step = np.linalg.solve(normal, right)[..., 0]
            stretch = np.clip(step[:, :2] / _REACH, -0.1, 0.1)
            move = np.clip(step[:, 2:], -3, 3)
            centre = (middle @ fit.matrix.transpose(0, 2, 1))[:, 0] + fit.shift + move
            matrix = fit.matrix * (1 + stretch)[:, :, None]
            shift = centre - (middle @ matrix.transpose(0, 2, 1))[:, 0]
            fit = fit._replace(matrix=matrix.astype(np.float32), shift=shift.astype(np.float32))
        return fit


def _spread(cells: Floats, both: npt.NDArray[np.bool_]) -> Floats:
    count = np.maximum(both.sum(1, keepdims=True), 1)
    filled = np.where(both, cells, 0)
    mean = filled.sum(1, keepdims=True) / count
    spread = np.sqrt(np.where(both, (cells - mean) ** 2, 0).sum(1, keepdims=True) / count)
    found: Floats = (spread + 1e-3).astype(np.float32)
    return found


def _misfit(small: Floats, large: Floats, both: npt.NDArray[np.bool_]) -> Floats:
    """The difference of the large frame from the small one, where both have the same mean and spread."""
    count = np.maximum(both.sum(1, keepdims=True), 1)
    level = [
        (np.where(both, each - np.where(both, each, 0).sum(1, keepdims=True) / count, 0))
        / _spread(each, both)
        for each in (small, large)
    ]
    found: Floats = (level[0] - level[1]).astype(np.float32)
    return found
