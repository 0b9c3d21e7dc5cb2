"""What is tried: changes of the recipe `plain`, on the tasks of the results.

Candidates see the training and validation frames of the first fold of the results, and never its test frames: these
are dealt into three grouped folds, each of which is nested (`lag_zoo.training.cross_validate`).
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from lag_zoo.training import Recipe, load_recipe
from recipes.results.plan import Task

INNER_FOLDS = 3
EPOCHS = {"neopolyp": 10, "chgastro": 10, "windows": 3}
"""Of a candidate, and of each of the two stages of `finetune`."""

CANDIDATES: Mapping[str, Mapping[str, Any]] = {
    "as it was": {},
    "no layer decay": {"layer_decay": None},
    "no layer decay, half the rate": {"layer_decay": None, "learning_rate": 2.5e-4},
    "no layer decay, twice the rate": {"layer_decay": None, "learning_rate": 1e-3},
    "no layer decay, four times the rate": {"layer_decay": None, "learning_rate": 2e-3},
    "twice the rate": {"learning_rate": 1e-3},
    "twice the epochs": {"epochs": 2},
}
"""What differs from the recipe `plain`, as it was when they were tried: a layer decay of 0.75, a rate of 5e-4."""

CHOSEN = "no layer decay, twice the rate"
"""The candidate that the recipes `plain` and `finetune` are now."""


def candidates(task: Task) -> dict[str, Recipe]:
    """Return the recipes that are tried on a task, by name."""
    plain = load_recipe("plain").changed({"layer_decay": 0.75, "learning_rate": 5e-4, **_here(task)})
    return {
        key_of(name): plain.changed({**changes, "epochs": EPOCHS[task.name] * changes.get("epochs", 1)})
        for name, changes in CANDIDATES.items()
    }


def key_of(words: str) -> str:
    """Name a candidate for a folder and a column.

    >>> key_of("no layer decay, half the rate")
    'no_layer_decay_half_the_rate'
    """
    return words.replace(",", "").replace(" ", "_")


def finetune(task: Task) -> Recipe:
    """Return the recipe `finetune` as it ships, with the epochs and the size of a task."""
    recipe = load_recipe("finetune").changed(_here(task))
    stages = [dataclasses.replace(stage, epochs=EPOCHS[task.name]) for stage in recipe.stages]
    return dataclasses.replace(recipe, stages=tuple(stages))


def _here(task: Task) -> dict[str, Any]:
    """What is so on this task whatever the recipe: the size, no pictures of the losses, no masks."""
    return {"fields": {"global_size": task.sizes[0]}, "mask_loss": 0.0, "tracker": "none", "workers": 0}
