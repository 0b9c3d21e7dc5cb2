"""State that lag_zoo writes for itself and reads again: with a checksum, so that damage is an error and never a value.

A file of state is a JSON object whose first entry is the SHA-256 of the others. Lines of state, which are appended to a
file one by one, begin with theirs.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lag_zoo.errors import StateError
from lag_zoo.files import write_whole
from lag_zoo.opening import UnfitFileError, read_regular

_CHECKSUM = "checksum"
_LARGEST = 1 << 30  # bytes
_DIGITS = 16  # of the SHA-256 that a line begins with


def write_state(path: str | os.PathLike[str], content: Mapping[str, Any], *, mode: int = 0o666) -> None:
    """Write a file of state, whole or not at all; `read_state` reads it.

    Raises:
        OSError: it cannot be written.
    """
    as_read = json.loads(json.dumps(content))
    kept = {_CHECKSUM: _digest(_text(as_read)), **as_read}
    write_whole(path, json.dumps(kept, indent=2) + "\n", mode=mode)


def read_state(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a file that `write_state` wrote.

    Raises:
        OSError: there is none, or the system cannot read it.
        StateError: it is damaged, or another file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_state(Path(folder) / "run.json", {"images": 3})
    ...     read_state(Path(folder) / "run.json")
    {'images': 3}
    """
    try:
        content = json.loads(read_regular(path, most=_LARGEST))
        if content.pop(_CHECKSUM) == _digest(_text(content)):
            return dict(content)
        reason = "its checksum is another"
    except (UnfitFileError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"
    raise StateError(f"{path} is damaged, or not as lag_zoo wrote it ({reason})")


def state_line(content: Any) -> str:
    """Make a line of state, with its line feed; `state_lines` reads it.

    >>> state_line([0, {"label": "IM"}])
    '0c14db01d6be4243 [0, {"label": "IM"}]\\n'
    """
    text = json.dumps(content)
    return f"{_digest(text)[:_DIGITS]} {text}\n"


def state_lines(path: Path) -> Iterator[Any]:
    """Read the whole lines of state in a file. A damaged one, as the half at the end of a killed process, is none."""
    with path.open(encoding="utf-8", errors="replace", newline="\n") as lines:
        for line in lines:
            digest, _, text = line.removesuffix("\n").partition(" ")
            if line.endswith("\n") and digest == _digest(text)[:_DIGITS]:
                yield json.loads(text)


def _text(content: Any) -> str:
    return json.dumps(content, sort_keys=True)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
