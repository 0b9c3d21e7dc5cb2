"""Hooks of the site: doctests in docstrings become code, and CHANGELOG.md becomes a page. mkdocs.yml names them."""

import re
from pathlib import Path
from typing import Any

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

# A doctest ends at an empty line; the next one, if it follows at once, is part of the same block of code.
_DOCTEST = re.compile(r"^>>> .*(?:\n.+|\n(?=\n>>> ))*", re.MULTILINE)


def fenced(docstring: str) -> str:
    """Put a fence around each doctest: Markdown takes bare `>>>` for nested quotations."""
    return _DOCTEST.sub(lambda found: f"```pycon\n{found[0]}\n```", docstring)


class Doctests(griffe.Extension):
    """Applies `fenced` to each docstring that is read."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = fenced(obj.docstring.value)


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Adds the changelog, its links turned to be from docs/."""
    root = Path(config.config_file_path).parent
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8").replace("](docs/", "](")
    files.append(File.generated(config, "changelog.md", content=text))
