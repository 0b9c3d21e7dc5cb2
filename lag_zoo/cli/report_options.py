"""Options that the commands with reports have in common: what is counted, how frames become one, resamples."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from lag_zoo.errors import InvalidConfigError

if TYPE_CHECKING:
    from lag_zoo.data.manifest import Manifest


class Level(StrEnum):
    """What is counted."""

    FRAME = "frame"
    EXAM = "exam"
    PATIENT = "patient"


LevelOption = Annotated[Level, typer.Option(help="Count frames, examinations or patients.")]
PoolingOption = Annotated[
    str,
    typer.Option(help="How frames become one probability: maximum, mean, top3 or another number, noisy-or."),
]
Prevalence = Annotated[
    float | None, typer.Option(min=0, max=1, help="Tell predictive values at this prevalence too.")
]
Draws = Annotated[int, typer.Option(min=100, help="Resamples of the bootstrap.")]


def require_level(level: Level, pooling: str, manifest: "Manifest", *, split: str | None = None) -> None:
    """Refuses now what could not be told after an hour of scoring.

    Raises:
        InvalidConfigError: a pooling that is none, or frames without what is counted.
    """
    from lag_zoo.metrics.levels import require_pooling

    require_pooling(pooling)
    if level is Level.FRAME:
        return
    if not all(getattr(frame, level.value) for frame in manifest.where(split=split).frames):
        raise InvalidConfigError(
            f"--level {level.value} needs every frame's {level.value}: {manifest.source} is grouped by "
            f"{manifest.grouping or 'nothing'} (--column case_id={level.value} says which column it is)"
        )
