"""Max pooling without places: the same bits as torch's, and only where torch's is the plain 2 x 2."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lag_zoo.nn.fast.max_pool import MaxPool2x2, replace_max_pools


@given(
    height=st.integers(2, 9),
    width=st.integers(2, 9),
    layout=st.sampled_from([torch.contiguous_format, torch.channels_last]),
    seed=st.integers(0, 99),
)
def test_the_bits_are_torchs(height: int, width: int, layout: torch.memory_format, seed: int) -> None:
    x = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(seed))
    x[0, 0, 0, 0] = torch.nan
    x = x.contiguous(memory_format=layout)
    torch.testing.assert_close(MaxPool2x2()(x), nn.MaxPool2d(2)(x), rtol=0, atol=0, equal_nan=True)


def test_a_gradient_passes() -> None:
    x = torch.randn(1, 2, 6, 6, requires_grad=True)
    again = x.detach().clone().requires_grad_()
    MaxPool2x2()(x).sum().backward()
    nn.MaxPool2d(2)(again).sum().backward()
    assert x.grad is not None
    assert again.grad is not None
    assert torch.equal(x.grad, again.grad)


@pytest.mark.parametrize("pool", [nn.MaxPool2d(2), nn.MaxPool2d((2, 2), stride=2)])
def test_the_plain_one_is_replaced(pool: nn.MaxPool2d) -> None:
    network = nn.Sequential(nn.Sequential(pool), nn.ReLU())
    assert replace_max_pools(network) == 1
    assert type(network[0][0]) is MaxPool2x2
    assert replace_max_pools(network) == 0


@pytest.mark.parametrize(
    "pool",
    [
        nn.MaxPool2d(3, 2),
        nn.MaxPool2d(2, 1),
        nn.MaxPool2d(2, padding=1),
        nn.MaxPool2d(2, dilation=2),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.MaxPool2d(2, return_indices=True),
        nn.AvgPool2d(2),
        nn.MaxPool1d(2),
    ],
    ids=str,
)
def test_others_stay(pool: nn.Module) -> None:
    assert replace_max_pools(nn.Sequential(pool)) == 0


def test_one_that_is_watched_stays() -> None:
    network = nn.Sequential(nn.MaxPool2d(2))
    network[0].register_forward_hook(lambda *_: None)
    assert replace_max_pools(network) == 0
