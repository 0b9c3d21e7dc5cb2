"""The command `lag-zoo`. It needs the extra `cli`; without it, it says how to get it."""

import sys

__all__ = ["main"]

_EXTRA = frozenset({"typer", "rich"})


def main() -> None:
    """Runs the command line, and exits: 0, or 2 with a message where something was asked for that cannot be."""
    try:
        from lag_zoo.cli.app import run
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        sys.stderr.write(f'lag-zoo needs {error.name}, which is not installed: pip install "lag_zoo[cli]"\n')
        sys.exit(2)
    run()
