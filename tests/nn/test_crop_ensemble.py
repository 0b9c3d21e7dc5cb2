"""The crop ensemble alone."""

import copy
from collections.abc import Callable

import pytest
import timm
import torch
import torch.nn.utils.prune as prune
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import parametrizations

from lag_zoo.errors import InvalidConfigError, InvalidImageError
from lag_zoo.nn import CropEnsemble
from lag_zoo.nn.fast import blocks
from lag_zoo.nn.fast.conv_norm import ConvNorm
from lag_zoo.nn.fast.fold_norms import fold_norms
from lag_zoo.nn.fast.max_pool import replace_max_pools
from tests.plain_lag import _column


@settings(max_examples=15, deadline=None)
@given(
    batch=st.integers(1, 3),
    count=st.integers(1, 7),
    size=st.sampled_from([16, 24, 37, 64]),
    dim=st.integers(1, 40),
    shared=st.booleans(),
)
def test_shapes(batch: int, count: int, size: int, dim: int, shared: bool) -> None:
    ensemble = CropEnsemble(count, size, embed_dim=dim, shared=shared).eval()
    assert ensemble(torch.rand(batch, count, 3, size, size)).shape == (batch, count, dim)


def test_own_weights_equal_separate_columns() -> None:
    torch.manual_seed(0)
    ensemble = CropEnsemble(3, 32, shared=False).eval()
    crops = torch.rand(2, 3, 3, 32, 32)
    apart = torch.stack([_column(ensemble, i).eval()(crops[:, i]) for i in range(3)], dim=1)
    torch.testing.assert_close(ensemble(crops), apart, atol=1e-6, rtol=1e-5)
    assert not torch.allclose(apart[:, 0], _column(ensemble, 1).eval()(crops[:, 0]))


def test_shared_weights_see_each_crop_alone() -> None:
    ensemble = CropEnsemble(4, 32).eval()
    crops = torch.rand(1, 4, 3, 32, 32)
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(ensemble(crops)[:, order], ensemble(crops[:, order]))


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("limit", [1, 400_000, 24 << 20])
def test_blocks_without_a_gradient_change_nothing(
    shared: bool, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "LIMIT", limit)
    ensemble = CropEnsemble(5, 33, shared=shared, widths=(4, 24, 8, 8)).eval()
    crops = torch.rand(7, 5, 3, 33, 33)
    expected = ensemble(crops)
    largest: list[int] = []
    for conv in ensemble.blocks[::2]:
        conv.register_forward_hook(lambda _m, _x, y: largest.append(y.nbytes if len(y) > 1 else 0))
    with torch.no_grad():
        torch.testing.assert_close(ensemble(crops), expected)
        assert ensemble(crops[:0]).shape == (0, 5, 64)
    assert max(largest) <= limit
    assert len(largest) > 6 or limit > 400_000


def test_statistics_are_taken_of_all_crops_without_a_gradient_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "LIMIT", 1)
    crops = torch.rand(3, 10, 3, 32, 32)
    with_gradient, without = CropEnsemble(10, 32).train(), CropEnsemble(10, 32).train()
    without.load_state_dict(with_gradient.state_dict())
    with_gradient(crops)
    with torch.no_grad():
        without(crops)
    torch.testing.assert_close(without.state_dict(), with_gradient.state_dict())


def test_shared_weights_take_any_number_and_own_weights_do_not() -> None:
    crops = torch.rand(1, 6, 3, 32, 32)
    assert CropEnsemble(4, 32)(crops).shape == (1, 6, 64)
    with pytest.raises(InvalidImageError, match="each of 4 crops"):
        CropEnsemble(4, 32, shared=False)(crops)


def test_layout_is_the_figures() -> None:
    ensemble = CropEnsemble()
    convolutions = [m for m in ensemble.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    assert [(conv.in_channels, conv.out_channels) for conv in convolutions] == [
        (3, 16),
        (16, 32),
        (32, 64),
        (64, 64),
    ]
    assert (
        sum(p.numel() for p in ensemble.parameters()) == 60_336 + 352 + 2_128 + 4_160
    )  # convolutions, BN, SE, FC


def test_refuses_what_cannot_be() -> None:
    for arguments in (
        {"num_crops": 0},
        {"crop_size": 4},
        {"widths": (1, 2, 3)},
        {"embed_dim": 0},
        {"se_ratio": 0},
    ):
        with pytest.raises(InvalidConfigError):
            CropEnsemble(**arguments)
    with pytest.raises(InvalidImageError, match="B, N, 3, c, c"):
        CropEnsemble()(torch.rand(10, 3, 64, 64))


def settled() -> tuple[CropEnsemble, torch.Tensor]:
    """An ensemble whose norms have seen something, in evaluation mode, and crops."""
    torch.manual_seed(0)
    crops = torch.rand(3, 4, 3, 32, 32)
    ensemble = CropEnsemble(4, 32)
    ensemble(crops * 2 - 1)
    return ensemble.eval(), crops


def layer_by_layer(ensemble: CropEnsemble) -> CropEnsemble:
    """A copy in which torch's own Sequential calls convolution and norm, one after the other."""
    ensemble = copy.deepcopy(ensemble)
    for module in ensemble.modules():
        if isinstance(module, ConvNorm):
            module.__class__ = nn.Sequential  # type: ignore[assignment]
    return ensemble


def fused(ensemble: CropEnsemble) -> CropEnsemble:
    """A copy with all that `LAG.fuse` does to it."""
    ensemble = copy.deepcopy(ensemble).eval()
    fold_norms(ensemble, lambda: ensemble(torch.zeros(1, 1, 3, 32, 32)))
    replace_max_pools(ensemble)
    return ensemble


def test_fused_no_norm_is_left() -> None:
    ensemble, crops = settled()
    fast = fused(ensemble)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    with torch.no_grad():
        torch.testing.assert_close(fast(crops), ensemble(crops), atol=1e-5, rtol=0)


def _freeze(ensemble: CropEnsemble) -> None:
    timm.utils.freeze(ensemble)


def _synchronise(ensemble: CropEnsemble) -> None:
    ensemble.last = timm.layers.convert_sync_batchnorm(ensemble.last)


def _use_batch_statistics(ensemble: CropEnsemble) -> None:
    torch.func.replace_all_batch_norm_modules_(ensemble)


def _adapt_a_norm(ensemble: CropEnsemble) -> None:
    ensemble.last[1].train()


def _normalise_weights(ensemble: CropEnsemble) -> None:
    parametrizations.weight_norm(ensemble.last[0])


def _prune(ensemble: CropEnsemble) -> None:
    prune.l1_unstructured(ensemble.last[0], "weight", 0.5)


def _put(place: int, layer: nn.Module) -> Callable[[CropEnsemble], None]:
    return lambda ensemble: ensemble.last.__setitem__(place, layer)


@pytest.mark.parametrize(
    "change",
    [
        _freeze,
        _synchronise,
        _use_batch_statistics,
        _adapt_a_norm,
        _normalise_weights,
        _prune,
        _put(0, nn.Conv2d(64, 64, 3, padding=2, dilation=2)),
        _put(0, nn.Conv2d(64, 64, 1, bias=False)),
        _put(1, nn.GroupNorm(4, 64)),
        _put(1, nn.BatchNorm2d(64, affine=False).eval()),
    ],
)
@torch.no_grad()
def test_layers_put_in_place_of_others_are_asked(change: Callable[[CropEnsemble], None]) -> None:
    ensemble, crops = settled()
    plain = ensemble(crops)
    change(ensemble)
    expected = layer_by_layer(ensemble)(crops)
    torch.testing.assert_close(ensemble(crops), expected, atol=1e-5, rtol=0)
    if change not in (_freeze, _synchronise, _normalise_weights):  # these say the same otherwise
        assert not torch.allclose(expected, plain, atol=1e-3)
    expected = layer_by_layer(ensemble.eval())(crops)
    torch.testing.assert_close(fused(ensemble)(crops), expected, atol=1e-5, rtol=0)


def test_in_evaluation_a_norm_is_folded() -> None:
    ensemble, crops = settled()
    passed: list[object] = []
    for norm in (module for module in ensemble.modules() if isinstance(module, nn.BatchNorm2d)):
        norm.forward = passed.append  # type: ignore[method-assign, assignment]
    plain = ensemble(crops)
    assert not passed
    torch.testing.assert_close(plain, layer_by_layer(settled()[0])(crops), atol=1e-5, rtol=0)


@pytest.mark.parametrize("run", [lambda ensemble: ensemble, fused], ids=["as built", "fused"])
def test_a_hook_sees_what_it_saw_before(run: Callable[[CropEnsemble], CropEnsemble]) -> None:
    ensemble, crops = settled()
    seen: list[torch.Tensor] = []
    ensemble.last[0].register_forward_hook(lambda _, __, output: seen.append(output))
    network, apart = run(ensemble), layer_by_layer(ensemble)
    seen.clear()
    with torch.no_grad():
        torch.testing.assert_close(network(crops), apart(crops), atol=1e-5, rtol=0)
    torch.testing.assert_close(*seen, atol=1e-5, rtol=0)


def test_pruned_weights_that_are_loaded_are_used() -> None:
    (ensemble, crops), other = settled(), CropEnsemble(4, 32).eval()
    for network in (ensemble, other):
        prune.l1_unstructured(network.last[0], "weight", 0.5)
    other.load_state_dict(ensemble.state_dict())
    with torch.no_grad():
        assert torch.equal(other(crops), ensemble(crops))


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::torch.jit.TracerWarning")
def test_traced_it_takes_any_number_of_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    ensemble, crops = settled()
    monkeypatch.setattr(blocks, "LIMIT", 1)  # a row a block: as many as there are rows
    with torch.no_grad():
        traced = torch.jit.trace(ensemble, crops[:1])
        torch.testing.assert_close(traced(crops), ensemble(crops), atol=1e-5, rtol=0)


def test_each_sample_has_a_gradient_of_its_own() -> None:
    ensemble, crops = settled()
    parameters = {name: p.detach() for name, p in ensemble.named_parameters()}

    def loss(parameters: dict[str, torch.Tensor], one: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = torch.func.functional_call(ensemble, parameters, (one[None],))
        return found.square().sum()

    each = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(parameters, crops)
    whole = torch.func.grad(lambda p: sum(loss(p, one) for one in crops))(parameters)
    for name, gradients in each.items():
        torch.testing.assert_close(gradients.sum(0), whole[name], atol=1e-4, rtol=1e-4)
