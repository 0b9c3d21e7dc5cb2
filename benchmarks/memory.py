"""The memory of this process."""

import re
from pathlib import Path


def peak() -> float:
    """The most that it has held so far, MB.

    From Linux's /proc: `getrusage` would start from what the parent held.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, flags=re.MULTILINE)
    if found is None:
        raise OSError("/proc/self/status tells no peak of memory")
    return int(found[1]) / 1024
