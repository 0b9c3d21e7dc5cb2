"""The paper's results as printed: reported, not measured.

Nobody here has reproduced these numbers. The paper's baseline rows are plain networks and its LAG row names no
backbone, so no row belongs to an entry of the zoo. `ModelSpec.measured_results` holds the measurements of this
repository.

Source: Yang et al., A Benchmark Dataset of Endoscopic Images and Novel Deep Learning Method to Detect Intestinal
Metaplasia and Gastritis Atrophy, IEEE JBHI 2022, Tables IV and V and abstract.
"""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lag_zoo.specs import Spec


@dataclass(frozen=True, kw_only=True)
class ReportedResult(Spec):
    """One row of the paper, in percent.

    Attributes:
        task: `im` (intestinal metaplasia or not) or `ga` (gastric atrophy or not).
        modality: `wli` or `lci`; `None`: the abstract does not say.
        model: as printed; no entry of the zoo.
        accuracy: in percent, as are `sensitivity`, `specificity`, `ppv` and `npv`.
    """

    task: Literal["im", "ga"]
    modality: Literal["wli", "lci"] | None
    model: str
    accuracy: float
    sensitivity: float
    specificity: float
    ppv: float
    npv: float


@dataclass(frozen=True, kw_only=True)
class ReportedResults(Spec):
    """The paper's tables, which nobody here has reproduced. No row belongs to an entry of the zoo.

    Attributes:
        source: where they are printed.
        unit: the metric's unit, and the data.
        caveats: limits on their use, one sentence or two each.
        rows: Tables IV and V: a task, a modality and a model each.
        dual_transfer: the abstract's headline, by task; `dual_transfer_note` says how it differs.
    """

    source: str
    unit: str
    caveats: tuple[str, ...]
    rows: tuple[ReportedResult, ...]
    dual_transfer: tuple[ReportedResult, ...]
    dual_transfer_note: str


@functools.cache
def reported_results() -> ReportedResults:
    """The paper's tables with their source and caveats: reported by its authors, not measured here.

    No row belongs to an entry of the zoo: the baselines are plain networks, and the LAG row names no backbone.

    >>> reported = reported_results()
    >>> [r.sensitivity for r in reported.rows if (r.task, r.modality, r.model) == ("im", "lci", "lag")]
    [96.69]
    >>> len(reported.rows), len(reported.caveats)
    (36, 4)
    """
    return ReportedResults.from_json(Path(__file__).with_name("reported.json").read_bytes())
