"""OLGA and OLGIM against the published table, cell by cell, and the grade of a compartment."""

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lag_zoo import scores
from lag_zoo.errors import InvalidConfigError
from lag_zoo.scores import PatientScore

# As printed: Gastroenterol Res Pract 2013: 393015, Table 1, with permission from Rugge et al., Dig Liver Dis 2011; 43:
# S373-S384. Rows: antrum (including incisura angularis); columns: corpus.
PRINTED = """
                     no atrophy  mild       moderate   severe
no atrophy           Stage 0     Stage I    Stage II   Stage II
mild                 Stage I     Stage I    Stage II   Stage III
moderate             Stage II    Stage II   Stage III  Stage IV
severe               Stage III   Stage III  Stage IV   Stage IV
"""
CELLS = {
    (antrum, corpus): stage
    for antrum, line in enumerate(PRINTED.strip("\n").splitlines()[1:])
    for corpus, stage in enumerate(line.split("Stage ")[1:])
}
Stage = Callable[..., PatientScore]
BOTH = pytest.mark.parametrize(("stage", "name"), [(scores.olga, "OLGA"), (scores.olgim, "OLGIM")])


def test_the_printed_table_is_read() -> None:
    assert len(CELLS) == 16
    assert CELLS[0, 3].strip() == "II"
    assert CELLS[3, 0].strip() == "III"


@BOTH
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_a_cell(stage: Stage, name: str, cell: tuple[int, int]) -> None:
    printed = CELLS[cell].strip()
    found = stage(*cell)
    assert str(found) == f"{name} stage {printed}"
    assert found.values[found.value] == printed
    assert found.at_risk is (printed in ("III", "IV"))


@BOTH
@pytest.mark.parametrize("antrum", [None, 0, 1, 2, 3])
@pytest.mark.parametrize("corpus", [None, 0, 1, 2, 3])
@pytest.mark.parametrize("incisura", ["included", None, 0, 1, 2, 3])
def test_the_bounds_hold_every_completion_and_are_reached(
    stage: Stage, name: str, antrum: int | None, corpus: int | None, incisura: int | str | None
) -> None:
    if antrum is None and corpus is None and incisura in (None, "included"):
        with pytest.raises(InvalidConfigError, match="no site was seen"):
            stage(antrum, corpus, incisura)
        return
    found = stage(antrum, corpus, incisura)
    options = [range(4) if grade is None else [grade] for grade in (antrum, corpus, incisura)]
    places = [
        ("0", "I", "II", "III", "IV").index(CELLS[a if i == "included" else max(a, i), c].strip())
        for a, c, i in itertools.product(*options)
    ]
    assert (found.low, found.high) == (min(places), max(places))
    assert found.missing == tuple(
        site
        for site, grade in zip(("antrum", "incisura", "corpus"), (antrum, incisura, corpus), strict=True)
        if grade is None
    )


@given(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
def test_it_never_falls_with_a_grade(antrum: int, corpus: int, incisura: int) -> None:
    found = scores.olga(antrum, corpus, incisura)
    for more in ((1, 0, 0), (0, 1, 0), (0, 0, 1)):
        higher = [min(grade + one, 3) for grade, one in zip((antrum, corpus, incisura), more, strict=True)]
        assert scores.olga(*higher).value >= found.value


def test_words() -> None:
    assert str(scores.olgim(3, None)) == "OLGIM stage III to IV, corpus unseen"
    assert str(scores.olga(None, 0, None)) == "OLGA stage 0 to III, antrum, incisura unseen"
    assert str(scores.olga(2, 2, incisura=None)) == "OLGA stage III to IV, incisura unseen"


@pytest.mark.parametrize(
    ("percentages", "grade"),
    [
        ([0, 0, 0], 0),
        ([1], 1),
        ([0, 0, 1], 1),
        ([30], 1),
        ([31], 2),
        ([60], 2),
        ([61], 3),
        ([100, 0, 0], 2),
        ([90, 0, 0], 1),
        ([100, 100], 3),
    ],
)
def test_the_grade_of_a_compartment(percentages: list[float], grade: int) -> None:
    assert scores.compartment_grade(percentages) == grade


@given(st.lists(st.floats(0, 100), min_size=1, max_size=6))
def test_the_higher_grade_is_never_below_that_of_the_mean(percentages: list[float]) -> None:
    """The reason for which the higher of antrum and incisura may stand for both."""
    assert scores.compartment_grade(percentages) <= max(
        scores.compartment_grade([each]) for each in percentages
    )


@pytest.mark.parametrize("wrong", [[], [-1], [101], [float("nan")], ["30"], [None], [True]])
def test_percentages_that_are_none(wrong: list[object]) -> None:
    with pytest.raises(InvalidConfigError, match=r"percentage|at least one biopsy"):
        scores.compartment_grade(wrong)
