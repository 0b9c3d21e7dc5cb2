"""The least that trains: a recipe of two stages for tests, and listeners that stop a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lag_zoo.listener import Listener
from lag_zoo.nn import LAG
from lag_zoo.training import Recipe, Stage
from tests.listening import Heard

RECIPE = Recipe(
    model="lag_mobilenetv3_small_050",
    fields={"global_size": 32, "num_crops": 2, "crop_size": 32},
    stages=(Stage(name="backbone", epochs=1, crops=False), Stage(name="crops", epochs=2)),
    batch_size=4,
    learning_rate=2e-3,
    average=0.5,
    workers=0,
    tracker="none",
)
SHORT = RECIPE.changed({"stages": [Stage(epochs=1, crops=False)]})
"""One epoch of the backbone."""


class WholeRun(NamedTuple):
    """A run of the tiny recipe: its folder, its network, `best/` after each epoch, and what a listener heard."""

    folder: Path
    model: LAG
    bests: list[Path]
    heard: Heard


class Stopped(Exception):
    """A test has seen enough of a run."""


class StopsBeforeTraining(Listener):
    """Stops a run once its folder is made, before its first step."""

    def begin(self, facts: Mapping[str, str]) -> None:
        raise Stopped


class StopsAfterAnEpoch(Listener):
    """Presses Ctrl-C after the first epoch."""

    def epoch(self, row: Mapping[str, Any]) -> None:
        raise KeyboardInterrupt
