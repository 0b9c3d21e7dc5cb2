"""Bad input in one place: each gives one of lag_zoo's own errors, which says what came, or a warning and an answer.

Bad files (text named .jpg, a truncated TIFF, one pixel, a decompression bomb) are in tests/data/test_images.py, and
what becomes of them in a folder in tests/predict/test_predictor.py and tests/cli/test_predict.py.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import nn

import lag_zoo
from lag_zoo.errors import (
    BackboneError,
    FieldOfViewWarning,
    InvalidConfigError,
    InvalidImageError,
    LagZooError,
    UnknownModelError,
    WeightsMismatchError,
)
from lag_zoo.nn import LAG, CropEnsemble
from lag_zoo.views import ViewSampler
from lag_zoo.weights import load_strictly

SMALL = "mobilenetv3_small_050"
SIZE = (96, 128)


@pytest.fixture(scope="module")
def model() -> LAG:
    return LAG(SMALL, label_names=["mucosa", "polyp"], num_crops=4, crop_size=32, global_size=64).eval()


def frames(dtype: torch.dtype = torch.uint8, *, channels: int = 3, value: float = 90) -> torch.Tensor:
    return torch.full((2, channels, *SIZE), value).to(dtype)


def with_nan() -> torch.Tensor:
    spoilt = 0.25 + 0.5 * torch.rand(2, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    spoilt[1, 2, 5, 7] = float("nan")
    return spoilt


BAD_FRAMES: dict[str, tuple[Callable[[], torch.Tensor], str]] = {
    "NaN": (with_nan, "nan"),
    "out of range": (lambda: frames(torch.float32, value=90), "got 90 to 90"),
    "negative": (lambda: frames(torch.float32, value=-0.1), "got -0.1"),
    "2 channels": (lambda: frames(channels=2), r"got \(2, 2, 96, 128\)"),
    "4 channels": (lambda: frames(channels=4), r"got \(2, 4, 96, 128\)"),
    "channels last": (lambda: torch.zeros(2, *SIZE, 3, dtype=torch.uint8), r"got \(2, 96, 128, 3\)"),
    "int64": (lambda: frames(torch.int64), "got torch.int64"),
    "bool": (lambda: frames(torch.bool), "got torch.bool"),
    "1 x 1": (lambda: torch.zeros(2, 3, 1, 1, dtype=torch.uint8), "got 1 x 1"),
    "no frames": (lambda: frames()[:0], "empty batch"),
}


@pytest.mark.parametrize("bad", BAD_FRAMES)
class TestFrames:
    """Refused alike wherever pixels come in."""

    def test_by_the_network(self, model: LAG, bad: str) -> None:
        make, says = BAD_FRAMES[bad]
        with pytest.raises(InvalidImageError, match=says):
            model(make())

    def test_by_the_sampler(self, bad: str) -> None:
        make, says = BAD_FRAMES[bad]
        with pytest.raises(InvalidImageError, match=says):
            ViewSampler()(make())

    def test_one_by_one(self, model: LAG, bad: str) -> None:
        if bad == "no frames":
            with pytest.raises(InvalidImageError, match="no images"):
                model([])
            return
        make, _ = BAD_FRAMES[bad]
        with pytest.raises(InvalidImageError):
            model(list(make()))

    def test_by_the_transform_and_the_predictor(self, model: LAG, bad: str) -> None:
        if bad == "no frames":
            return
        image = BAD_FRAMES[bad][0]()[1]
        with pytest.raises(InvalidImageError):
            lag_zoo.create_transform(model)(image)
        with pytest.raises(InvalidImageError):
            lag_zoo.Predictor(model)(image)


class TestBlackFrames:
    @pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
    def test_are_answered_with_a_warning(self, model: LAG, dtype: torch.dtype) -> None:
        with pytest.warns(FieldOfViewWarning, match="frame 0, 1 of 2"):
            logits = model(frames(dtype, value=0))
        assert torch.isfinite(logits).all()

    def test_their_crops_are_not_inside(self) -> None:
        with pytest.warns(FieldOfViewWarning):
            views = ViewSampler(num_crops=4, crop_size=32)(frames(value=0))
        assert not views.inside.any()
        assert views.coverage.tolist() == [0.0, 0.0]

    def test_change_nothing_for_the_others(self, model: LAG) -> None:
        lit = torch.randint(
            60, 200, (1, 3, *SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
        )
        with pytest.warns(FieldOfViewWarning, match="frame 1 of 2"):
            both = model(torch.cat([lit, lit * 0]))
        assert torch.allclose(both[:1], model(lit), atol=1e-5)


class TestModels:
    def test_an_unknown_backbone(self) -> None:
        with pytest.raises(LookupError, match="resnet50"):
            LAG("resnet5O", num_classes=2)
        with pytest.raises(UnknownModelError, match="Did you mean lag_resnet50"):
            lag_zoo.create_model("lag_resnet5O", num_classes=2)

    @pytest.mark.parametrize("backbone", [nn.Linear(3, 2), nn.Sequential(nn.Conv2d(3, 8, 3)), nn.Identity()])
    def test_a_backbone_without_features(self, backbone: nn.Module) -> None:
        with pytest.raises(BackboneError, match="lacks"):
            LAG(backbone, num_classes=2)

    def test_a_backbone_of_other_channels(self) -> None:
        with pytest.raises(BackboneError, match="1 channels"):
            LAG(timm.create_model(SMALL, in_chans=1), num_classes=2)

    @pytest.mark.parametrize("thing", [None, 50, b"resnet50", "", "../resnet50"])
    def test_what_is_no_backbone(self, thing: Any) -> None:
        with pytest.raises(LagZooError):
            LAG(thing, num_classes=2)

    @pytest.mark.parametrize("number", [-1, 2.5, "10", None, True])
    def test_a_number_of_crops_that_cannot_be(self, number: Any) -> None:
        for build in (
            lambda: LAG(SMALL, num_classes=2, num_crops=number),
            lambda: ViewSampler(num_crops=number),
            lambda: CropEnsemble(number),
            lambda: lag_zoo.create_model(f"lag_{SMALL}", num_classes=2, num_crops=number),
        ):
            with pytest.raises(InvalidConfigError, match="num_crops"):
                build()

    def test_views_with_other_crops(self, model: LAG) -> None:
        views = ViewSampler(num_crops=3, crop_size=32, global_size=64, field_of_view=False)(frames())
        with pytest.raises(InvalidImageError, match="built for 4 crops and got 3"):
            model(views)

    @pytest.mark.parametrize("inputs", ["frame.png", None, 3, np.zeros((1, 2))])
    def test_what_are_no_frames(self, model: LAG, inputs: Any) -> None:
        with pytest.raises(InvalidImageError):
            model(inputs)


class TestWeightsOfAnotherModel:
    def others(self) -> dict[str, nn.Module]:
        return {
            "another backbone": LAG("mobilenetv3_small_075", num_classes=2, num_crops=4, crop_size=32),
            "other classes": LAG(SMALL, num_classes=3, num_crops=4, crop_size=32),
            "another fusion": LAG(SMALL, num_classes=2, num_crops=4, crop_size=32, fusion="attention"),
            "the plain backbone": timm.create_model(SMALL, num_classes=2),
        }

    def test_are_refused_and_the_network_is_untouched(self, model: LAG) -> None:
        before = {key: value.clone() for key, value in model.state_dict().items()}
        for name, other in self.others().items():
            with pytest.raises(WeightsMismatchError, match=f"{name} holds the weights of another network"):
                load_strictly(model, other.state_dict(), source=name)
        assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())

    def test_nothing_at_all(self, model: LAG) -> None:
        with pytest.raises(WeightsMismatchError, match="missing"):
            load_strictly(model, {}, source="an empty file")
