"""Batch norms folded into the convolutions before them: the same outputs, with one pass over memory less for each.

Which convolution a norm follows is not read from names: the network runs once, and a norm is folded where its input is
the untouched output of a convolution that nothing else uses.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from timm.layers import BatchNormAct2d, Conv2dSame
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_CONVOLUTIONS = (nn.Conv2d, Conv2dSame)  # exactly these: others make their weights anew each time
_NORMS = (nn.BatchNorm2d, BatchNormAct2d)


def is_hooked(module: nn.Module) -> bool:
    """Tell whether a module has hooks, of an observer or of a pruning: then its calls must stay as they are."""
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
    )


def fold_norms(network: nn.Module, run: Callable[[], object]) -> int:
    """Fold norms into convolutions, in place, and return how many.

    Args:
        network: in evaluation mode.
        run: runs it once, on anything.
    """
    pairs = _pairs(network, run)
    for norm, convolution in pairs.items():
        _fold(convolution, norm)
        for parent in network.modules():
            for name, child in parent.named_children():
                if child is norm:
                    setattr(parent, name, _without(norm))
    return len(pairs)


def folded(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Weight and bias of the one convolution that equals both in evaluation mode.

    Raises:
        ValueError: the norm has no running statistics.
    """
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise ValueError("a norm without running statistics cannot be folded")
    scale = (variance.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight
    shift = -mean.double() * scale
    if norm.bias is not None:
        shift = shift + norm.bias
    if convolution.bias is not None:
        shift = shift + convolution.bias * scale
    dtype = convolution.weight.dtype
    return convolution.weight * scale.to(dtype)[:, None, None, None], shift.to(dtype)


@torch.no_grad()
def _fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    weight, bias = folded(convolution, norm)
    convolution.weight.copy_(weight)
    convolution.bias = nn.Parameter(bias)


class _Uses(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts how often each tensor is taken by an operation."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[int] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.counts.update(id(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor))
        return func(*args, **(kwargs or {}))


@torch.inference_mode(mode=False)
@torch.no_grad()
def _pairs(network: nn.Module, run: Callable[[], object]) -> dict[nn.BatchNorm2d, nn.Conv2d]:
    """Each norm that can be folded, with its convolution."""
    uses = _Uses()
    made: dict[
        int, tuple[nn.Conv2d, Tensor, int]
    ] = {}  # the tensors are kept, so that no other gets their id
    calls: Counter[nn.Module] = Counter()
    found: dict[nn.BatchNorm2d, tuple[nn.Conv2d, int]] = {}

    def after_convolution(module: Any, _: object, output: Tensor) -> None:
        calls[module] += 1
        made[id(output)] = (module, output, output._version)
        uses.counts[id(output)] = 0  # an earlier tensor had the same id

    def before_norm(module: Any, args: tuple[Tensor, ...]) -> None:
        calls[module] += 1
        convolution, output, version = made.get(id(args[0]), (None, None, None))
        if convolution is not None and output is not None and output._version == version:
            found[module] = (convolution, id(output))

    hooks = []
    for module in network.modules():
        if is_hooked(module):
            continue
        if type(module) in _CONVOLUTIONS:
            hooks.append(module.register_forward_hook(after_convolution))
        elif type(module) in _NORMS and module.running_mean is not None:
            hooks.append(module.register_forward_pre_hook(before_norm))
    try:
        with uses:
            run()
    finally:
        for hook in hooks:
            hook.remove()
    return {
        norm: convolution
        for norm, (convolution, output) in found.items()
        if calls[norm] == calls[convolution] == uses.counts[output] == 1
    }


def _without(norm: nn.BatchNorm2d) -> nn.Module:
    """The layer in the place of a folded norm: nothing, or the activation that timm's norms hold."""
    return nn.Sequential(norm.drop, norm.act) if isinstance(norm, BatchNormAct2d) else nn.Identity()
