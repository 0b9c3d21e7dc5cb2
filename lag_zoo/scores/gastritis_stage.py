"""OLGA and OLGIM: stage of gastritis, from atrophy or from intestinal metaplasia in antrum and corpus.

Antrum (with the incisura) and corpus have a grade each: 0 none, 1 mild, 2 moderate, 3 severe. A table gives the stage;
III and IV are high risk. OLGIM is the same table, with intestinal metaplasia in the place of atrophy.

| antrum | corpus 0 | 1 | 2 | 3 |
| --- | --- | --- | --- | --- |
| 0 | 0 | I | II | II |
| 1 | I | I | II | III |
| 2 | II | II | III | IV |
| 3 | III | III | IV | IV |

Sources: OLGA: Rugge et al., Gut 2007; 56: 631-636; Rugge et al., Dig Liver Dis 2008; 40: 650-658 (tutorial). OLGIM:
Capelle et al., Gastrointest Endosc 2010; 71: 1150-1158, doi:10.1016/j.gie.2009.12.029. The table was checked against
its reprint, with permission, of Rugge et al., Dig Liver Dis 2011; 43: S373-S384, in Table 1 of Gastroenterol Res Pract
2013: 393015. That OLGIM has the table of OLGA was checked against the abstract of Capelle et al. The originals' own
tables were not at hand. Tables in circulation differ in two cells: antrum 0 with corpus 3 is II here, and antrum 3 with
corpus 0 is III.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from lag_zoo.errors import InvalidConfigError
from lag_zoo.scores.definition import Definition, Grades
from lag_zoo.scores.patient_score import PatientScore, score_of
from lag_zoo.scores.score_distribution import ScoreDistribution, independent
from lag_zoo.scores.sites import grades_of, percentage

INCLUDED: Final = "included"
"""The grade of the antrum is that of antrum and incisura together, as the table has it."""

# Antrum in rows, corpus in columns.
_STAGES = (
    (0, 1, 2, 2),
    (1, 1, 2, 3),
    (2, 2, 3, 4),
    (3, 3, 4, 4),
)


def _of_two(grades: Grades) -> int:
    antrum, corpus = grades
    return _STAGES[antrum][corpus]


def _of_three(grades: Grades) -> int:
    antrum, incisura, corpus = grades
    return _STAGES[max(antrum, incisura)][corpus]


def _definitions(name: str) -> tuple[Definition, Definition]:
    """Of antrum and corpus, and of antrum, incisura and corpus."""
    common: dict[str, Any] = {
        "name": name,
        "grades": 4,
        "values": ("0", "I", "II", "III", "IV"),
        "form": f"{name} stage {{}}",
        "risk_from": 3,
    }
    two, three = ("antrum", "corpus"), ("antrum", "incisura", "corpus")
    return (
        Definition(sites=two, words=two, value=_of_two, **common),
        Definition(sites=three, words=three, value=_of_three, **common),
    )


OLGA, OLGIM = _definitions("OLGA"), _definitions("OLGIM")


def olga(antrum: Any, corpus: Any, incisura: Any = INCLUDED) -> PatientScore:
    """OLGA stage of a patient, 0 to IV (as 0 to 4), from grades of atrophy; at risk from III.

    Args:
        antrum: grade 0 to 3 of the antrum, or None if it was not sampled.
        corpus: likewise, of the corpus.
        incisura: likewise, of the incisura. The antrum's grade in the table is then the higher of the two: the
            table wants one grade of both, and grades alone do not tell the mean that `compartment_grade` takes of
            percentages, which the higher grade is never below. If left out, the antrum's grade is one of both already.

    Raises:
        InvalidConfigError: a grade that is none, or no site at all.

    >>> print(olga(2, 1))
    OLGA stage II
    >>> print(olga(antrum=1, corpus=2, incisura=None))
    OLGA stage II to IV, incisura unseen
    >>> olga(3, None).at_risk
    True
    """
    return _stage(OLGA, antrum, corpus, incisura)


def olgim(antrum: Any, corpus: Any, incisura: Any = INCLUDED) -> PatientScore:
    """OLGIM stage of a patient, 0 to IV (as 0 to 4), from grades of intestinal metaplasia; at risk from III.

    Arguments and errors are those of `olga`.

    >>> print(olgim(2, None))
    OLGIM stage II to IV, corpus unseen
    """
    return _stage(OLGIM, antrum, corpus, incisura)


def olga_distribution(
    antrum: Any, corpus: Any, incisura: Any = INCLUDED, *, prior: Mapping[str, Any] | None = None
) -> ScoreDistribution:
    """OLGA stage of a patient as a distribution, from calibrated probabilities of the grades of its sites.

    Sites are taken as independent, given what the probabilities come from; where they are not, `joint_distribution`
    takes their joint probabilities.

    Args:
        antrum: probabilities of the grades 0 to 3, or the grade where it is certain, or None if it was not sampled:
            the answers are then bounds over what it could be.
        corpus: likewise.
        incisura: likewise; as for `olga`, the higher grade of antrum and incisura counts, and if it is left out the
            antrum's probabilities are of both together.
        prior: probabilities by the name of the site (`antrum`, `incisura`, `corpus`), for sites that were not sampled.

    Raises:
        InvalidConfigError: probabilities that are none or do not add up to 1, or no site at all.

    >>> print(olga_distribution((0.1, 0.2, 0.4, 0.3), None))
    OLGA stage 0 to IV (95% interval), P(at risk) 0.300 to 0.900, corpus unseen
    """
    return _distribution(OLGA, antrum, corpus, incisura, prior)


def olgim_distribution(
    antrum: Any, corpus: Any, incisura: Any = INCLUDED, *, prior: Mapping[str, Any] | None = None
) -> ScoreDistribution:
    """OLGIM stage of a patient as a distribution; as `olga_distribution`, of grades of intestinal metaplasia.

    >>> print(olgim_distribution((0, 0, 0.5, 0.5), 1, incisura=(0.5, 0.5, 0, 0)))
    OLGIM stage II to III (95% interval), P(at risk) 0.500
    """
    return _distribution(OLGIM, antrum, corpus, incisura, prior)


def compartment_grade(percentages: Iterable[Any]) -> int:
    """The grade 0 to 3 of antrum (with the incisura) or corpus, from each of its biopsies.

    The mean over the biopsies, in bands: 0 none, 1 to 30%, 2 to 60%, 3 above. The bands were checked against the
    reprint named above; that the mean is taken is by the tutorial of 2008, which was not at hand.

    Args:
        percentages: the part of each biopsy's glands that is atrophic, or metaplastic, 0 to 100.

    Raises:
        InvalidConfigError: a percentage that is none, or no biopsy.

    >>> compartment_grade([30, 40, 0]), compartment_grade([0, 0]), compartment_grade([61])
    (1, 0, 3)
    """
    if not isinstance(percentages, Iterable) or isinstance(percentages, str | bytes):
        raise InvalidConfigError(f"a compartment's grade is of a list of percentages; got {percentages!r}")
    given = [percentage(each) for each in percentages]
    if not given:
        raise InvalidConfigError("a compartment's grade is of at least one biopsy; got none")
    mean = sum(given) / len(given)
    return 0 if mean == 0 else 1 if mean <= 30 else 2 if mean <= 60 else 3


def _stage(
    definitions: tuple[Definition, Definition], antrum: Any, corpus: Any, incisura: Any
) -> PatientScore:
    definition, sites = _sites(definitions, antrum, corpus, incisura)
    return score_of(definition, grades_of(definition, sites))


def _distribution(
    definitions: tuple[Definition, Definition],
    antrum: Any,
    corpus: Any,
    incisura: Any,
    prior: Mapping[str, Any] | None,
) -> ScoreDistribution:
    definition, sites = _sites(definitions, antrum, corpus, incisura)
    return independent(definition, sites, prior)


def _sites(
    definitions: tuple[Definition, Definition], antrum: Any, corpus: Any, incisura: Any
) -> tuple[Definition, dict[str, Any]]:
    two, three = definitions
    if isinstance(incisura, str) and incisura == INCLUDED:
        return two, {"antrum": antrum, "corpus": corpus}
    return three, {"antrum": antrum, "incisura": incisura, "corpus": corpus}
