"""Opening a file that somebody else may have put there: a regular one, of a bounded size, and nothing that waits.

A pipe, a socket or an endless device under the name of a file would stop a program, or fill its memory. So a path is
opened without waiting, and what was opened is looked at: not the path, which may name something else a moment later.
"""

import errno
import os
import stat
from io import FileIO

_NO_WAITING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_regular(path: str | os.PathLike[str], *, most: int | None = None) -> FileIO:
    """Open a regular file to read its bytes, unbuffered.

    Args:
        most: bytes that it may have.

    Raises:
        FileNotFoundError: there is none.
        OSError: it is something else than a file, or has more bytes, or cannot be read; the message says what it is.

    >>> open_regular("/tmp")
    Traceback (most recent call last):
    IsADirectoryError: [Errno 21] a folder, and no file: '/tmp'
    """
    descriptor = os.open(path, os.O_RDONLY | _NO_WAITING)
    try:
        state = os.fstat(descriptor)
        if stat.S_ISDIR(state.st_mode):
            raise IsADirectoryError(errno.EISDIR, "a folder, and no file", os.fspath(path))
        if not stat.S_ISREG(state.st_mode):
            kind = _KINDS.get(stat.S_IFMT(state.st_mode), "something else")
            raise OSError(errno.EINVAL, f"{kind}, and no file", os.fspath(path))
        if most is not None and state.st_size > most:
            reason = f"it has {state.st_size:,} bytes, and up to {most:,} are taken"
            raise OSError(errno.EFBIG, reason, os.fspath(path))
        return FileIO(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: str | os.PathLike[str], *, most: int) -> bytes:
    """Read a regular file whole; raises as `open_regular` does, also where it grows beyond `most` meanwhile."""
    with open_regular(path, most=most) as file:
        data = file.read(min(most, os.fstat(file.fileno()).st_size) + 1)  # mostly all of it, without a copy
        while len(data) <= most and (more := file.read(1 << 20)):
            data += more
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it has more than the {most:,} bytes that are taken", os.fspath(path))
    return data
