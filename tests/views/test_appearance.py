"""The appearance of a frame, and the doubts that it raises whatever the weights know."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmarks.foreign_images import beside, on_page, resized, window
from lag_zoo.data.images import read_image
from lag_zoo.specs import Doubts
from lag_zoo.views import ViewSampler
from lag_zoo.views.appearance import Appearance, appearance_of
from lag_zoo.views.quality import frame_doubts

KNOWN = Doubts(
    frames=100,
    red=(0.37, 0.62),
    green=(0.22, 0.37),
    blue=(0.07, 0.3),
    roughness=(0.003, 0.4),
)


def doubts_of(frame: Tensor, known: Doubts | None = None) -> list[str]:
    """The doubts about a frame, as the Predictor has them, without those of the features."""
    sampler = ViewSampler(with_coverage=False)
    field = sampler.field(frame[None])
    views = sampler.of_frames(frame[None], indices=[0], field=field)
    return list(frame_doubts(frame, field, views, None, known))


@pytest.fixture(scope="module")
def frames(shared: Path) -> list[Tensor]:
    """Real frames of four hospitals and two organs."""
    found = []
    for name, count in (("kvasir_seg", 6), ("polypgen", 6), ("neopolyp", 2), ("samples", 2)):
        with open(shared / name / "manifest.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        found += [read_image(shared / name / row["image"]) for row in rows[:: len(rows) // count][:count]]
    return found


class TestNumbers:
    @settings(max_examples=60)
    @given(
        side=st.integers(32, 230),
        kind=st.sampled_from(["noise", "flat", "black", "stripes"]),
        lit=st.sampled_from(["all", "none", "one", "half"]),
        scaled=st.booleans(),
        seed=st.integers(0, 99),
    )
    def test_any_image_has_finite_numbers(
        self, side: int, kind: str, lit: str, scaled: bool, seed: int
    ) -> None:
        rng = torch.Generator().manual_seed(seed)
        view = torch.randint(0, 256, (3, side, side), generator=rng, dtype=torch.uint8)
        if kind != "noise":
            view = torch.zeros_like(view) + {"flat": 255, "black": 0, "stripes": 90}[kind]
        if kind == "stripes":
            view[:, :, ::2] = 200
        mask = torch.zeros(side, side, dtype=torch.bool)
        mask[{"all": slice(None), "none": slice(0), "one": slice(1), "half": slice(side // 2)}[lit]] = True
        found = appearance_of(view.float() / 255 if scaled else view, mask)
        assert all(torch.isfinite(torch.tensor(found)))
        assert found.red + found.green + found.blue == pytest.approx(1)
        for name in ("gap", "seam", "border", "roughness"):
            assert 0 <= getattr(found, name) <= (1 if name != "roughness" else 4), name

    def test_scale_of_the_pixels_changes_nothing(self) -> None:
        view = torch.randint(0, 256, (3, 96, 96), dtype=torch.uint8)
        lit = torch.ones(96, 96, dtype=torch.bool)
        assert appearance_of(view.float() / 255, lit) == pytest.approx(appearance_of(view, lit), abs=1e-4)

    def test_what_lies_outside_the_field_does_not_count(self) -> None:
        view = torch.zeros(3, 96, 96, dtype=torch.uint8)
        view[0, :, :48], view[2, :, 48:] = 200, 200
        lit = torch.zeros(96, 96, dtype=torch.bool)
        lit[:, :48] = True
        assert appearance_of(view, lit).red == pytest.approx(1, abs=1e-4)

    def test_roughness_of_noise_and_of_a_ramp(self) -> None:
        lit = torch.ones(100, 100, dtype=torch.bool)
        noise = torch.randint(0, 256, (1, 100, 100), dtype=torch.uint8).expand(3, -1, -1)
        ramp = torch.arange(100, dtype=torch.uint8).expand(3, 100, -1)
        assert appearance_of(noise, lit).roughness == pytest.approx(1, abs=0.05)
        assert appearance_of(ramp, lit).roughness < 0.001


class TestLayout:
    def test_real_frames_raise_none(self, frames: list[Tensor]) -> None:
        assert [doubts for frame in frames if (doubts := doubts_of(frame))] == []

    @pytest.mark.parametrize(
        ("make", "reason"),
        [
            (lambda a, b: beside(a, b), "two pictures"),
            (lambda a, b: beside(a, b, gap=16), "two pictures"),
            (lambda a, b: beside(a.mT, b.mT).mT.contiguous(), "two pictures"),
            (lambda a, b: on_page(a, 0.5), "a page around the frame"),
            (lambda a, b: on_page(a, 0.9), "a page around the frame"),
            (lambda a, b: on_page(a, 0.7, (30, 60, 140)), "a page around the frame"),
            (lambda a, b: torch.randint(0, 256, a.shape, dtype=torch.uint8), "noise"),
            (lambda a, b: resized(resized(a, 1, 1), 300, 400), "nearly one colour"),
        ],
    )
    def test_foreign_images_raise_one(
        self, frames: list[Tensor], make: Callable[[Tensor, Tensor], Tensor], reason: str
    ) -> None:
        for one, other in zip(frames[:12:5], frames[1:12:5], strict=True):
            doubts = doubts_of(make(one, other))
            assert any(doubt.startswith(reason) for doubt in doubts), doubts

    def test_two_windows_without_a_border(self, frames: list[Tensor]) -> None:
        left, right = window(frames[0]), (window(frames[1]).float() * 0.4).to(torch.uint8)
        assert any(doubt.startswith("two pictures") for doubt in doubts_of(beside(left, right)))

    @pytest.mark.parametrize("turns", [1, 2, 3])
    def test_turned_frames_are_frames(self, frames: list[Tensor], turns: int) -> None:
        for frame in frames[::3]:
            assert doubts_of(torch.rot90(frame, turns, (1, 2)).contiguous()) == []


class TestKnownFrames:
    def test_real_frames_raise_none(self, frames: list[Tensor]) -> None:
        assert [doubts for frame in frames if (doubts := doubts_of(frame, KNOWN))] == []

    def test_swapped_channels_are_named(self, frames: list[Tensor]) -> None:
        for frame in frames:
            (doubt,) = doubts_of(frame.flip(0), KNOWN)
            assert doubt.startswith("foreign colours: ")
            assert doubt.endswith("are red and blue swapped?")

    def test_other_colours_and_blur(self, frames: list[Tensor]) -> None:
        for frame in frames[::3]:
            assert any("foreign colours" in doubt for doubt in doubts_of(255 - frame, KNOWN))
            assert not any("swapped" in doubt for doubt in doubts_of(frame[[1, 0, 2]], KNOWN))
            blurred = resized(resized(frame, 8, 8), 480, 600)
            assert any("foreign texture" in doubt for doubt in doubts_of(blurred, KNOWN))

    @settings(max_examples=25)
    @given(
        height=st.integers(32, 200),
        width=st.integers(32, 200),
        seed=st.integers(0, 99),
        top=st.integers(1, 256),
    )
    @pytest.mark.filterwarnings("ignore::lag_zoo.errors.FieldOfViewWarning")
    def test_any_image_is_answered(self, height: int, width: int, seed: int, top: int) -> None:
        rng = torch.Generator().manual_seed(seed)
        frame = torch.randint(0, top, (3, height, width), generator=rng, dtype=torch.uint8)
        assert all(isinstance(doubt, str) for doubt in doubts_of(frame, KNOWN))


def test_every_number_is_named_in_the_docstring() -> None:
    assert all(name in (Appearance.__doc__ or "") for name in Appearance._fields)
