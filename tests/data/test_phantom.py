"""Drawn frames."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lag_zoo.data.phantom import draw_frame, draw_texture_frame
from lag_zoo.errors import InvalidConfigError
from lag_zoo.views import find_field_of_view

SIZE = (480, 600)


def shrunken(frame: Tensor, size: int) -> Tensor:
    return F.interpolate(frame[None].float(), (size, size), mode="bilinear", antialias=True)[0]


class TestFrame:
    def test_is_settled_by_its_arguments(self) -> None:
        state = torch.get_rng_state()
        first = draw_frame(SIZE, seed=3)
        assert torch.equal(torch.get_rng_state(), state)
        assert (first.dtype, first.shape) == (torch.uint8, (3, *SIZE))
        assert torch.equal(first, draw_frame(SIZE, seed=3))
        assert not torch.equal(first, draw_frame(SIZE, seed=4))

    @pytest.mark.parametrize("seed", range(3))
    def test_field_of_view_holds_the_mucosa_and_no_mark(self, seed: int) -> None:
        frame = draw_frame(SIZE, seed=seed)
        lit = find_field_of_view(frame[None]).mask()[0]
        assert 0.55 < float(lit.float().mean()) < 0.95
        grey = frame.float().mean(0)
        assert float(grey[lit].mean()) > 60
        marks = (draw_frame(SIZE, seed=seed).int() - draw_frame(SIZE, seed=seed, text=False).int()).amax(
            0
        ) > 80
        assert marks.any()
        assert not (marks & lit).any()

    def test_lights_differ_in_colour(self) -> None:
        def red_over_green(light: str) -> float:
            frame = draw_frame(SIZE, seed=1, modality=light).float()  # type: ignore[arg-type]
            return float(frame[0].mean() / frame[1].mean())

        assert red_over_green("wli") > 1.2 * red_over_green("lci")

    def test_a_polyp_and_texture_change_the_picture(self) -> None:
        plain = draw_frame(SIZE, seed=2)
        assert not torch.equal(plain, draw_frame(SIZE, seed=2, polyp=True))
        smooth = draw_frame(SIZE, seed=2, texture=0.0)
        assert (plain.int() - smooth.int()).abs().float().mean() > 1

    @pytest.mark.parametrize("size", [(64, 64), (700, 500), (97, 333)])
    def test_any_size(self, size: tuple[int, int]) -> None:
        assert draw_frame(size).shape == (3, *size)

    def test_refuses(self) -> None:
        with pytest.raises(InvalidConfigError, match="64 pixels on a side; got 80 x 63"):
            draw_frame((63, 80))
        with pytest.raises(InvalidConfigError, match="one of wli, lci; got 'nbi'"):
            draw_frame(modality="nbi")  # type: ignore[arg-type]


class TestTextureFrame:
    @pytest.mark.parametrize("seed", range(3))
    def test_the_label_is_gone_when_shrunk_and_there_before(self, seed: int) -> None:
        fine, coarse = (draw_texture_frame(label, seed=seed) for label in (0, 1))
        assert (fine.int() - coarse.int()).abs().float().mean() > 15
        assert (shrunken(fine, 224) - shrunken(coarse, 224)).abs().max() < 1
        assert torch.equal(fine.flatten(1).sort().values, coarse.flatten(1).sort().values) or (
            abs(fine.float().mean() - coarse.float().mean()) < 0.01
        )

    def test_the_control_survives_shrinking(self) -> None:
        one, other = (draw_texture_frame(label, seed=0, coarse=True) for label in (0, 1))
        assert (shrunken(one, 224)[0].mean() - shrunken(other, 224)[0].mean()) > 30

    def test_refuses_another_label(self) -> None:
        with pytest.raises(InvalidConfigError, match="0 or 1; got 2"):
            draw_texture_frame(2)
