"""Kimura-Takemoto: extent of atrophy, by where its border lies as seen by endoscopy.

Atrophy climbs from the antrum along the lesser curvature to the cardia (closed types: C), then leaves the lesser
curvature across the anterior and posterior walls towards the greater curvature (open types: O).

| type | the furthest place with atrophy |
| --- | --- |
| C-0 | none: no atrophy |
| C-1 | the antrum, and not the corpus |
| C-2 | the lesser curvature, from the incisura to the lower half of the corpus |
| C-3 | the lesser curvature of the upper half of the corpus |
| O-1 | around the cardia: the border has left the lesser curvature, and the folds of the greater one are kept |
| O-2 | the anterior and posterior walls of the corpus |
| O-3 | the greater curvature of the corpus |

Sources: Kimura and Takemoto, Endoscopy 1969; 1: 87-97, doi:10.1055/s-0028-1098086, which was not at hand. Checked
against the definitions in Kamada and Inoue, Stomach and Intestine (Tokyo) 2012, doi:10.11477/mf.1403113421 (C-2 from
the incisura on; O-2 between O-1 and O-3), and against those of Quach and Hiyama, Clin Endosc 2019; 52: 321-327,
doi:10.5946/ce.2019.072, as quoted elsewhere (C-2 and C-3 below and above the middle of the stomach; O-2 on the
anterior wall). Other texts count atrophy that ends at the incisura as C-1. C-0 is not of 1969; the Kyoto
classification has it.
"""

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any

from lag_zoo.scores.definition import Definition, Grades
from lag_zoo.scores.patient_score import PatientScore, score_of
from lag_zoo.scores.score_distribution import ScoreDistribution, independent
from lag_zoo.scores.sites import grades_of, is_truth

KIMURA_TAKEMOTO_SITES = (
    "antrum",
    "incisura",
    "corpus_lesser_lower",
    "corpus_lesser_upper",
    "cardia",
    "corpus_walls",
    "corpus_greater",
)
"""Sites of Kimura-Takemoto, in the order in which the border passes them."""

_TYPES = ("C-0", "C-1", "C-2", "C-3", "O-1", "O-2", "O-3")
_TYPE_OF_SITE = (1, 2, 2, 3, 4, 5, 6)


def _furthest(atrophy: Grades) -> int:
    # A gap, atrophy above a site that is seen without, leaves no border: what the definition speaks of is not there
    # (patchy atrophy, or that of autoimmune gastritis, which spares the antrum). It is answered all the same, by the
    # furthest site, and with words that say so. An error would lose the patient for one doubtful site; and
    # probabilities of independent sites always give gaps some probability, which has to count somewhere.
    return max((type_ for type_, there in zip(_TYPE_OF_SITE, atrophy, strict=True) if there), default=0)


def _has_border(atrophy: Grades) -> bool:
    return all(below >= above for below, above in itertools.pairwise(atrophy))


KIMURA_TAKEMOTO = Definition(
    name="Kimura-Takemoto",
    sites=KIMURA_TAKEMOTO_SITES,
    words=(
        "antrum",
        "incisura",
        "lesser curvature of the lower corpus",
        "lesser curvature of the upper corpus",
        "cardia",
        "walls of the corpus",
        "greater curvature of the corpus",
    ),
    grades=2,
    values=_TYPES,
    form="Kimura-Takemoto {}",
    value=_furthest,
    possible=_has_border,
    doubt="atrophy skips a site, which leaves no border",
)

_GRADED = dataclasses.replace(KIMURA_TAKEMOTO, grades=4)


def kimura_takemoto(sites: Mapping[str, Any]) -> PatientScore:
    """Kimura-Takemoto type of a patient, C-0 to O-3 (as 0 to 6), from atrophy at sites.

    The type is that of the furthest site with atrophy. Of the sites that were not seen only such grades are thought of
    as leave one border: above a site that was seen without atrophy there is none. Where atrophy was seen above a site
    that was seen without, there is no such border: the furthest site counts, and `doubt` says so.

    The publication names no type from which a patient is at risk: `at_least("O-1")` asks for the open types.

    Args:
        sites: atrophy at each of `KIMURA_TAKEMOTO_SITES`: False or 0 none, True or a grade from 1 to 3 some. A site
            that was not seen is None or left out.

    Raises:
        InvalidConfigError: an unknown site, a grade that is none, or no site at all.

    >>> print(kimura_takemoto({"antrum": 1, "incisura": 1, "corpus_lesser_lower": 1, "corpus_lesser_upper": 0}))
    Kimura-Takemoto C-2, walls of the corpus, greater curvature of the corpus, cardia unseen
    >>> print(kimura_takemoto({"incisura": True, "cardia": False}))
    Kimura-Takemoto C-2 to C-3, antrum, corpus unseen
    >>> kimura_takemoto({"antrum": 0, "corpus_greater": 2}).doubt
    'atrophy skips a site, which leaves no border'
    """
    seen = grades_of(_GRADED, _as_grades(sites))
    return score_of(KIMURA_TAKEMOTO, tuple(None if grade is None else int(grade > 0) for grade in seen))


def kimura_takemoto_distribution(
    sites: Mapping[str, Any], *, prior: Mapping[str, Any] | None = None
) -> ScoreDistribution:
    """Kimura-Takemoto type of a patient as a distribution, from calibrated probabilities of atrophy at sites.

    Sites are taken as independent, given what the probabilities come from; where they are not, `joint_distribution`
    takes their joint probabilities. Atrophy that skips a site, which leaves no border, then has some probability too:
    `impossible`. The furthest site counts there.

    Args:
        sites: of each of `KIMURA_TAKEMOTO_SITES` the probabilities of no atrophy and of atrophy, or 0 or 1 where that
            is certain. A site that was not seen is None or left out: the answers are then bounds, as for
            `kimura_takemoto`.
        prior: probabilities likewise, for sites that were not seen.

    Raises:
        InvalidConfigError: an unknown site, probabilities that are none or do not add up to 1, or no site at all.

    >>> found = kimura_takemoto_distribution(
    ...     {"antrum": 1, "incisura": (0.1, 0.9), "corpus_lesser_lower": (0.5, 0.5), "corpus_lesser_upper": 0}
    ... )
    >>> print(found.at_least("C-2"), "and without a border", round(found.impossible, 3))
    0.950 and without a border 0.05
    """
    return independent(KIMURA_TAKEMOTO, _as_grades(sites), None if prior is None else _as_grades(prior))


def _as_grades(sites: Any) -> Any:
    """Truth values as grades 0 and 1; all else, and what is no mapping, is left to the checks."""
    if not isinstance(sites, Mapping):
        return sites
    return {site: int(given) if is_truth(given) else given for site, given in sites.items()}
