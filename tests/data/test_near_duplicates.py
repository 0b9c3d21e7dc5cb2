"""Near-copies: what was recompressed, resized, brightened or cut a little is found; other frames are not."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.transforms.v2.functional as F
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lag_zoo.data.images import read_image
from lag_zoo.data.near_duplicates import DISTANCE, frame_hash, near_duplicates
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import FieldOfViewWarning, InvalidImageError
from lag_zoo.views import find_field_of_view
from lag_zoo.views.field_of_view import whole_frame


def recompressed(frame: torch.Tensor) -> torch.Tensor:
    buffer = io.BytesIO()
    Image.fromarray(frame.permute(1, 2, 0).numpy()).save(buffer, "JPEG", quality=40)
    return torch.from_numpy(np.array(Image.open(buffer))).permute(2, 0, 1)


COPIES = {
    "recompressed": recompressed,
    "resized": lambda f: F.resize(f, [f.shape[1] // 2, f.shape[2] // 2], antialias=True),
    "brightened": lambda f: (f.float() * 1.15).clamp(0, 255).to(torch.uint8),
    "cut": lambda f: f[:, 2:-2, 2:-2],
    "bordered": lambda f: F.pad(f, [f.shape[2] // 8, 5, 5, 20]),
}


@pytest.mark.parametrize("copy", COPIES)
def test_real_copies_are_found(copy: str, shared: Path) -> None:
    paths = sorted((shared / "kvasir_seg" / "images").iterdir())[:40]
    frames = [read_image(path) for path in paths]
    hashes = [frame_hash(frame) for frame in frames] + [frame_hash(COPIES[copy](frame)) for frame in frames]
    assert near_duplicates(hashes) == [(n, n + 40) for n in range(40)]


@pytest.fixture(scope="module")
def drawn() -> list[torch.Tensor]:
    return [draw_frame((240, 300), seed=seed) for seed in range(6)]


@pytest.mark.parametrize("copy", COPIES)
def test_drawn_copies_are_found(copy: str, drawn: list[torch.Tensor]) -> None:
    hashes = [frame_hash(frame) for frame in drawn] + [frame_hash(COPIES[copy](frame)) for frame in drawn]
    assert near_duplicates(hashes, distance=DISTANCE) == [(n, n + 6) for n in range(6)]


def test_in_the_field_of_view(drawn: list[torch.Tensor]) -> None:
    """Given or found; and without one, in the whole frame."""
    assert frame_hash(drawn[0], field=find_field_of_view(drawn[0][None])) == frame_hash(drawn[0])
    assert frame_hash(drawn[0], field=whole_frame(1, (240, 300))) != frame_hash(drawn[0])
    with pytest.warns(FieldOfViewWarning):
        assert frame_hash(torch.zeros(3, 64, 64, dtype=torch.uint8)) == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cjyzl833ndne80838pzuq6ila", "cju5jx7jzf7c90871c2i9aiov"),  # a black border around
        ("cjyzjzssvd8pq0838f4nolj5l", "cju33za6l2qy70988jhrlp2ev"),  # and an inset within
        ("cjyzkmjy8evns070165gf9dmq", "cju45jpvfn6c809873pv1i34s"),
    ],
)
def test_real_copies_with_another_border_are_found(one: str, other: str, shared: Path) -> None:
    images = shared / "kvasir_seg" / "images"
    pair = [frame_hash(read_image(images / f"{name}.jpg")) for name in (one, other)]
    assert near_duplicates(pair) == [(0, 1)]


@given(st.lists(st.integers(0, 2**128 - 1), max_size=30), st.integers(0, 128))
def test_against_pairs(hashes: list[int], distance: int) -> None:
    hashes = hashes + [value ^ 0b101 for value in hashes[:5]]
    found = near_duplicates(hashes, distance=distance)
    linked = {
        (i, j)
        for i in range(len(hashes))
        for j in range(i)
        if (hashes[i] ^ hashes[j]).bit_count() <= distance
    }
    group_of = {number: group for group in found for number in group}
    assert all(group_of.get(i) is not None and group_of.get(i) == group_of.get(j) for i, j in linked)
    assert all(
        any((min(a, b), max(a, b))[::-1] in linked for b in group if b != a) for group in found for a in group
    )


def test_more_than_a_block() -> None:
    rng = np.random.default_rng(0)
    hashes = [int(a) << 64 | int(b) for a, b in rng.integers(0, 2**63, (3000, 2))]
    assert near_duplicates([*hashes, hashes[7] ^ 1, hashes[2999]]) == [(7, 3000), (2999, 3001)]


def test_many_blank_frames_are_one_group() -> None:
    """As pairs they would be 200 million."""
    assert near_duplicates([0] * 20000 + [2**64 - 1]) == [tuple(range(20000))]


def test_bad_input() -> None:
    with pytest.raises(InvalidImageError, match="a frame"):
        frame_hash(torch.zeros(3, 40, 40))
    assert near_duplicates([]) == []
