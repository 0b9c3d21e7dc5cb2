"""Weights of convolutions laid out once for the processor.

torch hands a convolution on the CPU to oneDNN, which brings the weights into its own order at every call: a quarter of
the time of a ResNet-50 on one frame. Here they are brought there once. The operators are those that torch's own
compiler uses when it freezes a network; they are no public interface, so where they are missing the network stays as
it is.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from lag_zoo.errors import InvalidConfigError

_UNSAVED = "a network fused on the CPU cannot be saved or sent elsewhere: take the one that it was made from"


def pack_convolutions(network: nn.Module, run: Callable[[], object]) -> int:
    """Packs, in place, the float32 convolutions of a network on the CPU; how many those were.

    Args:
        network: in evaluation mode.
        run: runs it once, on an input of the usual size; other sizes are as right, and a little slower.
    """
    known = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not (known and hasattr(torch.ops.mkldnn, "_reorder_convolution_weight")):
        return 0
    sizes: dict[Any, list[int]] = {}
    hooks = [
        module.register_forward_pre_hook(lambda module, args: sizes.__setitem__(module, list(args[0].shape)))
        for module in network.modules()
        if _can_be_packed(module)
    ]
    try:
        with torch.no_grad():
            run()
    finally:
        for hook in hooks:
            hook.remove()
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if child in sizes:
                setattr(parent, name, PackedConv2d(cast(nn.Conv2d, child), sizes[child]))
    return len(sizes)


def _can_be_packed(module: nn.Module) -> bool:
    return (
        type(module) is nn.Conv2d
        and module.weight.device.type == "cpu"
        and module.weight.dtype == torch.float32
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
    )


class PackedConv2d(nn.Module):
    """A convolution to predict with, whose weights stay where and as they are: on the CPU, in oneDNN's order."""

    def __init__(self, convolution: nn.Conv2d, size: list[int]) -> None:
        super().__init__()
        settings = convolution.padding, convolution.stride, convolution.dilation
        self._settings = [*map(list, settings), convolution.groups]
        weight, bias = convolution.weight.detach(), convolution.bias
        self._weight = torch.ops.mkldnn._reorder_convolution_weight(weight, *self._settings, size)
        self._bias = None if bias is None else bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._convolution_pointwise(  # type: ignore[no-any-return]
            x, self._weight, self._bias, *self._settings, "none", [], ""
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> "PackedConv2d":
        return self  # nothing of it ever changes

    def _save_to_state_dict(self, *_: object, **__: object) -> None:
        raise InvalidConfigError(_UNSAVED)

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise InvalidConfigError(_UNSAVED)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "PackedConv2d":
        """What `to`, `cuda`, `half` and their like call."""
        before = torch.empty(0)
        after = fn(before)
        if (after.device, after.dtype) == (before.device, before.dtype):
            return self
        raise InvalidConfigError(
            "a network fused on the CPU stays there, in float32; move or convert it before `fuse()`"
        )
