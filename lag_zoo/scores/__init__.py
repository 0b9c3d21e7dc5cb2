"""Scores of a patient, from grades of gastric sites: EGGIM, OLGA, OLGIM, Kimura-Takemoto.

These are arithmetic on what a reader, a pathologist or a network said of each site, and no medical device. (Scores of a
network, which are what it says of a frame, are `lag_zoo.evaluate.Scores`.)

A site that was not seen is None or left out. Nothing is assumed of it: the score is then an interval over all that it
could be. The functions that end in `_distribution` take calibrated probabilities in the place of grades.

>>> from lag_zoo import scores
>>> print(scores.eggim({"antrum_lesser": 2, "antrum_greater": 1, "incisura": 1}))
EGGIM 4 to 8 of 10, corpus unseen
>>> print(scores.olgim(antrum=2, corpus=2))
OLGIM stage III
>>> print(scores.kimura_takemoto({"antrum": 1, "incisura": 0}))
Kimura-Takemoto C-1, corpus, cardia unseen

Guideline: Dinis-Ribeiro et al., Endoscopy 2025, doi:10.1055/a-2529-5025 (MAPS III).
"""

from lag_zoo.scores.atrophic_border import (
    KIMURA_TAKEMOTO_SITES,
    kimura_takemoto,
    kimura_takemoto_distribution,
)
from lag_zoo.scores.gastritis_stage import (
    compartment_grade,
    olga,
    olga_distribution,
    olgim,
    olgim_distribution,
)
from lag_zoo.scores.joint import joint_distribution
from lag_zoo.scores.metaplasia_extent import EGGIM_SITES, eggim, eggim_distribution
from lag_zoo.scores.patient_score import PatientScore
from lag_zoo.scores.score_distribution import Range, ScoreDistribution

__all__ = [
    "EGGIM_SITES",
    "KIMURA_TAKEMOTO_SITES",
    "PatientScore",
    "Range",
    "ScoreDistribution",
    "compartment_grade",
    "eggim",
    "eggim_distribution",
    "joint_distribution",
    "kimura_takemoto",
    "kimura_takemoto_distribution",
    "olga",
    "olga_distribution",
    "olgim",
    "olgim_distribution",
]
