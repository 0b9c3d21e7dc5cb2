"""The best epoch: of its stage, by AUROC and then by loss, by loss alone, or the last."""

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lag_zoo.training.recipe import Select
from lag_zoo.training.selection import SCORES, Selection, best_row

AUROCS = st.sampled_from([None, 0.5, 0.9, 1.0])
LOSSES = st.sampled_from([0.1, 0.2, 0.7])


def marked(select: Any, epochs: list[tuple[float | None, float]], first: int = 0) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for number, (area, loss) in enumerate(epochs, start=1):
        row: dict[str, Any] = {"epoch": number, "val_auroc": area, "val_loss": loss}
        row["best"] = Selection(select).is_best(row, rows, first=first if number > first else 0)
        rows.append(row)
    return rows


def test_there_is_a_score_for_each_way_to_select() -> None:
    assert set(SCORES) == set(get_args(Select))


@given(st.lists(st.tuples(AUROCS, LOSSES), min_size=1, max_size=8))
def test_equal_aurocs_are_told_apart_by_loss(epochs: list[tuple[float | None, float]]) -> None:
    best = best_row(marked("auroc", epochs))
    judged = [(area, -loss, -place) for place, (area, loss) in enumerate(epochs) if area is not None]
    assert (best is None) is (not judged)
    if best is not None:
        assert best["epoch"] == 1 - max(judged)[2], "of epochs that are equal in both the first"


@given(st.lists(st.tuples(AUROCS, LOSSES), min_size=1, max_size=8))
def test_by_loss_alone(epochs: list[tuple[float | None, float]]) -> None:
    best = best_row(marked("loss", epochs))
    assert best is not None
    losses = [loss for _, loss in epochs]
    assert best["epoch"] == 1 + losses.index(min(losses))


@pytest.mark.parametrize("first", [1, 2])
def test_a_stage_begins_anew(first: int) -> None:
    rows = marked("auroc", [(1.0, 0.1), (0.9, 0.1), (0.8, 0.1), (0.7, 0.1)], first)
    best = best_row(rows)
    assert best is not None
    assert best["epoch"] == first + 1
    assert best_row(rows[:first], since=first) is None


@given(st.lists(st.tuples(AUROCS, LOSSES), min_size=1, max_size=8))
def test_the_last_whatever_it_is_worth(epochs: list[tuple[float | None, float]]) -> None:
    best = best_row(marked("last", epochs))
    assert best is not None
    assert best["epoch"] == len(epochs)
