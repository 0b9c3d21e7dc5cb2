"""The file of a checkpoint: dictionaries, lists, numbers, texts and tensors, as safetensors, with a checksum.

Not as a pickle: what is read to resume a run can then run nothing, whichever torch reads it. And before memory is taken
for what it says it holds, that is compared with the network that it is of.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from lag_zoo.errors import StateError, WeightsIntegrityError
from lag_zoo.files import write_whole
from lag_zoo.weights.files import bytes_of, read_weights, write_weights
from lag_zoo.weights.layout import Layout

OTHERS = 1 << 26
"""Bytes that a checkpoint may hold besides tensors of the network's shapes: random numbers, an optimiser's counts."""

# Of each tensor: the network's, its average's, the best epoch's, two moments of the optimiser; and one to spare.
_COPIES = 6
_LONGEST = 1 << 23  # letters of the tree; of timm's networks the one with most tensors has 3,108
_TREE, _CHECKSUM = "tree", "checksum"


def write_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint, whole or not at all.

    Raises:
        OSError: it cannot be written.
        TypeError: it holds something else than a checkpoint can.
    """
    tensors: dict[str, Tensor] = {}
    tree = json.dumps(_packed(content, tensors))
    texts = {_TREE: tree, _CHECKSUM: _checksum(tree, tensors)}
    write_whole(path, lambda scratch: write_weights(scratch, tensors, **texts))


def read_checkpoint(
    path: Path, network: Mapping[str, Tensor] | None = None, *, others: int = OTHERS
) -> dict[str, Any]:
    """Read a checkpoint that `write_checkpoint` wrote.

    Args:
        path: of the file.
        network: the tensors of the network that it is of. Each of their shapes may be there six times as often.
        others: bytes that tensors of other shapes, or more of them, may have in all.

    Raises:
        StateError: it is damaged, no checkpoint, or holds more than it may; of this no memory is taken.
        WeightsNotFoundError: there is none.
    """

    def require(layout: Layout) -> None:
        if len(layout.metadata.get(_TREE, "")) > _LONGEST:
            raise ValueError(f"its tree is longer than {_LONGEST:,} letters")
        _require_fitting(layout, network or {}, others)

    try:
        tensors, _, texts = read_weights(path, finite=False, require=require)
        tree = texts[_TREE]
        if texts[_CHECKSUM] == _checksum(tree, tensors):
            content = _unpacked(json.loads(tree), tensors)
            if isinstance(content, dict):
                return content
            reason = "it is no table"
        else:
            reason = "its checksum is another"
    except (WeightsIntegrityError, KeyError, ValueError, TypeError, RecursionError) as error:
        reason = str(error)
    raise StateError(
        f"{path} is damaged, or no checkpoint of this version of lag_zoo ({reason}): the run cannot go on from it. Its "
        "best network so far is in best/; begin anew in another folder"
    )


def _require_fitting(layout: Layout, network: Mapping[str, Tensor], others: int) -> None:
    """Refuse more tensors, or larger ones, than a run of this network keeps.

    Raises:
        ValueError: it says so.
    """
    room = Counter(tuple(tensor.shape) for tensor in network.values())
    room = Counter({shape: _COPIES * count for shape, count in room.items()})
    strange = 0
    for entry in layout.entries:
        if room[entry.shape] and entry.dtype.itemsize <= 4:
            room[entry.shape] -= 1
        else:
            strange += entry.end - entry.begin
    if strange > others:
        raise ValueError(
            f"it has {strange:,} bytes of tensors that the run's network and its optimiser have not, and up to "
            f"{others:,} are taken"
        )


def _packed(value: Any, tensors: dict[str, Tensor]) -> Any:
    """As JSON, with the tensors put aside under numbers."""
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().cpu()
        return {"tensor": name}
    if isinstance(value, Mapping):
        return {"entries": [[_packed(k, tensors), _packed(v, tensors)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        return {type(value).__name__: [_packed(item, tensors) for item in value]}
    if value is None or type(value) in (bool, int, float, str):
        return value
    raise TypeError(f"a checkpoint cannot hold {type(value).__name__}: {value!r:.80}")


def _unpacked(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, inside),) = value.items()
    if kind == "tensor":
        return tensors[inside]
    if kind == "entries":
        return {_unpacked(k, tensors): _unpacked(v, tensors) for k, v in inside}
    items = [_unpacked(item, tensors) for item in inside]
    return tuple(items) if kind == "tuple" else items


def _checksum(tree: str, tensors: Mapping[str, Tensor]) -> str:
    found = hashlib.sha256(tree.encode())
    for name, tensor in sorted(tensors.items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        found.update(bytes_of(tensor.contiguous()).numpy().data)
    return found.hexdigest()
