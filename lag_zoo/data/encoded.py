"""Image files that are not on a disk: bytes in memory, and files that somebody has opened."""

import contextlib
import inspect
import io
import os
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from lag_zoo.errors import UnreadableImageError

IN_MEMORY = "bytes in memory"
"""The name that messages give to a file without a path."""

MAX_BYTES = 1 << 30
"""Bytes of a file above which it is refused unread; 80 megapixels of 16-bit colours and alpha have 640 million."""

_CHUNK = 1 << 20


@runtime_checkable
class SupportsRead(Protocol):
    """Something open for reading, such as `open(path, "rb")`, `io.BytesIO` or an upload."""

    def read(self, size: int = -1, /) -> Any:
        """The next bytes."""


class Encoded(NamedTuple):
    """The bytes of an image file, and its path where it has one."""

    data: bytes
    path: Path | None = None

    @property
    def name(self) -> str:
        """The name that messages give to it."""
        return IN_MEMORY if self.path is None else str(self.path)


Held = bytes | bytearray | memoryview | SupportsRead | Encoded
"""An image file as bytes, or open in binary mode."""


def held(file: Held) -> Encoded:
    """The bytes of a file, from its beginning to its end.

    Raises:
        UnreadableImageError: a file opened as text, a closed one, one without end, one that cannot be read, or
            something else.

    >>> held(io.BytesIO(b"II*"))
    Encoded(data=b'II*', path=None)
    """
    if isinstance(file, Encoded):
        return file
    if isinstance(file, bytes | bytearray | memoryview):
        return Encoded(bytes(file))
    if not isinstance(file, SupportsRead):
        raise UnreadableImageError(
            f"an image file is a path, bytes, or a file open in binary mode; got {type(file).__name__}"
        )
    if inspect.iscoroutinefunction(file.read):  # of an upload, whose own file is below it
        file = getattr(file, "file", file)
    path = _path_of(file)
    name = Encoded(b"", path).name
    if isinstance(file, io.TextIOBase):
        raise _as_text(name)
    try:
        with contextlib.suppress(AttributeError, OSError):  # a pipe has no way back
            file.seek(0)  # type: ignore[union-attr]
        return Encoded(_whole(file, name), path)
    except UnreadableImageError:
        raise
    except Exception as error:  # whatever the one who opened it has made of it
        raise UnreadableImageError(
            f"{name}: an open file that cannot be read ({error or type(error).__name__})"
        ) from error


def _whole(file: SupportsRead, name: str) -> bytes:
    data = bytearray()
    while chunk := file.read(_CHUNK):
        if not isinstance(chunk, bytes | bytearray | memoryview):
            raise _as_text(name)
        data += chunk
        if len(data) > MAX_BYTES:
            raise UnreadableImageError(
                f"{name}: an open file of more than {MAX_BYTES >> 30} GB, or without end"
            )
    return bytes(data)


def _as_text(name: str) -> UnreadableImageError:
    return UnreadableImageError(f'{name}: a file opened as text; open it in binary mode, open(path, "rb")')


def _path_of(file: object) -> Path | None:
    """Path of an open file, unless its name is a number or that of a member of an archive."""
    try:
        name: str = file.name  # type: ignore[attr-defined]  # where it has one
        there = os.stat(name)  # first: to ask a spooled file for its number would put it on the disk
        return Path(name) if os.path.samestat(there, os.fstat(file.fileno())) else None  # type: ignore[attr-defined]
    except (AttributeError, OSError, TypeError, ValueError):
        return None
