"""The folder of a frame cache: by what it knows a file, its header, the order of its last build, and where frames lie.

A file is known by its path, and has changed where its size, modification time or inode has, or a version of what
decodes it. Both are kept hashed, with a salt that lies in the folder: names cannot be read off a cache, though whoever
has one can try whether a path that they know is in it.
"""

import hashlib
import os
import secrets
from pathlib import Path
from typing import Any, NamedTuple

import PIL
import torch
import torchvision

import lag_zoo
from lag_zoo.data.cache_shards import SUFFIX, Place, shard_index, verify_shard
from lag_zoo.errors import DataError, StateError
from lag_zoo.files import PART
from lag_zoo.state import read_state, write_state

LOCK = ".lock"
"""The name of the file that a build locks."""

_FORMAT = 2  # also to be raised when the field of view is found otherwise
_HEADER, _ORDER = "cache.json", "order.json"
_MADE_BY = " ".join(
    (str(_FORMAT), lag_zoo.__version__, torch.__version__, torchvision.__version__, PIL.__version__)
)


class Header(NamedTuple):
    """Facts that hold for all frames of a folder."""

    global_size: int
    salt: bytes

    def key(self, path: Path) -> str:
        """Hashes of a file's path and of its state."""
        real = path.resolve()
        try:
            found = real.stat()
            state = f"{found.st_size} {found.st_mtime_ns} {found.st_ino} {_MADE_BY}"
        except OSError:
            state = ""  # reading it will say why
        return f"{self._hashed(os.fsencode(real))}-{self._hashed(state.encode())}"

    def _hashed(self, data: bytes) -> str:
        return hashlib.sha256(self.salt + data).hexdigest()[:32]


class Order(NamedTuple):
    """The keys of a build's frames, and the places of those of its images that could not be read."""

    frames: list[str]
    skipped: list[int]


def file_of(key: str) -> str:
    """The part of a key that says which file it is, in whatever state.

    >>> file_of("0f3a-77c1")
    '0f3a'
    """
    return key.partition("-")[0]


def make_folder(folder: Path) -> None:
    """Make the folder, its owner's alone; or refuse one that holds something else, before anything in it changes.

    Raises:
        DataError: it holds something else.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    strange = [entry.name for entry in folder.iterdir() if entry.name != LOCK and entry.suffix != PART]
    if (folder / _HEADER).is_file():  # looked for last: another process may be making this cache
        return
    if strange:
        raise DataError(
            f"{folder} is no frame cache and not empty ({strange[0]}): name a new folder for the cache"
        )
    folder.chmod(0o700)


def make_header(folder: Path, *, global_size: int) -> None:
    """Give the folder a header, if it has none."""
    if not (folder / _HEADER).is_file():
        header = {"format": _FORMAT, "global_size": global_size, "salt": secrets.token_hex(32)}
        write_state(folder / _HEADER, header, mode=0o600)


def read_header(folder: Path, *, global_size: int | None = None) -> Header:
    """The header of a folder, which must be for this global size if one is given.

    Raises:
        DataError: no cache, a damaged one, one of another format, or for another size.
    """
    if not (folder / _HEADER).is_file():
        raise DataError(f"{folder} is no frame cache: it has no {_HEADER}. build_cache makes one")
    content = _read(folder / _HEADER)
    if content.get("format") != _FORMAT:
        raise DataError(
            f"{folder} is a frame cache of format {content.get('format')}, and this version of lag_zoo reads format "
            f"{_FORMAT}: build in a new folder"
        )
    found = content["global_size"]
    if global_size not in (None, found):
        raise DataError(
            f"{folder} keeps global views of {found} pixels, and {global_size} are asked for: build in a folder of "
            "its own for this size"
        )
    return Header(found, bytes.fromhex(content["salt"]))


def read_order(folder: Path) -> Order | None:
    """Digest of the frames of the last build; `None`: none has come to its end.

    Raises:
        DataError: it is damaged.
    """
    if not (folder / _ORDER).is_file():
        return None
    content = _read(folder / _ORDER)
    return Order(content["frames"], content["skipped"])


def write_order(folder: Path, order: Order) -> None:
    """Notes what a build was of."""
    write_state(folder / _ORDER, order._asdict(), mode=0o600)


def held_frames(folder: Path) -> dict[str, tuple[str, Place]]:
    """The shard and the place of each frame in the folder, by its key; each shard verified.

    Raises:
        DataError: a shard is damaged.
    """
    held = {}
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        verify_shard(path)
        held.update({key: (path.name, place) for key, place in shard_index(path)})
    return held


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_state(path)
    except StateError as error:
        raise DataError(f"{error}: delete {path.parent} and build the cache again") from error
