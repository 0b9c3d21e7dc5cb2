"""Freed memory stays with the process, where the C library can do that."""

import platform
import subprocess
import sys

import pytest

import lag_zoo

GLIBC = platform.libc_ver()[0] == "glibc"

FREED = """
import re, sys
from pathlib import Path
import numpy as np
import lag_zoo

def held():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024

if sys.argv[1] == "keep":
    assert lag_zoo.keep_freed_memory()
before = held()
for _ in range(3):
    np.ones(200 * 2**20, dtype=np.uint8)
print(held() - before)
"""


def _held_after_freeing(how: str) -> int:
    """MB that a fresh process still holds of 200."""
    command = [sys.executable, "-c", FREED, how]
    return int(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


@pytest.mark.skipif(not GLIBC, reason="glibc's own settings")
def test_freed_memory_is_kept() -> None:
    assert _held_after_freeing("keep") >= 190
    assert _held_after_freeing("not") < 100


def test_a_library_that_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lag_zoo.memory.ctypes.CDLL", lambda _: object())
    assert not lag_zoo.keep_freed_memory()
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.delattr("lag_zoo.memory.ctypes.CDLL")
    assert not lag_zoo.keep_freed_memory()


@pytest.mark.skipif(not GLIBC, reason="glibc's own settings")
def test_commands_keep_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from lag_zoo.cli import app

    called = []
    monkeypatch.setattr(lag_zoo, "keep_freed_memory", lambda: called.append(True))
    monkeypatch.setattr(app, "app", lambda: None)
    app.run()
    assert called == [True]
