"""Top-k pooling: scores at every position of the backbone's map, and the mean of the highest as the logit."""

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import lag_zoo
from lag_zoo import LAG
from lag_zoo.errors import BackboneError, InvalidConfigError, WeightsMismatchError
from lag_zoo.nn.backbones import adopt_backbone, backbone_features, create_backbone
from lag_zoo.nn.positions import features_at_positions, mean_of_highest
from lag_zoo.specs import LAGConfig
from lag_zoo.training.training_model import TrainingModel

MAPS = ("mobilenetv3_small_050", "tf_efficientnet_lite0", "resnet18", "googlenet", "squeezenet1_1")
POOLED_LAST = (
    "tf_efficientnet_lite0",
    "resnet18",
    "googlenet",
    "squeezenet1_1",
)  # nothing but linear after it
TOKENS = ("vit_tiny_patch16_224", "deit_tiny_distilled_patch16_224")
NHWC = ("swin_tiny_patch4_window7_224",)


def topk(backbone: str = "mobilenetv3_small_050", **fields: object) -> LAG:
    torch.manual_seed(0)
    return LAG(
        backbone, num_classes=3, pooling="topk", global_size=96, num_crops=4, crop_size=32, **fields
    ).eval()  # type: ignore[arg-type]


def frames(count: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(60, 256, (count, 3, 128, 160), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize("name", [*MAPS, *TOKENS, *NHWC])
def test_every_position_has_the_features_of_a_head(name: str) -> None:
    backbone = create_backbone(name).eval()
    size = adopt_backbone(backbone).input_size
    with torch.no_grad():
        found = features_at_positions(backbone, backbone.forward_features(torch.randn(2, 3, size, size)))
    side = round(found.shape[1] ** 0.5)
    assert found.shape == (2, side * side, backbone.head_hidden_size)
    assert found.isfinite().all()
    assert found.std(1).max() > 0, "positions differ"


@pytest.mark.parametrize("name", POOLED_LAST)
def test_their_mean_is_the_average_pooling(name: str) -> None:
    backbone = create_backbone(name).eval()
    adopt_backbone(backbone)
    pixels = torch.randn(2, 3, 96, 96)
    with torch.no_grad():
        each = features_at_positions(backbone, backbone.forward_features(pixels))
        whole = backbone_features(backbone, pixels)
    assert torch.allclose(each.mean(1), whole, atol=1e-5)


@given(
    st.integers(1, 4), st.integers(1, 60), st.integers(1, 3), st.floats(0.001, 1), st.integers(0, 2**31 - 1)
)
def test_the_mean_of_the_highest(batch: int, positions: int, labels: int, share: float, seed: int) -> None:
    scores = torch.randn(batch, positions, labels, generator=torch.Generator().manual_seed(seed))
    count = max(1, round(share * positions))
    expected = scores.sort(dim=1, descending=True).values[:, :count].mean(1)
    assert torch.allclose(mean_of_highest(scores, share), expected, atol=1e-6)


@pytest.mark.parametrize("fusion", ["concat", "mean", "attention"])
def test_logits_are_the_mean_of_the_highest_scores(fusion: str) -> None:
    model, given = topk(fusion=fusion, topk=0.3), frames()
    with torch.no_grad():
        scores, logits = model.position_scores(given), model(given)
    assert scores.shape == (2, 3, 3, 3)
    assert torch.allclose(scores.flatten(2).sort(dim=2).values[:, :, -3:].mean(2), logits, atol=1e-6)


def test_a_share_of_all_positions_is_their_mean() -> None:
    model, given = topk(topk=1.0), frames()
    with torch.no_grad():
        assert torch.allclose(model.position_scores(given).mean((2, 3)), model(given), atol=1e-6)


def test_its_parts_go_together() -> None:
    model, given = topk(), frames()
    with torch.no_grad():
        features = model.forward_features(given)
        assert features.shape == (2, 9, model.num_features)
        assert torch.equal(model.forward_head(features), model(given))
        assert torch.allclose(model.fuse()(given), model(given), atol=1e-5)
        assert model.without_crops()(given).shape == (2, 3)
        model.reset_classifier(0)
        assert model(given).shape == (2, model.head_hidden_size)


@pytest.mark.parametrize("kept", [None, [1], [0, 1]])
def test_training_sees_the_scores_of_its_logits(kept: list[int] | None) -> None:
    model = topk().train()
    output = TrainingModel(model)(model.views(frames()), None if kept is None else torch.tensor(kept))
    assert output.position_scores is not None
    assert output.position_scores.shape == (2, 9, 3)
    assert torch.equal(mean_of_highest(output.position_scores, model.config.topk), output.logits)
    assert output.global_features.shape == (2, model.config.global_dim)
    average = LAG("mobilenetv3_small_050", num_classes=3, global_size=96, num_crops=4, crop_size=32)
    assert TrainingModel(average)(average.views(frames()), None).position_scores is None


def test_average_pooling_has_a_map_too_without_being_trained_for_it() -> None:
    torch.manual_seed(0)
    model = LAG("mobilenetv3_small_050", num_classes=3, global_size=96, num_crops=4, crop_size=32).eval()
    with torch.no_grad():
        assert model.position_scores(frames()).shape == (2, 3, 3, 3)


class Vector(nn.Module):
    """A backbone in timm's protocol whose features are no map."""

    num_features = head_hidden_size = 8

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.shape = shape

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        return x.new_zeros(len(x), *self.shape)

    def forward_head(self, x: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        return x.new_zeros(len(x), 8)

    def reset_classifier(self, num_classes: int) -> None:
        pass


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ((8,), r"its last features are \(2, 8\)"),
        ((7, 5, 5), r"no side of its last features \(2, 7, 5, 5\) is 8"),
        ((6, 8), "its 6 positions are no square"),
    ],
)
def test_a_backbone_without_a_map_says_so(shape: tuple[int, ...], reason: str) -> None:
    model = LAG(Vector(*shape), num_classes=2, pooling="topk", num_crops=2, crop_size=32)
    with pytest.raises(
        BackboneError, match=f"Vector has no map to look for evidence in: {reason}.*pooling='average'"
    ):
        model(frames())


def test_weights_keep_their_pooling(tmp_path) -> None:  # type: ignore[no-untyped-def]
    model = topk()
    lag_zoo.save_pretrained(model, tmp_path / "net")
    place = f"local-dir:{tmp_path / 'net'}"
    again = lag_zoo.create_model(place, pretrained=True)
    assert (again.config.pooling, again.config.topk) == ("topk", 0.1)
    with torch.no_grad():
        assert torch.allclose(again.eval()(frames()), model(frames()), atol=1e-6)
    with pytest.raises(WeightsMismatchError, match="was trained with pooling='topk'"):
        lag_zoo.create_model(place, pretrained=True, pooling="average")
    other = lag_zoo.create_model(place, pretrained=True, pooling="average", label_names=["a", "b"])
    assert other.config == dataclasses.replace(other.config, pooling="average")


class TestBackground:
    LABELS = ("normal", "GA", "IM")

    def model(self, **fields: object) -> LAG:
        torch.manual_seed(0)
        return LAG(
            "mobilenetv3_small_050",
            label_names=self.LABELS,
            pooling="topk",
            background="normal",
            global_size=96,
            num_crops=4,
            crop_size=32,
            **fields,  # type: ignore[arg-type]
        ).eval()

    def test_it_has_no_evidence_of_its_own(self) -> None:
        model, given = self.model(), frames()
        with torch.no_grad():
            scores, logits = model.position_scores(given), model(given)
        assert (scores[:, 0] == 0).all()
        assert (logits[:, 0] == 0).all()
        assert (logits[:, 1:] != 0).all()

    def test_two_labels_are_one_logit(self) -> None:
        """The softmax of two labels, one of which is the background, is the sigmoid of the other's highest scores."""
        torch.manual_seed(0)
        model = LAG(
            "mobilenetv3_small_050",
            label_names=("mucosa", "polyp"),
            pooling="topk",
            background="mucosa",
            global_size=96,
            num_crops=4,
            crop_size=32,
        ).eval()
        with torch.no_grad():
            scores, logits = model.position_scores(frames())[:, 1].flatten(1), model(frames())
        assert torch.allclose(logits.softmax(1)[:, 1], scores.amax(1).sigmoid(), atol=1e-6)  # one of nine

    def test_it_is_kept_with_its_label_and_goes_with_it(self, tmp_path) -> None:  # type: ignore[no-untyped-def]
        model = self.model()
        lag_zoo.save_pretrained(model, tmp_path / "net")
        place = f"local-dir:{tmp_path / 'net'}"
        with torch.no_grad():
            assert torch.allclose(
                lag_zoo.create_model(place, pretrained=True).eval()(frames()), model(frames()), atol=1e-6
            )
        assert lag_zoo.create_model(place, pretrained=True).config.background == "normal"
        kept = lag_zoo.create_model(place, pretrained=True, label_names=["normal", "cancer"])
        assert kept.config.background == "normal"
        lost = lag_zoo.create_model(place, pretrained=True, label_names=["a", "b"])
        assert lost.config.background is None
        model.reset_classifier(2, label_names=["a", "b"])
        assert model.config.background is None

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"background": "norml"}, "background is one of the labels \\(normal, GA, IM\\), got 'norml'"),
            ({"pooling": "average"}, "goes with pooling='topk'"),
            ({"task": "multilabel"}, "goes with exclusive labels without an order, got task='multilabel'"),
        ],
    )
    def test_what_it_goes_with(self, fields: dict[str, str], message: str) -> None:
        values = {
            "label_names": self.LABELS,
            "num_classes": 3,
            "backbone": "mobilenetv3_small_050",
            "pooling": "topk",
            "background": "normal",
        }
        with pytest.raises(InvalidConfigError, match=message):
            LAG.from_config(LAGConfig(**{**values, **fields}))  # type: ignore[arg-type]
