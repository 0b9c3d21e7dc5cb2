"""Distribution of a patient's score over what its sites could be, by exact enumeration.

Each way in which the sites could be graded has a probability and a score; the distribution adds them up, without
sampling. Where a site is missing, each of these ways has a lowest and a highest score, and so there are two
distributions: of the lowest and of the highest score. Between them lies the distribution that the missing site, had it
been seen, would have given, whatever its grade and however it depends on the others; for Kimura-Takemoto, if there is
a border.
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lag_zoo.brief import brief
from lag_zoo.errors import InvalidConfigError
from lag_zoo.scores.definition import Definition, Seen
from lag_zoo.scores.sites import chances_of

_SLACK = 1e-12
"""Rounding errors of sums of at most some thousand probabilities, which must not move a quantile."""


@dataclass(frozen=True)
class Range:
    """A number, or the two that it lies between.

    >>> print(Range(0.25, 0.25)), print(Range(0.25, 0.5))
    0.250
    0.250 to 0.500
    (None, None)
    """

    low: float
    high: float

    @property
    def value(self) -> float | None:
        """The number; None where the two differ."""
        return self.low if self.low == self.high else None

    def __str__(self) -> str:
        low, high = f"{self.low:.3f}", f"{self.high:.3f}"
        return low if self.low == self.high else f"{low} to {high}"


@dataclass(frozen=True, repr=False)
class ScoreDistribution:
    """Probabilities of a patient's score; `str` puts them in words.

    Attributes:
        definition: the published score.
        lowest: the probability of each value if each missing site has what makes the score lowest; they add up to 1.
        highest: likewise, highest; the same as `lowest` where no site is missing.
        missing: sites that were not seen and have no prior.
        by_prior: sites that were not seen and have the prior's probabilities.
        impossible: the probability of grades that cannot stand together by the definition (Kimura-Takemoto only).

    >>> from lag_zoo import scores
    >>> found = scores.olga_distribution((0.2, 0.8, 0, 0), (0, 0.5, 0.25, 0.25))
    >>> [round(p, 3) for p in found.probabilities]
    [0.0, 0.5, 0.3, 0.2, 0.0]
    >>> print(found)
    OLGA stage I to III (95% interval), P(at risk) 0.200
    """

    definition: Definition
    lowest: tuple[float, ...]
    highest: tuple[float, ...]
    missing: tuple[str, ...] = ()
    by_prior: tuple[str, ...] = ()
    impossible: float = 0.0

    __repr__ = brief

    @property
    def values(self) -> tuple[str, ...]:
        """All values of the score, as they are written."""
        return self.definition.values

    @property
    def probabilities(self) -> tuple[float, ...] | None:
        """The probability of each value; None where a missing site leaves them open: see `lowest` and `highest`."""
        return self.lowest if self.lowest == self.highest else None

    @property
    def mean(self) -> Range:
        """The mean of the score, values as their places (stage II is 2)."""
        return Range(_mean(self.lowest), _mean(self.highest))

    @property
    def p_at_risk(self) -> Range:
        """The probability that the patient is at risk by the publication's cut-off, between its bounds.

        Raises:
            InvalidConfigError: the score has no cut-off (Kimura-Takemoto).
        """
        return self.at_least(self.definition.risk())

    def at_least(self, value: int | str) -> Range:
        """The probability that the score reaches a value (`"III"`, or its place 3), between its bounds.

        Raises:
            InvalidConfigError: no such value.
        """
        place = self.definition.place(value)
        return Range(_reaching(self.lowest, place), _reaching(self.highest, place))

    def interval(self, level: float = 0.95) -> tuple[int, int]:
        """The central interval (low, high) of the score, as places among `values`.

        Below it lies at most half of what `level` leaves, and above it too: of the distribution with the lowest scores
        and of that with the highest. So it holds the score with at least the probability `level`, whatever is missing.

        Raises:
            InvalidConfigError: a level that is not between 0 and 1.
        """
        if isinstance(level, bool) or not isinstance(level, int | float) or not 0 < level < 1:
            raise InvalidConfigError(f"the level of an interval is a number between 0 and 1; got {level!r}")
        tail = (1 - level) / 2 + _SLACK
        places = range(len(self.values))
        low = max(place for place in places if 1 - _reaching(self.lowest, place) <= tail)
        high = min(place for place in places if _reaching(self.highest, place + 1) <= tail)
        return low, high

    def __str__(self) -> str:
        parts = [f"{self.definition.text(*self.interval())} (95% interval)"]
        if self.definition.risk_from is not None:
            parts.append(f"P(at risk) {self.p_at_risk}")
        if self.missing:
            parts.append(f"{self.definition.sites_in_words(self.missing)} unseen")
        if self.by_prior:
            parts.append(f"{self.definition.sites_in_words(self.by_prior)} by the prior")
        if self.impossible > 0:
            parts.append(f"{self.definition.doubt} with probability {self.impossible:.3f}")
        return ", ".join(parts)


def independent(
    definition: Definition, sites: Mapping[str, Any], prior: Mapping[str, Any] | None
) -> ScoreDistribution:
    """The distribution of sites that say nothing of one another, given what was seen of each.

    Raises:
        InvalidConfigError: as `lag_zoo.scores.sites.chances_of`, or no site is seen.
    """
    seen = chances_of(definition, sites)
    if not seen:
        raise InvalidConfigError(
            f"{definition.name}: no site was seen; probabilities are needed for at least one of "
            f"{', '.join(definition.sites)}"
        )
    assumed = {} if prior is None else chances_of(definition, prior)
    by_prior = tuple(site for site in definition.sites if site in assumed and site not in seen)
    known = assumed | seen
    options = [list(enumerate(known[site])) if site in known else [(None, 1.0)] for site in definition.sites]
    cells: dict[Seen, float] = {}
    for cell in itertools.product(*options):
        cells[tuple(grade for grade, _ in cell)] = math.prod(chance for _, chance in cell)
    return of_cells(definition, cells, by_prior=by_prior)


def of_cells(
    definition: Definition, cells: Mapping[Seen, float], *, by_prior: tuple[str, ...] = ()
) -> ScoreDistribution:
    """The distribution of a table of grades and their joint probabilities, which add up to 1."""
    lowest, highest = defaultdict[int, list[float]](list), defaultdict[int, list[float]](list)
    missing: set[int] = set()
    impossible = []
    for seen, chance in cells.items():
        if not chance:
            continue
        completions = definition.completions(seen)
        places = [definition.value(grades) for grades in completions]
        lowest[min(places)].append(chance)
        highest[max(places)].append(chance)
        missing |= {i for i, grade in enumerate(seen) if grade is None}
        if not definition.is_possible(completions[0]):
            impossible.append(chance)
    count = len(definition.values)
    return ScoreDistribution(
        definition,
        tuple(math.fsum(lowest[place]) for place in range(count)),
        tuple(math.fsum(highest[place]) for place in range(count)),
        tuple(definition.sites[i] for i in sorted(missing)),
        by_prior,
        math.fsum(impossible),
    )


def _mean(chances: tuple[float, ...]) -> float:
    return math.fsum(place * chance for place, chance in enumerate(chances))


def _reaching(chances: tuple[float, ...], place: int) -> float:
    return min(math.fsum(chances[place:]), 1.0)
