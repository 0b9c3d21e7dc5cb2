"""What can be had without a network: logistic regressions on the colours of a frame, and on its file's metadata."""

from pathlib import Path

import numpy as np

from lag_zoo.evaluate.baselines import baselines_out_of_fold
from lag_zoo.evaluate.scores import Scores
from lag_zoo.factory import create_model
from recipes.results import plan
from recipes.results.data import opened

FLOORS = {"colour statistics": "colours", "metadata": "metadata"}
"""Their names in the library, and in the tables."""


def write_floors(task: plan.Task, out: Path) -> None:
    """Write `OUT/<task>/floors/<name>.csv`, the scores of all folds, unless they are there."""
    folder = out / task.name / "floors"
    if folder.is_dir():
        return
    plain = plan.contenders(task)[plan.plain(task)[0]]
    config = create_model(plain.recipe.model, label_names=task.labels).config
    first, *others = [_to_score(task, number, out) for number in range(1, plan.FOLDS + 1)]
    found = baselines_out_of_fold(opened(task, 1, out), first.join(others), config)
    folder.mkdir(parents=True)
    for name, short in FLOORS.items():
        found[name].write(folder / f"{short}.csv", seed=0)


def _to_score(task: plan.Task, number: int, out: Path) -> Scores:
    """Return the test frames of a fold; their logits are nothing yet."""
    frames = opened(task, number, out).where(split="test").frames
    return Scores.from_arrays(
        np.zeros((len(frames), 2)),
        [int(frame.labels[0]) for frame in frames],
        label_names=task.labels,
        images=[frame.image for frame in frames],
        groups=[frame.exam for frame in frames],
        grouping="exam",
        fold=[f"fold{number}"] * len(frames),
    )


def read_floors(task: plan.Task, out: Path) -> dict[str, Scores]:
    """Read those that are there, by name."""
    files = {name: out / task.name / "floors" / f"{name}.csv" for name in FLOORS.values()}
    return {name: Scores.read(file) for name, file in files.items() if file.is_file()}
