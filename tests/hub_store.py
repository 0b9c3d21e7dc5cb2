"""What the Hub on loopback holds, and how it is made to fail."""

import hashlib
import io
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal

LARGE = 1 << 20  # bytes from which a file is LFS's, besides weights
_PIECE = 1 << 20  # bytes held in memory of a file
Kind = Literal["status", "reset", "cut", "corrupt", "stall", "drip", "wrong size", "slow"]


@dataclass
class Fault:
    """Spoils `times` answers to requests whose path fits `pattern` (and `method`, if one is given).

    status: this `status`, with the Hub's `code` for it; reset: the connection; cut: the body after `after` bytes,
    `Range` ignored if `stubborn`; corrupt: flipped bytes, the right length; stall: no answer for `seconds`; drip: a
    header without an end, a byte at a time; wrong size: HEAD says another length than the body has; slow: `after` bytes
    a second. What spoils a body waits for a GET.
    """

    kind: Kind
    pattern: str = "*"
    method: str | None = None
    times: int = 1_000_000
    status: int = 500
    code: str = ""
    after: int = 1000
    seconds: float = 1.0
    stubborn: bool = False

    def concerns(self, method: str) -> bool:
        """Whether it can spoil an answer to this method."""
        if self.kind in ("cut", "corrupt", "slow") and method == "HEAD":
            return False
        return self.times > 0 and self.method in (None, method)


@dataclass
class Blob:
    """The bytes of one file, on disk."""

    path: Path
    sha256: str
    sha1: str
    size: int
    lfs: bool

    @property
    def etag(self) -> str:
        """As the Hub names the bytes."""
        return self.sha256 if self.lfs else self.sha1


def keep(folder: Path, name: str, data: bytes | Path) -> Blob:
    """The bytes of a file with this name, kept in the folder by their digest; a piece in memory at a time."""
    if isinstance(data, Path):
        with data.open("rb") as file:
            return _keep(folder, name, file, data.stat().st_size)
    return _keep(folder, name, io.BytesIO(data), len(data))


def _keep(folder: Path, name: str, file: BinaryIO, size: int) -> Blob:
    sha1 = hashlib.sha1(b"blob %d\0" % size)
    sha256 = hashlib.sha256()
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as copy:
        for piece in pieces(file, size):
            sha1.update(piece)
            sha256.update(piece)
            copy.write(piece)
    path = folder / sha256.hexdigest()
    os.replace(copy.name, path)
    lfs = size >= LARGE or name.endswith(".safetensors")
    return Blob(path, sha256.hexdigest(), sha1.hexdigest(), size, lfs)


def pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    """The next `size` bytes of a file, or as many as it has."""
    while size > 0 and (piece := file.read(min(size, _PIECE))):
        size -= len(piece)
        yield piece


@dataclass
class Repository:
    """Its commits, each with all its files; `main` is the newest unless another branch is named."""

    commits: dict[str, dict[str, Blob]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    gated: bool = False
    private: bool = False

    def commit_of(self, revision: str) -> str | None:
        """The commit behind a branch or the beginning of one."""
        revision = self.branches.get(revision, revision)
        return revision if revision in self.commits else None
