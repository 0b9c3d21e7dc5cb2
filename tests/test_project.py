"""The project's own files agree with each other."""

import re
import tomllib
from pathlib import Path

import pytest

import lag_zoo
from tools import audit


def _bounds(requirements: list[str], sign: str) -> dict[str, tuple[int, ...]]:
    pairs = (line.split(sign) for line in requirements)
    return {
        name: tuple(int(part) for part in re.split(r"\.", version) if part != "0") for name, version in pairs
    }


def test_the_lower_bounds_are_the_versions_that_are_tested(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    stated = [*project["dependencies"], *project["optional-dependencies"]["cli"]]
    lines = (root / "constraints-oldest.txt").read_text().splitlines()
    tested = [line for line in lines if line and not line.startswith("#")]
    assert _bounds(stated, ">=") == _bounds(tested, "==")


@pytest.mark.parametrize(
    ("out", "errors", "expected"),
    [
        ("", "ConnectionError: no route", (0, "nothing was checked: .*no route")),
        (
            '{"dependencies": [{"name": "a", "skip_reason": "not found"}]}',
            "",
            (0, "nothing was checked: no database"),
        ),
        ('{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}', "", (0, "1 packages checked")),
        (
            '{"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "CVE-1"}]}]}',
            "",
            (1, "1 of 1 packages have known vulnerabilities:\na 1: CVE-1"),
        ),
    ],
)
def test_the_audit_says_whether_it_could_look(out: str, errors: str, expected: tuple[int, str]) -> None:
    code, words = audit.verdict(out, errors)
    assert code == expected[0]
    assert re.match(expected[1], words)


def test_actions_are_pinned_by_digest(root: Path) -> None:
    used = [
        line.partition("uses:")[2].split()[0]
        for file in (root / ".github" / "workflows").iterdir()
        for line in file.read_text().splitlines()
        if "uses:" in line
    ]
    assert used
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action) for action in used)


def test_the_citation_names_this_version(root: Path) -> None:
    assert f"\nversion: {lag_zoo.__version__}\n" in (root / "CITATION.cff").read_text()


def test_the_changelog_knows_this_version(root: Path) -> None:
    assert lag_zoo.__version__ in (root / "CHANGELOG.md").read_text()
