"""Built without memory and given the file's pages: the same network as built the ordinary way, on every backbone."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import lag_zoo
from lag_zoo.catalogue.backbones import BACKBONES
from lag_zoo.nn import LAG
from lag_zoo.specs import LAGConfig
from lag_zoo.weights import assembly, read_weights
from lag_zoo.weights.assembly import assemble

LARGE = {"lag_vgg19_wli"}  # half a gigabyte
NAMES = [
    pytest.param(name, marks=pytest.mark.sweep if name in LARGE else ())
    for name in lag_zoo.list_models("*_wli")
]


def saved(model: nn.Module, path: Path) -> dict[str, torch.Tensor]:
    save_file({key: value.contiguous().clone() for key, value in model.state_dict().items()}, path)
    return read_weights(path).tensors


@pytest.mark.parametrize("name", NAMES)
def test_every_architecture_of_the_zoo(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = lag_zoo.create_model(name).eval()
    loaded, missing = assemble(model.config, saved(model, tmp_path / "a.safetensors"), source="a")
    assert missing == ()
    own = model.state_dict()
    assert all(torch.equal(value, own[key]) for key, value in loaded.state_dict().items())
    frames = torch.randint(60, 256, (1, 3, 240, 300), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(loaded.eval()(frames), model(frames), atol=1e-5, rtol=0)
    assert [p.requires_grad for p in loaded.parameters()] == [p.requires_grad for p in model.parameters()]


def test_the_zoo_s_backbones_are_all_among_them() -> None:
    tried = {lag_zoo.model_info(name).config.backbone for name in lag_zoo.list_models("*_wli")}
    assert tried == {row.pinned for row in BACKBONES.values()}


def test_half_precision_is_widened(tmp_path: Path) -> None:
    model = lag_zoo.create_model("lag_mobilenetv3_small_050", num_classes=2).half()
    loaded, _ = assemble(model.config, saved(model, tmp_path / "a.safetensors"), source="a")
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}


class Computes(nn.Module):
    """A backbone that computes a tensor when it is built, and cannot compute it again."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.table = torch.linspace(1, 2, 8)
        self.head_hidden_size = self.num_features = 8
        self.pretrained_cfg = {"architecture": "computes", "input_size": (3, 64, 64)}

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x)

    def forward_head(self, x: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        return x.mean((2, 3)) * self.table

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        pass


def test_what_is_computed_when_it_is_built_is_built_the_ordinary_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        LAG, "from_config", classmethod(lambda cls, config: cls(Computes(), num_classes=config.num_classes))
    )
    config = LAGConfig(backbone="computes", num_classes=2)
    model = LAG.from_config(config).eval()
    assert assembly._left_on_meta(model) is False
    loaded, _ = assemble(config, saved(model, tmp_path / "a.safetensors"), source="a")
    frames = torch.randint(60, 256, (1, 3, 100, 120), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(loaded.eval()(frames), model(frames), atol=1e-5, rtol=0)
