"""Near-copies of every kind: turned, cut, moved, laid over, encoded again; found among frames that are none."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmarks.near_duplicates import COPIES, cut, moved
from lag_zoo.alignment import aligned_pairs
from lag_zoo.data.images import read_image
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import FieldOfViewWarning, InvalidImageError
from lag_zoo.landmarks import OUTSIDE, find_landmarks
from lag_zoo.likeness import frame_hashes
from lag_zoo.sketches import Sketch, near_copies_among, sketch_frame
from lag_zoo.views import find_field_of_view

POSITIONS = [
    lambda f: f,
    lambda f: f.flip(-1),
    lambda f: f.flip(-2),
    lambda f: f.rot90(1, (1, 2)),
    lambda f: f.rot90(2, (1, 2)),
    lambda f: f.rot90(3, (1, 2)),
    lambda f: f.mT,
    lambda f: f.mT.rot90(2, (1, 2)),
]


@pytest.fixture(scope="module")
def real(shared: Path) -> tuple[list[Tensor], list[Sketch]]:
    frames = [read_image(path) for path in sorted((shared / "kvasir_seg" / "images").iterdir())[:240:24]]
    return frames, [sketch_frame(frame) for frame in frames]


@pytest.mark.parametrize("kind", COPIES)
def test_real_copies_are_found(kind: str, real: tuple[list[Tensor], list[Sketch]]) -> None:
    frames, sketches = real
    copies = [sketch_frame(COPIES[kind](frame).contiguous()) for frame in frames]
    found = near_copies_among([*sketches, *copies])
    whole = [(n, n + 10) for n in range(10)]
    assert set(found) <= set(whole) or "box" in kind  # one box on two frames is alike
    assert sum(any({n, n + 10} <= set(group) for group in found) for n in range(10)) >= 9


@pytest.fixture(scope="module")
def drawn() -> tuple[list[Tensor], list[Sketch]]:
    frames = [draw_frame((480, 600), seed=seed) for seed in range(4)]
    return frames, [sketch_frame(frame) for frame in frames]


share = st.floats(0, 0.2)


@settings(max_examples=25, deadline=None)
@given(st.tuples(share, share, share, share), st.integers(0, 7), st.integers(0, 3))
def test_cut_anywhere_in_any_position(
    drawn: tuple[list[Tensor], list[Sketch]], shares: tuple[float, ...], position: int, number: int
) -> None:
    frames, sketches = drawn
    copy = POSITIONS[position](cut(*shares)(frames[number])).contiguous()
    assert near_copies_among([*sketches, sketch_frame(copy)]) == [(number, 4)]


@settings(max_examples=15, deadline=None)
@given(st.integers(-24, 24), st.integers(-24, 24), st.booleans(), st.integers(0, 3))
def test_moved_by_up_to_24_pixels(
    drawn: tuple[list[Tensor], list[Sketch]], across: int, down: int, repeated: bool, number: int
) -> None:
    frames, sketches = drawn
    copy = moved(across, down, repeated=repeated)(frames[number])
    assert near_copies_among([*sketches, sketch_frame(copy)]) == [(number, 4)]


def test_other_frames_are_none(drawn: tuple[list[Tensor], list[Sketch]]) -> None:
    others = [sketch_frame(draw_frame((480, 600), seed=seed)) for seed in range(10, 30)]
    assert near_copies_among([*drawn[1], *others]) == []


def test_frames_that_are_alike_by_hash_are_not_compared_again(
    drawn: tuple[list[Tensor], list[Sketch]],
) -> None:
    frames, sketches = drawn
    part = sketch_frame(cut(0.2, 0.2, 0, 0)(frames[0]).contiguous())
    landmarks = [sketch.landmarks for sketch in (sketches[0], part)]
    assert {frozenset(pair) for pair in aligned_pairs(landmarks)} == {frozenset({0, 1})}
    assert list(aligned_pairs(landmarks, np.array([0, 0]))) == []


def test_many_blank_frames_are_one_group(drawn: tuple[list[Tensor], list[Sketch]]) -> None:
    """Compared each with each they would take hours."""
    with pytest.warns(FieldOfViewWarning):
        blank = sketch_frame(torch.zeros(3, 64, 64, dtype=torch.uint8))
    assert len(blank.landmarks.places) == 0
    found = near_copies_among([*drawn[1], *[blank] * 5000])
    assert found == [tuple(range(4, 5004))]


def test_the_hash_is_that_of_the_whole_frame() -> None:
    """Lists of frames behind weights hold it."""
    frame = draw_frame((240, 300), seed=5)
    assert sketch_frame(frame).whole == frame_hashes(frame)[0]
    field = find_field_of_view(frame[None])
    assert sketch_frame(frame, field=field).whole == sketch_frame(frame).whole


def test_landmarks_lie_in_the_field() -> None:
    """A frame's edge and what is beyond it is the scope's, and the same in all its frames."""
    frame = draw_frame((480, 600), seed=1)
    found = sketch_frame(frame).landmarks
    x, y = np.rint(found.places[:, :2]).astype(int).T
    outside = np.pad(found.picture == OUTSIDE, 2, constant_values=True)
    assert outside.mean() > 0.2
    around = [outside[y + down, x + across] for down in range(1, 4) for across in range(1, 4)]
    assert not np.all(around, axis=0).any()
    assert np.allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-5)
    assert len(find_landmarks(np.zeros((128, 128), np.float32), np.ones((128, 128), bool)).places) == 0


@pytest.mark.parametrize("size", [(64, 64), (64, 80), (96, 128), (120, 160)])
def test_small_frames_are_not_taken_for_copies(size: tuple[int, int]) -> None:
    frames = [draw_frame(size, seed=seed) for seed in range(20)]
    copy = frames[3].flip(-1).contiguous()
    assert near_copies_among([sketch_frame(frame) for frame in (*frames, copy)]) == [(3, 20)]


def test_bad_input() -> None:
    with pytest.raises(InvalidImageError, match="a frame"):
        sketch_frame(torch.zeros(3, 40, 40))
    assert near_copies_among([]) == []
