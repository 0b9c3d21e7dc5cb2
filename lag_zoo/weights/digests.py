"""Digests, remembered: a file that has not changed since it was verified is not hashed again.

What is remembered lies in lag_zoo's own cache directory, for a file's own may be read-only: `LAG_ZOO_CACHE`, else
`lag_zoo` in `XDG_CACHE_HOME` or `~/.cache`. A file is known by what its descriptor says: device, inode, size, and when
it was written and changed. Putting the time of writing back does not help a forger, since the time of change, which the
system sets, is another.
"""

import contextlib
import hashlib
import json
import os
import re
import time
from io import FileIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

from lag_zoo.files import write_whole
from lag_zoo.opening import open_regular

CHUNK = 1 << 22
"""Bytes that are hashed at a time."""

_SETTLED = 2.0  # seconds: a file that changed just now could change again within one tick of its clock
_KEPT = 30 * 24 * 3600.0  # seconds: disks decay, so an old digest is taken anew
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Identity(NamedTuple):
    """An open file, as the system knows it; times in nanoseconds."""

    device: int
    inode: int
    size: int
    written: int
    changed: int


def identity_of(descriptor: int) -> Identity:
    """Return the identity of an open file."""
    state = os.fstat(descriptor)
    return Identity(state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


def cache_directory() -> Path:
    """Folder of lag_zoo's own cache."""
    if own := os.environ.get("LAG_ZOO_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lag_zoo"


def remembered_digest(identity: Identity) -> str | None:
    """Return the SHA-256 that was noted of this very file, lately; `None`: none, or it has changed since."""
    if os.name == "nt":  # whose time of change is that of creation
        return None
    try:
        note = _note(identity)
        noted = note.read_text(encoding="ascii")
        old = time.time() - note.stat().st_mtime > _KEPT
    except (OSError, UnicodeDecodeError, RuntimeError):  # also where there is no home
        return None
    return noted if not old and _DIGEST.fullmatch(noted) else None


def remember_digest(identity: Identity, digest: str) -> None:
    """Note the SHA-256 of a file that had this identity before it was hashed and after.

    Of one that changed within the last two seconds nothing is noted. Where nothing can be written, the next load
    hashes the file again.
    """
    if time.time() - max(identity.written, identity.changed) / 1e9 < _SETTLED:
        return
    with contextlib.suppress(OSError, RuntimeError):
        note = _note(identity)
        note.parent.mkdir(parents=True, exist_ok=True)
        write_whole(note, digest)


def note_vouched(repo: str, commit: str, filename: str, digest: str) -> None:
    """Note the digest by which the Hub vouches for a file of a commit, which never changes.

    For caches on disks without links, as on many a Windows: elsewhere the Hub's client keeps it, as the name of the
    file that a link leads to. Where nothing can be written, the file cannot be used offline.
    """
    with contextlib.suppress(OSError, RuntimeError):
        note = _vouched(repo, commit, filename)
        note.parent.mkdir(parents=True, exist_ok=True)
        write_whole(note, digest)


def noted_vouched(repo: str, commit: str, filename: str) -> str | None:
    """Return what `note_vouched` noted; `None`: nothing, or it is no digest.

    >>> noted_vouched("clinic/none", "0" * 40, "config.json")
    """
    try:
        noted = _vouched(repo, commit, filename).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError, RuntimeError):  # also where there is no home
        return None
    return noted if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", noted) else None


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, read now.

    Raises:
        OSError: it cannot be read, or is no regular file.
    """
    with open_regular(path) as file:
        return hash_of(file)


def hash_of(file: BinaryIO | FileIO) -> str:
    """Return the SHA-256 of an open file, from its first byte on."""
    file.seek(0)
    found = hashlib.sha256()
    while chunk := file.read(CHUNK):
        found.update(chunk)
    return found.hexdigest()


def git_digest(data: bytes) -> str:
    """Return the SHA-1 under which git, and so the Hub, knows a small file of these bytes."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _vouched(repo: str, commit: str, filename: str) -> Path:
    name = hashlib.sha256(json.dumps([repo, commit, filename]).encode()).hexdigest()
    return cache_directory() / "vouched" / name


def _note(identity: Identity) -> Path:
    return cache_directory() / "verified" / hashlib.sha256(repr(tuple(identity)).encode()).hexdigest()
