"""LAG on every timm model: shapes for all names, a training step for the smallest of each module."""

import pytest
import timm

from lag_zoo.errors import BackboneError
from tests.sweep.attach import attach_on_meta
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


WITHOUT_A_MAP = {"coat", "crossvit", "efficientvim", "volo"}
"""Modules whose last features are several maps at once, or have a class token that they do not declare."""


def test_the_smallest_of_each_module_has_a_map_or_says_so(rows: list[dict[str, object]]) -> None:
    without = {}
    for module, row in smallest_of_each_module(rows).items():
        try:
            attach_on_meta(str(row["name"]), pooling="topk")
        except BackboneError as error:
            without[module] = str(error)
    assert set(without) == WITHOUT_A_MAP
    assert all("has no map to look for evidence in" in message for message in without.values())
