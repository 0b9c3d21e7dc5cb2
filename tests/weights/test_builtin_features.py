"""The weights inside the package see what the publisher's see: on real frames, and on photographs of known things."""

from pathlib import Path

import matplotlib
import pytest
import sklearn.datasets
import timm
import torch
from safetensors.torch import load_file
from timm.data import create_transform, resolve_data_config
from torch import Tensor, nn
from torchvision.transforms.v2.functional import to_pil_image

import lag_zoo
from lag_zoo.data.images import read_image
from lag_zoo.nn.backbones import backbone_features

NAME = "tf_efficientnet_lite0"
FRAMES = 6
PHOTOGRAPHS = {
    # The Tower of Buddhist Incense in the Summer Palace, Beijing: ImageNet's class `palace`.
    "palace": (Path(sklearn.datasets.__file__).parent / "images" / "china.jpg", 698, 1),
    # Rear Admiral Grace Hopper in uniform: `military uniform`, behind `academic gown` and `mortarboard`.
    "military uniform": (Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg", 652, 5),
}
"""A photograph that an installed package ships, the class that is right, and within how many guesses it is named."""


@pytest.fixture(scope="module")
def published(shared: Path) -> dict[str, Tensor]:
    """The publisher's weights, with the classifier."""
    file = shared / "backbones" / f"{NAME}.safetensors"
    if not file.is_file():
        pytest.skip(f"needs the publisher's weights: no file {file}")
    return load_file(file)


@pytest.fixture(scope="module")
def ours() -> nn.Module:
    """The backbone of a LAG that starts from the weights in the package."""
    return lag_zoo.create_model(f"lag_{NAME}", pretrained="backbone", num_classes=2).eval().backbone


def pixels(file: Path) -> Tensor:
    """An image (1, 3, 224, 224) as timm shows it to this network."""
    transform = create_transform(**resolve_data_config({}, model=timm.create_model(NAME)))
    return transform(to_pil_image(read_image(file)))[None]  # type: ignore[index,no-any-return,operator]


def network(weights: dict[str, Tensor]) -> nn.Module:
    whole = timm.create_model(NAME)
    whole.load_state_dict(weights)
    return whole.eval()


@torch.no_grad()
def test_features_are_the_publisher_s_to_fp16_rounding(
    published: dict[str, Tensor], ours: nn.Module, shared: Path
) -> None:
    files = sorted((shared / "kvasir_seg" / "images").glob("*.jpg"))[:FRAMES]
    if not files:
        pytest.skip("needs the frames of Kvasir-SEG")
    frames = torch.cat([pixels(file) for file in files])
    rounded = {
        key: tensor.half().float() if tensor.is_floating_point() and "running_" not in key else tensor
        for key, tensor in published.items()
    }
    mine, theirs = (backbone_features(net, frames) for net in (ours, network(rounded)))
    assert torch.equal(mine, theirs)  # the rounding is all that was done to them
    exact = backbone_features(network(published), frames)
    apart = (mine - exact).norm(dim=1) / exact.norm(dim=1)
    assert apart.max() < 0.01


@torch.no_grad()
@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_photograph_is_recognised(name: str, published: dict[str, Tensor], ours: nn.Module) -> None:
    """With the publisher's classifier on top of our features."""
    file, label, guesses = PHOTOGRAPHS[name]
    features = backbone_features(ours, pixels(file))
    logits = nn.functional.linear(features, published["classifier.weight"], published["classifier.bias"])
    assert label in logits[0].topk(guesses).indices.tolist()
