"""The project's own files agree with each other."""

import re
import tomllib
from pathlib import Path

import lag_zoo


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


def test_the_citation_names_this_version(root: Path) -> None:
    assert f"\nversion: {lag_zoo.__version__}\n" in (root / "CITATION.cff").read_text()


def test_the_changelog_knows_this_version(root: Path) -> None:
    assert lag_zoo.__version__ in (root / "CHANGELOG.md").read_text()
