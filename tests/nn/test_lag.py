"""LAG: equal to the figure written plainly, and a good citizen of timm and torch."""

import copy
import pickle
import shutil
import typing
from dataclasses import fields

import pytest
import timm
import timm.optim
import torch
from torch import nn

import lag_zoo
from lag_zoo.errors import BackboneError, InvalidConfigError, InvalidImageError
from lag_zoo.nn import LAG, CropEnsemble
from lag_zoo.specs import ConfigFields, LAGConfig
from tests.plain_lag import plain_copy

SMALL = "mobilenetv3_small_050"


def frames(batch: int = 2, size: tuple[int, int] = (300, 400)) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(60, 256, (batch, 3, *size), generator=generator, dtype=torch.uint8)


def small(**arguments: object) -> LAG:
    torch.manual_seed(0)
    return LAG(SMALL, **{"num_classes": 3, "num_crops": 4, "crop_size": 32, **arguments}).eval()


def settle_batch_norms(model: LAG) -> None:
    """Statistics other than 0 and 1, so that a batch norm in the wrong place shows."""
    generator = torch.Generator().manual_seed(2)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)


@pytest.mark.parametrize("backbone", ["resnet18", SMALL])
@pytest.mark.parametrize("shared", [True, False])
def test_equals_the_figure_written_plainly(backbone: str, shared: bool) -> None:
    torch.manual_seed(0)
    model = LAG(backbone, num_classes=3, num_crops=5, shared_crops=shared).eval()
    settle_batch_norms(model)
    images = frames().float() / 255
    views = model.views(images)
    with torch.no_grad():
        ours, plain = model(views), plain_copy(model)(images, views.boxes)
    assert ours.std() > 1e-3
    torch.testing.assert_close(ours, plain, atol=1e-5, rtol=0)


@pytest.mark.parametrize("fusion", ["concat", "mean", "attention"])
class TestEveryFusion:
    def test_frames_list_and_views_agree(self, fusion: str) -> None:
        model, images = small(fusion=fusion), frames()
        logits = model(images)
        assert logits.shape == (2, 3)
        assert torch.equal(logits, model(list(images)))
        assert torch.equal(logits, model(model.views(images)))
        assert torch.equal(logits, model(images)), "two runs, two diagnoses"

    def test_unbatched_views_get_a_batch(self, fusion: str) -> None:
        model, images = small(fusion=fusion), frames(1)
        one = model.sampler()(images[0])
        assert one.global_view.ndim == 3
        assert torch.equal(model(one), model(images))

    @pytest.mark.slow
    def test_compiles_and_exports_from_views_on(self, fusion: str) -> None:
        model = small(fusion=fusion)
        views = model.views(frames())
        expected = model(views)
        compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(views), expected)
        exported = torch.export.export(model, (views,)).module()
        torch.testing.assert_close(exported(views), expected)

    def test_copies_and_pickles(self, fusion: str) -> None:
        model = small(fusion=fusion)
        images = frames()
        for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            assert torch.equal(twin(images), model(images))
            assert twin.config == model.config

    def test_every_parameter_learns(self, fusion: str) -> None:
        model = small(fusion=fusion).train()
        model(frames()).square().sum().backward()
        assert [n for n, p in model.named_parameters() if p.grad is None] == []


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a C++ compiler")
def test_compiled_it_takes_frames_of_any_size() -> None:
    torch.manual_seed(0)
    model = LAG("resnet10t", num_classes=3, global_size=64, num_crops=2, crop_size=32).eval()
    compiled = torch.compile(model)
    counts = torch._dynamo.utils.counters["stats"]
    counts.clear()
    with torch.no_grad():
        graphs = []
        for images in (frames(size=(300, 400)), frames(size=(350, 420))):
            torch.testing.assert_close(compiled(images), model(images), atol=1e-4, rtol=0)
            graphs.append(counts["unique_graphs"])
    assert graphs[0] == graphs[1] > 0, "the views are not compiled, and what follows them but once"


@pytest.mark.parametrize("training", [False, True])
def test_the_global_path_stands_in_the_mode_of_its_network(training: bool) -> None:
    model = small().train(training)
    assert model.without_crops().training is training
    assert not model.fuse().without_crops().training


def test_any_number_of_crops_where_the_fusion_allows() -> None:
    for fusion in ("mean", "attention"):
        model = small(fusion=fusion)
        views = model.views(frames())
        fewer = views._replace(crops=views.crops[:, :2], inside=views.inside[:, :2])
        assert model(fewer).shape == (2, 3)
    model = small()
    views = model.views(frames())
    with pytest.raises(InvalidImageError, match="built for 4 crops and got 2"):
        model(views._replace(crops=views.crops[:, :2]))


def test_weights_of_crops_exist_only_under_attention() -> None:
    for fusion in ("concat", "mean"):
        assert small(fusion=fusion).fused(frames()).weights is None
    model = small(fusion="attention")
    views = model.views(frames())
    inside = views.inside.clone()
    inside[0, 1:] = False
    weights = model.fused(views._replace(inside=inside)).weights
    torch.testing.assert_close(weights.sum(1), torch.ones(2))
    assert weights[0].tolist() == [1, 0, 0, 0]
    nowhere = model.fused(views._replace(inside=torch.zeros_like(inside))).weights
    assert nowhere.isfinite().all()


def test_batch_does_not_matter() -> None:
    model, images = small(), frames(3)
    together = model(images)
    alone = torch.cat([model(image[None]) for image in images])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_normalisation_happens_inside_and_once() -> None:
    model = small()
    images = frames()
    torch.testing.assert_close(model(images), model(images.float() / 255), atol=0.02, rtol=0)
    with pytest.raises(InvalidImageError, match="do not normalise"):
        model(images.float())
    assert model.pretrained_cfg["mean"] == (0, 0, 0)
    assert "pixel_mean" not in model.state_dict()


def test_sizes_differ_in_a_list() -> None:
    images = [frames(1, (200, 300))[0], frames(1, (400, 256))[0]]
    logits = small()(images)
    torch.testing.assert_close(logits[1:], small()(images[1][None]), atol=1e-5, rtol=0)


def test_half_precision_on_views() -> None:
    model = small().bfloat16()
    assert model(frames()).dtype == torch.bfloat16


class TestBackbones:
    def test_a_ready_module_is_taken_over(self) -> None:
        backbone = timm.create_model("resnet18", num_classes=7)
        model = LAG(backbone, CropEnsemble(num_crops=4, crop_size=32), num_classes=3)
        assert model.backbone is backbone
        assert isinstance(backbone.get_classifier(), nn.Identity)
        assert model.config.num_crops == 4
        assert model.config.backbone == "resnet18.a1_in1k"
        assert model(frames()).shape == (2, 3)

    @pytest.mark.parametrize("name", ["googlenet", "squeezenet1_1"])
    def test_torchvision_ones(self, name: str) -> None:
        model = LAG(name, num_classes=3, num_crops=2, crop_size=32)
        assert model.eval()(frames()).shape == (2, 3)
        model.train()(frames()).sum().backward()
        assert all(p.grad is not None for p in model.parameters())
        assert len(timm.optim.create_optimizer_v2(model, layer_decay=0.7).param_groups) > 4

    def test_torchvision_features_are_torchvisions(self) -> None:
        import torchvision

        from lag_zoo.nn.backbones import GoogLeNet, SqueezeNet

        x = torch.rand(2, 3, 224, 224)
        theirs = torchvision.models.googlenet(weights=None, aux_logits=False, init_weights=True).eval()
        ours = GoogLeNet().eval()
        ours.reset_classifier(1000)
        ours.load_state_dict(theirs.state_dict())
        torch.testing.assert_close(ours(x), theirs(x))
        theirs = torchvision.models.squeezenet1_1(weights=None).eval()
        ours = SqueezeNet().eval()
        ours.features.load_state_dict(theirs.features.state_dict())
        torch.testing.assert_close(ours.forward_features(x), theirs.features(x))

    def test_without_features_is_refused(self) -> None:
        with pytest.raises(BackboneError, match="lacks forward_features"):
            LAG(nn.Sequential(nn.Conv2d(3, 8, 3)), num_classes=2)
        with pytest.raises(BackboneError, match="lacks"):
            LAG(timm.create_model("resnet18", features_only=True), num_classes=2)

    def test_other_channels_are_refused(self) -> None:
        with pytest.raises(BackboneError, match="1 channels"):
            LAG(timm.create_model("resnet18", in_chans=1), num_classes=2)

    def test_unknown_name_has_near_matches(self) -> None:
        with pytest.raises(LookupError, match="resnet50"):
            LAG("resnet5O", num_classes=2)

    def test_unknown_argument_is_named(self) -> None:
        with pytest.raises(BackboneError, match="no_such"):
            LAG("resnet18", num_classes=2, backbone_args={"no_such": 1})

    def test_a_fixed_size_is_said(self) -> None:
        with pytest.raises(BackboneError, match="img_size"):
            LAG("vit_tiny_patch16_224", num_classes=2, global_size=192)
        model = LAG("vit_tiny_patch16_224", num_classes=2, global_size=192, backbone_args={"img_size": 192})
        assert model.eval()(frames()).shape == (2, 2)


class TestTimmConventions:
    def test_head(self) -> None:
        model = small(label_names=["normal", "GA", "IM"])
        features = model.forward_features(frames())
        assert features.shape == (2, model.num_features)
        hidden = model.forward_head(features, pre_logits=True)
        assert hidden.shape == (2, model.head_hidden_size)
        torch.testing.assert_close(model.get_classifier()(hidden), model(frames()))
        model.reset_classifier(2, label_names=["no", "yes"])
        assert model(frames()).shape == (2, 2)
        assert model.label_names == ("no", "yes")
        assert model.num_classes == model.pretrained_cfg["num_classes"] == 2
        model.reset_classifier(0)
        assert model(frames()).shape == (2, model.head_hidden_size)

    def test_layer_decay_orders_the_layers(self) -> None:
        model = small()
        optimizer = timm.optim.create_optimizer_v2(model, lr=1.0, layer_decay=0.5)
        scale = {id(p): group["lr_scale"] for group in optimizer.param_groups for p in group["params"]}
        names = dict(model.named_parameters())
        assert set(map(id, names.values())) == set(scale)
        assert scale[id(names["head.weight"])] == scale[id(names["crops.fc.weight"])] == 1
        assert scale[id(names["backbone.conv_stem.weight"])] == min(scale.values()) < 0.1

    @pytest.mark.parametrize("name", ["cait_xxs24_224", "inception_v3"])
    def test_layer_groups_that_are_a_function(self, name: str) -> None:
        with torch.device("meta"):
            plain = timm.create_model(name, num_classes=0)
            model = LAG(timm.create_model(name), num_classes=2)
        groups = timm.models.group_parameters(plain, plain.group_matcher(), reverse=True)
        ours = timm.models.group_parameters(model, model.group_matcher(), reverse=True)
        last = max(ours.values())
        assert {key: ours[f"backbone.{key}"] for key in groups} == groups
        assert last == ours["head.weight"] == ours["crops.fc.weight"] > max(groups.values())

    def test_a_new_head_has_no_operating_points(self) -> None:
        model = lag_zoo.create_model("lag_tf_efficientnet_lite0_polyp", pretrained=True)
        assert model.weight_spec is not None
        model.reset_classifier(3, label_names=["polyp", "ulcer", "normal"])
        assert model.weight_spec is None
        assert not lag_zoo.Predictor(model).operating_points

    def test_no_weight_decay_is_prefixed(self) -> None:
        model = LAG("vit_tiny_patch16_224", num_classes=2, num_crops=2)
        assert "backbone.pos_embed" in model.no_weight_decay()

    def test_checkpointing_gives_the_same_gradients(self) -> None:
        model = small().eval()  # dropout and batch statistics aside
        views = model.views(frames())
        grads = []
        for enable in (False, True):
            model.zero_grad()
            model.set_grad_checkpointing(enable)
            model(views).sum().backward()
            grads.append(model.backbone.conv_stem.weight.grad.clone())
        torch.testing.assert_close(*grads)


class TestConfiguration:
    def test_keywords_are_the_fields(self) -> None:
        fields_of_config = {f.name for f in fields(LAGConfig)} - {"backbone", "schema_version"}
        assert set(typing.get_type_hints(ConfigFields)) == fields_of_config

    def test_an_unknown_keyword_is_named(self) -> None:
        with pytest.raises(
            InvalidConfigError, match=r"LAG has no argument num_crop\. Did you mean num_crops"
        ):
            LAG("resnet18", num_classes=2, num_crop=4)  # type: ignore[call-arg]

    def test_rebuilds_itself(self) -> None:
        model = small(fusion="attention", label_names=["a", "b", "c"], mean=(0.4, 0.3, 0.2))
        twin = LAG.from_config(LAGConfig.from_json(model.config.to_json())).eval()
        twin.load_state_dict(model.state_dict())
        assert torch.equal(twin(frames()), model(frames()))

    def test_settles_what_was_open(self) -> None:
        config = LAG("tf_efficientnetv2_s", num_classes=2).config
        assert (config.global_size, config.mean) == (300, (0.5, 0.5, 0.5))

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            ({"num_classes": None}, "say what to classify"),
            ({"num_crops": -1}, "num_crops is a number from 0"),
            ({"num_crops": 2.5}, "num_crops"),
            ({"crop_size": 8}, "crop_size"),
            ({"fusion": "sum"}, "concat, mean, attention"),
            ({"policy": "centre"}, "sobol"),
            ({"task": "regression"}, "multiclass"),
            ({"label_names": ["a", "b"]}, "num_classes is 3, but label_names has 2"),
            ({"label_names": ["a", "a", "b"]}, "repeat"),
            ({"mean": (0.5,)}, "mean has 3 items"),
            ({"std": (0, 1, 1)}, "std"),
            ({"crop_widths": (16, 32)}, "crop_widths has 4 items"),
        ],
    )
    def test_refuses_what_cannot_be(self, arguments: dict[str, object], says: str) -> None:
        with pytest.raises(InvalidConfigError, match=says):
            small(**arguments)

    def test_crops_given_twice_and_differently(self) -> None:
        with pytest.raises(InvalidConfigError, match="contradicts"):
            LAG(SMALL, CropEnsemble(num_crops=4), num_classes=2, num_crops=6)
