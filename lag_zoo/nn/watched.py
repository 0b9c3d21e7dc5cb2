"""A layer in the middle of a backbone, watched while the network runs: what it saw of a frame, before labels count.

The last layers of a network that was trained on a few labels tell little else apart. In the middle, colours and
textures are still there.
"""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from torch import Tensor, nn

_STRIDE = 8  # pixels of the view a cell


def middle_layer(backbone: nn.Module) -> str | None:
    """The name of the last layer whose cells are at most 8 pixels wide, by timm's `feature_info`.

    Where cells are wider from the beginning, as the tokens of a transformer, that a third of the way up; `None` for a
    backbone that does not describe its layers.

    >>> import timm
    >>> middle_layer(timm.create_model("mobilenetv3_small_050"))
    'blocks.1'
    """
    layers = dict(backbone.named_modules())
    described = getattr(backbone, "feature_info", None)
    if not isinstance(described, list):
        return None
    stages = [entry for entry in described if entry.get("module") in layers]
    fine = [entry for entry in stages if entry["reduction"] <= _STRIDE]
    chosen = fine[-1:] or stages[len(stages) // 3 :][:1]
    return chosen[0]["module"] if chosen else None


def channel_means(backbone: nn.Module, name: str | None) -> AbstractContextManager[list[Tensor]]:
    """Collect the means of a layer's channels (B, C), one tensor each time that this thread runs it; of `None` none.

    >>> import torch
    >>> net = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU())
    >>> with channel_means(net, "0") as seen:
    ...     _ = net(torch.zeros(2, 3, 5, 5))
    >>> [found.shape for found in seen]
    [torch.Size([2, 8])]
    """
    return nullcontext([]) if name is None else _watching(backbone, name)


@contextmanager
def _watching(backbone: nn.Module, name: str) -> Iterator[list[Tensor]]:
    seen: list[Tensor] = []
    me = threading.get_ident()
    last = getattr(backbone, "output_fmt", "NCHW") == "NHWC"

    def look(layer: nn.Module, given: object, output: Tensor) -> None:
        if threading.get_ident() == me:  # another thread may run the same network
            places = tuple(range(1, output.ndim - 1)) if last or output.ndim == 3 else (2, 3)
            seen.append(output.mean(places))

    handle = backbone.get_submodule(name).register_forward_hook(look)
    try:
        yield seen
    finally:
        handle.remove()
