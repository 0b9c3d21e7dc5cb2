"""From runs to the result tables."""

from collections.abc import Iterator
from pathlib import Path

from lag_zoo.evaluate.scores import Scores
from recipes.results import plan
from recipes.results.floors import read_floors
from recipes.results.runs import Run
from recipes.results.tables import COSTS, FOLDER, READOUTS, RUNS, frame_rows, read_rows, write_rows


def collect(out: Path, folder: Path = FOLDER) -> None:
    """Write the tables of what is in OUT; those of which nothing is there stay as they are."""
    about = []
    for task in plan.TASKS:
        if rows := task_rows(task, out):
            write_rows(task.name, rows, folder)
        about += [run.about(out) for run in every_run(task) if run.is_done(out)]
    if about:
        write_rows(RUNS, about, folder)
    for name in (COSTS, *(READOUTS.format(task.name) for task in plan.TASKS)):
        if rows := read_rows(name, out):
            write_rows(name, rows, folder)


def task_rows(task: plan.Task, out: Path) -> list[dict[str, str]]:
    """Return the rows of a task's table, of the runs that are in OUT."""
    return frame_rows(_scores(task, out))


def every_run(task: plan.Task) -> Iterator[Run]:
    """All runs that there can be: contenders and their controls, seeds and folds."""
    contenders = plan.contenders(task)
    controls = {k: v for name in contenders for k, v in plan.controls(task, name).items()}
    for contender in (*contenders.values(), *controls.values()):
        for seed in range(plan.SEEDS):
            for fold in range(1, plan.FOLDS + 1):
                yield Run(task, contender, seed, fold)


def _scores(task: plan.Task, out: Path) -> Iterator[tuple[str, Scores]]:
    for run in every_run(task):
        if run.is_done(out):
            yield f"{run.contender.name}/{run.seed}", run.scores(out)
            if run.contender.with_crops:
                yield f"{run.contender.name}{plan.WITHOUT}/{run.seed}", run.scores(out, without_crops=True)
    for name, scores in read_floors(task, out).items():
        yield f"{name}/0", scores
