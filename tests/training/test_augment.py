"""What training does to the global view: it moves and dims it, and leaves the colour and the crops alone."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lag_zoo.data.phantom import draw_frame
from lag_zoo.training.augment import AugmentedViews, Draw, apply, draw
from lag_zoo.views import Views, ViewSampler

NOTHING = Draw(angle=0.0, zoom=1.0, gain=(1.0, 1.0, 1.0), blur=0.0, glints=())
seeds = st.integers(0, 2**31)


def drawn(seed: int, strength: float = 1.0) -> Draw:
    return draw(torch.Generator().manual_seed(seed), strength=strength)


def view(side: int = 64) -> torch.Tensor:
    return ViewSampler(global_size=side)(draw_frame((300, 340), seed=3)).global_view


class Frames:
    """One frame's views, as a data set."""

    epoch = 0

    def __init__(self) -> None:
        self.views = ViewSampler(global_size=64, num_crops=3)(draw_frame((300, 340), seed=3))

    def __len__(self) -> int:
        return 1

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __getitem__(self, index: int) -> tuple[Views, int]:
        return self.views, 7


def test_nothing_drawn_is_nothing_done() -> None:
    before = view()
    assert (apply(before, NOTHING).int() - before.int()).abs().max() <= 1
    assert drawn(5, strength=0.0) == NOTHING


def test_a_quarter_turn_is_a_quarter_turn() -> None:
    pixels = torch.rand(3, 32, 32) * 0.5 + 0.4  # lit everywhere: the middle of the light is the middle
    turned = apply(pixels, NOTHING._replace(angle=math.pi / 2))
    assert min((turned - torch.rot90(pixels, k, (1, 2))).abs().max() for k in (1, 3)) < 1e-4


@given(seeds)
def test_the_modality_stays(seed: int) -> None:
    done = drawn(seed)
    red, green, blue = done.gain
    for one, other in ((red, green), (green, blue), (red, blue)):
        assert abs(math.log(one / other)) <= 0.06 + 1e-6, "colour is the modality, and half the diagnosis"
    assert 0.85 - 1e-6 <= done.zoom <= 1.2 + 1e-6


@given(seeds, st.floats(0, 1))
def test_less_strength_is_less(seed: int, strength: float) -> None:
    less, full = drawn(seed, strength), drawn(seed)
    assert abs(less.angle) <= abs(full.angle) + 1e-9
    assert abs(math.log(less.zoom)) <= abs(math.log(full.zoom)) + 1e-9
    assert len(less.glints) <= len(full.glints)
    assert less.blur in (0.0, full.blur)


def test_a_disc_stays_a_disc() -> None:
    axis = torch.arange(96) - 47.5
    disc = ((axis[None] ** 2 + axis[:, None] ** 2) < 40**2).float().expand(3, 96, 96) * 0.6
    for seed in range(20):
        done = drawn(seed)._replace(glints=(), blur=0.0, zoom=1.0, gain=(1.0, 1.0, 1.0))
        assert (apply(disc, done) - disc).abs().mean() < 0.02


@pytest.mark.parametrize("seed", range(8))
def test_no_black_corners_where_a_view_is_lit_to_its_edges(seed: int) -> None:
    done = drawn(seed)._replace(glints=())
    assert apply(torch.full((3, 64, 64), 0.5), done).min() > 0.3


def test_only_the_global_view_by_seed_epoch_and_index() -> None:
    frames = Frames()
    one, again, other = (AugmentedViews(frames, seed=seed) for seed in (0, 0, 1))
    first, label = one[0]
    assert label == 7
    assert torch.equal(first.crops, frames.views.crops)
    assert torch.equal(first.boxes, frames.views.boxes)
    assert first.global_view.dtype == frames.views.global_view.dtype
    assert torch.equal(first.global_view, again[0][0].global_view)
    assert not torch.equal(first.global_view, other[0][0].global_view)
    one.set_epoch(1)
    assert not torch.equal(first.global_view, one[0][0].global_view)
