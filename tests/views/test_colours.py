"""The rule on colours: sure where it speaks, and silent elsewhere."""

import csv
from pathlib import Path

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import InvalidImageError
from lag_zoo.views import FieldOfView, find_field_of_view, to_pixels, whole_frame
from lag_zoo.views.colours import modality_of, red_over_green

SIZE = (96, 128)
EVERYTHING = whole_frame(1, SIZE)


def plain(red: float, green: float, blue: float) -> Tensor:
    """One frame of one colour."""
    colour = torch.tensor([red, green, blue]).to(torch.uint8)
    return colour.view(1, 3, 1, 1).expand(1, 3, *SIZE).clone()


def left_half() -> FieldOfView:
    height, width = SIZE
    half = whole_frame(1, (height, width // 2))
    return FieldOfView(half.offsets, half.cutouts, SIZE)


def test_real_frames(shared: Path) -> None:
    """Every LCI that it claims is one, the two mis-filed frames among them."""
    with open(shared / "samples" / "manifest.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    said: dict[str, str | None] = {}
    for row in rows:
        frame = to_pixels(Image.open(shared / "samples" / row["image"]))[None]
        said[row["image"]] = modality_of(frame, find_field_of_view(frame))
    truth = {row["image"]: row["modality_seen"] for row in rows}
    claimed = {name for name, light in said.items() if light is not None}
    assert all(said[name] == truth[name] for name in claimed)
    assert {"WLI_IM/2.TIF", "WLI_IM/3.TIF"} <= claimed
    assert len(claimed) >= 9, "of 14 LCI frames: fewer, and the rule is not worth its lines"


def test_real_white_light_of_another_organ(shared: Path) -> None:
    """Few false warnings: every twentieth frame, 40 of them."""
    paths = sorted((shared / "kvasir_seg" / "images").iterdir())[::20]
    frames = [to_pixels(Image.open(path))[None] for path in paths]
    wrong = [p.name for p, f in zip(paths, frames, strict=True) if modality_of(f, find_field_of_view(f))]
    assert len(wrong) <= 2, wrong


@pytest.mark.parametrize("seed", range(6))
def test_drawn_frames_are_never_the_other_light(seed: int) -> None:
    for light, other in (("wli", "lci"), ("lci", "wli")):
        frame = draw_frame((240, 300), seed=seed, modality=light)[None]  # type: ignore[arg-type]
        assert modality_of(frame, find_field_of_view(frame)) != other


def test_a_drawn_frame_turned_pale_is_lci() -> None:
    frame = draw_frame((240, 300), seed=1, modality="wli")[None].float() / 255
    field = find_field_of_view(frame)
    assert modality_of(frame, field) is None
    # Marks and the black around the disc stay as they are: what changes the answer is the mucosa's red.
    pale = torch.cat([frame[:, :1] * 0.7, frame[:, 1:]], dim=1)
    assert modality_of(pale, field) == "lci"


@given(st.integers(60, 240), st.integers(60, 240), st.integers(60, 240))
def test_speaks_only_between_its_thresholds(red: int, green: int, blue: int) -> None:
    assume(min(abs(red / green - threshold) for threshold in (1.10, 1.40)) > 1e-5)  # means are float32
    said = modality_of(plain(red, green, blue), EVERYTHING)
    assert said == ("lci" if 1.10 <= red / green < 1.40 else None)


def test_only_the_field_counts() -> None:
    frame = plain(180, 100, 80)
    frame[..., SIZE[1] // 2 :] = plain(170, 130, 110)[..., SIZE[1] // 2 :]
    assert red_over_green(frame, left_half()) == pytest.approx(1.8)
    assert modality_of(frame, left_half()) is None
    frame = frame.flip(-1)
    assert red_over_green(frame, left_half()) == pytest.approx(170 / 130)
    assert modality_of(frame, left_half()) == "lci"


def test_dark_and_clipped_pixels_do_not_count() -> None:
    frame = plain(170, 130, 110)
    frame[..., :40, :] = plain(30, 10, 5)[..., :40, :]
    frame[..., 60:, :] = plain(255, 90, 60)[..., 60:, :]
    assert red_over_green(frame, EVERYTHING) == pytest.approx(170 / 130)


@pytest.mark.parametrize("frame", [plain(20, 15, 10), plain(255, 190, 170)], ids=["dark", "clipped"])
def test_nothing_left_is_unsure(frame: Tensor) -> None:
    assert red_over_green(frame, EVERYTHING) is None
    assert modality_of(frame, EVERYTHING) is None


def test_an_empty_field_is_unsure() -> None:
    empty = EVERYTHING._replace(offsets=torch.full_like(EVERYTHING.offsets, -1.0))
    assert modality_of(plain(170, 130, 110), empty) is None


def test_a_grey_picture_is_unsure() -> None:
    assert modality_of(plain(128, 128, 128), EVERYTHING) is None


def test_float_says_the_same() -> None:
    frame = draw_frame((240, 300), seed=3)[None]
    field = find_field_of_view(frame)
    as_float = red_over_green(frame / 255, field)
    assert as_float == pytest.approx(red_over_green(frame, field), rel=1e-3)


@pytest.mark.parametrize("shape", [(3, 96, 128), (2, 3, 96, 128), (1, 2, 96, 128)])
def test_one_frame_only(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidImageError, match="one frame has the shape"):
        modality_of(torch.zeros(shape), EVERYTHING)
