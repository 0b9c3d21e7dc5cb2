"""Near-copies: what was recompressed, resized, brightened or cut a little is found; other frames are not."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.transforms.v2.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lag_zoo.data.images import read_image
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import FieldOfViewWarning, InvalidImageError
from lag_zoo.likeness import BITS, CUTS, DISTANCE, Hashes, frame_hashes, looks_like, near_duplicates, signs
from lag_zoo.views import find_field_of_view
from lag_zoo.views.field_of_view import whole_frame


def recompressed(frame: torch.Tensor) -> torch.Tensor:
    buffer = io.BytesIO()
    Image.fromarray(frame.permute(1, 2, 0).numpy()).save(buffer, "JPEG", quality=40)
    return torch.from_numpy(np.array(Image.open(buffer))).permute(2, 0, 1)


def cut(share: float) -> Callable[[torch.Tensor], torch.Tensor]:
    def apply(frame: torch.Tensor) -> torch.Tensor:
        y, x = (round(size * share) for size in frame.shape[1:])
        return frame[:, y : frame.shape[1] - y, x : frame.shape[2] - x]

    return apply


COPIES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "recompressed": recompressed,
    "resized": lambda f: F.resize(f, [f.shape[1] // 2, f.shape[2] // 2], antialias=True),
    "brightened": lambda f: (f.float() * 1.15).clamp(0, 255).to(torch.uint8),
    "cut": lambda f: f[:, 2:-2, 2:-2],
    "bordered": lambda f: F.pad(f, [f.shape[2] // 8, 5, 5, 20]),
    "mirrored": lambda f: f.flip(-1),
    "upside down": lambda f: f.flip(-2),
    "turned left": lambda f: f.rot90(1, (1, 2)),
    "turned right": lambda f: f.rot90(3, (1, 2)),
    "turned round": lambda f: f.rot90(2, (1, 2)),
    "transposed": lambda f: f.mT,
    "transposed otherwise": lambda f: f.mT.rot90(2, (1, 2)),
    "a tenth cut": cut(0.1),
    "a tenth cut, mirrored, recompressed": lambda f: recompressed(cut(0.1)(f).flip(-1)),
}


@pytest.fixture(scope="module")
def real(shared: Path) -> tuple[list[torch.Tensor], list[Hashes]]:
    frames = [read_image(path) for path in sorted((shared / "kvasir_seg" / "images").iterdir())[:20]]
    return frames, [frame_hashes(frame) for frame in frames]


@pytest.mark.parametrize("copy", COPIES)
def test_real_copies_are_found(copy: str, real: tuple[list[torch.Tensor], list[Hashes]]) -> None:
    frames, hashes = real
    found = near_duplicates([*hashes, *(frame_hashes(COPIES[copy](frame).contiguous()) for frame in frames)])
    assert found == [(n, n + 20) for n in range(20)]


@pytest.fixture(scope="module")
def drawn() -> list[torch.Tensor]:
    return [draw_frame((240, 300), seed=seed) for seed in range(6)]


@pytest.mark.parametrize("copy", COPIES)
def test_drawn_copies_are_found(copy: str, drawn: list[torch.Tensor]) -> None:
    hashes = [frame_hashes(frame) for frame in (*drawn, *(COPIES[copy](f).contiguous() for f in drawn))]
    assert near_duplicates(hashes, distance=DISTANCE) == [(n, n + 6) for n in range(6)]


@pytest.mark.parametrize("copy", [name for name in COPIES if "tenth" not in name])
def test_against_a_list_of_hashes(copy: str, drawn: list[torch.Tensor]) -> None:
    known = signs([frame_hashes(frame)[0] for frame in drawn[:3]])
    found = [looks_like(frame_hashes(COPIES[copy](frame).contiguous()), known) for frame in drawn]
    assert found == [True] * 3 + [False] * 3
    assert not looks_like(frame_hashes(drawn[0]), signs([]))


def test_in_the_field_of_view(drawn: list[torch.Tensor]) -> None:
    """Given or found; and without one, in the whole frame."""
    assert frame_hashes(drawn[0], field=find_field_of_view(drawn[0][None])) == frame_hashes(drawn[0])
    assert frame_hashes(drawn[0], field=whole_frame(1, (240, 300))) != frame_hashes(drawn[0])
    with pytest.warns(FieldOfViewWarning):
        assert frame_hashes(torch.zeros(3, 64, 64, dtype=torch.uint8)) == (0,) * len(CUTS)


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
    pair = [frame_hashes(read_image(images / f"{name}.jpg")) for name in (one, other)]
    assert near_duplicates(pair) == [(0, 1)]


def uncut(*values: int) -> list[Hashes]:
    return [(value,) * len(CUTS) for value in values]


def positions(value: int) -> list[int]:
    """The hash in all eight positions, by the bits of a frame that is drawn after them."""
    bits = (signs([value]).numpy().reshape(2, 12, 12) > 0).astype(int)
    along, across = bits
    found = []
    for turns in range(4):
        for mirrored in (False, True):
            a, c = along, across
            if mirrored:
                a, c = 1 - a[:, ::-1], c[:, ::-1]
            for _ in range(turns):  # what lay along lies across, and what lay across runs the other way
                a, c = c.T[::-1], 1 - a.T[::-1]
            joined = np.concatenate([a.ravel(), c.ravel()])
            found.append(int("".join(map(str, joined)), 2))
    return found


@settings(max_examples=25)
@given(st.lists(st.integers(0, 2**BITS - 1), max_size=8), st.integers(0, BITS))
def test_against_pairs(values: list[int], distance: int) -> None:
    values = values + [value ^ 0b101 for value in values[:3]]
    found = near_duplicates(uncut(*values), distance=distance)
    linked = {
        (i, j)
        for i in range(len(values))
        for j in range(i)
        if min((turned ^ values[j]).bit_count() for turned in positions(values[i])) <= distance
    }
    group_of = {number: group for group in found for number in group}
    assert all(group_of.get(i) is not None and group_of.get(i) == group_of.get(j) for i, j in linked)
    assert all(
        any((max(a, b), min(a, b)) in linked for b in group if b != a) for group in found for a in group
    )


def test_more_than_a_block() -> None:
    rng = np.random.default_rng(0)
    values = [
        int.from_bytes(row.tobytes(), "big") for row in rng.integers(0, 256, (1500, BITS // 8), np.uint8)
    ]
    found = near_duplicates(uncut(*values, values[7] ^ 1, values[1499]))
    assert found == [(7, 1500), (1499, 1501)]


def test_many_blank_frames_are_one_group() -> None:
    """As pairs they would be 200 million."""
    assert near_duplicates(uncut(*[0] * 20000, 2**100 - 1)) == [tuple(range(20000))]


def test_bad_input() -> None:
    with pytest.raises(InvalidImageError, match="a frame"):
        frame_hashes(torch.zeros(3, 40, 40))
    assert near_duplicates([]) == []
