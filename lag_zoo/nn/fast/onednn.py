"""Weights of convolutions laid out for the processor ahead of time.

torch hands a convolution on the CPU to oneDNN, which brings the weights into its own order at every call: a quarter of
the time of a ResNet-50 on one frame. Here they are brought there once. The operators are those that torch's own
compiler uses when it freezes a network; they are no public interface, so where they are missing the network stays as
it is.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lag_zoo.errors import InvalidConfigError
from lag_zoo.nn.fast.fold_norms import is_hooked

_UNSAVED = "a network fused on the CPU cannot be saved or sent elsewhere: take the one that it was made from"


def pack_convolutions(network: nn.Module) -> int:
    """Pack the float32 convolutions of a network on the CPU, in place, and return how many."""
    known = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not (known and hasattr(torch.ops.mkldnn, "_reorder_convolution_weight")):
        return 0
    count = 0
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if _can_be_packed(child):
                setattr(parent, name, PackedConv2d(cast(nn.Conv2d, child)))
                count += 1
    return count


def _can_be_packed(module: nn.Module) -> bool:
    return (
        type(module) is nn.Conv2d
        and not is_hooked(module)
        and module.weight.device.type == "cpu"
        and module.weight.dtype == torch.float32
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
    )


class PackedConv2d(nn.Module):
    """A convolution to predict with, its weights on the CPU in oneDNN's order.

    The best order differs between a single frame and several, and the wrong one can take two to three times as long;
    so each is made at its first input, for the size of that input.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        settings = convolution.padding, convolution.stride, convolution.dilation
        self._settings: list[Any] = [*map(list, settings), convolution.groups]
        self._plain = convolution.weight.detach()
        self._bias = None if convolution.bias is None else convolution.bias.detach()
        self._packed: dict[bool, Tensor] = {}  # by whether there are several

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_autocast_enabled("cpu"):
            x = x.float()  # the layer before may give bfloat16; these weights are float32
        if torch.is_grad_enabled() and x.requires_grad:  # the operator below knows no gradient
            padding, stride, dilation, groups = self._settings
            return F.conv2d(x, self._plain, self._bias, stride, padding, dilation, groups)
        several = len(x) > 1
        if several not in self._packed:
            with torch.inference_mode(False), torch.no_grad():  # it outlives the caller's mode
                self._packed[several] = torch.ops.mkldnn._reorder_convolution_weight(
                    self._plain, *self._settings, list(x.shape)
                )
        return torch.ops.mkldnn._convolution_pointwise(  # type: ignore[no-any-return]
            x, self._packed[several], self._bias, *self._settings, "none", [], ""
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> "PackedConv2d":
        return self  # nothing of it ever changes

    def _save_to_state_dict(self, *_: object, **__: object) -> None:
        raise InvalidConfigError(_UNSAVED)

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise InvalidConfigError(_UNSAVED)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "PackedConv2d":
        """Refuse another device or dtype: `to`, `cuda` and `half` call this."""
        before = torch.empty(0)
        after = fn(before)
        if (after.device, after.dtype) == (before.device, before.dtype):
            return self
        raise InvalidConfigError(
            "a network fused on the CPU stays there, in float32; move or convert it before `fuse()`"
        )
