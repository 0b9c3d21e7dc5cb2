"""Packed convolutions: the same answers, on inputs of any size, and clear words where they cannot go."""

import copy
import pickle

import pytest
import torch
import torch.nn.utils.prune as prune
from torch import nn

import lag_zoo
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import InvalidConfigError
from lag_zoo.nn.fast.onednn import PackedConv2d, pack_convolutions


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1, bias=False),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1, groups=16),
        nn.Conv2d(16, 24, 1),
        nn.Conv2d(24, 8, 3, dilation=2),
        nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(8, 8, 3, padding="same"),
    ).eval()


def test_the_same_answers_at_any_size() -> None:
    plain = network()
    packed = copy.deepcopy(plain)
    assert pack_convolutions(packed) == 4, "those whose padding is numbers and zeros"
    for size in ((2, 3, 40, 40), (1, 3, 40, 40), (3, 3, 33, 57)):
        for order in (torch.contiguous_format, torch.channels_last):
            frames = torch.rand(size).contiguous(memory_format=order)
            with torch.inference_mode():
                assert torch.allclose(packed(frames), plain(frames), atol=1e-6)


def test_single_frames_and_several_have_weights_of_their_own() -> None:
    packed = nn.Sequential(network()[0])
    assert pack_convolutions(packed) == 1
    layer = packed[0]
    assert isinstance(layer, PackedConv2d)
    with torch.inference_mode():
        for count in (1, 3, 1, 8):
            packed(torch.rand(count, 3, 40, 40))
    assert set(layer._packed) == {False, True}
    assert not any(weight.is_inference() for weight in layer._packed.values())


def test_other_numbers_stay() -> None:
    model = network().double()
    assert pack_convolutions(model) == 0


def test_under_autocast_it_takes_what_comes() -> None:
    torch.manual_seed(0)
    # The first is not packed, so what it gives is bfloat16.
    plain = nn.Sequential(nn.Conv2d(3, 8, 3, padding_mode="reflect", padding=1), nn.Conv2d(8, 4, 3)).eval()
    packed = copy.deepcopy(plain)
    assert pack_convolutions(packed) == 1
    frames = torch.rand(2, 3, 20, 20)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert plain[0](frames).dtype == torch.bfloat16
        assert torch.allclose(packed(frames), plain(frames).float(), atol=1e-2)


def test_a_torch_without_the_operators_leaves_the_network_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    model = network()
    assert pack_convolutions(model) == 0


def test_a_fused_network_is_packed_can_be_copied_and_stays() -> None:
    model = lag_zoo.LAG("resnet18", num_classes=3, global_size=64).eval()
    fused = model.fuse()
    assert any(isinstance(module, PackedConv2d) for module in fused.modules())
    assert not any(isinstance(module, PackedConv2d) for module in model.modules())
    frames = draw_frame((300, 360))[None]
    with torch.inference_mode():
        assert torch.equal(copy.deepcopy(fused)(frames), fused(frames))
        assert torch.allclose(fused(frames), model(frames), atol=1e-5)
    with pytest.raises(InvalidConfigError, match="before `fuse"):
        fused.half()
    assert fused.to("cpu").float() is fused, "where it is, as it is"
    for save in (fused.state_dict, lambda: pickle.dumps(fused)):
        with pytest.raises(InvalidConfigError, match="cannot be saved or sent elsewhere"):
            save()


def test_gradients_reach_the_frame() -> None:
    model = lag_zoo.LAG("resnet18", num_classes=3, global_size=64, num_crops=2, crop_size=32).eval()
    gradients = []
    for network in (model, model.fuse(), model.fuse(pack=False)):
        frames = (draw_frame((120, 160))[None].float() / 255).requires_grad_()
        network.without_crops()(frames)[:, 1].sum().backward()
        gradients.append(frames.grad)
    assert gradients[0].abs().max() > 0
    for gradient in gradients[1:]:
        torch.testing.assert_close(gradient, gradients[0], atol=1e-6, rtol=1e-3)


def test_layers_with_hooks_stay_as_they_are() -> None:
    model = lag_zoo.LAG("resnet18", num_classes=3, global_size=64, num_crops=2, crop_size=32).eval()
    seen: list[torch.Size] = []
    model.backbone.layer4[1].conv2.register_forward_hook(lambda _, __, output: seen.append(output.shape))
    prune.l1_unstructured(model.backbone.conv1, "weight", 0.5)
    frames = draw_frame((120, 160))[None]
    with torch.inference_mode():
        expected = model(frames)
        for fused in (model.fuse(), model.fuse(pack=False)):
            seen.clear()
            torch.testing.assert_close(fused(frames), expected, atol=1e-5, rtol=0)
            assert seen == [(1, 512, 2, 2)]
