"""What can be had without a network: logistic regressions on the colours of a frame, and on its file's metadata."""

from pathlib import Path

from lag_zoo.evaluate.baselines import baselines_out_of_fold
from lag_zoo.evaluate.scores import Scores
from lag_zoo.factory import create_model
from recipes.results import plan
from recipes.results.data import opened
from recipes.results.runs import Run

FLOORS = {"colour statistics": "colours", "metadata": "metadata"}
"""Their names in the library, and in the tables."""


def write_floors(task: plan.Task, out: Path) -> None:
    """Write `OUT/<task>/floors/<name>.csv`, the scores of all folds, unless they are there.

    Needs the runs of the plain backbone with the first seed.
    """
    folder = out / task.name / "floors"
    plain = plan.contenders(task)[plan.plain(task)[0]]
    runs = [Run(task, plain, 0, fold) for fold in range(1, plan.FOLDS + 1)]
    if folder.is_dir() or not all(run.is_done(out) for run in runs):
        return
    first, *others = [run.scores(out) for run in runs]
    config = create_model(plain.recipe.model, label_names=task.labels).config
    found = baselines_out_of_fold(opened(task, 1, out), first.join(others), config)
    folder.mkdir(parents=True)
    for name, short in FLOORS.items():
        found[name].write(folder / f"{short}.csv", seed=0)


def read_floors(task: plan.Task, out: Path) -> dict[str, Scores]:
    """Read those that are there, by name."""
    files = {name: out / task.name / "floors" / f"{name}.csv" for name in FLOORS.values()}
    return {name: Scores.read(file) for name, file in files.items() if file.is_file()}
