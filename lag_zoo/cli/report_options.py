"""Options that the commands with reports have in common: the unit that is counted, pooling, resamples."""

from enum import StrEnum
from typing import Annotated

import typer


class Level(StrEnum):
    """The unit that is counted."""

    FRAME = "frame"
    EXAM = "exam"
    PATIENT = "patient"


LevelOption = Annotated[Level, typer.Option(help="Count frames, examinations or patients.")]
PoolingOption = Annotated[
    str,
    typer.Option(help="How frames become one probability: maximum, mean, top3 or another number, noisy-or."),
]
Positive = Annotated[
    str | None,
    typer.Option(
        help="Of two labels the one that the numbers are about; by default the second, unless it is normal."
    ),
]
Prevalence = Annotated[
    float | None, typer.Option(min=0, max=1, help="Report predictive values at this prevalence too.")
]
Resamples = Annotated[
    int, typer.Option(min=100, help="Resamples of the bootstrap, for calibration and the bands of curves.")
]
UnreadableAsFailures = Annotated[
    bool,
    typer.Option(
        "--unreadable-as-failures", help="Count frames that cannot be read as called wrongly: the worst case."
    ),
]
