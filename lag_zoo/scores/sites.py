"""Grades and probabilities of sites as a caller gives them, checked.

A number may come as any type that holds it exactly, as 2.0 from a table with gaps; nothing is rounded, and NaN is no
way to say that a site was not seen: None is, and leaving it out.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from lag_zoo.errors import InvalidConfigError, did_you_mean
from lag_zoo.scores.definition import Definition, Seen

SUM_TOLERANCE = 0.005
"""Distance from 1 at which probabilities may add up: four that are written with three decimals are off by 0.002."""


def grades_of(definition: Definition, sites: Mapping[str, Any]) -> Seen:
    """Grades in the order of the definition's sites; None where one is left out or None.

    Raises:
        InvalidConfigError: no mapping, an unknown site, one named twice, a grade that is none, or no site at all.
    """
    by_site = {site: grade_of(definition, site, given) for site, given in _named(definition, sites).items()}
    return _require_some(definition, tuple(by_site.get(site) for site in definition.sites))


def chances_of(definition: Definition, sites: Mapping[str, Any]) -> dict[str, tuple[float, ...]]:
    """Probabilities of each grade of each site that is there and not None; a grade alone is certain.

    Raises:
        InvalidConfigError: as `grades_of`, and probabilities that are none or do not add up to 1.
    """
    named = _named(definition, sites).items()
    return {site: _chances(definition, site, given) for site, given in named if given is not None}


def grade_of(definition: Definition, site: str, given: Any) -> int | None:
    """A grade of a site.

    Raises:
        InvalidConfigError: no whole number, or one that is no grade of the score.
    """
    if given is None:
        return None
    number = _number(given)
    if number is None or not number.is_integer() or not 0 <= number < definition.grades:
        raise InvalidConfigError(
            f"{definition.name}: the grade of {site} is a whole number from 0 to {definition.grades - 1}, "
            f"or None where it was not seen; got {given!r}"
        )
    return int(number)


def require_total(where: str, chances: Iterable[float]) -> float:
    """The sum of probabilities, by which they are divided: 1 but for what rounding took.

    Raises:
        InvalidConfigError: they do not add up to 1, by more than `SUM_TOLERANCE`.
    """
    total = math.fsum(chances)
    if abs(total - 1) > SUM_TOLERANCE:
        raise InvalidConfigError(f"{where} add up to {total:.4g}, and not to 1")
    return total


def require_chance(where: str, given: Any) -> float:
    """A probability.

    Raises:
        InvalidConfigError: no number from 0 to 1.
    """
    number = _number(given)
    if number is None or not 0 <= number <= 1:
        raise InvalidConfigError(f"{where} are numbers from 0 to 1; got {given!r}")
    return number


def percentage(given: Any) -> float:
    """A percentage.

    Raises:
        InvalidConfigError: no number from 0 to 100.
    """
    number = _number(given)
    if number is None or not 0 <= number <= 100:
        raise InvalidConfigError(f"a percentage is a number from 0 to 100; got {given!r}")
    return number


def _chances(definition: Definition, site: str, given: Any) -> tuple[float, ...]:
    if _number(given) is not None:
        grade = grade_of(definition, site, given)
        return tuple(float(grade == each) for each in range(definition.grades))
    where = f"{definition.name}: the probabilities of {site}"
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise InvalidConfigError(
            f"{where} are one number for each grade from 0 to {definition.grades - 1}; got {given!r}"
        )
    chances = tuple(require_chance(where, each) for each in given)
    if len(chances) != definition.grades:
        raise InvalidConfigError(
            f"{where} are {definition.grades}, one for each grade from 0 to {definition.grades - 1}; "
            f"got {len(chances)}: {list(chances)}"
        )
    total = require_total(where, chances)
    return tuple(each / total for each in chances)


def _named(definition: Definition, sites: Any) -> dict[str, Any]:
    if not isinstance(sites, Mapping):
        raise InvalidConfigError(
            f"{definition.name}: a mapping from site to grade is expected, with the sites "
            f"{', '.join(definition.sites)}; got {type(sites).__name__}"
        )
    named: dict[str, Any] = {}
    for given, held in sites.items():
        site = (
            "_".join(given.lower().replace("-", " ").replace("_", " ").split())
            if isinstance(given, str)
            else given
        )
        if site not in definition.sites:
            near = did_you_mean(site, definition.sites) if isinstance(site, str) else ""
            raise InvalidConfigError(
                f"{definition.name}: no site {given!r}; there are {', '.join(definition.sites)}.{near}"
            )
        if site in named:
            raise InvalidConfigError(f"{definition.name}: the site {site} is given twice, once as {given!r}")
        named[site] = held
    return named


def _require_some(definition: Definition, seen: Seen) -> Seen:
    if all(grade is None for grade in seen):
        raise InvalidConfigError(
            f"{definition.name}: no site was seen; a grade is needed for at least one of {', '.join(definition.sites)}"
        )
    return seen


def is_truth(given: Any) -> bool:
    """Tells whether this is a truth value, of Python or numpy: no grade, since "there is some" is not "mild"."""
    return type(given).__name__ in ("bool", "bool_")


def _number(given: Any) -> float | None:
    """A number that is finite, or None: text and truth values are no numbers here, and an array is none either."""
    if isinstance(given, str | bytes) or is_truth(given) or getattr(given, "shape", ()) != ():
        return None
    try:
        number = float(given)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
