"""Memory that is kept for the next batch, where the C library would give it back.

glibc takes a tensor of more than 32 MB straight from the system, which zeroes it page by page, and gives it back when
it is freed. A network that runs batch after batch pays for this in every layer: on the processor up to as much as for
computing.
"""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # of malloc.h
_NEVER = -1


def keep_freed_memory() -> bool:
    """Make this process keep the memory that it frees, for what it computes next: faster on the processor.

    The commands of `lag-zoo` do it when they start. In Python it is yours to decide, since it holds for the whole
    process until its end: the process stays as large as it was at its peak. `python -m benchmarks.kept_memory` shows
    what it gives.

    Returns:
        Whether it was done; only Linux with glibc can, and elsewhere nothing changes.

    >>> import lag_zoo
    >>> kept = lag_zoo.keep_freed_memory()  # before the first batch
    """
    if sys.platform != "linux":
        return False
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is None:
        return False
    # Nothing is taken by mmap, so that all lies on the heap, and the top of the heap is never trimmed.
    return bool(set_option(_MMAP_MAX, 0)) and bool(set_option(_TRIM_THRESHOLD, _NEVER))
