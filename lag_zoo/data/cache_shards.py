"""Shards: files of decoded frames that vouch for themselves.

A shard is written once and never changed. Its name is the SHA-256 of its bytes, so no index has to be kept in step with
it: it is there whole, or not at all. Of each frame it holds the field of view, the global view and the pixels, to be
mapped into memory; at its end stand its index, JSON lines, and the length of that. (A safetensors file has its index in
front, so all frames of a shard would have to be in memory before the first is written.)
"""

import contextlib
import hashlib
import json
import mmap
import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import torch
from torch import Tensor

from lag_zoo.errors import DataError
from lag_zoo.files import put_in_place, scratch_in
from lag_zoo.opening import open_regular
from lag_zoo.views import FieldOfView
from lag_zoo.views.field_of_view import NORMALS
from lag_zoo.weights.digests import hash_of, identity_of, remember_digest, remembered_digest

SUFFIX = ".shard"
_PAGE = 4096  # frames begin on a page of memory
_MAGIC = b"lagshard"
_OFFSETS = 4 * len(NORMALS)  # bytes of a field's float32
_CUTOUT = 4 * 8  # bytes of one cutout's int64


class CachedFrame(NamedTuple):
    """A frame as it is kept: pixels (3, H, W) and global view (3, G, G), both uint8, and the field of view."""

    pixels: Tensor
    global_view: Tensor
    field: FieldOfView


class Place(NamedTuple):
    """Place of a frame in its shard: first byte, height and width, and the cutouts of its field."""

    at: int
    height: int
    width: int
    cutouts: int


class ShardWriter:
    """Writes one shard; as a context, it is there once the block has ended without an error.

    Raises:
        OSError: it cannot be written, as on a full disk; nothing of it is left.
    """

    def __init__(self, folder: Path) -> None:
        self.size = 0
        self._folder = folder
        self._index: list[str] = []
        self._digest = hashlib.sha256()
        self._ending = contextlib.ExitStack()
        with self._explained():
            self._part = self._ending.enter_context(scratch_in(folder, mode=0o600))
            self._file = self._part.open("wb")

    def __enter__(self) -> Self:
        return self

    def add(self, key: str, frame: CachedFrame) -> None:
        """Appends a frame under its key."""
        offsets, cutouts, (height, width) = frame.field
        place = Place(self.size + -self.size % _PAGE, height, width, cutouts.shape[1])
        self._index.append(json.dumps([key, *place]))
        with self._explained():
            self._write(bytes(place.at - self.size))
            # Colours side by side, as decoders leave them.
            for tensor in (offsets, cutouts, frame.global_view, frame.pixels.permute(1, 2, 0)):
                self._write(tensor.numpy().tobytes())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                with self._explained():
                    self._finish()
        finally:
            with self._ending, contextlib.suppress(OSError):
                self._file.close()  # what could not be written cannot be flushed either

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self.size += len(data)

    def _finish(self) -> None:
        index = "\n".join(self._index).encode()
        self._write(index)
        self._write(len(index).to_bytes(8, "little") + _MAGIC)
        self._file.close()
        digest = self._digest.hexdigest()
        whole = self._folder / f"{digest}{SUFFIX}"
        put_in_place(self._part, whole)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = (
                f"{error.strerror}; the shards written so far are kept, and another build goes on after them"
            )
            raise OSError(error.errno, reason, str(self._folder)) from error


def verify_shard(path: Path, *, anew: bool = False) -> None:
    """Refuse a shard whose bytes are not those that its name says; one that has not changed is not read again.

    Args:
        anew: reads it in any case.

    Raises:
        DataError: it is damaged; the message names it.
        OSError: it cannot be read.
    """
    with open_regular(path) as file:
        _verify(file, path, anew=anew)


def _verify(file: FileIO, path: Path, *, anew: bool = False) -> None:
    before = identity_of(file.fileno())
    found = None if anew else remembered_digest(before)
    if found == path.stem:
        return
    found = hash_of(file)
    if found != path.stem:
        raise DataError(
            f"{path} is damaged: its SHA-256 is {found}, and its name says another. Delete this file and build the "
            "cache again; only its frames are decoded anew"
        )
    if identity_of(file.fileno()) == before:
        remember_digest(before, found)


def shard_index(path: Path) -> Iterator[tuple[str, Place]]:
    """The keys of a verified shard's frames, and where they lie."""
    with path.open("rb") as file:
        file.seek(-16, os.SEEK_END)
        end = file.read()
        if end[8:] != _MAGIC:
            raise DataError(f"{path} is no shard of a frame cache")
        length = int.from_bytes(end[:8], "little")
        file.seek(-16 - length, os.SEEK_END)
        lines = file.read(length).decode().splitlines()
    for line in lines:
        key, *place = json.loads(line)
        yield key, Place(*place)


def map_shard(path: Path) -> Tensor:
    """All bytes of a shard, verified and mapped: read as they are looked at, by the page, and shared between processes.

    Raises:
        DataError: it is gone, or damaged.
    """
    try:
        with open_regular(path) as file:
            _verify(file, path)
            pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)  # torch takes no read-only memory
    except FileNotFoundError as error:
        raise DataError(f"{path} is gone: build the cache again") from error
    return torch.frombuffer(pages, dtype=torch.uint8)


def frame_at(shard: Tensor, place: Place, *, global_size: int) -> CachedFrame:
    """A frame of a mapped shard. Its tensors are the mapped bytes themselves: they are not to be written to."""
    at, height, width, cutouts = place
    lengths = [_OFFSETS, cutouts * _CUTOUT, 3 * global_size**2, height * width * 3]
    offsets, cut, view, pixels = torch.split(shard[at : at + sum(lengths)], lengths)
    field = FieldOfView(
        offsets.view(torch.float32)[None],
        cut.view(torch.int64).view(1, cutouts, 4),
        (height, width),
    )
    return CachedFrame(
        pixels.view(height, width, 3).permute(2, 0, 1), view.view(3, global_size, global_size), field
    )
