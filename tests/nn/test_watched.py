"""A layer in the middle of a backbone, watched while it runs."""

import threading

import pytest
import timm
import torch

from lag_zoo.nn.backbones import create_backbone
from lag_zoo.nn.watched import channel_means, middle_layer
from tests.networks import small


@pytest.mark.parametrize(
    ("name", "layer", "channels"),
    [
        ("tf_efficientnet_lite0", "blocks.2", 40),
        ("mobilenetv3_small_050", "blocks.1", 16),
        ("resnet18", "layer2", 128),
        ("vit_tiny_patch16_224", "blocks.4", 192),
        ("swin_tiny_patch4_window7_224", "layers.1", 192),
    ],
)
def test_layers_of_every_kind_give_a_mean_a_channel(name: str, layer: str, channels: int) -> None:
    backbone = timm.create_model(name).eval()
    assert middle_layer(backbone) == layer
    with torch.inference_mode(), channel_means(backbone, layer) as seen:
        backbone.forward_features(torch.zeros(2, 3, 224, 224))
    (means,) = seen
    assert means.shape == (2, channels)
    assert not any(module._forward_hooks for module in backbone.modules())


def test_a_backbone_without_a_description_has_none() -> None:
    assert middle_layer(create_backbone("googlenet")) is None
    with channel_means(create_backbone("googlenet"), None) as seen:
        pass
    assert seen == []


def test_a_fused_network_has_the_same_means() -> None:
    model = small()
    layer = middle_layer(model.backbone)
    frames = torch.randint(0, 256, (2, 3, 90, 120), dtype=torch.uint8)
    found = []
    for network in (model, model.fuse()):
        with torch.inference_mode(), channel_means(network.backbone, layer) as seen:
            network(frames)
        found += seen
    torch.testing.assert_close(found[0], found[1], atol=1e-4, rtol=1e-4)


def test_another_thread_is_not_watched() -> None:
    model = small()
    frames = torch.randint(0, 256, (1, 3, 90, 120), dtype=torch.uint8)
    with channel_means(model.backbone, middle_layer(model.backbone)) as seen:
        other = threading.Thread(target=model, args=(frames,))
        other.start()
        other.join()
        assert seen == []
        model(frames)
    assert len(seen) == 1
