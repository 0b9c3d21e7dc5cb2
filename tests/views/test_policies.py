"""Where the crops lie: in the field, the same for the same draw, whatever surrounds it."""

import typing
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import lag_zoo
from lag_zoo.errors import InvalidConfigError
from lag_zoo.specs import LAGConfig, Policy
from lag_zoo.views import FieldOfView, ViewSampler, place_crops, whole_frame
from lag_zoo.views.field_of_view import NORMALS
from lag_zoo.views.policies import POLICIES, mix

policies = pytest.mark.parametrize("policy", POLICIES)
sides = st.integers(32, 700)


def test_each_name_has_a_function() -> None:
    assert tuple(POLICIES) == typing.get_args(Policy)


UNKNOWN: Any = "sobel"


@pytest.mark.parametrize(
    "ask",
    [
        lambda: place_crops(whole_frame(1, (100, 100)), num_crops=4, crop_size=32, policy=UNKNOWN, seeds=[0]),
        lambda: ViewSampler(policy=UNKNOWN),
        lambda: ViewSampler.from_config(
            LAGConfig(backbone=None, num_classes=0, global_size=96), policy=UNKNOWN
        ),
        lambda: ViewSampler.from_config(LAGConfig(backbone=None, num_classes=0, global_size=96), policy=""),  # type: ignore[arg-type]
        lambda: LAGConfig(backbone=None, num_classes=0, policy=UNKNOWN),
        lambda: LAGConfig.from_json('{"backbone": null, "num_classes": 0, "policy": "sobel"}'),
        lambda: lag_zoo.create_model("lag_mobilenetv3_small_050", num_classes=2, policy=UNKNOWN),
        lambda: lag_zoo.LAG("mobilenetv3_small_050", num_classes=2, policy=UNKNOWN),
        lambda: lag_zoo.LAG("mobilenetv3_small_050", num_classes=2).sampler(policy=UNKNOWN),
    ],
)
def test_an_unknown_policy_is_refused_everywhere(ask: Callable[[], object]) -> None:
    with pytest.raises(
        InvalidConfigError, match=r"policy: one of sobol, grid, random is expected, got '(sobel)?'"
    ):
        ask()


def disc(size: tuple[int, int], centre: tuple[float, float], radius: float) -> FieldOfView:
    """A round field, cut by the frame."""
    whole = whole_frame(1, size)
    reach = torch.tensor([x * centre[0] + y * centre[1] + radius for x, y in NORMALS])[None]
    return whole._replace(offsets=torch.minimum(reach, whole.offsets))


def together(fields: list[FieldOfView]) -> FieldOfView:
    return FieldOfView(
        torch.cat([f.offsets for f in fields]), torch.cat([f.cutouts for f in fields]), fields[0].size
    )


@st.composite
def fields(draw: st.DrawFn) -> FieldOfView:
    """Discs of any size and place, some beyond the frame, some empty; some with a box cut out."""
    size = (draw(sides), draw(sides))
    at = (draw(st.floats(-50, size[1] + 50)), draw(st.floats(-50, size[0] + 50)))
    field = disc(size, at, draw(st.floats(-40, 800)))
    if draw(st.booleans()):
        field.cutouts[0, 0] = torch.tensor([0, size[0] // 2, size[1] // 2, size[0]])
    return field


@policies
@given(field=fields(), count=st.integers(1, 40), size=st.integers(16, 128), seed=st.integers(0, 2**63 - 1))
def test_boxes_of_any_field(policy: Policy, field: FieldOfView, count: int, size: int, seed: int) -> None:
    boxes, inside = place_crops(field, num_crops=count, crop_size=size, policy=policy, seeds=[seed])
    assert boxes.shape == (1, count, 4)
    assert boxes.dtype == torch.int64
    assert inside.shape == (1, count)
    assert inside.dtype == torch.bool
    assert torch.equal(boxes[..., 2:] - boxes[..., :2], torch.full((1, count, 2), size))
    height, width = field.size
    assert (boxes[..., :2] >= 0).all()
    fits = (boxes[..., 2] <= width) & (boxes[..., 3] <= height)
    assert torch.equal(inside, field.contains(boxes) & fits & ~field.empty[:, None])
    if width >= size and height >= size:
        assert fits.all(), "a crop reaches over a frame only where it must"


@policies
@given(field=fields(), size=st.integers(16, 96))
def test_every_pixel_of_a_crop_inside_is_lit(policy: Policy, field: FieldOfView, size: int) -> None:
    """Against the field drawn pixel by pixel, which knows nothing of boxes."""
    boxes, inside = place_crops(field, num_crops=12, crop_size=size, policy=policy, seeds=[1])
    lit = field.mask()[0]
    for (x1, y1, x2, y2), within in zip(boxes[0].tolist(), inside[0].tolist(), strict=True):
        if within:
            assert lit[y1:y2, x1:x2].all()
            assert lit[y1:y2, x1:x2].shape == (size, size)


@policies
@pytest.mark.parametrize("count", [1, 4, 10, 40])
def test_all_inside_where_there_is_room(policy: Policy, count: int) -> None:
    field = disc((1024, 1280), (640, 480), 620)
    boxes, inside = place_crops(field, num_crops=count, crop_size=64, policy=policy, seeds=[5])
    assert inside.all()
    assert len({tuple(box) for box in boxes[0].tolist()}) == count


@policies
def test_boxes_keep_out_of_a_cutout(policy: Policy) -> None:
    field = whole_frame(1, (600, 600))
    field.cutouts[0, 0] = torch.tensor([0, 300, 300, 600])
    boxes, inside = place_crops(field, num_crops=30, crop_size=64, policy=policy, seeds=[0])
    assert inside.all()
    assert not ((boxes[..., 0] < 300) & (boxes[..., 3] > 300)).any()


@policies
@given(order=st.permutations(range(5)))
def test_the_batch_and_its_order_change_nothing(policy: Policy, order: list[int]) -> None:
    every = [disc((480, 640), (320 + 10 * i, 240 - 7 * i), 150.0 + 20 * i) for i in range(5)]
    alone = [place_crops(f, num_crops=7, crop_size=48, policy=policy, seeds=[i]) for i, f in enumerate(every)]
    boxes, inside = place_crops(
        together([every[i] for i in order]), num_crops=7, crop_size=48, policy=policy, seeds=order
    )
    assert torch.equal(boxes, torch.cat([alone[i][0] for i in order]))
    assert torch.equal(inside, torch.cat([alone[i][1] for i in order]))


@policies
def test_only_random_depends_on_the_draw_and_no_generator_moves(policy: Policy) -> None:
    field, state = whole_frame(1, (500, 500)), torch.get_rng_state()

    def boxes(draw: int) -> torch.Tensor:
        return place_crops(field, num_crops=10, crop_size=64, policy=policy, seeds=[draw])[0]

    assert torch.equal(boxes(1), boxes(1))
    assert torch.equal(boxes(1), boxes(2)) is (policy != "random")
    assert torch.equal(torch.get_rng_state(), state)


def test_random_reaches_every_part() -> None:
    field = whole_frame(1, (100, 200))
    draws = [
        place_crops(field, num_crops=10, crop_size=64, policy="random", seeds=[d])[0] for d in range(200)
    ]
    boxes = torch.cat(draws).flatten(0, 1)
    assert boxes[:, :2].amin(0).tolist() == [0, 0]
    assert boxes[:, 2:].amax(0).tolist() == [200, 100]
    assert abs(boxes[:, 0].double().mean() - 68) < 4, "left edges are uniform from 0 to 136"


@policies
def test_an_empty_field_gets_boxes_in_the_frame_and_none_inside(policy: Policy) -> None:
    field = disc((300, 400), (200, 150), -10)
    assert field.empty.all()
    boxes, inside = place_crops(field, num_crops=6, crop_size=64, policy=policy, seeds=[0])
    assert not inside.any()
    assert (boxes[..., 2] <= 400).all()
    assert (boxes[..., 3] <= 300).all()


@policies
def test_a_frame_smaller_than_a_crop(policy: Policy) -> None:
    boxes, inside = place_crops(
        whole_frame(1, (40, 300)), num_crops=5, crop_size=64, policy=policy, seeds=[0]
    )
    assert not inside.any()
    assert boxes[..., 1].eq(0).all(), "it begins at the frame's edge and reaches over the other"


@given(st.lists(st.tuples(*[st.integers(0, 5000)] * 3), min_size=2, max_size=200, unique=True))
def test_mix_tells_neighbours_apart(numbers: list[tuple[int, int, int]]) -> None:
    seeds = [mix(*n) for n in numbers]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= s < 2**63 for s in seeds)
