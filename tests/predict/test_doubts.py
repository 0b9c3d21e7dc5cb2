"""The frames that weights know: fitted, kept in a file, and applied by the Predictor."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import lag_zoo
from lag_zoo import LAG, Predictor
from lag_zoo.about import About
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import InvalidConfigError
from lag_zoo.predict.doubts import MIN_FRAMES, feature_doubts, fit_appearance, fit_doubts, fit_features
from lag_zoo.specs import KnownFeatures, WeightSpec
from lag_zoo.views.appearance import Appearance
from tests.networks import small

SIZE = (120, 150)


def appearances(count: int, seed: int = 0) -> list[Appearance]:
    """Appearances about those of mucosa."""
    drawn = np.random.default_rng(seed).normal(0, 0.02, (count, 3))
    return [Appearance(0.5 + a, 0.3, 0.2 - a, 0.04 * np.exp(b), 40, 0, 0.2, 0) for a, b, _ in drawn]


def means(count: int, width: int, seed: int = 0, shift: float = 0) -> np.ndarray:
    """Means of channels that go together, each frame's its own."""
    rng = np.random.default_rng(seed)
    return rng.normal(shift, 1, (count, width)) + rng.normal(0, 2, (count, 1)) * np.arange(width)


@pytest.fixture(scope="module")
def drawn() -> list[Tensor]:
    """Enough frames to fit doubts on."""
    return [draw_frame(SIZE, seed=seed) for seed in range(MIN_FRAMES)]


@pytest.fixture(scope="module")
def fitted(drawn: list[Tensor]) -> LAG:
    """A network with doubts that were fitted on drawn frames."""
    model = small()
    doubts = fit_doubts(model, drawn)
    weights = WeightSpec(
        tag="own",
        files={"none": "0" * 64},
        label_names=("normal", "IM"),
        modality="",
        global_size=64,
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
        training_data=(),
        licence="",
        doubts=doubts,
    )
    model.weight_spec = weights
    return model


class TestFit:
    def test_appearances_of_the_kind_are_within(self) -> None:
        known = fit_appearance(appearances(100))
        assert known is not None
        for look in appearances(200, seed=1):
            assert known.red[0] <= look.red <= known.red[1]
            assert known.green[0] < look.green < known.green[1]  # though all were equal
            assert known.roughness[0] <= look.roughness <= known.roughness[1]

    @pytest.mark.parametrize("width", [3, 40, 200])
    def test_features_of_the_kind_are_within(self, width: int) -> None:
        known = fit_features("layer", means(200, width))
        assert sum(bool(feature_doubts(row, known)) for row in means(400, width, seed=1)) <= 8

    @pytest.mark.parametrize("width", [10, 40, 200])
    def test_a_broken_relation_is_foreign(self, width: int) -> None:
        known = fit_features("layer", means(200, width))
        strange = means(20, width, seed=2)[:, ::-1]  # each channel as large as ever, and not with its fellows
        said = [doubt for row in strange for doubt in feature_doubts(row, known)]
        assert len(said) >= 10
        assert said[0].startswith("foreign content: the distance from the frames that the weights know is ")

    def test_few_frames_give_none(self) -> None:
        assert fit_appearance(appearances(MIN_FRAMES - 1)) is None
        assert fit_doubts(small(), [draw_frame(SIZE)] * 3) is None
        assert fit_doubts(small(), []) is None

    @pytest.mark.filterwarnings("ignore::lag_zoo.errors.FieldOfViewWarning")
    def test_black_frames_are_left_out(self, drawn: list[Tensor]) -> None:
        black = torch.zeros(3, *SIZE, dtype=torch.uint8)
        with_black = fit_doubts(small(), [black, *drawn, black])
        assert with_black is not None
        assert with_black.frames == MIN_FRAMES

    def test_float_frames_give_the_same(self, fitted: LAG, drawn: list[Tensor]) -> None:
        assert fitted.weight_spec is not None
        assert fit_doubts(small(), [frame / 255 for frame in drawn]) == fitted.weight_spec.doubts

    @settings(max_examples=40)
    @given(
        width=st.integers(1, 400),
        scale=st.floats(1e-6, 1e6),
        kind=st.sampled_from(["drawn", "constant", "zero"]),
    )
    def test_any_features_can_be_fitted(self, width: int, scale: float, kind: str) -> None:
        rows = means(MIN_FRAMES, width) * scale
        rows = {"drawn": rows, "constant": np.ones_like(rows), "zero": np.zeros_like(rows)}[kind]
        known = fit_features("layer", rows)
        assert len(known.centre) == min(width, 48)
        assert all(isinstance(doubt, str) for doubt in feature_doubts(rows[0], known))
        assert KnownFeatures.from_json(known.to_json()) == known

    def test_a_backbone_that_does_not_describe_its_layers(self, drawn: list[Tensor]) -> None:
        model = LAG("squeezenet1_1", label_names=["a", "b"], num_crops=2, crop_size=32, global_size=64).eval()
        known = fit_doubts(model, drawn)
        assert known is not None
        assert known.features is None


class TestSpec:
    def test_bounds(self, fitted: LAG) -> None:
        assert fitted.weight_spec is not None
        known = fitted.weight_spec.doubts
        assert known is not None
        for change in ({"red": (0.5,)}, {"red": (0.6, 0.5)}, {"frames": 0}, {"features": {"layer": "x"}}):
            with pytest.raises(InvalidConfigError):
                dataclasses.replace(known, **change)
        features = known.features
        assert features is not None
        for change in ({"centre": ()}, {"whitening": features.whitening[1:]}, {"distance": -1.0}):
            with pytest.raises(InvalidConfigError):
                dataclasses.replace(features, **change)

    def test_they_are_small(self, fitted: LAG) -> None:
        assert fitted.weight_spec is not None
        assert len(json.dumps(fitted.weight_spec.to_dict()["doubts"])) < 15_000

    def test_saved_and_loaded(self, fitted: LAG, tmp_path: Path) -> None:
        assert fitted.weight_spec is not None
        place = lag_zoo.save_pretrained(
            small(), tmp_path / "net", about=About(doubts=fitted.weight_spec.doubts)
        )
        loaded = lag_zoo.create_model(f"local-dir:{place}", pretrained=True)
        assert loaded.weight_spec is not None
        assert loaded.weight_spec.doubts == fitted.weight_spec.doubts
        # Saved anew, whatever is said of it then, the weights know what they knew.
        again = lag_zoo.save_pretrained(loaded, tmp_path / "again", about=About(licence="MIT"))
        assert Predictor(lag_zoo.create_model(f"local-dir:{again}", pretrained=True)).doubts is not None

    def test_a_file_from_before_loads_and_gives_no_doubts(self, tmp_path: Path) -> None:
        place = lag_zoo.save_pretrained(small(), tmp_path / "net")
        config = json.loads((place / "config.json").read_text())
        del config["lag_zoo"]["weights"]["doubts"]
        (place / "config.json").write_text(json.dumps(config))
        predictor = Predictor(lag_zoo.create_model(f"local-dir:{place}", pretrained=True))
        assert predictor.doubts is None
        assert predictor(draw_frame(SIZE).flip(0))[0].warnings == ()


class TestPredictor:
    def test_known_frames_raise_none(self, fitted: LAG, drawn: list[Tensor]) -> None:
        answers = Predictor(fitted)(drawn)
        assert sum(bool(answer.warnings) for answer in answers) <= 1

    @pytest.mark.parametrize("tta", [0, 3])
    def test_foreign_colours(self, fitted: LAG, tta: int) -> None:
        (answer,) = Predictor(fitted)(draw_frame(SIZE).flip(0), tta=tta)
        assert any("are red and blue swapped?" in warning for warning in answer.warnings)

    def test_foreign_features(self, fitted: LAG) -> None:
        (answer,) = Predictor(with_features(fitted, distance=0.01))(draw_frame(SIZE))
        assert [warning.partition(":")[0] for warning in answer.warnings] == ["foreign content"]

    def test_a_watched_network_stays_as_it_was(self, fitted: LAG) -> None:
        Predictor(fitted)(draw_frame(SIZE))
        assert not any(module._forward_hooks for module in fitted.modules())

    def test_the_same_fused_and_in_a_batch(self, fitted: LAG, drawn: list[Tensor]) -> None:
        frames = [frame.flip(0) for frame in drawn[:3]]
        plain = [answer.warnings for answer in Predictor(fitted, batch_size=1)(frames)]
        assert [answer.warnings for answer in Predictor(fitted, fuse=True, batch_size=4)(frames)] == plain

    def test_doubts_of_another_network(self, fitted: LAG) -> None:
        with pytest.raises(InvalidConfigError, match="watch the layer 'nowhere', which the backbone lacks"):
            Predictor(with_features(fitted, layer="nowhere"))
        predictor = Predictor(with_features(fitted, layer="blocks.0"))
        with pytest.raises(InvalidConfigError, match=r"'blocks\.0' has 8 channels, and the doubts"):
            predictor(draw_frame(SIZE))


def with_features(model: LAG, **changes: object) -> LAG:
    """The network with other numbers about its features."""
    weights, other = model.weight_spec, small()
    assert weights is not None
    assert weights.doubts is not None
    assert weights.doubts.features is not None
    features = dataclasses.replace(weights.doubts.features, **changes)  # type: ignore[arg-type]
    other.weight_spec = dataclasses.replace(
        weights, doubts=dataclasses.replace(weights.doubts, features=features)
    )
    return other
