"""The display of a run: learning curves, a tracker, and how long it still takes. Nothing here stops a run."""

import contextlib
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lag_zoo.errors import LagZooWarning
from lag_zoo.listener import spoken
from lag_zoo.training.job import Job
from lag_zoo.training.plan import StagePlan

REDRAWN = 10.0  # seconds between two pictures of the curves; the last one shows all
WORTH_SAYING = 20.0  # seconds that the rest of a stage takes, from which on they are announced
LONG = 60.0  # seconds of an epoch beside which starting does not count


class Display:
    """Shows the epochs of a run as they are done."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.drawn = time.perf_counter()

    def show(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Draw the curves, if the last picture is old, and tell the tracker the last row."""
        if time.perf_counter() - self.drawn >= REDRAWN:
            self.draw(rows)
        with _not_stopping(f"the tracker {self.job.recipe.tracker} could not be reached"):
            numbers = {key: value for key, value in rows[-1].items() if isinstance(value, float)}
            self.job.accelerator.log(numbers, step=rows[-1]["epoch"])

    def draw(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Draw the curves."""
        if self.job.is_first and rows:
            with _not_stopping("the learning curves could not be drawn"):
                self.job.folder.draw_curves(rows, self.job.plan, title=self._title())
        self.drawn = time.perf_counter()

    def tell_pace(self, part: StagePlan, row: Mapping[str, Any]) -> None:
        """Say how long the rest of a stage takes, if its other epochs go as its last one went."""
        left = part.end - row["epoch"]
        seconds = row["seconds"] * left
        if left and seconds >= WORTH_SAYING:
            which = "" if len(self.job.plan) == 1 else f" of the stage {part.stage.name}"
            self.job.listener.say(f"about {spoken(seconds)} more for {left} epochs{which}, on this machine")

    def _title(self) -> str:
        recipe = self.job.recipe
        called = f", recipe {recipe.name}" if recipe.name else ""
        return f"{recipe.model} on {Path(self.job.manifest.source).name}{called}"


@contextlib.contextmanager
def _not_stopping(failure: str) -> Iterator[None]:
    """Turn whatever goes wrong inside into a warning."""
    try:
        yield
    except Exception as error:
        warnings.warn(
            f"{failure}, and the run goes on: {type(error).__name__}: {error}", LagZooWarning, stacklevel=2
        )
