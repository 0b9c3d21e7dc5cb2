"""SHA-256 of weights files, remembered: a file that has not changed since it was verified is not read again.

What is remembered lies in lag_zoo's own cache directory, for a file's own may be read-only: `LAG_ZOO_CACHE`, else
`lag_zoo` in `XDG_CACHE_HOME` or `~/.cache`. A file has not changed where path, size, modification time and inode are
the same.
"""

import contextlib
import hashlib
import os
from pathlib import Path

from lag_zoo.files import write_whole

_CHUNK = 1 << 22


def cache_directory() -> Path:
    """Folder of lag_zoo's own cache."""
    if own := os.environ.get("LAG_ZOO_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lag_zoo"


def remembered_digest(path: Path) -> str | None:
    """The SHA-256 that `remember_digest` noted of this very file; `None`: none, or the file has changed since."""
    try:
        noted = _note(path).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None
    return noted if len(noted) == 64 else None


def remember_digest(path: Path, digest: str) -> None:
    """Notes the SHA-256 of a verified file. Where nothing can be written, the next load reads the file again."""
    note = _note(path)
    with contextlib.suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        write_whole(note, digest)


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, read now."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()


def git_digest_of(path: Path) -> str:
    """The SHA-1 under which git, and so the Hub, knows a small file."""
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _note(path: Path) -> Path:
    real = path.resolve()
    state = real.stat()
    identity = f"{real}\0{state.st_size}\0{state.st_mtime_ns}\0{state.st_ino}"
    return cache_directory() / "verified" / hashlib.sha256(identity.encode()).hexdigest()
