"""A mask goes where its global view goes, by whatever is drawn; and comes out the same however it is read."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.nn.functional import interpolate, max_pool2d

from lag_zoo.data.cache import build_cache
from lag_zoo.data.dataset import ViewDataset
from lag_zoo.data.manifest import Frame, Manifest
from lag_zoo.errors import DataError
from lag_zoo.training import load_recipe
from lag_zoo.training.augment import AugmentedViews, apply, apply_to_mask, draw
from lag_zoo.training.batches import Batch, make_loader
from lag_zoo.training.mask_views import MaskedViews, Masks, pack, read_masks
from lag_zoo.training.training_views import from_cache, from_files, training_set
from lag_zoo.views import ViewSampler, ViewTransform
from lag_zoo.views.extract import global_views

SIZE = 64
seeds = st.integers(0, 2**31)


def blobs(seed: int, size: tuple[int, int] = (90, 120)) -> torch.Tensor:
    """A mask (H, W) of a few large blobs."""
    coarse = torch.rand(1, 1, 4, 5, generator=torch.Generator().manual_seed(seed))
    return interpolate(coarse, size=size, mode="bicubic")[0, 0] > 0.55


def frame_of(mask: torch.Tensor) -> torch.Tensor:
    """A frame (3, H, W) whose red is the mask; green tells what is lit, on the left half more than on the right."""
    height, width = mask.shape
    green = torch.linspace(200, 90, width).expand(height, width)
    return torch.stack([mask * 255, green, green / 2]).round().to(torch.uint8)


def views_of(mask: torch.Tensor, *, crops: bool) -> ViewDataset:
    sampler = ViewSampler(global_size=SIZE, num_crops=3, crop_size=32, policy="random", with_crops=crops)
    return ViewDataset([(frame_of(mask), 0)] * 9, ViewTransform(sampler, training=True))


def masks_of(mask: torch.Tensor) -> Masks:
    return Masks({0: pack(mask, SIZE)}, frames=1, size=SIZE)


@settings(max_examples=30)
@given(seeds, st.integers(0, 8), st.integers(0, 5), st.booleans())
def test_without_augmentation_a_mask_is_its_channel_of_the_view(
    seed: int, index: int, epoch: int, crops: bool
) -> None:
    mask = blobs(seed)
    dataset = MaskedViews(views_of(mask, crops=crops), masks_of(mask))
    dataset.set_epoch(epoch)
    views, number, moved = dataset[index]
    assert number == 0
    assert torch.equal(moved, views.global_view[0])


@settings(max_examples=30)
@given(seeds, seeds, st.floats(0, 1))
def test_a_draw_moves_a_mask_exactly_as_the_view(seed: int, drawn: int, strength: float) -> None:
    view = global_views(frame_of(blobs(seed))[None], SIZE)[0]
    done = draw(torch.Generator().manual_seed(drawn), strength=strength)
    only_moved = done._replace(gain=(1.0, 1.0, 1.0), blur=0.0, glints=())
    moved = apply_to_mask(view[:1], view, done)
    assert torch.equal(moved[0], apply(view, only_moved)[0])
    as_float = apply_to_mask(view[:1].float() / 255, view.float() / 255, done)
    assert (as_float * 255 - moved).abs().max() <= 0.51


@settings(max_examples=30)
@given(seeds, seeds, st.integers(0, 8), st.booleans())
def test_a_mask_is_where_the_view_shows_what_it_marks(seed: int, other: int, index: int, crops: bool) -> None:
    """Away from edges, which blur and resizing soften, and from glints, which are black."""
    mask = blobs(seed)
    augmented = AugmentedViews(views_of(mask, crops=crops), seed=other)
    dataset = MaskedViews(augmented, masks_of(mask))
    views, _, moved = dataset[index]
    assert torch.equal(views.global_view, augmented[index][0].global_view), (
        "the view is what it is without masks"
    )
    share = moved[None, None].float() / 255
    widest, least = max_pool2d(share, 11, 1, 5)[0, 0], -max_pool2d(-share, 11, 1, 5)[0, 0]
    glints = max_pool2d((views.global_view[1] < 30).float()[None], 11, 1, 5)[0] > 0
    red = views.global_view[0]
    assert bool((red[(least > 0.99) & ~glints] > 200).all())
    assert bool((red[(widest < 0.01) & ~glints] < 20).all())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Four frames, of which the first and the last have a mask, and the second an empty one."""
    folder = tmp_path_factory.mktemp("masked")
    frames = []
    for number in range(4):
        mask = blobs(number) if number != 1 else torch.zeros(90, 120, dtype=torch.bool)
        pixels = frame_of(blobs(number)).permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(folder / f"{number}.png")
        Image.fromarray(mask.numpy()).save(folder / f"{number}_mask.png")
        frames.append(
            Frame(
                image=f"{number}.png",
                labels=(number % 2,),
                split="val" if number == 2 else "train",
                mask=f"{number}_mask.png",
                line=number + 2,
            )
        )
    return Manifest(root=folder, label_names=("a", "b"), frames=tuple(frames), source="frames")


def test_the_masks_of_a_split(data: Manifest) -> None:
    masks = read_masks(data, split="train", size=SIZE)
    assert masks.marked.tolist() == [True, False, False, True]
    assert torch.equal(masks[0][0], global_views(frame_of(blobs(0))[None], SIZE)[0, 0])
    assert not masks[1].any()
    assert not masks[2].any(), "it is validated on"


def test_a_mask_of_another_size_stops_the_reading(data: Manifest, tmp_path: Path) -> None:
    Image.new("L", (60, 45), 255).save(tmp_path / "half.png")
    wrong = data.with_column("mask", ["", "", "", str(tmp_path / "half.png")])
    with pytest.raises(
        DataError, match=r"frames, line 5, column mask: .*half\.png: the mask is 60 x 45.*120 x 90"
    ):
        read_masks(wrong, split="train", size=SIZE)


@pytest.mark.parametrize("augment", [0, 1])
def test_batches_from_files_and_cache_and_in_workers(data: Manifest, augment: int, tmp_path: Path) -> None:
    """Each draw of a frame has a mask of its own, and the views are those that come without masks."""
    sampler = ViewSampler(global_size=SIZE, num_crops=3, crop_size=32, policy="random", with_coverage=False)
    transform = ViewTransform(sampler, training=True)
    recipe = load_recipe("finetune", changes=[f"augment={augment}"])
    masks = read_masks(data, split="train", size=SIZE)
    cache = build_cache(data.paths(), tmp_path, global_size=SIZE)
    indices = [[0, 4, 8], [7, 1, 3]]

    def loaded(source: Any, masks: Masks | None = masks, workers: int = 0) -> list[Batch]:
        dataset = training_set(source, transform, recipe, masks)
        dataset.set_epoch(1)
        return [Batch(*parts) for parts in make_loader(dataset, indices, workers)]

    plain = loaded(from_files(data), None)
    assert [batch.masks for batch in plain] == [None, None]
    first = loaded(from_files(data))
    marks = [batch.masks for batch in first if batch.masks is not None]
    assert [tuple(mark.shape) for mark in marks] == [(3, SIZE, SIZE)] * 2
    assert not all(torch.equal(marks[0][0], other) for other in marks[0][1:]), "draws of one frame"
    assert not marks[1][1].any()
    for again in (loaded(from_cache(cache)), loaded(from_files(data), workers=2)):
        for one, other, without in zip(first, again, plain, strict=True):
            assert torch.equal(one.numbers, other.numbers)
            assert torch.equal(one.views.global_view, other.views.global_view)
            assert torch.equal(one.views.global_view, without.views.global_view)
            assert np.array_equal(one.masks, other.masks)
