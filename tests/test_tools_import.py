"""Recipes, benchmarks and tools are no part of the package: each still finds the names that it takes from it."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for folder in ("recipes", "benchmarks", "tools")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if not path.name.startswith("__")
]


@pytest.mark.parametrize("module", MODULES)
def test_imports(module: str) -> None:
    importlib.import_module(module)
