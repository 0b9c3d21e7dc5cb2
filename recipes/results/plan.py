"""Which networks are trained on which task: what differs, and nothing else does.

Every contender of a task sees the same frames equally often. A LAG spends the first half of its epochs without crops,
as the recipe `finetune` does, with both guards; `guards` takes them away one by one.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lag_zoo.training import Recipe, Stage, load_recipe

SCRATCH = Path(__file__).with_name("scratch.yaml")
FUSIONS, CROPS = ("concat", "mean", "attention"), (10, 40)
GUARD_FOLDS = 2  # of the five: without guards a LAG takes three times as long to train


class Task(NamedTuple):
    """What is asked, of which files, and for how long each network learns it."""

    name: str
    title: str
    manifests: str  # their names, with {fold}
    size: int  # pixels on a side of the global view
    epochs: int


TASKS = (
    Task(
        "windows96",
        "Polyp in view or not, windows shown to the backbone at 96 pixels",
        "fold{fold}.csv",
        96,
        4,
    ),
    Task("frames", "Sessile polyp or another, whole frames", "frames{fold}.csv", 224, 20),
    Task("windows224", "Polyp in view or not, windows shown at 224 pixels", "fold{fold}.csv", 224, 3),
)
SCREENED_ON = TASKS[0]  # where native resolution must matter: LAGs are screened, and guards compared, there
WITH_BASELINES = TASKS[:2]  # the third has the frames of the first


def plain(task: Task, size: int) -> Recipe:
    """The backbone alone."""
    return _recipe(size, stages=(Stage(name="backbone", epochs=task.epochs, crops=False),))


def lag(task: Task, *, fusion: str = "concat", crops: int = 10, **changes: Any) -> Recipe:
    """The backbone with crops."""
    half = task.epochs // 2
    stages = (
        Stage(name="backbone", epochs=half, crops=False),
        Stage(name="crops", epochs=task.epochs - half),
    )
    fields = {"fusion": fusion, "num_crops": crops}
    return _recipe(task.size, fields, **{"stages": stages, **changes})


def _recipe(size: int, fields: Mapping[str, Any] | None = None, **changes: Any) -> Recipe:
    recipe = load_recipe(SCRATCH)
    return dataclasses.replace(recipe, fields={"global_size": size, **(fields or {})}, **changes)


def backbones(task: Task) -> dict[str, Recipe]:
    """The plain backbone at the task's size and at twice that."""
    return {f"plain{size}": plain(task, size) for size in (task.size, 2 * task.size)}


def screened(task: Task) -> dict[str, Recipe]:
    """Every LAG that may be tried."""
    return {
        f"{fusion}{crops}": lag(task, fusion=fusion, crops=crops) for crops in CROPS for fusion in FUSIONS
    }


def guards(task: Task) -> dict[str, Recipe]:
    """LAG of the paper's form (concat, ten crops) with the guards taken away; `concat10` has them all."""
    together = (Stage(name="all", epochs=task.epochs),)
    return {
        "no_guard": lag(task, stages=together, global_loss=0.0, crop_drop=0.0),
        "global_loss": lag(task, stages=together, crop_drop=0.0),
        "crops_dropped": lag(task, stages=together, global_loss=0.0),
        "both_losses": lag(task, stages=together),
        "backbone_first": lag(task, global_loss=0.0, crop_drop=0.0),
    }
