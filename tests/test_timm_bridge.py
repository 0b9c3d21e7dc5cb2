"""timm's own ways with a model, tried on the names of the zoo: list, create, feed, train, change, load."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import timm.data
import timm.loss
import timm.optim
import timm.utils
import torch
from PIL import Image
from timm.models import _registry as timm_registry

import lag_zoo
from lag_zoo import registry, timm_bridge
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import (
    BackboneError,
    DuplicateModelError,
    InvalidConfigError,
    UnknownModelError,
    WeightsMismatchError,
    WeightsNotFoundError,
)
from lag_zoo.nn import LAG
from lag_zoo.specs import LAGConfig, ModelSpec, WeightSpec

BUILT_IN, TAGGED = "lag_tf_efficientnet_lite0_polyp", "lag_tf_efficientnet_lite0_polyp.kvasir_polypgen"
PLAIN = "lag_squeezenet1_1_wli"
SMALL = [BUILT_IN, PLAIN, "lag_fastvit_t8_lci", "lag_mobilenetv4_conv_small_wli"]
BACKBONE = "mobilenetv3_small_050"


@pytest.fixture(scope="module", autouse=True)
def _registered() -> None:
    timm_bridge.register_names(lag_zoo.create_model)


@pytest.fixture
def frames() -> torch.Tensor:
    return torch.stack([draw_frame((200, 240), seed=seed) for seed in range(2)])


@pytest.fixture
def passing_registry(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A copy of timm's registry: it offers no way to take a name out again."""
    for name, value in list(vars(timm_registry).items()):
        if isinstance(value, dict | set) and not name.startswith("__"):
            monkeypatch.setattr(timm_registry, name, copy.deepcopy(value))
    return monkeypatch


def plugin(name: str, **fields: Any) -> ModelSpec:
    return ModelSpec(name=name, config=LAGConfig(backbone=BACKBONE, num_classes=2), **fields)


def bits(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {key: tensor.clone() for key, tensor in model.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


class TestNames:
    def test_are_the_zoos(self) -> None:
        assert set(timm.list_models("lag_*")) == set(lag_zoo.list_models())
        assert set(timm.list_models(module="lag_zoo")) == set(lag_zoo.list_models())
        assert all(timm.is_model(name) for name in lag_zoo.list_models())

    def test_are_listed_apart_from_timms(self) -> None:
        own = {file.stem for file in (Path(timm.__file__).parent / "models").rglob("*.py")}
        assert not own & {timm_bridge.LISTING, timm_bridge.LISTING_OF_ANY}
        assert {timm_bridge.LISTING, timm_bridge.LISTING_OF_ANY} <= set(timm.list_modules())

    def test_with_weights_are_listed_with_their_tags(self) -> None:
        tagged = {
            f"{name}.{weights.tag}"
            for name in lag_zoo.list_models(pretrained=True)
            for weights in lag_zoo.model_info(name).weights
        }
        assert TAGGED in tagged
        assert set(timm.list_pretrained("lag*")) == tagged
        assert timm.is_model_pretrained(BUILT_IN)
        assert not timm.is_model_pretrained(PLAIN)

    def test_have_a_file_or_a_pinned_repository_where_weights_exist(self) -> None:
        file = timm.get_pretrained_cfg(TAGGED).file
        assert file is not None
        assert Path(file).is_file()
        commit = "0123456789" * 4
        weights = WeightSpec(
            tag="own",
            repo="someone/lag",
            revision=commit,
            files={"model.safetensors": "0" * 64},
            label_names=("a", "b"),
            modality="wli",
            global_size=96,
            mean=(0.5,) * 3,
            std=(0.5,) * 3,
            training_data=(),
            licence="CC0-1.0",
        )
        (cfg,) = timm_bridge._default_cfgs("lag_p", plugin("lag_p", weights=(weights,))).values()
        assert isinstance(cfg, dict)
        assert cfg["hf_hub_id"] == f"someone/lag@{commit}"
        assert (cfg["input_size"], cfg["license"]) == ((3, 96, 96), "CC0-1.0")

    def test_come_once_and_later_ones_are_added(self, passing_registry: pytest.MonkeyPatch) -> None:
        before = {name: timm.model_entrypoint(name) for name in lag_zoo.list_models()}
        late = plugin("lag_late")
        passing_registry.setitem(registry._registry, late.name, late)
        timm_bridge.register_names(lag_zoo.create_model)
        assert timm.is_model(late.name)
        assert timm.create_model(late.name).num_classes == 2
        assert {name: timm.model_entrypoint(name) for name in before} == before

    def test_of_timms_are_not_overwritten(self, passing_registry: pytest.MonkeyPatch) -> None:
        before = timm.model_entrypoint("resnet18")
        for spec in (plugin("resnet18"), plugin("lag_another")):
            passing_registry.setitem(registry._registry, spec.name, spec)
        with pytest.raises(DuplicateModelError, match="resnet18"):
            timm_bridge.register_names(lag_zoo.create_model)
        assert timm.model_entrypoint("resnet18") is before
        assert not timm.is_model("lag_another")

    @pytest.mark.parametrize("name", lag_zoo.list_models())
    def test_are_described_as_the_built_model_describes_itself(self, name: str) -> None:
        with torch.device("meta"):
            built = lag_zoo.create_model(name).pretrained_cfg
        known = timm.get_pretrained_cfg(name)
        assert known is not None
        assert known.architecture == name
        assert {key: getattr(known, key) for key in built if key != "architecture"} == {
            key: value for key, value in built.items() if key != "architecture"
        }


@pytest.mark.parametrize("name", SMALL)
class TestAsTimmTestsItsOwn:
    def test_forward(self, name: str, frames: torch.Tensor) -> None:
        model = timm.create_model(name).eval()
        with torch.inference_mode():
            logits = model(frames)
            features = model.forward_features(frames)
            again, seen = model.forward_head(features), model.forward_head(features, pre_logits=True)
        assert logits.shape == (2, len(model.label_names))
        assert not logits.isnan().any()
        assert (features.shape[0], features.shape[-1]) == (2, model.num_features)
        assert torch.equal(again, logits)
        assert (seen.shape[0], seen.shape[-1]) == (2, model.head_hidden_size)

    def test_backward(self, name: str, frames: torch.Tensor) -> None:
        model = timm.create_model(name, num_classes=7).train()
        model(frames).mean().backward()
        assert [key for key, p in model.named_parameters() if p.grad is None] == []
        assert not any(p.grad.isnan().any() for p in model.parameters() if p.grad is not None)

    def test_default_cfg(self, name: str, frames: torch.Tensor) -> None:
        model = timm.create_model(name).eval()
        data = timm.data.resolve_model_data_config(model)
        assert (data["mean"], data["std"]) == ((0.0,) * 3, (1.0,) * 3)
        assert data["input_size"] == model.default_cfg["input_size"]
        transform = timm.data.create_transform(**data, is_training=False)
        pixels = transform(picture())
        assert pixels.shape == data["input_size"]
        assert 0 <= pixels.min() <= pixels.max() <= 1
        layer = model.get_submodule(model.default_cfg["classifier"])
        assert layer is model.get_classifier()
        assert layer.out_features == model.default_cfg["num_classes"]

    def test_reset_classifier(self, name: str, frames: torch.Tensor) -> None:
        model = timm.create_model(name).eval()
        model.reset_classifier(5)
        assert model(frames).shape == (2, 5)
        model.reset_classifier(0)
        assert model(frames).shape == (2, model.head_hidden_size)
        assert timm.create_model(name, num_classes=0).eval()(frames).shape == (2, model.head_hidden_size)

    def test_exports(self, name: str, frames: torch.Tensor) -> None:
        """From the views on: how many crops fit into a frame is for its pixels to say."""
        model = timm.create_model(name).eval()
        views = model.views(frames)
        exported = torch.export.export(model, (views,)).module()
        torch.testing.assert_close(exported(views), model(views))

    # timm's data set leaves the files that it reads to the garbage collector.
    @pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
    def test_trains_and_validates_in_timms_loops(self, name: str, tmp_path: Path) -> None:
        """What `train.py` and `validate.py` of timm do, with timm's own parts."""
        for label, seed in (("IM", 0), ("normal", 1)):
            (tmp_path / label).mkdir()
            for number in range(2):
                frame = draw_frame((200, 240), seed=seed + 2 * number).permute(1, 2, 0)
                Image.fromarray(frame.numpy()).save(tmp_path / label / f"{number}.png")
        torch.manual_seed(0)
        model = timm.create_model(name, num_classes=2)
        data = timm.data.resolve_model_data_config(model)
        sets = timm.data.create_dataset("", str(tmp_path))
        loader, evaluation = (
            timm.data.create_loader(
                sets,
                batch_size=2,
                use_prefetcher=False,
                is_training=training,
                num_workers=0,
                **{key: data[key] for key in ("input_size", "interpolation", "mean", "std")},
            )
            for training in (True, False)
        )
        optimizer = timm.optim.create_optimizer_v2(model, opt="adamw", lr=1e-3)
        average = timm.utils.ModelEmaV3(model, decay=0.5)
        before = bits(model)
        for images, labels in loader:
            loss = timm.loss.LabelSmoothingCrossEntropy()(model.train()(images), labels)
            optimizer.zero_grad()
            loss.backward()
            timm.utils.dispatch_clip_grad(model.parameters(), 1.0)
            optimizer.step()
            average.update(model)
        assert not same(bits(model), before)
        seen = timm.utils.AverageMeter()
        with torch.inference_mode():
            for images, labels in evaluation:
                logits = average.module.eval()(images)
                seen.update(timm.utils.accuracy(logits, labels)[0].item(), len(labels))
        assert seen.count == 4
        assert 0 <= seen.avg <= 100

    def test_trains_with_layer_decay(self, name: str, frames: torch.Tensor) -> None:
        torch.manual_seed(0)
        model = timm.create_model(name, num_classes=2).train()
        optimizer = timm.optim.create_optimizer_v2(model, opt="adamw", lr=1e-3, layer_decay=0.75)
        scales = {group["lr_scale"] for group in optimizer.param_groups}
        assert len(scales) > 2
        assert sum(len(g["params"]) for g in optimizer.param_groups) == len(list(model.parameters()))
        before = bits(model)
        torch.nn.functional.cross_entropy(model(frames), torch.tensor([0, 1])).backward()
        optimizer.step()
        assert [k for k, p in model.named_parameters() if torch.equal(p, before[k]) and p.grad.any()] == []


def picture() -> Image.Image:
    return Image.fromarray(draw_frame((200, 240)).permute(1, 2, 0).numpy())


class TestCreate:
    @pytest.mark.parametrize("name", [BUILT_IN, TAGGED])
    def test_gives_the_weights_that_lag_zoo_gives(self, name: str) -> None:
        model = timm.create_model(name, pretrained=True)
        assert isinstance(model, LAG)
        assert model.load_report is not None
        assert same(bits(model), bits(lag_zoo.create_model(name, pretrained=True)))

    def test_without_weights_says_so(self) -> None:
        with pytest.raises(WeightsNotFoundError, match=PLAIN):
            timm.create_model(PLAIN, pretrained=True)

    def test_an_unknown_tag_is_refused(self) -> None:
        with pytest.raises(UnknownModelError, match="kvasir_polypgen"):
            timm.create_model(f"{BUILT_IN}.kvasir", pretrained=True)

    def test_other_classes_mean_a_new_head(self) -> None:
        model = timm.create_model(BUILT_IN, pretrained=True, num_classes=5)
        assert model.num_classes == 5
        assert model.load_report.replaced_labels == ("mucosa", "polyp")

    def test_takes_the_fields_and_what_changes_nothing(self) -> None:
        scripts = {"in_chans": 3, "drop_rate": 0.0, "drop_path_rate": None, "scriptable": False}
        model = timm.create_model(PLAIN, num_crops=4, policy="grid", **scripts)
        assert (model.config.num_crops, model.config.policy) == (4, "grid")

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"in_chans": 1}, "in_chans=1.*in_chans=3"),
            ({"drop_rate": 0.1}, "drop_rate=0.1.*backbone_args"),
            ({"img_size": 256}, "img_size=256.*global_size"),
            ({"global_pool": "avg"}, "global_pool='avg'"),
            ({"num_crop": 4}, "num_crop=4.*num_crops"),
            ({"backbone": "resnet18"}, "only lag takes a backbone"),
            ({"out_indices": (1,)}, "features_only=True"),
            ({"pretrained_cfg_overlay": {"file": "mine.pth"}}, "checkpoint_path"),
            ({"pretrained_cfg": {"url": "https://example.org/x.pth"}}, "checkpoint_path"),
        ],
    )
    def test_refuses_what_means_nothing_to_it(self, given: dict[str, Any], said: str) -> None:
        with pytest.raises(InvalidConfigError, match=said):
            timm.create_model(PLAIN, **given)

    def test_loads_a_checkpoint(self, tmp_path: Path) -> None:
        trained = timm.create_model(PLAIN)
        torch.save({"state_dict": trained.state_dict()}, tmp_path / "last.pth")
        assert same(bits(timm.create_model(PLAIN, checkpoint_path=str(tmp_path / "last.pth"))), bits(trained))

    @pytest.mark.skipif(not hasattr(timm.models, "resolve_model_input_args"), reason="a newer timm's")
    @pytest.mark.parametrize("name", [BUILT_IN, TAGGED, "lag"])
    def test_as_timms_scripts_do(self, name: str) -> None:
        from timm.models import resolve_model_input_args

        more = {"backbone": BACKBONE, "num_classes": 2} if name == "lag" else {}
        arguments = resolve_model_input_args(name, {"in_chans": 3}, **more)
        assert isinstance(arguments["pretrained_cfg"], dict)
        model = timm.create_model(**arguments, pretrained=name != "lag", drop_rate=0.0)
        assert (model.load_report is None) == (name == "lag")


class TestFeatures:
    def test_are_the_backbones_own(self, frames: torch.Tensor) -> None:
        features = timm.create_model(BUILT_IN, pretrained=True, features_only=True).eval()
        own = timm.create_model("tf_efficientnet_lite0", features_only=True)
        assert features.feature_info.channels() == own.feature_info.channels()
        assert features.feature_info.reduction() == own.feature_info.reduction()
        model = lag_zoo.create_model(BUILT_IN, pretrained=True).eval()
        pixels = torch.nn.functional.pad(frames, (0, 16, 0, 24))  # 224 x 256: each level divides evenly
        with torch.inference_mode():
            maps = features(pixels)
            normalised = (pixels / 255 - model.pixel_mean) / model.pixel_std
            stem = model.backbone.bn1(model.backbone.conv_stem(normalised))
            last = model.backbone.blocks(stem)
            of_floats = features(pixels / 255)
        for one, again, channels, reduction in zip(
            maps, of_floats, features.feature_info.channels(), features.feature_info.reduction(), strict=True
        ):
            assert one.shape == (2, channels, 224 // reduction, 256 // reduction)
            assert torch.equal(one, again)
        assert torch.allclose(maps[-1], last, atol=1e-5)

    def test_say_that_pixels_are_raw(self) -> None:
        data = timm.data.resolve_model_data_config(timm.create_model(BUILT_IN, features_only=True))
        assert (data["mean"], data["std"], data["input_size"]) == ((0.0,) * 3, (1.0,) * 3, (3, 192, 192))

    def test_can_be_chosen(self) -> None:
        assert timm.create_model(
            BUILT_IN, features_only=True, out_indices=(1, 3)
        ).feature_info.channels() == [
            24,
            112,
        ]
        with pytest.raises(BackboneError, match="5 maps"):
            timm.create_model(BUILT_IN, features_only=True, out_indices=(7,))

    def test_of_a_transformer_are_those_that_timm_gives(self) -> None:
        own = timm.create_model("vit_small_patch16_224", features_only=True).feature_info
        features = timm.create_model("lag_vit_small_patch16_224_wli", features_only=True).feature_info
        assert (features.channels(), features.reduction()) == (own.channels(), own.reduction())

    def test_of_a_backbone_without_any_are_a_named_error(self) -> None:
        with pytest.raises(BackboneError, match="SqueezeNet gives no feature maps"):
            timm.create_model(PLAIN, features_only=True)


class TestAnyNetwork:
    def test_goes_by_its_backbone(self) -> None:
        model = timm.create_model("lag", backbone=BACKBONE, label_names=["normal", "IM"])
        assert (model.config.backbone, model.label_names) == (BACKBONE, ("normal", "IM"))

    def test_needs_one(self) -> None:
        with pytest.raises(InvalidConfigError, match="it needs one unless a repository"):
            timm.create_model("lag", num_classes=2)

    def test_timm_knows_no_architecture_outside_the_zoo(self) -> None:
        with pytest.raises(RuntimeError, match=f"Unknown model \\(lag_{BACKBONE}\\)"):
            timm.create_model(f"lag_{BACKBONE}")


class TestRepositories:
    @pytest.fixture
    def trained(self) -> LAG:
        torch.manual_seed(0)
        names = ["normal", "GA", "IM", "other"]
        return LAG(BACKBONE, label_names=names, num_crops=4, crop_size=32, global_size=64).eval()

    @pytest.fixture
    def saved(self, trained: LAG, tmp_path: Path) -> Callable[[str], Path]:
        def save(architecture: str) -> Path:
            folder = lag_zoo.save_pretrained(trained, tmp_path / "saved")
            config = json.loads((folder / "config.json").read_text())
            (folder / "config.json").write_text(json.dumps({**config, "architecture": architecture}))
            return folder

        return save

    def test_load_from_a_folder(self, trained: LAG, saved: Callable[[str], Path]) -> None:
        folder = saved("lag")
        model = timm.create_model(f"local-dir:{folder}", pretrained=True)
        assert model.config == trained.config
        assert same(bits(model), bits(trained))
        untrained = timm.create_model(f"local-dir:{folder}")  # as timm has it: only the network
        assert untrained.config == trained.config
        assert not same(bits(untrained), bits(trained))
        assert timm.create_model(f"local-dir:{folder}", pretrained=True, num_classes=2).num_classes == 2

    def test_of_another_architecture_than_they_say_are_refused(self, saved: Callable[[str], Path]) -> None:
        with pytest.raises(WeightsMismatchError, match="lag_resnet50_lci is on resnet50"):
            timm.create_model(f"local-dir:{saved('lag_resnet50_lci')}", pretrained=True)

    @pytest.mark.parametrize("place", ["hf-hub:someone/lag@abc", "local-dir:{}"])
    def test_are_lag_zoos_to_load(
        self, passing_registry: pytest.MonkeyPatch, tmp_path: Path, place: str
    ) -> None:
        """timm reads `config.json`, and hands the repository over, revision and all."""
        calls: list[tuple[str, dict[str, Any]]] = []

        def build(name: str, **arguments: Any) -> LAG:
            calls.append((name, arguments))
            return LAG(BACKBONE, num_classes=3)

        passing_registry.setitem(registry._registry, "lag_fake", plugin("lag_fake"))
        timm_bridge.register_names(build)
        config = {"architecture": "lag_fake", "num_classes": 3, "pretrained_cfg": {"mean": [0, 0, 0]}}
        (tmp_path / "config.json").write_text(json.dumps({**config, "lag_zoo": {"anything": 1}}))
        passing_registry.setattr(
            "timm.models._hub.download_from_hf", lambda *_, **__: tmp_path / "config.json"
        )
        place = place.format(tmp_path)
        timm.create_model(place, pretrained=True, cache_dir="elsewhere", policy="grid")
        assert calls == [(place, {"pretrained": True, "policy": "grid", "cache_dir": "elsewhere"})]
