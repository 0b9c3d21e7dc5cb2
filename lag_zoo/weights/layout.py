"""The layout of a safetensors file, from its head: which tensor lies where. Nothing in it is believed unchecked.

Eight bytes are the length of the head, which is JSON: of each tensor its dtype, its shape, and where its bytes begin
and end. Then come the bytes, without a gap (https://github.com/huggingface/safetensors, Format). The package of that
name reads a path, which may be another file when it is opened again; here the bytes that are hashed are those used.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch

LENGTH = 8
"""Bytes in front of the head, its length."""

METADATA = "__metadata__"
"""The name in the head under which texts stand, and no tensor."""

LARGEST_HEAD = 1 << 24
"""Bytes; of timm's networks the one with most tensors has a head of 0.4 MB."""

_MOST_TENSORS = 20_000  # of timm's networks the one with most has 3,108
_TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
DTYPES = frozenset(_TYPES.values())
"""The kinds of number that are read and written; no network of timm's has others."""


class Entry(NamedTuple):
    """A tensor, and the place of its bytes in the file."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    begin: int
    end: int


class Layout(NamedTuple):
    """The tensors of a file, in the order of their bytes, and what is noted beside them."""

    entries: tuple[Entry, ...]
    metadata: Mapping[str, str]


def head_length(first: bytes, size: int) -> int:
    """Return the length of the head, from the first eight bytes of a file of this size.

    Raises:
        ValueError: it is none; the message says why.
    """
    length = int.from_bytes(first, "little")
    if len(first) < LENGTH or length > min(size - LENGTH, LARGEST_HEAD):
        raise ValueError(f"its head would be of {length:,} bytes, and it has {size:,}")
    return length


def parse_head(head: bytes, size: int) -> Layout:
    """Return the layout of a file of this size, whose head was read.

    Raises:
        ValueError: no such head; the message says why.
    """
    try:
        data = json.loads(head.decode("utf-8"), object_pairs_hook=_without_repeats)
    except RecursionError as error:
        raise ValueError("its head is nested too deep") from error
    if not isinstance(data, dict):
        raise ValueError("its head is no table of tensors")
    metadata = data.pop(METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise ValueError(f"{METADATA} is no table of texts")
    if len(data) > _MOST_TENSORS:
        raise ValueError(f"it holds {len(data):,} tensors; up to {_MOST_TENSORS:,} are taken")
    start = LENGTH + len(head)
    entries = sorted((_entry(name, of, start) for name, of in data.items()), key=lambda e: (e.begin, e.end))
    place = start
    for entry in entries:
        if entry.begin != place:
            raise ValueError(
                f"{entry.name} begins at byte {entry.begin:,}, and the one before ends at {place:,}"
            )
        place = entry.end
    if place != size:
        raise ValueError(f"its tensors end at byte {place:,}, and it has {size:,}")
    return Layout(tuple(entries), metadata)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("its head names a tensor twice")
    return found


def _entry(name: str, of: Any, start: int) -> Entry:
    """The entry of a tensor; `start`: where the bytes of all begin."""
    if not isinstance(of, dict) or of.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{name!r} has not a dtype, a shape and offsets")
    shape, offsets = of["shape"], of["data_offsets"]
    if not _whole_numbers(shape) or not _whole_numbers(offsets) or len(offsets) != 2:
        raise ValueError(f"{name!r} has a shape or offsets that are no whole numbers")
    dtype = _TYPES.get(of["dtype"]) if isinstance(of["dtype"], str) else None
    if dtype is None:
        raise ValueError(f"{name!r} is of the type {of['dtype']!r}; those taken are {', '.join(_TYPES)}")
    begin, end = offsets
    if end - begin != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{name!r} of shape {shape} and type {of['dtype']} has {end - begin:,} bytes")
    return Entry(name, dtype, tuple(shape), start + begin, start + end)


def _whole_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(type(x) is int and 0 <= x < 1 << 62 for x in value)
