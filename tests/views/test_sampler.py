"""Views of frames of any kind and number, the same wherever they are made."""

import dataclasses
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import FieldOfViewWarning, InvalidConfigError, InvalidImageError
from lag_zoo.specs import LAGConfig, Policy
from lag_zoo.views import Views, ViewSampler
from lag_zoo.views.extract import crops_of
from lag_zoo.views.pixels import ImageLike

SIZE = (240, 300)
FRAMES = torch.stack([draw_frame(SIZE, seed=seed) for seed in range(4)])
SAMPLER = ViewSampler(global_size=64, num_crops=5, crop_size=32)
POLICIES: tuple[Policy, ...] = ("sobol", "grid", "random")


def equal(one: Views, other: Views) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def row(views: Views, number: int) -> Views:
    return Views(*(t[number] for t in views))


def test_every_kind_of_one_image() -> None:
    array = FRAMES[0].permute(1, 2, 0).numpy()
    views = SAMPLER(FRAMES[0])
    assert [tuple(t.shape) for t in views] == [(3, 64, 64), (5, 3, 32, 32), (5, 4), (5,), ()]
    assert [t.dtype for t in views] == [torch.uint8, torch.uint8, torch.int64, torch.bool, torch.float32]
    assert equal(views, SAMPLER(array))
    assert equal(views, SAMPLER(Image.fromarray(array)))
    assert equal(views.batched(), SAMPLER(FRAMES[:1]))
    assert equal(views.batched(), SAMPLER([FRAMES[0]]))
    assert views.batched().batched() is not None
    assert equal(views, views.to("cpu"))


def test_crops_are_the_native_pixels_of_their_boxes() -> None:
    views = SAMPLER(FRAMES)
    assert torch.equal(views.crops, crops_of(FRAMES, views.boxes))


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=20)
@given(order=st.permutations(range(4)), epoch=st.integers(0, 9), seed=st.integers(0, 9))
def test_a_frame_gives_the_same_bits_alone_in_a_batch_and_in_a_list(
    policy: Policy, order: list[int], epoch: int, seed: int
) -> None:
    sampler = ViewSampler(global_size=64, num_crops=3, crop_size=32, policy=policy, seed=seed)
    batch = sampler(FRAMES[order], epoch=epoch, index=order)
    assert equal(batch, sampler([FRAMES[i] for i in order], epoch=epoch, index=order))
    for number, index in enumerate(order):
        assert equal(row(batch, number), sampler(FRAMES[index], epoch=epoch, index=index))


@pytest.mark.parametrize("mask", [False, True])
def test_without_crops_the_rest_is_the_same(mask: bool) -> None:
    whole = dataclasses.replace(SAMPLER, mask_outside=mask)
    views = dataclasses.replace(whole, with_crops=False)(FRAMES)
    assert torch.equal(views.global_view, whole(FRAMES).global_view)
    assert views.crops.shape == (4, 0, 3, 32, 32)
    assert (views.boxes.shape, views.inside.shape, views.coverage.tolist()) == ((4, 0, 4), (4, 0), 4 * [0])


def test_without_the_coverage_the_rest_is_the_same() -> None:
    views = dataclasses.replace(SAMPLER, with_coverage=False)(FRAMES)
    assert views.coverage.isnan().all()
    assert equal(views._replace(coverage=SAMPLER(FRAMES).coverage), SAMPLER(FRAMES))


def test_views_go_to_a_device_and_to_no_other_numbers() -> None:
    views = ViewSampler(global_size=32, num_crops=2, crop_size=32)(
        torch.full((3, 60, 60), 99, dtype=torch.uint8)
    )
    moved = views.to("meta", non_blocking=True)
    assert all(tensor.is_meta for tensor in moved)
    assert moved.crops.dtype == torch.uint8
    with pytest.raises(TypeError):
        views.to(torch.float32)  # type: ignore[arg-type]


def test_random_draws_by_seed_epoch_and_index() -> None:
    def boxes(seed: int, epoch: int, index: int) -> torch.Tensor:
        sampler = ViewSampler(global_size=64, num_crops=5, crop_size=32, policy="random", seed=seed)
        return sampler(FRAMES[0], epoch=epoch, index=index).boxes

    draws = {(s, e, i): boxes(s, e, i) for s in (0, 1) for e in (0, 1) for i in (0, 1)}
    assert len({tuple(b.flatten().tolist()) for b in draws.values()}) == 8
    assert torch.equal(draws[1, 1, 0], boxes(1, 1, 0))
    several = ViewSampler(global_size=64, num_crops=5, crop_size=32, policy="random")(FRAMES[[0, 0]])
    assert torch.equal(several.boxes, torch.stack([draws[0, 0, 0], draws[0, 0, 1]])), "numbered from 0"


@pytest.mark.parametrize("policy", POLICIES)
def test_no_generator_of_the_process_moves(policy: Policy) -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # type: ignore[index]
    ViewSampler(global_size=64, num_crops=5, crop_size=32, policy=policy)(FRAMES)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == np.random.get_state()[1].tolist()  # type: ignore[index]
    assert before[2] == random.getstate()


@settings(max_examples=25)
@given(count=st.integers(1, 60), size=st.integers(16, 200))
def test_the_coverage_is_no_more_than_the_crops_could_cover(count: int, size: int) -> None:
    views = ViewSampler(global_size=64, num_crops=count, crop_size=size)(FRAMES)
    assert ((views.coverage >= 0) & (views.coverage <= 1)).all()
    most = count * size**2 / SAMPLER.field(FRAMES).area()
    assert (views.coverage <= 1.1 * most + 0.01).all(), "counted on a grid"


def test_different_sizes_in_a_list() -> None:
    tall = draw_frame((400, 320), seed=1)
    images: list[ImageLike] = [
        draw_frame((240, 300)),
        tall,
        Image.fromarray(draw_frame((70, 90)).permute(1, 2, 0).numpy()),
    ]
    views = SAMPLER(images)
    assert views.crops.shape == (3, 5, 3, 32, 32)
    assert equal(row(views, 1), SAMPLER(tall, index=1))


def test_float_is_close_to_uint8() -> None:
    """The crops are the same pixels; the global view within one grey level. The field is taken out of it."""
    sampler = ViewSampler(global_size=64, num_crops=5, crop_size=32, field_of_view=False)
    exact, scaled = sampler(FRAMES), sampler(FRAMES.float() / 255)
    assert torch.equal(exact.boxes, scaled.boxes)
    assert torch.equal(exact.crops.float() / 255, scaled.crops)
    assert (exact.global_view.float() - scaled.global_view * 255).abs().max() <= 1


def test_the_field_of_float_is_that_of_uint8_to_a_pixel() -> None:
    field, scaled = SAMPLER.field(FRAMES), SAMPLER.field(FRAMES.float() / 255)
    assert (field.offsets - scaled.offsets).abs().max() <= 1


def test_mask_outside_blanks_what_is_not_lit() -> None:
    masked = ViewSampler(global_size=64, num_crops=5, crop_size=32, mask_outside=True)(FRAMES)
    lit = SAMPLER.field(FRAMES).mask((64, 64))[:, None].expand(-1, 3, -1, -1)
    assert not masked.global_view[~lit].any()
    assert torch.equal(masked.global_view[lit], SAMPLER(FRAMES).global_view[lit])
    assert SAMPLER(FRAMES).global_view[~lit].any(), "there was something to blank"


def test_crops_keep_inside_the_field_and_without_it_go_anywhere() -> None:
    field = SAMPLER.field(FRAMES)
    views = ViewSampler(num_crops=40, crop_size=32)(FRAMES)
    assert views.inside.all()
    assert field.contains(views.boxes).all()
    anywhere = ViewSampler(num_crops=40, crop_size=32, field_of_view=False)(FRAMES)
    assert anywhere.inside.all()
    assert not field.contains(anywhere.boxes).all()
    assert (views.coverage > 0).all()
    assert (views.coverage < 1).all()


def test_a_frame_smaller_than_a_crop_is_padded_and_marked() -> None:
    frame = torch.randint(60, 200, (3, 40, 50), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    views = ViewSampler(global_size=64, num_crops=3, crop_size=64)(frame)
    assert not views.inside.any()
    assert torch.equal(views.crops[0, :, :40, :50], frame)
    assert not views.crops[:, :, 40:].any()
    assert not views.crops[:, :, :, 50:].any()


def test_a_black_frame_has_views_and_a_warning() -> None:
    black = torch.zeros(3, 200, 300, dtype=torch.uint8)
    with pytest.warns(FieldOfViewWarning):
        views = SAMPLER(black)
    assert not views.inside.any()
    assert views.coverage == 0
    assert views.crops.shape == (5, 3, 32, 32)


@pytest.mark.parametrize(
    ("images", "index", "says"),
    [
        ([], None, "no images"),
        (torch.zeros(0, 3, 40, 40, dtype=torch.uint8), None, "no images"),
        (FRAMES, [1, 2], "4 images need as many indices, got 2"),
        (FRAMES, 1, "4 images need as many indices, a sequence; got 1"),
        (FRAMES[0], [1], "one image has one index"),
        (None, None, "got NoneType"),
        (torch.zeros(40, 40, dtype=torch.uint8), None, "three channels"),
        ([FRAMES[0], FRAMES[0].float() / 255], None, "all uint8 or all float"),
        ([FRAMES[0], "frame.png"], None, "got the path .frame.png.: lag_zoo.data.read_image"),
        (FRAMES[:, :2], None, "three channels"),
    ],
)
def test_refuses(images: object, index: object, says: str) -> None:
    with pytest.raises(InvalidImageError, match=says):
        SAMPLER(images, index=index)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong", [{"num_crops": -1}, {"crop_size": 8}, {"global_size": 16}, {"policy": "centre"}]
)
def test_refuses_what_no_network_has(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidConfigError, match=next(iter(wrong))):
        ViewSampler(**wrong)  # type: ignore[arg-type]


def test_from_config() -> None:
    config = LAGConfig(
        backbone="x",
        num_classes=2,
        num_crops=7,
        crop_size=48,
        global_size=96,
        policy="grid",
        mask_outside=True,
    )
    expected = ViewSampler(
        global_size=96, num_crops=7, crop_size=48, policy="random", mask_outside=True, seed=3
    )
    assert ViewSampler.from_config(config, policy="random", seed=3) == expected
    with pytest.raises(InvalidConfigError, match="leaves global_size open"):
        ViewSampler.from_config(LAGConfig(backbone="x", num_classes=2))


def test_real_frames_of_two_scopes(shared: Path) -> None:
    names = [shared / "samples/WLI_IM/1.TIF", min((shared / "kvasir_seg/images").glob("*.jpg"))]
    views = SAMPLER([Image.open(name) for name in names])
    assert views.inside.all()
    assert (views.coverage > 0).all()
