"""Grades and probabilities of sites, drawn."""

from collections.abc import Sequence

from hypothesis import strategies as st

Chances = tuple[float, ...]


def seen(sites: Sequence[str], grades: int) -> st.SearchStrategy[dict[str, int | None]]:
    """A grade, or None, of each site, and a grade of at least one."""
    each = st.none() | st.integers(0, grades - 1)
    return st.fixed_dictionaries(dict.fromkeys(sites, each)).filter(
        lambda drawn: any(grade is not None for grade in drawn.values())
    )


def chances(grades: int) -> st.SearchStrategy[Chances]:
    """Probabilities of grades, zeros among them."""
    weights = st.lists(st.integers(0, 20), min_size=grades, max_size=grades).filter(any)
    return weights.map(lambda drawn: tuple(weight / sum(drawn) for weight in drawn))


def seen_chances(sites: Sequence[str], grades: int) -> st.SearchStrategy[dict[str, Chances | None]]:
    """Probabilities, or None, of each site, and those of at least one."""
    return st.fixed_dictionaries({site: st.none() | chances(grades) for site in sites}).filter(
        lambda drawn: any(each is not None for each in drawn.values())
    )
