"""From a name to a network: what is built, and what is refused with a reason."""

import dataclasses
import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lag_zoo.errors import InvalidConfigError, UnknownModelError, WeightsMismatchError
from lag_zoo.factory import create_model, create_transform
from lag_zoo.nn import LAG
from lag_zoo.publishing import save_pretrained
from lag_zoo.registry import model_info, resolve
from lag_zoo.specs import DatasetRef, WeightSpec
from lag_zoo.views import FrameTransform
from lag_zoo.weights import load_strictly, lookup, sources
from tests.networks import small

ZOO = "lag_mobilenetv3_small_100_wli"
SMALL = "lag_mobilenetv3_small_050"


class TestUntrained:
    def test_a_name_of_the_zoo(self) -> None:
        model = create_model(ZOO).eval()
        spec = model_info(ZOO)
        assert model.label_names == ("normal", "GA", "IM")
        assert model.config.backbone == "mobilenetv3_small_100.lamb_in1k"
        assert sum(p.numel() for p in model.parameters()) == spec.params
        assert model.pretrained_cfg["architecture"] == "lag_mobilenetv3_small_100"
        assert model(torch.zeros(2, 3, 100, 120, dtype=torch.uint8) + 90).shape == (2, 3)

    def test_an_architecture(self) -> None:
        assert create_model(SMALL, num_classes=4).label_names is None
        model = create_model(SMALL, label_names=["a", "b"])
        assert (model.num_classes, model.label_names) == (2, ("a", "b"))
        assert create_model(SMALL, num_classes=0).num_classes == 0
        assert create_model("lag_resnet18.a1_in1k", num_classes=2).config.backbone == "resnet18.a1_in1k"

    @pytest.mark.parametrize("name", ["googlenet", "squeezenet1_1"])
    def test_torchvision_s(self, name: str) -> None:
        assert create_model(f"lag_{name}", num_classes=2).config.backbone == name

    def test_a_backbone_with_arguments(self) -> None:
        model = create_model("lag_vit_small_patch14_dinov2_wli")
        assert model.config.global_size == 224
        assert model.backbone.patch_embed.img_size == (224, 224)

    def test_fields_take_the_place_of_the_model_s(self) -> None:
        model = create_model(
            ZOO, fusion="attention", num_crops=4, crop_widths=[8, 8, 8, 8], mean=(0.1, 0.2, 0.3)
        )
        config = model.config
        assert (config.fusion, config.num_crops, config.crop_widths) == ("attention", 4, (8, 8, 8, 8))
        assert config.mean == (0.1, 0.2, 0.3)
        assert config.label_names == ("normal", "GA", "IM")

    def test_labels_of_one_s_own(self) -> None:
        assert create_model(ZOO, num_classes=5).label_names is None
        assert create_model(ZOO, num_classes=3).label_names == ("normal", "GA", "IM")
        assert create_model(ZOO, label_names=["a", "b"]).num_classes == 2
        assert create_model(ZOO, label_names=("a", "b"), num_classes=2).label_names == ("a", "b")

    @pytest.mark.parametrize("labels", [None, 5, "ab", ["a", "a"], ["a", 1]])
    def test_what_are_no_labels(self, labels: object) -> None:
        with pytest.raises(InvalidConfigError):
            create_model(SMALL, label_names=labels)  # type: ignore[arg-type]

    def test_an_architecture_without_labels(self) -> None:
        with pytest.raises(InvalidConfigError, match=r"say label_names=\[...\] or num_classes=N"):
            create_model(SMALL)

    def test_labels_and_their_number_differ(self) -> None:
        with pytest.raises(InvalidConfigError, match="num_classes is 3, but label_names has 2"):
            create_model(ZOO, label_names=["a", "b"], num_classes=3)

    def test_a_field_misspelt(self) -> None:
        with pytest.raises(InvalidConfigError, match=r"num_crop. Did you mean num_crops.*Fields are "):
            create_model(ZOO, num_crop=4)  # type: ignore[call-arg]

    @pytest.mark.parametrize("name", ["lag_resnet5O_lci", "resnet50", "lag_mobilnet", "lag_resnet18.nothing"])
    def test_an_unknown_name(self, name: str) -> None:
        with pytest.raises(UnknownModelError, match="unknown model"):
            create_model(name, num_classes=2)


class TestWithoutWeights:
    def test_an_unknown_tag(self) -> None:
        with pytest.raises(UnknownModelError, match="has no weights yet"):
            create_model("lag_resnet50_lci.im", pretrained=True)


class TestWithWeights:
    """A model whose weights are made up here, with the built-in reader put aside."""

    @pytest.fixture
    def trained(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> LAG:
        torch.manual_seed(0)
        model = create_model(
            ZOO, label_names=["no", "yes"], global_size=96, mean=(0.4, 0.3, 0.2), std=(0.1, 0.1, 0.1)
        )
        save_file(model.state_dict(), tmp_path / "a.safetensors")
        digest = hashlib.sha256((tmp_path / "a.safetensors").read_bytes()).hexdigest()
        weights = WeightSpec(
            tag="base", files={"a.safetensors": digest, "a_golden.safetensors": "1" * 64},
            label_names=("no", "yes"), modality="wli", global_size=96, mean=(0.4, 0.3, 0.2), std=(0.1, 0.1, 0.1),
            training_data=(DatasetRef("none"),), licence="Apache-2.0",
        )  # fmt: skip
        spec = dataclasses.replace(model_info(ZOO), config=model.config, weights=(weights,))
        monkeypatch.setattr(lookup, "resolve", lambda name: (spec, name.partition(".")[2] or None))
        monkeypatch.setattr(sources, "files", lambda package: tmp_path)
        return model.eval()

    @pytest.mark.parametrize("name", [ZOO, f"{ZOO}.base"])
    def test_are_loaded_with_their_labels_and_pixels(self, trained: LAG, name: str) -> None:
        model = create_model(name, pretrained=True).eval()
        frames = torch.randint(60, 256, (2, 3, 100, 120), dtype=torch.uint8)
        assert model.config == trained.config
        assert torch.equal(model(frames), trained(frames))

    def test_the_load_is_reported(self, trained: LAG) -> None:
        model = create_model(ZOO, pretrained=True)
        assert model.load_report is not None
        assert set(model.load_report.loaded) == set(trained.state_dict())
        assert model.load_report.missing == ()
        assert model.load_report.source == f"the built-in {ZOO}.base"
        assert model.weight_spec is not None
        assert model.weight_spec.tag == "base"
        assert create_model(ZOO).load_report is None

    @pytest.mark.parametrize(
        "fields", [{"label_names": ["a", "b"]}, {"num_classes": 3}, {"label_names": ["a"]}]
    )
    def test_under_other_labels_the_head_is_new_and_the_old_labels_are_named(
        self, trained: LAG, fields: dict[str, object]
    ) -> None:
        model = create_model(ZOO, pretrained=True, **fields)  # type: ignore[arg-type]
        assert model.load_report is not None
        assert model.load_report.missing == ("head.weight", "head.bias")
        assert model.load_report.replaced_labels == ("no", "yes")
        assert "the head for no, yes was left out" in str(model.load_report)
        assert model.weight_spec is None
        assert model.num_classes == len(fields.get("label_names", "abc"))  # type: ignore[arg-type]
        for key, value in model.state_dict().items():
            if not key.startswith("head."):
                assert torch.equal(value, trained.state_dict()[key])

    def test_a_policy_may_differ(self, trained: LAG) -> None:
        assert create_model(ZOO, pretrained=True, policy="grid", mask_outside=True).config.policy == "grid"

    @pytest.mark.parametrize(
        "fields",
        [{"label_names": ["yes", "no"]}, {"task": "multilabel"}, {"mean": (0.5, 0.5, 0.5)}, {"std": [0.2, 0.1, 0.1]}],
    )  # fmt: skip
    @pytest.mark.usefixtures("trained")
    def test_other_meanings_are_refused(self, fields: dict[str, object]) -> None:
        with pytest.raises(WeightsMismatchError, match=r"was trained with (label_names|task|mean|std)="):
            create_model(ZOO, pretrained=True, **fields)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "fields",
        [
            {"hidden_dim": 32}, {"global_dim": 32}, {"crop_widths": (8, 8, 8, 8)}, {"crop_embed_dim": 32},
            {"crop_se_ratio": 0.5}, {"shared_crops": False}, {"fusion": "mean"}, {"num_crops": 20},
            {"num_crops": 4, "global_dim": 32}, {"fusion": "attention", "num_crops": 20},
        ],
        ids=str,
    )  # fmt: skip
    def test_other_shapes_are_refused_in_words(self, trained: LAG, fields: dict[str, object]) -> None:
        with pytest.raises(WeightsMismatchError) as caught:
            create_model(ZOO, pretrained=True, label_names=["a", "b"], **fields)  # type: ignore[arg-type]
        message = str(caught.value)
        for field, value in fields.items():
            assert f"{field}={getattr(trained.config, field)!r}, not {value!r}" in message
        assert "train anew, without pretrained=True" in message
        assert "torch" not in message
        assert "weight (" not in message
        assert ("fusion='mean' or 'attention' takes any number" in message) == ("num_crops" in fields)

    @pytest.mark.usefixtures("trained")
    @pytest.mark.parametrize(
        "fields", [{"crop_size": 32}, {"global_size": 64}, {"backbone_args": {"drop_rate": 0.2}}]
    )
    def test_what_changes_no_shape_is_taken(self, fields: dict[str, object]) -> None:
        model = create_model(ZOO, pretrained=True, **fields)  # type: ignore[arg-type]
        assert model.load_report is not None
        assert model.load_report.missing == ()


@pytest.mark.parametrize("fusion", ["mean", "attention"])
def test_weights_for_any_number_of_crops(tmp_path: Path, fusion: str) -> None:
    folder = save_pretrained(small(fusion=fusion), tmp_path / "net")
    model = create_model(f"local-dir:{folder}", pretrained=True, num_crops=7)
    assert model.config.num_crops == 7
    assert model.load_report is not None
    assert model.load_report.missing == ()


def test_weights_of_one_crop_each(tmp_path: Path) -> None:
    folder = save_pretrained(small(fusion="mean", shared_crops=False), tmp_path / "net")
    with pytest.raises(WeightsMismatchError, match="num_crops=2, not 7"):
        create_model(f"local-dir:{folder}", pretrained=True, num_crops=7)


def test_the_state_dict_of_another_model_is_refused(tmp_path: Path) -> None:
    model, other = create_model(SMALL, num_classes=2), create_model("lag_resnet18", num_classes=2)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(
        WeightsMismatchError, match=r"other\.safetensors holds the weights of another network"
    ) as caught:
        load_strictly(model, other.state_dict(), source="other.safetensors")
    assert "missing: backbone.conv_stem.weight" in str(caught.value)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


class TestTransform:
    def test_by_name_and_by_model(self) -> None:
        frame = torch.zeros(3, 120, 160, dtype=torch.uint8) + 90
        by_name = create_transform(ZOO)(frame)
        by_model = create_transform(create_model(ZOO))(frame)
        assert all(torch.equal(a, b) for a, b in zip(by_name, by_model, strict=True))
        assert by_name.global_view.shape == (3, 224, 224)

    def test_by_name_no_random_number_is_drawn(self) -> None:
        before = torch.get_rng_state()
        create_transform(ZOO)
        assert torch.equal(torch.get_rng_state(), before)

    def test_to_the_raw_frame(self) -> None:
        transform = create_transform(ZOO, views=False)
        assert isinstance(transform, FrameTransform)
        with pytest.raises(InvalidConfigError, match="views=True"):
            create_transform(ZOO, views=False, training=True)

    def test_training_draws(self) -> None:
        transform = create_transform(ZOO, training=True)
        frame = torch.randint(60, 256, (3, 200, 260), dtype=torch.uint8)
        assert torch.equal(transform(frame, index=1).boxes, transform(frame, index=1).boxes)
        assert not torch.equal(transform(frame, index=1).boxes, transform(frame, index=2).boxes)


def test_resolve_says_what_the_factory_builds() -> None:
    assert resolve(ZOO) == (model_info(ZOO), None)


def test_timms_registry_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    registered: list[object] = []
    monkeypatch.setattr("timm.models._registry.register_model", registered.append)
    monkeypatch.setattr("lag_zoo.timm_bridge.register_model", registered.append)
    create_model(SMALL, num_classes=2)
    assert not registered


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(InvalidConfigError, match="device 'foo': "):
        create_model("lag_mobilenetv3_small_050", num_classes=2, device="foo")
