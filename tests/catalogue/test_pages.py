"""docs/models/ says what the catalogue says."""

from pathlib import Path

import pytest

import lag_zoo
from tools.zoo_pages import pages


@pytest.mark.parametrize("name", ["index.md", "reported.md"])
def test_the_page_is_up_to_date(root: Path, name: str) -> None:
    written = (root / "docs" / "models" / name).read_text(encoding="utf-8")
    assert written == pages()[name], "to mend: python -m tools.zoo_pages"


def test_the_pages_hold_everything() -> None:
    assert all(f"`{name}`" in pages()["index.md"] for name in lag_zoo.list_models())
    reported = lag_zoo.reported_results()
    assert all(caveat in pages()["reported.md"] for caveat in reported.caveats)
    assert all(f"{row.sensitivity:.2f}" in pages()["reported.md"] for row in reported.rows)
