"""Networks built without memory and without numbers: on the meta device, where what would fill them is passed over."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_FILLING = frozenset(
    getattr(Tensor, name)
    for name in ("normal_", "uniform_", "fill_", "zero_", "erfinv_", "mul_", "add_", "sub_", "div_", "clamp_")
)


@contextmanager
def without_memory() -> Iterator[None]:
    """Build what is built in the block on the meta device, uninitialised.

    >>> with without_memory():
    ...     layer = torch.nn.Linear(1 << 20, 1 << 20)
    >>> layer.weight.is_meta
    True
    """
    with torch.device("meta"), _Unfilled():
        yield


class _Unfilled(TorchFunctionMode):
    """Tensors without memory stay as they are: torch would work out in Python what their numbers would have been."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func in _FILLING and args[0].is_meta:
            return args[0]
        return func(*args, **(kwargs or {}))
