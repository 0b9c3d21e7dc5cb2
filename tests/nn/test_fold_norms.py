"""`LAG.fuse`: the same answers with the norms folded away, on every kind of backbone; and what is no pair stays."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import lag_zoo
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import InvalidConfigError
from lag_zoo.nn.fast.fold_norms import fold_norms

ZOO = (
    "resnet50", "googlenet", "densenet121", "efficientnet_b0", "mobilenetv2_100", "squeezenet1_1", "seresnet50",
    "mobilenetv3_small_100", "mobilenetv4_conv_small", "convnext_tiny", "tf_efficientnetv2_s", "vit_small_patch16_224",
    "fastvit_t8", "regnetx_002", "ghostnet_100", "dla34", "hrnet_w18_small", "cspresnet50", "repvgg_a0", "xception41",
    "inception_v4", "nfnet_l0",
)  # fmt: skip


def shaken(network: nn.Module, x: Tensor) -> None:
    """Gives every norm a scale and a shift that are not those of a new one, and the statistics of these pixels."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and module.weight is not None:
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.bias.data.uniform_(-0.3, 0.3, generator=generator)
            module.momentum = 1.0
    with torch.no_grad():
        network.train()(x)
    network.eval()


def norms(network: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def built(name: str) -> lag_zoo.LAG:
    """A network on small views: which norms can be folded has nothing to do with their size."""
    arguments = {"img_size": 96} if name.startswith("vit") else {}
    return lag_zoo.LAG(name, num_classes=3, num_crops=2, global_size=96, backbone_args=arguments).eval()


@pytest.mark.parametrize("name", ZOO)
def test_the_same_answers(name: str) -> None:
    torch.manual_seed(0)
    model = built(name)
    frames = torch.stack([draw_frame((160, 200), seed=seed) for seed in range(4)])
    shaken(model, frames)
    model.double()  # where rounding is out of the way
    views = model.views(frames)
    fused = model.fuse()
    with torch.inference_mode():
        assert (model(views) - fused(views)).abs().max() <= 1e-9
    assert norms(model) > 0, "the network itself keeps its norms"
    assert norms(fused.crops) == 0
    assert not fused.training


@pytest.mark.parametrize(
    "name", ["resnet50", "mobilenetv3_small_100", "efficientnet_b0", "googlenet", "seresnet50"]
)
def test_nothing_is_left_to_fold(name: str) -> None:
    model = built(name)
    frames = torch.stack([draw_frame((160, 200), seed=seed) for seed in range(4)])
    shaken(model, frames)
    fused = model.fuse()
    assert norms(fused) == 0
    with torch.inference_mode():
        assert torch.allclose(model(frames), fused(frames), atol=1e-5)


def test_the_built_in_weights() -> None:
    model = lag_zoo.create_model("lag_tf_efficientnet_lite0_polyp", pretrained=True).eval()
    with torch.inference_mode():
        frames = draw_frame((300, 360))[None]
        assert torch.allclose(model(frames), model.fuse()(frames), atol=1e-5)


def test_weights_of_each_crop_s_own() -> None:
    model = lag_zoo.LAG("mobilenetv3_small_050", num_classes=3, shared_crops=False, num_crops=4).eval()
    frames = torch.stack([draw_frame((300, 360), seed=seed) for seed in range(2)])
    shaken(model, frames)
    with torch.inference_mode():
        assert torch.allclose(model(frames), model.fuse()(frames), atol=1e-5)


def test_it_cannot_be_saved(tmp_path: Path) -> None:
    fused = lag_zoo.create_model("lag_tf_efficientnet_lite0_polyp", pretrained=True).fuse()
    with pytest.raises(InvalidConfigError, match="a fused network cannot be saved"):
        lag_zoo.save_pretrained(fused, tmp_path)


def test_it_only_predicts_and_can_be_fused_again() -> None:
    model = lag_zoo.LAG("mobilenetv3_small_050", num_classes=3).eval()
    fused = model.fuse()
    with pytest.raises(InvalidConfigError, match="only predicts: train the one"):
        fused.train()
    assert not fused.eval().training
    again, frames = fused.fuse(), draw_frame((300, 360))[None]
    assert again is not fused
    with torch.inference_mode():
        assert torch.equal(again(frames), fused(frames))
    assert model.train().training


class Traps(nn.Module):
    """Convolutions and norms that look like pairs."""

    def __init__(self, trap: str) -> None:
        super().__init__()
        self.trap = trap
        self.conv, self.norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)
        self.other = nn.BatchNorm2d(8)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        if self.trap == "used twice":
            return self.norm(y) + y
        if self.trap == "changed in place":
            return self.norm(y.relu_())
        if self.trap == "called twice":
            return self.norm(y) + self.conv(x.flip(-1))
        if self.trap == "two norms":
            return self.norm(y) * self.other(y)
        if self.trap == "a norm called twice":
            return self.norm(self.norm(y))
        return self.norm(y)


@pytest.mark.parametrize(
    ("trap", "folded"),
    [
        ("none", 1),
        ("used twice", 0),
        ("changed in place", 0),
        ("called twice", 0),
        ("two norms", 0),
        ("a norm called twice", 0),
    ],
)
def test_what_only_looks_like_a_pair_stays(trap: str, folded: int) -> None:
    torch.manual_seed(0)
    network = Traps(trap).eval()
    x = torch.randn(2, 3, 12, 12)
    shaken(network, x)
    before = network(x)
    assert fold_norms(network, lambda: network(x)) == folded
    assert torch.allclose(network(x), before, atol=1e-5)
