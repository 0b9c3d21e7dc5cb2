"""Scores of sites whose grades depend on one another: from joint probabilities of all sites' grades."""

from collections.abc import Mapping
from typing import Any, Literal

from lag_zoo.bounds import choose
from lag_zoo.errors import InvalidConfigError
from lag_zoo.scores.atrophic_border import KIMURA_TAKEMOTO
from lag_zoo.scores.definition import Definition, Seen
from lag_zoo.scores.gastritis_stage import OLGA, OLGIM
from lag_zoo.scores.metaplasia_extent import EGGIM
from lag_zoo.scores.score_distribution import ScoreDistribution, of_cells
from lag_zoo.scores.sites import grades_of, require_chance, require_total

ScoreName = Literal["eggim", "olga", "olgim", "kimura_takemoto"]
"""A score of this module."""

_DEFINITIONS: dict[str, tuple[Definition, ...]] = {
    "eggim": (EGGIM,),
    "olga": OLGA,
    "olgim": OLGIM,
    "kimura_takemoto": (KIMURA_TAKEMOTO,),
}


def joint_distribution(score: ScoreName, table: Mapping[tuple[Any, ...], Any]) -> ScoreDistribution:
    """The distribution of a score from joint probabilities, for sites that are not independent.

    Draws of whole patients, as of an ensemble of networks, make such a table by counting.

    Args:
        score: `eggim`, `olga`, `olgim` or `kimura_takemoto`.
        table: probability of each combination of grades, in the order of the score's sites: `EGGIM_SITES`,
            `KIMURA_TAKEMOTO_SITES`, or antrum and corpus, or antrum, incisura and corpus. None is a site that was not
            seen. Combinations that are left out have none.

    Raises:
        InvalidConfigError: no such score, grades that are none, or probabilities that do not add up to 1.

    >>> together = joint_distribution("olga", {(0, 0): 0.5, (3, 3): 0.5})
    >>> print(together)
    OLGA stage 0 to IV (95% interval), P(at risk) 0.500
    """
    definitions = choose(_DEFINITIONS, score, "score")
    if not isinstance(table, Mapping) or not table:
        raise InvalidConfigError(
            f"{score}: a table of grades and their probabilities is expected; got {table!r}"
        )
    definition = _of_length(definitions, table)
    cells: dict[Seen, float] = {}
    for grades, given in table.items():
        seen = grades_of(definition, dict(zip(definition.sites, grades, strict=True)))
        cells[seen] = cells.get(seen, 0.0) + require_chance(f"{definition.name}: probabilities", given)
    total = require_total(f"{definition.name}: the probabilities of all grades", cells.values())
    return of_cells(definition, {seen: chance / total for seen, chance in cells.items()})


def _of_length(definitions: tuple[Definition, ...], table: Mapping[Any, Any]) -> Definition:
    """The definition with as many sites as each combination of the table."""
    lengths = {len(grades) if isinstance(grades, tuple) else 0 for grades in table}
    for definition in definitions:
        if lengths == {len(definition.sites)}:
            return definition
    orders = " or ".join(f"({', '.join(definition.sites)})" for definition in definitions)
    raise InvalidConfigError(
        f"{definitions[0].name}: each key of the table is one tuple of grades {orders}; got {next(iter(table))!r}"
        + (f" and keys of {len(lengths)} lengths" if len(lengths) > 1 else "")
    )
