"""The field of view: on the sample frames, on copies of them elsewhere and of another size, and on drawn fields."""

import csv
import functools
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2.functional import gaussian_blur

from lag_zoo.errors import FieldOfViewWarning
from lag_zoo.views import FieldOfView, find_field_of_view, to_pixels, whole_frame

CENTRE, RADIUS, TOP, BAR = (639.5, 479.5), 623.5, 0, 959


def points(height: int, width: int) -> tuple[Tensor, Tensor]:
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return x, y


def true_disc(grow: float = 0.0, scale: float = 1.0) -> Tensor:
    """The lit disc of every sample frame: a circle, cut by the frame's top and by the status bar."""
    x, y = points(int(1024 * scale), int(1280 * scale))
    far = (x / scale - CENTRE[0]) ** 2 + (y / scale - CENTRE[1]) ** 2
    return (far <= (RADIUS + grow / scale) ** 2) & (y < BAR * scale + grow)


def overlap(one: Tensor, other: Tensor) -> float:
    return float((one & other).sum() / (one | other).sum())


def shifted(dy: int, dx: int) -> Callable[[Tensor], Tensor]:
    def shift(image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        padded = F.pad(image, (max(dx, 0), max(-dx, 0), max(dy, 0), max(-dy, 0)))
        return padded[..., max(-dy, 0) :, max(-dx, 0) :][..., :height, :width]

    return shift


def scaled(factor: float) -> Callable[[Tensor], Tensor]:
    def scale(image: Tensor) -> Tensor:
        x = F.interpolate(image[None].float(), scale_factor=factor, mode="bilinear", antialias=True)[0]
        return x.round().clamp(0, 255).to(torch.uint8)

    return scale


COPIES = {
    "as it is": lambda image: image,
    "shifted right and down": shifted(120, 200),
    "shifted left and up": shifted(-150, -260),
    "shifted left and down": shifted(90, -180),
    "at 0.3": scaled(0.3),
    "at 0.6": scaled(0.6),
    "at 1.5": scaled(1.5),
    "padded": lambda image: F.pad(image, (100, 50, 80, 200)),
}


@pytest.fixture(scope="module")
def samples(shared: Path) -> dict[str, Tensor]:
    with (shared / "samples" / "manifest.csv").open(newline="") as file:
        names = [row["image"] for row in csv.DictReader(file)]
    assert len(names) == 24
    return {name: to_pixels(Image.open(shared / "samples" / name)) for name in names}


@pytest.mark.parametrize("copy", COPIES)
def test_sample_frames(samples: dict[str, Tensor], copy: str) -> None:
    change = COPIES[copy]
    factor = float(copy.removeprefix("at ")) if copy.startswith("at ") else 1.0
    disc, near = (true_disc(g, factor) if factor != 1 else change(true_disc(g)) for g in (0, 3))
    for name, frame in samples.items():
        image = change(frame)
        mask = find_field_of_view(image[None]).mask()[0]
        assert overlap(mask, disc) >= 0.97, name
        text = (image.amax(0) > 80) & ~near
        assert not (mask & text).any(), f"{name}: {int((mask & text).sum())} pixels of text inside"


def test_a_dark_lumen_at_the_edge_stays_inside(samples: dict[str, Tensor]) -> None:
    for name in ("LCI_IM/4.TIF", "WLI_IM/2.TIF"):
        frame = samples[name]
        dark = (frame.amax(0) < 40) & true_disc(-12)
        assert dark.float().mean() > 0.02
        assert (find_field_of_view(frame[None]).mask()[0] & dark).sum() / dark.sum() > 0.99


def eroded(mask: Tensor, reach: int) -> Tensor:
    """The pixels of a mask (H, W) whose whole square of 2 * reach + 1 pixels is in it: rows first, then columns."""
    side, outside = 2 * reach + 1, -mask[None].float()
    rows = F.max_pool2d(outside, (1, side), 1, (0, reach))
    return -F.max_pool2d(rows, (side, 1), 1, (reach, 0))[0] > 0


def test_polyps_are_inside_and_black_boxes_outside(shared: Path) -> None:
    kept, black = [], []
    for path in sorted((shared / "kvasir_seg" / "images").iterdir())[::16]:
        frame = to_pixels(Image.open(path))
        polyp = (
            torch.from_numpy(np.array(Image.open(shared / "kvasir_seg" / "masks" / path.name).convert("L")))
            > 127
        )
        field = find_field_of_view(frame[None])
        assert not field.empty.any(), path.name
        mask = field.mask()[0]
        kept.append(float((mask & polyp).sum() / polyp.sum()))
        # Large squares without light, as the processor lays them over a corner of the picture.
        void = eroded(frame.amax(0) <= 6, 20)
        black.append(float((mask & void).sum() / mask.sum()))
    assert np.median(kept) > 0.999
    assert np.quantile(kept, 0.02) > 0.97
    assert np.quantile(black, 0.9) < 0.005


def draw(
    shape: str,
    *,
    cx: float,
    cy: float,
    reach: float,
    seed: int,
    lumen_level: int = 18,
    size: tuple[int, int] = (400, 500),
) -> tuple[Tensor, Tensor]:
    """A lit field of this shape on black, with text beside it and a black lumen at its edge; and its mask."""
    height, width = size
    x, y = points(height, width)
    dx, dy = (x - cx * width).abs() / (reach * height), (y - cy * height).abs() / (reach * height)
    inside = {
        "disc": dx**2 + dy**2 <= 1,
        "octagon": (dx <= 1) & (dy <= 1) & (dx + dy <= 1.45),
        "rounded square": dx**5 + dy**5 <= 1,
        "wide octagon": (dx <= 1.2) & (dy <= 0.9) & (dx + dy <= 1.6),
    }[shape]
    rng = torch.Generator().manual_seed(seed)
    folds = F.interpolate(torch.randn(1, 1, 9, 11, generator=rng), size, mode="bicubic")[0] * 25
    tissue = folds + torch.tensor([170.0, 105.0, 85.0])[:, None, None]
    tissue = tissue + torch.randn(3, height, width, generator=rng) * 5
    frame = torch.where(inside, tissue.clamp(25, 255), torch.rand(3, height, width, generator=rng) * 6)
    angle = float(torch.rand((), generator=rng)) * 6.28
    lumen_x = cx * width + 0.8 * reach * height * np.cos(angle)
    lumen_y = cy * height + 0.8 * reach * height * np.sin(angle)
    lumen = ((x - lumen_x) ** 2 + (y - lumen_y) ** 2).sqrt() < 0.25 * reach * height
    frame = torch.where(lumen & inside, torch.tensor(float(lumen_level)), frame)
    grown = F.max_pool2d(inside[None].float(), 17, 1, 8)[0] > 0
    glyphs = (torch.rand(6, 40, generator=rng) < 0.5).repeat_interleave(2, 0).repeat_interleave(2, 1)
    for top, left in ((4, 4), (height - 16, width - 84)):
        spot = frame[:, top : top + 12, left : left + 80]
        spot[:, glyphs & ~grown[top : top + 12, left : left + 80]] = 230
    return frame.round().clamp(0, 255).to(torch.uint8), inside


@settings(max_examples=25, deadline=None)
@given(
    shape=st.sampled_from(["disc", "octagon", "rounded square", "wide octagon"]),
    cx=st.floats(0.42, 0.58),
    cy=st.floats(0.42, 0.58),
    reach=st.floats(0.3, 0.55),
    seed=st.integers(0, 10**6),
)
def test_drawn_fields(shape: str, cx: float, cy: float, reach: float, seed: int) -> None:
    frame, inside = draw(shape, cx=cx, cy=cy, reach=reach, seed=seed)
    mask = find_field_of_view(frame[None]).mask()[0]
    assert overlap(mask, inside) >= 0.97
    grown = F.max_pool2d(inside[None].float(), 7, 1, 3)[0] > 0
    assert not (mask & ~grown & (frame.amax(0) > 80)).any(), "text inside"


def test_a_black_lumen_costs_no_more_than_itself() -> None:
    frame, inside = draw("octagon", cx=0.5, cy=0.5, reach=0.45, seed=4, lumen_level=3)
    field = find_field_of_view(frame[None])
    black = (frame.amax(0) == 3) & inside
    assert overlap(field.mask()[0] | black, inside) >= 0.97


def test_boxes_cut_into_the_picture_are_outside() -> None:
    for colour in ((0, 0, 0), (20, 160, 135)):
        frame, inside = draw("octagon", cx=0.5, cy=0.5, reach=0.49, seed=3)
        frame[:, 290:, :170] = torch.tensor(colour, dtype=torch.uint8)[:, None, None]
        mask = find_field_of_view(frame[None]).mask()[0]
        assert not mask[300:, :160].any()
        inside[290:, :170] = False
        assert overlap(mask, inside) >= 0.97


def test_without_borders_all_is_field() -> None:
    frames = torch.randint(
        60, 200, (2, 3, 300, 400), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        field = find_field_of_view(frames)
    assert field.mask().all()
    assert field.area().tolist() == [120_000, 120_000]
    assert torch.equal(field.bounds(), whole_frame(2, (300, 400)).bounds())


def test_windows_without_borders_are_nearly_all_field(samples: dict[str, Tensor]) -> None:
    shares = []
    for frame in list(samples.values())[::2]:
        window = frame[None, :, 230:730, 390:890].float()
        for blur in (0, 4):
            smooth = gaussian_blur(window, [17, 17], [float(blur)] * 2) if blur else window
            shares.append(float(find_field_of_view(smooth.to(torch.uint8)).mask().float().mean()))
    assert min(shares) > 0.5
    assert sorted(shares)[len(shares) // 10] > 0.97


@pytest.mark.parametrize("level", [60, 99, 255])
def test_a_uniform_frame_is_all_field(level: int) -> None:
    assert find_field_of_view(torch.full((1, 3, 200, 300), level, dtype=torch.uint8)).mask().all()


@pytest.mark.parametrize("level", [0, 5])
def test_a_black_frame_is_empty_and_said(level: int) -> None:
    frames = torch.full((2, 3, 200, 300), level, dtype=torch.uint8)
    frames[0], _ = draw("disc", cx=0.5, cy=0.5, reach=0.4, seed=0, size=(200, 300))
    with pytest.warns(FieldOfViewWarning, match="frame 1 of 2"):
        field = find_field_of_view(frames)
    assert field.empty.tolist() == [False, True]
    assert field.area()[1] == 0
    assert field.bounds()[1].tolist() == [0, 0, 0, 0]
    assert not field.mask()[1].any()
    assert not field.contains(torch.tensor([[[0, 0, 9, 9]], [[0, 0, 9, 9]]]))[1].any()


def test_the_same_alone_and_in_a_batch() -> None:
    frames = torch.stack(
        [draw(s, cx=0.5, cy=0.45, reach=0.4, seed=7)[0] for s in ("disc", "octagon", "rounded square")]
    )
    together = find_field_of_view(frames)
    for i, frame in enumerate(frames):
        alone = find_field_of_view(frame[None])
        assert torch.equal(alone.offsets[0], together.offsets[i])
        assert torch.equal(alone.cutouts[0], together.cutouts[i])
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1 if threads > 1 else 2)
        assert torch.equal(find_field_of_view(frames).offsets, together.offsets)
    finally:
        torch.set_num_threads(threads)


def test_float_frames_give_nearly_the_same() -> None:
    frame, _ = draw("octagon", cx=0.5, cy=0.5, reach=0.45, seed=9)
    one, other = find_field_of_view(frame[None]), find_field_of_view(frame[None].float() / 255)
    assert overlap(one.mask()[0], other.mask()[0]) > 0.999


@functools.cache
def field_and_masks(seed: int) -> tuple[FieldOfView, Tensor, Tensor]:
    """An octagon's field, its mask, and the mask eight times as fine."""
    frame, _ = draw("octagon", cx=0.5, cy=0.5, reach=0.45, seed=seed)
    field = find_field_of_view(frame[None])
    height, width = field.size
    return field, field.mask()[0], field.mask((height * 8, width * 8))[0]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 4),
    x=st.integers(-20, 500),
    y=st.integers(-20, 400),
    w=st.integers(1, 90),
    h=st.integers(1, 90),
)
def test_contains_agrees_with_the_mask(seed: int, x: int, y: int, w: int, h: int) -> None:
    field, mask, fine = field_and_masks(seed)
    box = torch.tensor([[[x, y, x + w, y + h]]])
    height, width = field.size
    within = x >= 0 and y >= 0 and x + w <= width and y + h <= height
    if field.contains(box)[0, 0]:
        assert within
        assert mask[y : y + h, x : x + w].all()
    elif within:  # a corner of the box, if not the centre of its last pixel, is outside
        finer = fine[y * 8 : (y + h) * 8, x * 8 : (x + w) * 8]
        assert not mask[y : y + h, x : x + w].all() or not finer.all()
