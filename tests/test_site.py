"""The site: it builds without a warning, and doctests are code in it."""

import ast
import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("mkdocs", reason="the group `docs` is not installed")

from tools.site_hooks import fenced

_FENCE = re.compile(r"^```pycon\n(.*?)\n```$", re.DOTALL | re.MULTILINE)


def test_the_site(root: Path, tmp_path: Path) -> None:
    """Strict: a page that is not in the menu, a dead link, or a parameter that the signature lacks is an error."""
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path],
        cwd=root,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    pages = {
        str(path.parent.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("index.html")
    }
    shown = 0
    for name, page in pages.items():
        shown += page.count('<span class="gp">&gt;&gt;&gt; </span>')
        assert not re.search(r"<(p|li|blockquote)>[^<]*&gt;&gt;&gt;", page), (
            f"{name}: a doctest outside of code"
        )
        # "one, other: ..." in a docstring is read as `one,` of the type `other`.
        assert not re.search(r'title="[\w.]+,"', page), f"{name}: two attributes in one line"
        loaded = re.findall(
            r'<(?:script|img|iframe)[^>]* src="(?:https?:)?//|<link[^>]* href="https?://', page
        )
        assert not loaded, f"{name} loads something from elsewhere"
        if name.startswith("reference"):
            assert "<blockquote>" not in page, name
    assert shown > 50
    assert "Keep a Changelog" in pages["changelog"]


def test_no_command_is_wider_than_the_page(root: Path) -> None:
    for page in (root / "docs").rglob("*.md"):
        for kind, code in re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE):
            wide = [line for line in code.splitlines() if kind in ("", "console") and len(line) > 96]
            assert not wide, f"{page.name}: break it after a backslash: {wide[0]}"


def _examples(text: str) -> list[tuple[str, str]]:
    return [(example.source, example.want) for example in doctest.DocTestParser().get_examples(text)]


def _assert_fenced(docstring: str) -> None:
    shown = fenced(docstring)
    assert _examples("\n\n".join(_FENCE.findall(shown))) == _examples(docstring)
    assert ">>>" not in _FENCE.sub("", shown)


def test_each_doctest_of_the_library_is_fenced(root: Path) -> None:
    for path in sorted((root / "lag_zoo").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                _assert_fenced(ast.get_docstring(node) or "")


_PARAGRAPHS = st.sampled_from(["Some words.", "Args:\n    x: a number.", "- one\n- two", "    indented code"])
_DOCTESTS = st.sampled_from(
    [
        ">>> 1 + 1\n2",
        ">>> x = 1",
        ">>> for i in (1, 2):\n...     print(i)\n1\n2",
        ">>> 'a'\n'a'\n>>> 'b'\n'b'",
    ]
)


@given(st.lists(_PARAGRAPHS | _DOCTESTS).map("\n\n".join))
def test_a_doctest_is_fenced_wherever_it_stands(docstring: str) -> None:
    _assert_fenced(docstring)
