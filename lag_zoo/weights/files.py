"""Weights files: each read once, and what was verified is what is used; written, and put strictly into a network."""

import hashlib
import math
import mmap
import os
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from io import FileIO
from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from lag_zoo.errors import WeightsError, WeightsIntegrityError, WeightsMismatchError, WeightsNotFoundError
from lag_zoo.opening import UnfitFileError, open_regular
from lag_zoo.weights.digests import CHUNK, hash_of, identity_of, remember_digest, remembered_digest
from lag_zoo.weights.layout import LENGTH, Entry, head_length, parse_head

_SHOWN = 3
_LARGE = 1 << 18  # bytes of a tensor that another thread reads
_THREADS = min(4, os.cpu_count() or 1)


class Weights(NamedTuple):
    """The tensors of a safetensors file by name, the SHA-256 of all its bytes, and the texts noted beside them."""

    tensors: dict[str, Tensor]
    sha256: str
    metadata: Mapping[str, str]


def read_weights(
    path: Path, sha256: str | None = None, *, mapped: bool = False, finite: bool = True
) -> Weights:
    """Read a safetensors file, which is opened once: the bytes that are hashed are those that the tensors have.

    A file that has not changed since it was verified is not hashed again. The first time, the values are looked at
    too: each must be finite.

    Args:
        sha256: of the file; `None`: nobody vouches for it, and whatever it is comes back.
        mapped: the tensors are the pages of the file, read when they are looked at; `False`: a copy in memory. Of a
            mapped file that somebody rewrites in place the tensors change, and one that is cut short ends the process.
        finite: refuses values that are not.

    Raises:
        WeightsNotFoundError: no such file.
        WeightsIntegrityError: other bytes, no safetensors file, or values that are not finite.
        OSError: the system cannot read it.
    """
    try:
        with open_regular(path) as file:
            return _read(file, path, sha256, _map if mapped else _copy, finite=finite)
    except WeightsError:
        raise
    except FileNotFoundError as error:
        raise WeightsNotFoundError(f"no weights file {path}") from error
    except (UnfitFileError, ValueError, RuntimeError) as error:
        raise WeightsIntegrityError(f"{path} is not a safetensors file that can be read: {error}") from error


def verify_file(path: Path, sha256: str | None = None) -> str:
    """Verify a safetensors file as `read_weights` does, without its tensors in memory; its SHA-256."""
    return read_weights(path, sha256, mapped=True).sha256


def write_weights(path: Path, weights: Mapping[str, Tensor], **metadata: str) -> None:
    """Writes a safetensors file; tied weights and views each by themselves, whoever shares their memory.

    Raises:
        OSError: it cannot be written.
    """
    own = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in weights.items()}
    path.touch()
    mode = path.stat().st_mode  # safetensors puts a file in its place that only the owner may read
    try:
        save_file(own, path, metadata={"format": "pt", **metadata})
    except SafetensorError as error:
        raise OSError(f"{path} cannot be written: {error}") from error
    path.chmod(mode)


def _read(file: FileIO, path: Path, sha256: str | None, take: "_Take", *, finite: bool) -> Weights:
    before = identity_of(file.fileno())
    noted = remembered_digest(before)
    if finite and noted is not None and sha256 in (None, noted):
        tensors, metadata, _ = take(file, before.size, hashed=False)
        if identity_of(file.fileno()) == before:
            return Weights(tensors, noted, metadata)
    tensors, metadata, found = take(file, before.size, hashed=True)
    unchanged = identity_of(file.fileno()) == before
    if sha256 is not None and found != sha256:
        meanwhile = "" if unchanged else "; it was written to while it was read"
        raise WeightsIntegrityError(
            f"{path} has the SHA-256 {found}, and {sha256} was expected: fetch or install it anew{meanwhile}"
        )
    if finite:  # what is remembered was looked at
        _require_finite(tensors, path)
        if unchanged:
            remember_digest(before, found)
    return Weights(tensors, found, metadata)


class _Take(Protocol):
    def __call__(
        self, file: FileIO, size: int, *, hashed: bool
    ) -> tuple[dict[str, Tensor], Mapping[str, str], str]:
        """The tensors of a file of this size, the texts beside them, and its SHA-256; empty: it was not asked for."""


def _copy(file: FileIO, size: int, *, hashed: bool) -> tuple[dict[str, Tensor], Mapping[str, str], str]:
    """Each tensor in memory of its own, as torch places it: where a tensor lies changes the last bit of a product."""
    first = bytearray(LENGTH)
    _fill(memoryview(first), file, 0)
    head = bytearray(head_length(bytes(first), size))
    _fill(memoryview(head), file, LENGTH)
    layout = parse_head(bytes(head), size)

    def read(entry: Entry) -> Tensor:
        tensor = torch.empty(entry.shape, dtype=entry.dtype)
        _fill(_memory_of(tensor), file, entry.begin)
        return _checked(tensor, entry)

    if not hasattr(os, "preadv"):  # one place in the file for all threads
        tensors = {entry.name: read(entry) for entry in layout.entries}
        return tensors, layout.metadata, _digest(bytes(first + head), tensors) if hashed else ""
    # Memory that nobody had before is slow to touch: half the time of a large file, which cores can share.
    with ThreadPoolExecutor(_THREADS) as pool:
        large = {e.name: pool.submit(read, e) for e in layout.entries if e.end - e.begin > _LARGE}
        small = {e.name: read(e) for e in layout.entries if e.name not in large}
        tensors = {
            e.name: small[e.name] if e.name in small else large[e.name].result() for e in layout.entries
        }
    return tensors, layout.metadata, _digest(bytes(first + head), tensors) if hashed else ""


def _digest(head: bytes, tensors: Mapping[str, Tensor]) -> str:
    """The SHA-256 of a file: of its head, and of its tensors in their order, between which is nothing."""
    found = hashlib.sha256(head)
    for tensor in tensors.values():
        found.update(_memory_of(tensor))
    return found.hexdigest()


def _map(file: FileIO, size: int, *, hashed: bool) -> tuple[dict[str, Tensor], Mapping[str, str], str]:
    """Each tensor as pages of the file that become the process's own where it writes."""
    pages = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY) if size else b""
    head = bytes(pages[LENGTH : LENGTH + head_length(bytes(pages[:LENGTH]), size)])
    layout = parse_head(head, size)
    tensors = {entry.name: _checked(_pages_of(pages, entry), entry) for entry in layout.entries}
    return tensors, layout.metadata, hash_of(file) if hashed else ""


def _fill(memory: memoryview, file: FileIO, place: int) -> None:
    """Fill memory with the bytes of a file from this place on."""
    done = 0
    while done < len(memory):
        part = memory[done : done + CHUNK]
        if hasattr(os, "preadv"):
            count = os.preadv(file.fileno(), [part], place + done)
        else:
            file.seek(place + done)
            count = file.readinto(part) or 0
        if not count:
            raise ValueError("it ends too early")
        done += count


def _memory_of(tensor: Tensor) -> memoryview:
    return bytes_of(tensor).numpy().data


def bytes_of(tensor: Tensor) -> Tensor:
    """The bytes (n,) of a contiguous tensor, uint8, in its own memory."""
    return tensor.reshape(-1).view(torch.uint8)


def _pages_of(pages: mmap.mmap | bytes, entry: Entry) -> Tensor:
    count = math.prod(entry.shape)
    if not count:
        return torch.empty(entry.shape, dtype=entry.dtype)
    return torch.frombuffer(pages, dtype=entry.dtype, count=count, offset=entry.begin).reshape(entry.shape)


def _checked(tensor: Tensor, entry: Entry) -> Tensor:
    """The tensor, unless it is of truth values and has bytes that are neither 0 nor 1, which torch takes for both."""
    if tensor.dtype == torch.bool and bool((bytes_of(tensor) > 1).any()):
        raise ValueError(f"{entry.name!r} has truth values that are neither 0 nor 1")
    return tensor


def _require_finite(weights: Mapping[str, Tensor], source: object) -> None:
    broken = [key for key, tensor in weights.items() if tensor.is_floating_point() and not _finite(tensor)]
    if broken:
        raise WeightsIntegrityError(
            f"{source} holds values that are not finite: {', '.join(broken[:_SHOWN])}"
        )


def _finite(tensor: Tensor) -> bool:
    if tensor.ndim == 0:  # a bound may be infinite, as those of timm's gemma4 are
        return not bool(tensor.isnan())
    # The sum of a tensor is finite where all its values are, unless it overflows; then they are looked at.
    wide = tensor.float() if tensor.element_size() < 4 else tensor
    return bool(wide.sum().isfinite()) or bool(torch.isfinite(wide).all())


def compare(
    own: Mapping[str, Tensor], weights: Mapping[str, Tensor], *, source: str, except_for: Collection[str] = ()
) -> None:
    """Refuses weights whose keys, shapes or kinds of number are not those of a network, but for some keys.

    Raises:
        WeightsMismatchError: they differ; the message shows the first that do.
    """
    ours = {key: tensor for key, tensor in own.items() if key not in except_for}
    theirs = {key: tensor for key, tensor in weights.items() if key not in except_for}
    differences = [
        *(f"missing: {key} {tuple(ours[key].shape)}" for key in ours if key not in theirs),
        *(f"unexpected: {key} {tuple(theirs[key].shape)}" for key in theirs if key not in ours),
        *(
            f"shape: {key} is {tuple(theirs[key].shape)}, the network has {tuple(ours[key].shape)}"
            for key in ours
            if key in theirs and ours[key].shape != theirs[key].shape
        ),
        *(
            f"type: {key} is {theirs[key].dtype}, the network has {ours[key].dtype}"
            for key in ours
            if key in theirs and ours[key].is_floating_point() != theirs[key].is_floating_point()
        ),
    ]
    if differences:
        more = f"\n  and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
        listed = "\n  ".join(differences[:_SHOWN])
        raise WeightsMismatchError(f"{source} holds the weights of another network:\n  {listed}{more}")


def load_strictly(model: nn.Module, weights: Mapping[str, Tensor], *, source: str) -> None:
    """Copies weights into a network whose keys and shapes are exactly these; fp16 widens to the network's type.

    Raises:
        WeightsMismatchError: keys, shapes or types differ; the network is untouched.
        WeightsIntegrityError: a value is not finite; the network is untouched.
    """
    compare(model.state_dict(), weights, source=source)
    _require_finite(weights, source)
    model.load_state_dict(dict(weights), strict=True)
