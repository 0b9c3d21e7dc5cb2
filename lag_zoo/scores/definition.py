"""Definition of a published score: sites, their grades, the score of a patient whose sites are all graded."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lag_zoo.brief import brief
from lag_zoo.errors import InvalidConfigError, did_you_mean

Grades = tuple[int, ...]
"""A grade for each site, in the order of the definition's sites."""

Seen = tuple[int | None, ...]
"""Likewise, with None for a site that was not seen."""


@dataclass(frozen=True, repr=False)
class Definition:
    """A published score of a patient, from grades of sites.

    Args:
        name: of the score, as it begins a sentence.
        sites: names of its sites.
        words: each site in words.
        grades: how many grades a site has; they are the numbers from 0 on.
        values: of the score, from the lowest on, as they are written: `("0", "I", "II", "III", "IV")`.
        form: text of a value, with `{}` in its place.
        value: the place among `values`, of the grades of all sites.
        risk_from: the lowest place at which the publication counts a patient as at risk; None if it has no such place.
        possible: tells whether grades can stand together; the sites not seen are then filled in by those that can.
        doubt: words for grades that cannot.
    """

    name: str
    sites: tuple[str, ...]
    words: tuple[str, ...]
    grades: int
    values: tuple[str, ...]
    form: str
    value: Callable[[Grades], int]
    risk_from: int | None = None
    possible: Callable[[Grades], bool] | None = None
    doubt: str = ""

    __repr__ = brief

    def completions(self, seen: Seen) -> list[Grades]:
        """All grades of all sites that agree with what was seen.

        Of these only the `possible` ones, if there are any: what was seen may itself be none of them.
        """
        every = list(
            itertools.product(*(range(self.grades) if grade is None else (grade,) for grade in seen))
        )
        return [grades for grades in every if self.is_possible(grades)] or every

    def is_possible(self, grades: Grades) -> bool:
        """Tells whether grades can stand together."""
        return self.possible is None or self.possible(grades)

    def bounds(self, seen: Seen) -> tuple[int, int]:
        """The lowest and the highest place over all that the sites not seen could be."""
        places = [self.value(grades) for grades in self.completions(seen)]
        return min(places), max(places)

    def place(self, value: int | str) -> int:
        """The place of a value that is named, or given as its place.

        Raises:
            InvalidConfigError: no such value.
        """
        if isinstance(value, str) and value in self.values:
            return self.values.index(value)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(self.values):
            return value
        near = did_you_mean(value, self.values) if isinstance(value, str) else ""
        raise InvalidConfigError(
            f"{self.name}: a value is one of {', '.join(self.values)}, or its place from 0 on; got {value!r}.{near}"
        )

    def risk(self) -> int:
        """The lowest place at risk.

        Raises:
            InvalidConfigError: the publication names none.
        """
        if self.risk_from is None:
            raise InvalidConfigError(
                f"{self.name} has no published value from which a patient is at risk; "
                f"ask at_least(value), with one of {', '.join(self.values)}"
            )
        return self.risk_from

    def text(self, low: int, high: int) -> str:
        """Two places in words: `EGGIM 3 to 5 of 10`."""
        first, last = self.values[low], self.values[high]
        return self.form.format(first if low == high else f"{first} to {last}")

    def sites_in_words(self, sites: tuple[str, ...]) -> str:
        """Sites in words; one word for a part of the stomach of which no site is left out."""
        return ", ".join(self._parts(sites))

    def _parts(self, sites: tuple[str, ...]) -> Iterator[str]:
        for part in dict.fromkeys(site.partition("_")[0] for site in self.sites):
            whole = [site for site in self.sites if site.partition("_")[0] == part]
            named = [site for site in whole if site in sites]
            if len(named) == len(whole) > 1:
                yield part
            else:
                yield from (self.words[self.sites.index(site)] for site in named)
