"""Other networks beside the one that is reported: their rows on the very same frames, and the paired differences."""

import dataclasses
from collections.abc import Mapping

from lag_zoo.evaluate.comparison import compare
from lag_zoo.evaluate.report import Beside, Report, evaluate
from lag_zoo.evaluate.scores import Scores


def with_others(report: Report, scores: Scores, others: Mapping[str, Scores], *, draws: int = 2000) -> Report:
    """The report with a row a label for each other network, at 0.5, and by how much the reported one is above it.

    Args:
        report: of `scores`.
        others: by name, of the same frames and labels.

    Raises:
        InvalidConfigError: other frames or labels.
    """
    found = []
    for name, other in others.items():
        differences = tuple(part.difference for part in compare(scores, other, draws=draws))
        found.append(Beside(name, evaluate(other, draws=draws).rows, differences))
    return dataclasses.replace(report, beside=tuple(found))
