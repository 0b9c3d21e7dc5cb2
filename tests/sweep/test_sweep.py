"""LAG on every timm model: shapes for all names, a training step for the smallest of each module."""

import pytest
import timm

from tests.sweep.table import PAGE, attach_all, exercise_each, page, smallest_of_each_module

pytestmark = [pytest.mark.sweep, pytest.mark.timeout(5000)]


@pytest.fixture(scope="module")
def rows() -> list[dict[str, object]]:
    return attach_all()


def test_every_name_attaches_or_is_listed(rows: list[dict[str, object]]) -> None:
    failed = {row["name"]: row["error"] for row in rows if "error" in row}
    assert len(rows) > 1000
    unexplained = {
        name: error for name, error in failed.items() if "lacks reset_classifier" not in str(error)
    }
    assert unexplained == {}
    if f"timm {timm.__version__}," in PAGE.read_text():  # the page speaks of one version
        assert PAGE.read_text() == page(rows), "run python -m tests.sweep.table"


def test_the_smallest_of_each_module_trains(rows: list[dict[str, object]]) -> None:
    chosen = smallest_of_each_module(rows)
    assert set(chosen) == {module for module in timm.list_modules() if not module.startswith("lag_zoo")}
    failed = [row for row in exercise_each(list(chosen.values())) if "error" in row]
    assert failed == []
