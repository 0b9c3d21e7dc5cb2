"""The catalogue: every model that lag_zoo itself declares, as data."""

from lag_zoo.catalogue.gastric import GASTRIC
from lag_zoo.catalogue.polyp import POLYP

CATALOGUE = (*GASTRIC, POLYP)
"""The entries of the zoo, in the order of their declaration."""

NO_GASTRIC_WEIGHTS = (
    "For intestinal metaplasia (IM) and gastric atrophy (GA) no weights exist that could honestly be shipped: "
    "no open data supports them."
)
"""The answer wherever weights of a gastric entry are asked for."""

NOT_A_MEDICAL_DEVICE = "For research and teaching; not a medical device."
"""The notice wherever weights are shown."""

__all__ = ["CATALOGUE", "GASTRIC", "NOT_A_MEDICAL_DEVICE", "NO_GASTRIC_WEIGHTS", "POLYP"]
