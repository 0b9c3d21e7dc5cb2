"""Guides whose every command runs: the console and python blocks of a page, in their order, in the working folder.

A command goes on in the next line after a backslash.
"""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

from typer.testing import CliRunner

from lag_zoo.cli.app import app


def run_page(
    page: Path,
    *,
    namespace: dict[str, object],
    change: Callable[[str], str] = lambda line: line,
) -> dict[str, str]:
    """What each command of a page said; python blocks share a namespace.

    Args:
        change: what makes a command short enough for a test.
    """
    said = {}
    text = page.read_text(encoding="utf-8")
    for kind, code in re.findall(r"^```(console|python)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE):
        if kind == "python":
            exec(compile(code, page.stem, "exec"), namespace)
            continue
        for line in re.sub(r"\\\n *", "", code).splitlines():
            done = CliRunner().invoke(app, shlex.split(change(line))[1:], catch_exceptions=False)
            assert done.exit_code == 0, f"{line}\n{done.output}"
            said[line] = done.output
    return said
