"""A backbone's own weights: the whole of it arrives, or nothing does."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

import lag_zoo
from lag_zoo.errors import InvalidConfigError, WeightsMismatchError, WeightsNotFoundError
from tests.hub_server import HubServer

NAME, BACKBONE = "lag_mobilenetv3_small_050", "mobilenetv3_small_050"


def published(name: str = BACKBONE, **options: object) -> dict[str, torch.Tensor]:
    """What its authors publish: the whole classifier."""
    torch.manual_seed(5)
    return dict(timm.create_model(name, **options).state_dict())


def create(**options: object) -> lag_zoo.LAG:
    return lag_zoo.create_model(NAME, num_classes=2, **options)  # type: ignore[arg-type]


def arrived(model: lag_zoo.LAG, weights: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, weights[key]) for key, value in model.backbone.state_dict().items())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    save_file(published(), tmp_path / "a.safetensors")
    return tmp_path / "a.safetensors"


def test_from_a_file(file: Path) -> None:
    model = create(backbone_weights=file)
    assert arrived(model, published())
    assert model.load_report is not None
    assert set(model.load_report.unexpected) == {"classifier.weight", "classifier.bias"}
    assert model.load_report.missing == ()


def test_under_a_prefix(tmp_path: Path) -> None:
    weights = {f"teacher.backbone.{key}": value for key, value in published().items()}
    save_file({**weights, "dino.head": torch.ones(2)}, tmp_path / "a.safetensors")
    for prefix in ("teacher.backbone.", {"teacher.backbone.": ""}):
        assert arrived(
            create(backbone_weights=tmp_path / "a.safetensors", backbone_prefix=prefix), published()
        )
    with pytest.raises(WeightsMismatchError, match=r"try backbone_prefix='teacher\.backbone\.'"):
        create(backbone_weights=tmp_path / "a.safetensors")
    with pytest.raises(WeightsMismatchError, match="no key that begins with 'student'"):
        create(backbone_weights=tmp_path / "a.safetensors", backbone_prefix="student")


def test_a_missing_stage_is_an_error(tmp_path: Path) -> None:
    weights = {key: value for key, value in published().items() if not key.startswith("blocks.3")}
    save_file(weights, tmp_path / "a.safetensors")
    with pytest.raises(WeightsMismatchError, match=r"missing: blocks\.3"):
        create(backbone_weights=tmp_path / "a.safetensors")


def test_transposed_and_foreign_weights_are_errors(tmp_path: Path) -> None:
    weights = published()
    weights["conv_head.weight"] = weights["conv_head.weight"].transpose(0, 1).contiguous()
    save_file(weights, tmp_path / "a.safetensors")
    with pytest.raises(WeightsMismatchError, match=r"shape: conv_head\.weight"):
        create(backbone_weights=tmp_path / "a.safetensors")
    save_file(published("resnet10t"), tmp_path / "b.safetensors")
    with pytest.raises(WeightsMismatchError, match="another network"):
        create(backbone_weights=tmp_path / "b.safetensors")


def test_position_embeddings_are_resized(tmp_path: Path) -> None:
    name = "vit_tiny_patch16_224"
    save_file(published(name), tmp_path / "a.safetensors")
    model = lag_zoo.create_model(
        f"lag_{name}",
        num_classes=2,
        global_size=96,
        backbone_args={"img_size": 96},
        backbone_weights=tmp_path / "a.safetensors",
    )
    assert model.load_report is not None
    assert model.load_report.resized == ("pos_embed",)
    assert model.backbone.pos_embed.shape[1] == 1 + 36


def test_from_the_hub(hub: HubServer, file: Path) -> None:
    card = b"---\nlicense: cc-by-nc-nd-4.0\n---\nEndoscopy backbone\n"
    hub.add("lab/endo", {"model.safetensors": file, "other.safetensors": file, "README.md": card})
    for given in ("hf-hub:lab/endo", "hf-hub:lab/endo:other.safetensors"):
        model = create(backbone_weights=given)
        assert arrived(model, published())
        assert model.load_report is not None
        assert model.load_report.licences == ("cc-by-nc-nd-4.0",)
        assert model.load_report.revision is not None


def test_the_licence_of_a_backbone_forbids_publishing(hub: HubServer, file: Path) -> None:
    hub.add("lab/endo", {"model.safetensors": file, "README.md": b"---\nlicense: cc-by-nc-nd-4.0\n---\n"})
    about = lag_zoo.About(
        training_data=(lag_zoo.DatasetRef("x"),), licence="MIT", intended_use="x", limits=("x",)
    )
    model = lag_zoo.create_model(NAME, label_names=["a", "b"], backbone_weights="hf-hub:lab/endo")
    with pytest.raises(InvalidConfigError, match=r"cc-by-nc-nd-4\.0, which forbids derivatives"):
        lag_zoo.push_to_hub(model, "me/mine", about=about)
    assert "me/mine" not in hub.repositories


def test_timm_s_own(hub: HubServer, file: Path) -> None:
    hub.add("timm/mobilenetv3_small_050.lamb_in1k", {"model.safetensors": file})
    model = create(pretrained="backbone")
    assert arrived(model, published())
    assert model.load_report is not None
    assert model.load_report.licences == ("apache-2.0",)
    assert model.load_report.source == "hf-hub:timm/mobilenetv3_small_050.lamb_in1k"
    assert model.num_classes == 2


def test_torchvision_s_have_none() -> None:
    with pytest.raises(WeightsNotFoundError, match="squeezenet1_1 is torchvision's"):
        lag_zoo.create_model("lag_squeezenet1_1_wli", pretrained="backbone")


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfigError, match="lag-zoo convert"):
        create(backbone_weights=tmp_path / "a.pth")
    with pytest.raises(WeightsNotFoundError):
        create(backbone_weights=tmp_path / "a.safetensors")
    with pytest.raises(InvalidConfigError, match="pretrained=False"):
        create(backbone_weights=tmp_path / "a.safetensors", pretrained=True)
