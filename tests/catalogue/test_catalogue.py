"""The catalogue's facts, each recomputed from the network, from timm and from the paper's file."""

import dataclasses
import json
from pathlib import Path
from typing import get_args

import pytest
import timm
import torch
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lag_zoo.catalogue import CATALOGUE, GASTRIC, POLYP, gastric, polyp, size
from lag_zoo.catalogue.backbones import BACKBONES, Backbone
from lag_zoo.catalogue.reported import ReportedResults, reported_results
from lag_zoo.catalogue.size import count_crop_macs, count_params
from lag_zoo.errors import InvalidConfigError
from lag_zoo.nn import LAG
from lag_zoo.nn.fusion import FUSIONS
from lag_zoo.specs import TORCHVISION_BACKBONES, DatasetRef, Domain, Fusion, LAGConfig, ModelSpec, WeightSpec
from tools import backbone


def on_meta(config: LAGConfig) -> LAG:
    with torch.device("meta"):
        return LAG.from_config(config).eval()


def params(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@torch.no_grad()
def crop_macs(model: LAG) -> int:
    """Multiply-accumulates of the crop branch on all crops of one image."""
    if model.crops is None:
        return 0
    crop = model.config.crop_size
    with FlopCounterMode(display=False) as crops:
        model.crops(torch.zeros(1, model.config.num_crops, 3, crop, crop, device="meta"))
    return crops.get_total_flops() // 2


def test_every_backbone_stands_in_both_lights() -> None:
    names = [spec.name for spec in GASTRIC]
    assert sorted(names) == sorted(f"lag_{name}_{domain}" for name in BACKBONES for domain in ("wli", "lci"))
    assert {spec.domain for spec in CATALOGUE} == set(get_args(Domain))


def test_names_are_unique() -> None:
    names = [spec.name for spec in CATALOGUE]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", BACKBONES)
def test_a_row_is_what_the_command_prints(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    row = BACKBONES[name]
    backbone.main([row.pinned, *(f"{key}={value}" for key, value in row.arguments.items())])
    printed = capsys.readouterr().out
    assert eval(printed, {"Backbone": Backbone}) == (row,), f"to mend, put this into the table: {printed}"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["resnet5"], "UnknownModelError: unknown model 'resnet5'.*resnet50"),
        (["resnet50.a1_in1k", "img_size=224"], "BackboneError: timm cannot build"),
        (["test_resnet.untrained"], "UnknownModelError"),
    ],
)
def test_the_command_names_what_is_wrong(given: list[str], says: str) -> None:
    with pytest.raises(SystemExit, match=says):
        backbone.main(given)


@pytest.mark.parametrize("spec", GASTRIC, ids=lambda s: s.name)
def test_gastric_entries_state_labels_and_have_no_weights(spec: ModelSpec) -> None:
    assert spec.label_names == gastric.LABELS
    assert spec.config.task == "multiclass"
    assert spec.modality == spec.domain == spec.name.rpartition("_")[2]
    assert spec.weights_state == "none yet"
    assert spec.measured_results == ()


@pytest.mark.parametrize("spec", [*GASTRIC[::2], POLYP], ids=lambda s: s.name)
def test_sizes_are_what_torch_counts(spec: ModelSpec) -> None:
    model = on_meta(spec.config)
    assert spec.params == params(model)
    side = spec.config.global_size
    assert side is not None
    assert (spec.backbone_macs, spec.crop_macs) == (
        backbone.count_macs(model.backbone, side),
        crop_macs(model),
    )


def test_both_lights_have_one_network() -> None:
    for wli, lci in zip(GASTRIC[::2], GASTRIC[1::2], strict=True):
        assert wli.config == lci.config
        assert (wli.params, wli.backbone_macs, wli.crop_macs) == (
            lci.params,
            lci.backbone_macs,
            lci.crop_macs,
        )


@pytest.mark.parametrize("name", BACKBONES)
def test_pixels_are_those_of_the_published_weights(name: str) -> None:
    row = BACKBONES[name]
    config = on_meta(LAGConfig(backbone=row.pinned, num_classes=3, backbone_args=row.arguments)).config
    assert config.global_size == row.input_size
    if name not in TORCHVISION_BACKBONES:
        published = timm.get_pretrained_cfg(row.pinned, allow_unregistered=False)
        assert published is not None
        assert (config.mean, config.std) == (published.mean, published.std)


def test_googlenet_s_weights_want_what_torchvision_feeds_them() -> None:
    """torchvision's pretrained GoogLeNet takes ImageNet-normalised pixels and brings them to -1..1 by itself."""
    pixels = torch.rand(1, 3, 8, 8)
    config = LAG("googlenet", num_classes=2).config

    def normalised(mean: object, std: object) -> torch.Tensor:
        return (pixels - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)

    theirs = torchvision.models.GoogLeNet(transform_input=True, init_weights=False)
    imagenet = torchvision.models.GoogLeNet_Weights.DEFAULT.transforms()
    expected = theirs._transform_input(normalised(imagenet.mean, imagenet.std))
    torch.testing.assert_close(normalised(config.mean, config.std), expected)


@pytest.mark.parametrize("name", BACKBONES)
def test_a_pinned_name_holds_a_tag(name: str) -> None:
    pinned = BACKBONES[name].pinned
    assert ("." in pinned) != (pinned in TORCHVISION_BACKBONES)
    assert pinned.partition(".")[0] == name


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"fusion": "mean"},
        {"fusion": "attention", "crop_embed_dim": 24},
        {"shared_crops": False, "num_crops": 3},
        {"num_crops": 0},
        {"num_crops": 0, "shared_crops": False, "fusion": "attention"},
        {"crop_widths": (8, 12, 20, 28), "crop_size": 97, "crop_se_ratio": 0.01},
        {"num_classes": 0, "global_dim": 32, "hidden_dim": 48},
    ],
)
def test_the_arithmetic_holds_for_any_configuration(fields: dict[str, object]) -> None:
    row = BACKBONES["mobilenetv3_small_100"]
    config = LAGConfig(**{"backbone": row.pinned, "num_classes": 3, **fields})  # type: ignore[arg-type]
    model = on_meta(config)
    assert count_params(config, backbone_params=row.params, backbone_features=row.features) == params(model)
    assert count_crop_macs(config) == crop_macs(model)


def test_each_fusion_has_a_size_and_a_network() -> None:
    assert set(get_args(Fusion)) == set(size._FUSIONS) == set(FUSIONS)


@pytest.mark.parametrize("side", polyp._BACKBONE_MACS)
def test_the_polyp_model_s_backbone_at_each_size(side: int) -> None:
    config = dataclasses.replace(POLYP.config, global_size=side)
    assert polyp._BACKBONE_MACS[side] == backbone.count_macs(on_meta(config).backbone, side)


def test_what_the_training_run_leaves_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half = (0.5, 0.5, 0.5)
    weights = WeightSpec(
        tag="base", files={"a.safetensors": "0" * 64}, label_names=polyp.LABELS, modality="wli", global_size=160,
        mean=half, std=half, training_data=(DatasetRef("drawn"),), licence="Apache-2.0",
    )  # fmt: skip
    config = dataclasses.replace(POLYP.config, global_size=160, fusion="attention")
    file = tmp_path / "trained.json"
    file.write_text(polyp.Trained(config=config, weights=weights).to_json())
    monkeypatch.setattr(polyp, "_TRAINED", file)
    spec = polyp._declared()
    assert (spec.config, spec.weights, spec.weights_state) == (config, (weights,), "built in")
    assert spec.params == params(on_meta(config))
    file.write_text(weights.to_json())
    with pytest.raises(InvalidConfigError, match="Trained: unknown fields"):
        polyp._declared()


def test_the_polyp_model() -> None:
    assert POLYP.label_names == ("mucosa", "polyp")
    assert str(POLYP.config.backbone).partition(".")[0] == "tf_efficientnet_lite0"
    for weights in POLYP.weights:
        assert weights.label_names == POLYP.label_names
        assert (weights.global_size, weights.task) == (POLYP.config.global_size, POLYP.config.task)
        assert weights.results, "weights without a measurement"


class TestReportedResults:
    def test_are_the_paper_s(self, shared: Path) -> None:
        paper = json.loads((shared / "reference" / "paper_results.json").read_text())
        reported = reported_results()
        assert reported.source == paper["source"]
        assert reported.unit == paper["unit"]
        assert list(reported.caveats) == paper["caveats"]
        assert reported.dual_transfer_note in paper["dual_transfer"]["note"]

        def numbers(row: object) -> list[float]:
            return [getattr(row, column) for column in paper["columns"]]

        expected = {
            (task, modality, model): values
            for task, modalities in paper["tables"].items()
            for modality, models in modalities.items()
            for model, values in models.items()
        }
        assert {(r.task, r.modality, r.model): numbers(r) for r in reported.rows} == expected
        assert len(reported.rows) == len(expected)
        for row in reported.dual_transfer:
            assert numbers(row) == paper["dual_transfer"][row.task]

    def test_are_percent_and_frozen(self) -> None:
        reported = reported_results()
        for row in (*reported.rows, *reported.dual_transfer):
            assert all(
                50 < getattr(row, m) <= 100 for m in ("accuracy", "sensitivity", "specificity", "ppv", "npv")
            )
        with pytest.raises(AttributeError):
            reported.rows[0].accuracy = 100.0  # type: ignore[misc]
        assert ReportedResults.from_json(reported.to_json()) == reported

    def test_belong_to_no_entry(self) -> None:
        assert not {row.model for row in reported_results().rows} & {spec.name for spec in CATALOGUE}
        assert "not measured" in (reported_results.__doc__ or "")
