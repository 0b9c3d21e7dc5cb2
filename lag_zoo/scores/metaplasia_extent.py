"""EGGIM: endoscopic grading of gastric intestinal metaplasia.

Five areas are graded by the part of their mucosa that has intestinal metaplasia, as seen in narrow-band imaging or
another virtual chromoendoscopy: 0 none, 1 focal (30% and less), 2 extensive (more than 30%). EGGIM is their sum, 0 to
10. More than 4, so from 5 on, was the cut-off for OLGIM III and IV.

Sources: Pimentel-Nunes et al., Endoscopy 2016; 48: 723-730; Esposito et al., Endoscopy 2019; 51: 515-521,
doi:10.1055/a-0808-3186, whose abstract states areas, grades, sum and cut-off, and is what this was checked against.
"""

from collections.abc import Mapping
from typing import Any

from lag_zoo.scores.definition import Definition, Grades
from lag_zoo.scores.patient_score import PatientScore, score_of
from lag_zoo.scores.score_distribution import ScoreDistribution, independent
from lag_zoo.scores.sites import grades_of

EGGIM_SITES = ("antrum_lesser", "antrum_greater", "incisura", "corpus_lesser", "corpus_greater")
"""Sites of EGGIM: the lesser and greater curvature of antrum and corpus, and the incisura."""


def _sum(grades: Grades) -> int:
    return sum(grades)


EGGIM = Definition(
    name="EGGIM",
    sites=EGGIM_SITES,
    words=(
        "lesser curvature of the antrum",
        "greater curvature of the antrum",
        "incisura",
        "lesser curvature of the corpus",
        "greater curvature of the corpus",
    ),
    grades=3,
    values=tuple(str(value) for value in range(11)),
    form="EGGIM {} of 10",
    value=_sum,
    risk_from=5,
)


def eggim(sites: Mapping[str, Any]) -> PatientScore:
    """EGGIM of a patient, 0 to 10, from the grades of its five sites; at risk from 5.

    Args:
        sites: grade (0, 1 or 2) of each of `EGGIM_SITES`; a site that was not seen is None or left out. Case,
            spaces and hyphens in the names do not matter.

    Raises:
        InvalidConfigError: an unknown site, a grade that is none, or no site at all.

    >>> print(eggim({"antrum_lesser": 2, "antrum_greater": 1, "incisura": 2, "corpus_lesser": 0, "corpus_greater": 0}))
    EGGIM 5 of 10
    >>> found = eggim({"Antrum lesser": 1, "Antrum greater": 1, "Incisura": 1})
    >>> print(found, "- at risk:", found.at_risk)
    EGGIM 3 to 7 of 10, corpus unseen - at risk: None
    """
    return score_of(EGGIM, grades_of(EGGIM, sites))


def eggim_distribution(
    sites: Mapping[str, Any], *, prior: Mapping[str, Any] | None = None
) -> ScoreDistribution:
    """EGGIM of a patient as a distribution, from calibrated probabilities of the grades of its sites.

    Sites are taken as independent, given the frames that the probabilities come from: each site's probabilities hold
    whatever the grades of the others. The mean does not depend on that; interval and P(at risk) do. Where grades go
    together beyond what the frames show, `joint_distribution` takes their joint probabilities.

    Args:
        sites: probabilities of the grades 0, 1, 2 of each of `EGGIM_SITES`, or its grade where that is certain. A
            site that was not seen is None or left out: the answers are then bounds over what it could be.
        prior: probabilities likewise, for sites that were not seen; the answers are then as good as these.

    Raises:
        InvalidConfigError: an unknown site, probabilities that are none or do not add up to 1, or no site at all.

    >>> seen = {
    ...     "antrum_lesser": (0.1, 0.3, 0.6),
    ...     "antrum_greater": (0.2, 0.5, 0.3),
    ...     "incisura": (0, 0.4, 0.6),
    ...     "corpus_lesser": (0.7, 0.2, 0.1),
    ... }
    >>> print(eggim_distribution(seen))
    EGGIM 2 to 9 of 10 (95% interval), P(at risk) 0.533 to 0.954, greater curvature of the corpus unseen
    >>> print(eggim_distribution(seen, prior={"corpus_greater": (0.8, 0.15, 0.05)}))
    EGGIM 2 to 8 of 10 (95% interval), P(at risk) 0.596, greater curvature of the corpus by the prior
    """
    return independent(EGGIM, sites, prior)
