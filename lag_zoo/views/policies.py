"""Crop policies: where in the field of view the crops lie.

`sobol` spreads them evenly and is the same every time; so is `grid`, in rows. `random` is the paper's. Points in the
unit square are drawn apart from being applied to a field, so an image's draw depends on (seed, epoch, index) and on
nothing else: no worker, batch or earlier image changes it, and no global generator moves.

To add a policy: a function, its entry in `POLICIES`, and its name in `lag_zoo.specs.Policy`.
"""

import functools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lag_zoo.bounds import choose
from lag_zoo.specs import Policy
from lag_zoo.views.boxes import boxes_at
from lag_zoo.views.field_of_view import FieldOfView

Placed = tuple[Tensor, Tensor]

_MASK = (1 << 64) - 1


def mix(seed: int, epoch: int, index: int) -> int:
    """One 63-bit seed from three numbers (splitmix64), so that neighbours draw nothing alike.

    >>> mix(0, 0, 1) != mix(0, 1, 0)
    True
    """
    state = 0
    for value in (seed, epoch, index):
        state = (state + value + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state >> 1


def place_crops(
    field: FieldOfView, *, num_crops: int, crop_size: int, policy: Policy, seeds: Sequence[int]
) -> Placed:
    """Boxes (B, N, 4) int64 in the field of view, and which of them lie wholly in it: (B, N) bool.

    `seeds` holds one seed an image (see `mix`); only `random` uses it. Where the field has no room for a crop, the
    crops lie in the frame and are marked as not inside; where the frame has none, they begin at its corner and reach
    over it.

    Raises:
        InvalidConfigError: no such policy.
    """
    return choose(POLICIES, policy, "policy")(field, num_crops, crop_size, seeds)


def _sobol(field: FieldOfView, num_crops: int, crop_size: int, seeds: Sequence[int]) -> Placed:
    """Points that fill the square evenly, the same for every image."""
    points = _sobol_points(_enough(num_crops)).to(field.offsets.device)
    return _first_inside(field, points.expand(len(field.offsets), -1, -1), num_crops, crop_size)


def _random(field: FieldOfView, num_crops: int, crop_size: int, seeds: Sequence[int]) -> Placed:
    """Uniform points, each image's by its own seed."""
    points = torch.stack([_uniform_points(_enough(num_crops), seed) for seed in seeds])
    return _first_inside(field, points.to(field.offsets.device), num_crops, crop_size)


def _enough(num_crops: int) -> int:
    """Points of which enough fall inside: a disc fills 3/4 of its square."""
    return 4 * num_crops + 60


@functools.lru_cache(maxsize=16)
def _sobol_points(count: int) -> Tensor:
    # The first point is the corner (0, 0), which says nothing.
    engine = torch.quasirandom.SobolEngine(2)  # type: ignore[no-untyped-call]
    return engine.draw(count + 1)[1:].double()


def _uniform_points(count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 2, generator=generator, dtype=torch.float64)


def _boxes(field: FieldOfView, points: Tensor, crop_size: int) -> Tensor:
    """Points (B, M, 2) of the unit square, as boxes over the bounding box of the field."""
    height, width = field.size
    frame = torch.tensor([width, height], device=points.device)
    bounds = torch.where(field.empty[:, None], torch.cat([frame * 0, frame]), field.bounds())
    low, high = bounds[:, None, :2], bounds[:, None, 2:] - crop_size
    room = high - low
    corners = low + torch.where(
        room >= 0,
        (points * (room + 1)).floor().long(),
        room.div(2, rounding_mode="floor"),  # a field narrower than a crop: centred on it
    )
    return boxes_at(torch.maximum(torch.minimum(corners, frame - crop_size), frame * 0), crop_size)


def _inside(field: FieldOfView, boxes: Tensor) -> Tensor:
    # A crop that reaches over the frame is padded, whatever the tolerance of the field.
    height, width = field.size
    fits = (boxes[..., 2] <= width) & (boxes[..., 3] <= height)
    return field.contains(boxes) & fits & ~field.empty[:, None]


def _first_inside(field: FieldOfView, points: Tensor, num_crops: int, crop_size: int) -> Placed:
    """The first boxes that lie inside, in the order of the points; short of them, others follow."""
    boxes = _boxes(field, points, crop_size)
    inside = _inside(field, boxes)
    return _picked(boxes, inside, _inside_first(inside)[:, :num_crops])


def _inside_first(inside: Tensor) -> Tensor:
    """(B, M): the numbers of the boxes, those inside first, else in their order."""
    return torch.argsort((~inside).to(torch.uint8), dim=1, stable=True)


def _picked(boxes: Tensor, inside: Tensor, numbers: Tensor) -> Placed:
    return boxes.gather(1, numbers[..., None].expand(-1, -1, 4)), inside.gather(1, numbers)


def _lattice(side: int) -> Tensor:
    steps = (torch.arange(side, dtype=torch.float64) + 0.5) / side
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=-1)


def _grid(field: FieldOfView, num_crops: int, crop_size: int, seeds: Sequence[int]) -> Placed:
    """The coarsest lattice with enough boxes inside, thinned evenly to `num_crops` of them."""
    batch, device = len(field.offsets), field.offsets.device
    boxes = torch.zeros(batch, num_crops, 4, dtype=torch.int64, device=device)
    inside = torch.zeros(batch, num_crops, dtype=torch.bool, device=device)
    open_ = torch.ones(batch, dtype=torch.bool, device=device)
    least = math.ceil(math.sqrt(num_crops))
    sides = range(least, 3 * least + 4)
    # Fields differ, so each image stops at a lattice of its own; one that has stopped keeps what it has.
    for side in sides:
        every = _boxes(field, _lattice(side).to(device).expand(batch, -1, -1), crop_size)
        good = _inside(field, every)
        found = good.sum(1)
        # The last lattice is taken as it is: boxes inside first, others after them.
        done = open_ & ((found >= num_crops) | (side == sides[-1]))
        # Every (found / num_crops)th of those inside: the first ones would be the upper rows only.
        spread = torch.arange(num_crops, device=device) * found.clamp(min=num_crops)[:, None] // num_crops
        these, are_inside = _picked(every, good, _inside_first(good).gather(1, spread))
        boxes = torch.where(done[:, None, None], these, boxes)
        inside = torch.where(done[:, None], are_inside, inside)
        open_ = open_ & ~done
        if not open_.any():
            break
    return boxes, inside


POLICIES: dict[Policy, Callable[[FieldOfView, int, int, Sequence[int]], Placed]] = {
    "sobol": _sobol,
    "grid": _grid,
    "random": _random,
}
"""The function of each policy: (field, num_crops, crop_size, seeds) -> boxes, and which lie wholly in the field."""
