"""What the light commands cost: whole fresh processes, the interpreter's start included, against `import timm`."""

import subprocess
import sys
from collections.abc import Callable

from benchmarks.timing import Row, interleaved, row

_PEER = "import timm"
_CASES = {
    "import lag_zoo": (["-c", "import lag_zoo"], "at most 0.02"),
    "lag-zoo --help": (["-m", "lag_zoo.cli", "--help"], "at most 0.15"),
    "lag-zoo list": (["-m", "lag_zoo.cli", "list"], "at most 0.15"),
}


def _process(*arguments: str) -> Callable[[], object]:
    command = [sys.executable, *arguments]
    return lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def rows(*, rounds: int = 7) -> list[Row]:
    """One row a command."""
    cases = {name: _process(*arguments) for name, (arguments, _) in _CASES.items()}
    times = interleaved({_PEER: _process("-c", _PEER), **cases}, rounds=rounds, warm_up=1)
    return [
        row(f"{name} / {_PEER}", times[name], times[_PEER], goal=goal) for name, (_, goal) in _CASES.items()
    ]
