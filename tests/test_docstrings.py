"""Docstrings open with a verb or with the thing: a reader of the field reads each of them once."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent / "lag_zoo"
FILES = sorted(ROOT.rglob("*.py"))
QUESTIONS = frozenset(
    {
        "what",
        "whose",
        "whether",
        "which",
        "how",
        "where",
        "when",
        "why",
        "who",
        "that",
        "those",
        "it",
        "its",
        "by what",
    }
)
"""Words that open a question or point to something that was not named yet."""


def openings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The line and the first word of each docstring of a module, its public parts and its constants."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            words = node.value.value.split()
            if words:
                yield node.lineno, words[0].strip("`,:;.")


def violations(source: str) -> list[tuple[int, str]]:
    return [(line, word) for line, word in openings(ast.parse(source)) if word.lower() in QUESTIONS]


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(ROOT)) for path in FILES])
def test_a_docstring_opens_with_a_verb_or_the_thing(path: Path) -> None:
    assert violations(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("word", ["What", "Whether", "Those"])
def test_a_question_is_found(word: str) -> None:
    assert violations(f'def f():\n    """{word} of it all."""\n') == [(2, word)]
