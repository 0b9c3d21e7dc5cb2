"""Weights files: each read once, and what was verified is what is used; written, and put strictly into a network."""

import errno
import hashlib
import math
import mmap
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
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
from lag_zoo.weights.digests import CHUNK, identity_of, remember_digest, remembered_digest
from lag_zoo.weights.layout import LENGTH, Entry, Layout, head_length, parse_head

_SHOWN = 3
_SYSTEM = re.compile(r"\(os error (\d+)\)")
_LARGE = 1 << 18  # bytes of a tensor that another thread reads
_THREADS = min(4, os.cpu_count() or 1)


class Weights(NamedTuple):
    """The tensors of a safetensors file by name, the SHA-256 of all its bytes, and the texts noted beside them."""

    tensors: dict[str, Tensor]
    sha256: str
    metadata: Mapping[str, str]


def read_weights(
    path: Path,
    sha256: str | None = None,
    *,
    mapped: bool = False,
    finite: bool = True,
    require: Callable[[Layout], object] | None = None,
) -> Weights:
    """Read a safetensors file, which is opened once: the bytes that are hashed are those that the tensors have.

    A file that has not changed since it was verified is not hashed again. The first time, the values are looked at
    too: each must be finite.

    Args:
        sha256: of the file; `None`: nobody vouches for it, and whatever it is comes back.
        mapped: the tensors are the pages of the file, read when they are looked at; `False`: a copy in memory. Of a
            mapped file that somebody rewrites in place the tensors change, and one that is cut short ends the process.
        finite: refuses values that are not.
        require: is given what the head says, before memory is taken for it, and may raise a ValueError.

    Raises:
        WeightsNotFoundError: no such file.
        WeightsIntegrityError: other bytes, no safetensors file, or values that are not finite.
        OSError: the system cannot read it.
    """
    take = _map if mapped else _copy
    tensors, metadata, digest = _opened(path, sha256, take, finite=finite, require=require)
    return Weights(tensors, digest, metadata)


def verify_file(path: Path, sha256: str | None = None) -> str:
    """Verify a safetensors file as `read_weights` does, in pieces of a few megabytes; its SHA-256."""
    return _opened(path, sha256, _pass)[2]


def _opened(
    path: Path,
    sha256: str | None,
    take: "_Take",
    *,
    finite: bool = True,
    require: Callable[[Layout], object] | None = None,
) -> tuple[dict[str, Tensor], Mapping[str, str], str]:
    """Tensors, texts and SHA-256 of a file, as `read_weights` says."""
    try:
        with open_regular(path) as file:
            return _read(file, path, sha256, take, finite=finite, require=require)
    except WeightsError:
        raise
    except FileNotFoundError as error:
        raise WeightsNotFoundError(f"no weights file {path}") from error
    except (UnfitFileError, ValueError, RuntimeError) as error:
        raise WeightsIntegrityError(f"{path} is not a safetensors file that can be read: {error}") from error


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
        raise _refused(error, path) from error
    path.chmod(mode)


def _refused(error: SafetensorError, path: Path) -> OSError:
    """The refusal of the system, of which the package gives no more than the words of Rust's `std::io::Error`."""
    found = _SYSTEM.search(str(error))
    number = int(found[1]) if found else errno.EIO
    return OSError(number, os.strerror(number) if found else str(error), str(path))


def _read(
    file: FileIO,
    path: Path,
    sha256: str | None,
    take: "_Take",
    *,
    finite: bool,
    require: Callable[[Layout], object] | None,
) -> tuple[dict[str, Tensor], Mapping[str, str], str]:
    before = identity_of(file.fileno())
    noted = remembered_digest(before)
    head, layout = _head(file, before.size)
    if require is not None:
        require(layout)
    if finite and noted is not None and sha256 in (None, noted):
        tensors = take(file, layout, anew=None)
        if identity_of(file.fileno()) == before:
            return tensors, layout.metadata, noted
    anew = _Anew(head)
    tensors = take(file, layout, anew=anew)
    found = anew.digest.hexdigest()
    unchanged = identity_of(file.fileno()) == before
    if sha256 is not None and found != sha256:
        meanwhile = "" if unchanged else "; it was written to while it was read"
        raise WeightsIntegrityError(
            f"{path} has the SHA-256 {found}, and {sha256} was expected: fetch or install it anew{meanwhile}"
        )
    if finite:  # what is remembered was looked at
        _refuse(anew.broken, path)
        if unchanged:
            remember_digest(before, found)
    return tensors, layout.metadata, found


def _head(file: FileIO, size: int) -> tuple[bytes, Layout]:
    """The first bytes of a file of this size, up to its tensors, and what they say."""
    first = bytearray(LENGTH)
    _fill(memoryview(first), file, 0)
    head = bytearray(head_length(bytes(first), size))
    _fill(memoryview(head), file, LENGTH)
    return bytes(first + head), parse_head(bytes(head), size)


class _Anew:
    """The findings about a file that is not known yet: its SHA-256, and which tensors have values that are not finite.

    Tensors are added in their order, between which is nothing, whole or piece by piece.
    """

    def __init__(self, head: bytes) -> None:
        self.digest = hashlib.sha256(head)
        self.broken: dict[str, None] = {}

    def add(self, name: str, tensor: Tensor) -> None:
        self.digest.update(_memory_of(tensor))
        if tensor.is_floating_point() and not _finite(tensor):
            self.broken[name] = None


class _Take(Protocol):
    def __call__(self, file: FileIO, layout: Layout, *, anew: _Anew | None) -> dict[str, Tensor]:
        """The tensors of a file, which are told to `anew`."""


def _copy(file: FileIO, layout: Layout, *, anew: _Anew | None) -> dict[str, Tensor]:
    """Each tensor in memory of its own, as torch places it: where a tensor lies changes the last bit of a product."""

    def read(entry: Entry) -> Tensor:
        tensor = torch.empty(entry.shape, dtype=entry.dtype)
        _fill(_memory_of(tensor), file, entry.begin)
        return _checked(tensor, entry)

    if not hasattr(os, "preadv"):  # one place in the file for all threads
        tensors = {entry.name: read(entry) for entry in layout.entries}
    else:
        # Memory that nobody had before is slow to touch: half the time of a large file, which cores can share.
        with ThreadPoolExecutor(_THREADS) as pool:
            large = {e.name: pool.submit(read, e) for e in layout.entries if e.end - e.begin > _LARGE}
            small = {e.name: read(e) for e in layout.entries if e.name not in large}
            tensors = {
                e.name: small[e.name] if e.name in small else large[e.name].result() for e in layout.entries
            }
    if anew is not None:
        for name, tensor in tensors.items():
            anew.add(name, tensor)
    return tensors


def _map(file: FileIO, layout: Layout, *, anew: _Anew | None) -> dict[str, Tensor]:
    """Each tensor as pages of the file that become the process's own where it writes."""
    size = layout.entries[-1].end if layout.entries else 0
    pages = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY) if size else b""
    tensors = {entry.name: _checked(_pages_of(pages, entry), entry) for entry in layout.entries}
    if anew is not None:
        for name, tensor in tensors.items():
            anew.add(name, tensor)
    return tensors


def _pass(file: FileIO, layout: Layout, *, anew: _Anew | None) -> dict[str, Tensor]:
    """No tensor: each is looked at in pieces, so that neither its size nor a file that is cut meanwhile does harm."""
    if anew is not None:
        for entry in layout.entries:
            for piece in _pieces(file, entry):
                anew.add(entry.name, _checked(piece, entry))
    return {}


def _pieces(file: FileIO, entry: Entry) -> Iterator[Tensor]:
    """The values of a tensor, some at a time, in memory that the next ones take; a single number in its own shape."""
    room = torch.empty(min(CHUNK, entry.end - entry.begin) // entry.dtype.itemsize, dtype=entry.dtype)
    for begin in range(entry.begin, entry.end, CHUNK):
        piece = room[: (min(begin + CHUNK, entry.end) - begin) // entry.dtype.itemsize]
        _fill(_memory_of(piece), file, begin)
        yield piece.reshape(entry.shape) if not entry.shape else piece


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
    _refuse(
        [key for key, tensor in weights.items() if tensor.is_floating_point() and not _finite(tensor)], source
    )


def _refuse(names: Collection[str], source: object) -> None:
    """Refuse a file for the tensors of which values are not finite."""
    if broken := list(names):
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
