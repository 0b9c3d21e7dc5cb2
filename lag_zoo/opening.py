"""Opening a file that somebody else may have put there: a regular one, of a bounded size, and nothing that waits.

A pipe, a socket or an endless device under the name of a file would stop a program, or fill its memory. So a path is
opened without waiting, and what was opened is looked at: not the path, which may name something else a moment later.
"""

import errno
import os
import stat
from io import FileIO


class UnfitFileError(OSError):
    """Something else than a file under the name of one, or a file that is too large."""


_NO_WAITING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_regular(path: str | os.PathLike[str], *, most: int | None = None) -> FileIO:
    """Open a regular file to read its bytes, unbuffered.

    Args:
        most: bytes that it may have.

    Raises:
        FileNotFoundError: there is none.
        UnfitFileError: it is something else than a file, or has more bytes; the message says what it is.
        OSError: the system cannot open it.

    >>> open_regular(os.curdir)
    Traceback (most recent call last):
    lag_zoo.opening.UnfitFileError: [Errno 21] a folder, and no file: '.'
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | _NO_WAITING)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise UnfitFileError(errno.EINVAL, "a socket, and no file", os.fspath(path)) from error
        raise
    try:
        state = os.fstat(descriptor)
        if stat.S_ISDIR(state.st_mode):
            raise UnfitFileError(errno.EISDIR, "a folder, and no file", os.fspath(path))
        if not stat.S_ISREG(state.st_mode):
            kind = _KINDS.get(stat.S_IFMT(state.st_mode), "something else")
            raise UnfitFileError(errno.EINVAL, f"{kind}, and no file", os.fspath(path))
        if most is not None and state.st_size > most:
            reason = f"it has {state.st_size:,} bytes, and up to {most:,} are taken"
            raise UnfitFileError(errno.EFBIG, reason, os.fspath(path))
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
        raise UnfitFileError(
            errno.EFBIG, f"it has more than the {most:,} bytes that are taken", os.fspath(path)
        )
    return data
