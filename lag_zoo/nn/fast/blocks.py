"""Rows through a network a block at a time, so that its maps stay in the processor's cache.

Larger maps leave the cache, and the system hands them out page by page. The crops of 64 frames take 3.8 ms a frame in
blocks and 7.0 ms at once (`python -m benchmarks.crop_ensemble`, AMD EPYC, one thread).
"""

from collections.abc import Callable

import torch
from torch import Tensor

LIMIT = 24 << 20
"""Bytes of the largest map of a block."""


def in_blocks(layers: Callable[[Tensor], Tensor], rows: Tensor, *, largest: int) -> Tensor:
    """`layers(rows)`, on the CPU and without a gradient block by block; rows (R, ...) -> (R, ...).

    Args:
        layers: treat each row by itself: no statistics over the rows.
        rows: the input.
        largest: bytes of the largest map that one row makes.
    """
    whole = (
        torch.is_grad_enabled()  # a gradient keeps every map anyway
        or rows.device.type != "cpu"
        or torch.compiler.is_compiling()  # a program must not hold how many rows there were
        or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    )
    if whole:
        return layers(rows)
    return torch.cat([layers(block) for block in torch.split(rows, max(1, LIMIT // largest))])
