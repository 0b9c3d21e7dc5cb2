"""Batches: which frames are drawn, and that one that is drawn several times in an epoch is looked at anew each time."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lag_zoo.data.cache import build_cache
from lag_zoo.data.manifest import Manifest
from lag_zoo.training import load_recipe
from lag_zoo.training.batches import (
    EpochBatches,
    make_loader,
    times_before,
)
from lag_zoo.training.training_views import Source, from_cache, from_files, training_set
from lag_zoo.views import Views, ViewSampler, ViewTransform
from tests.training.drawn_data import write_frames

FRAMES = 50


@st.composite
def epochs(draw: st.DrawFn, world: int = 1) -> EpochBatches:
    """An epoch of some of 50 frames, each once or by weight."""
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    numbers = rng.permutation(FRAMES)[: draw(st.integers(4, FRAMES))]
    weights = rng.random(len(numbers)) ** 4 + 1e-6 if draw(st.booleans()) else None
    batches = EpochBatches(
        numbers, frames=FRAMES, size=4, seed=draw(st.integers(0, 9)), weights=weights, world=world
    )
    batches.begin(draw(st.integers(0, 9)))
    return batches


@given(epochs())
def test_each_draw_of_an_epoch_has_an_index_of_its_own(batches: EpochBatches) -> None:
    drawn = np.array(list(batches))
    assert len(np.unique(drawn)) == drawn.size
    assert np.array_equal(drawn % FRAMES, batches.order)
    assert np.array_equal(drawn // FRAMES, times_before(drawn.ravel() % FRAMES).reshape(drawn.shape))
    if batches.weights is None:
        assert np.array_equal(drawn, batches.order), "each frame is drawn once, by its own number"


@given(epochs(), st.integers(0, 20))
def test_a_resumed_epoch_and_other_processes_draw_the_same(batches: EpochBatches, start: int) -> None:
    whole = list(batches)
    batches.begin(batches.epoch, min(start, batches.steps))
    assert list(batches) == whole[min(start, batches.steps) :]
    parts = []
    for rank in (0, 1):
        share = EpochBatches(
            batches.numbers,
            frames=FRAMES,
            size=4,
            seed=batches.seed,
            weights=batches.weights,
            rank=rank,
            world=2,
        )
        share.begin(batches.epoch)
        parts.append(list(share))
    assert [one + other for one, other in zip(*parts, strict=True)] == whole


@given(st.lists(st.integers(0, 5), max_size=30))
def test_times_before_counts(values: list[int]) -> None:
    assert times_before(np.array(values, dtype=int)).tolist() == [
        values[:place].count(value) for place, value in enumerate(values)
    ]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return write_frames(tmp_path_factory.mktemp("frames"), patients=2)


def same(one: Views, other: Views) -> list[bool]:
    return [torch.equal(one.global_view, other.global_view), torch.equal(one.boxes, other.boxes)]


def test_each_draw_of_a_frame_is_looked_at_anew(data: Manifest, tmp_path: Path) -> None:
    """By crops, turns and augmentation; from files and from a cache alike, in workers too."""
    sampler = ViewSampler(global_size=32, num_crops=3, crop_size=32, policy="random", with_coverage=False)
    recipe = load_recipe("finetune", changes=["balance=sampling"])
    plain = load_recipe("finetune", changes=["augment=0"])
    cache = build_cache(data.paths(), tmp_path, global_size=32)
    indices = [1, 1 + 4, 1 + 8, 2, 2 + 4]

    def seen(source: Source, *, workers: int = 0, augmented: bool = True) -> list[Views]:
        dataset = training_set(source, ViewTransform(sampler, training=True), recipe if augmented else plain)
        dataset.set_epoch(3)
        loaded = list(make_loader(dataset, [[index] for index in indices], workers))
        assert [int(numbers) for _, numbers in loaded] == [1, 1, 1, 2, 2]
        return [views for views, _ in loaded]

    for augmented in (True, False):
        views = seen(from_files(data), augmented=augmented)
        for one, other in ((0, 1), (0, 2), (1, 2), (3, 4)):
            assert not same(views[one], views[other])[1], "crops lie elsewhere"
        assert not all(torch.equal(views[0].global_view, other.global_view) for other in views[1:3])
        for again in (
            seen(from_cache(cache), augmented=augmented),
            seen(from_files(data), augmented=augmented, workers=2),
        ):
            for one, other in zip(views, again, strict=True):
                assert same(one, other) == [True, True]
                assert torch.equal(one.crops, other.crops)
