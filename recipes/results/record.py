"""What has been run: the tables of the repository, and what OUT adds to them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lag_zoo.errors import DataError
from lag_zoo.evaluate.scores import Scores
from recipes.results import plan
from recipes.results.floors import FLOORS, read_floors
from recipes.results.runs import Run
from recipes.results.tables import (
    COSTS,
    FOLDER,
    FRAME,
    READOUTS,
    RUNS,
    frame_rows,
    read_rows,
    write_rows,
)


class Record:
    """The runs and their logits, from the tables and from OUT; where both have a run, that of OUT.

    A run that the tables have is not done again, on no machine: to repeat it, take its row out of `runs.csv`.
    """

    def __init__(self, out: Path, folder: Path = FOLDER) -> None:
        self.out, self.folder = out, folder
        self._told = {_key(row): row for row in read_rows(RUNS, folder)}

    def has(self, run: Run) -> bool:
        """Whether its logits are there."""
        return run.is_done(self.out) or _key(run.labelled()) in self._told

    def about(self, run: Run) -> Mapping[str, Any]:
        """Return what a run took and came to."""
        return run.about(self.out) if run.is_done(self.out) else self._told[_key(run.labelled())]

    def task_rows(self, task: plan.Task) -> list[dict[str, str]]:
        """Return the rows of a task's table.

        Raises:
            DataError: OUT has a frame in another fold or group, or with another label, than the table.
        """
        rows = {row["image"]: dict(row) for row in read_rows(task.name, self.folder)}
        for row in frame_rows(_scores(task, self.out)):
            known = rows.setdefault(row["image"], row)
            if any(known[column] != row[column] for column in FRAME):
                raise DataError(
                    f"{row['image']} is {[row[c] for c in FRAME[1:]]} in {self.out} and "
                    f"{[known[c] for c in FRAME[1:]]} in the table of {task.name} ({', '.join(FRAME[1:])}): the folds "
                    "were dealt anew, so these runs do not belong together"
                )
            known.update(row)
        columns = [*FRAME, *_networks(task)]
        ordered = sorted(rows.values(), key=lambda row: (row["fold"], row["image"]))
        return [{column: row[column] for column in columns if column in row} for row in ordered]


def collect(out: Path, folder: Path = FOLDER) -> None:
    """Add what is in OUT to the tables."""
    record = Record(out, folder)
    about = []
    for task in plan.TASKS:
        if rows := record.task_rows(task):
            write_rows(task.name, rows, folder)
        about += [record.about(run) for run in every_run(task) if record.has(run)]
    if about:
        write_rows(RUNS, about, folder)
    for name in (COSTS, *(READOUTS.format(task.name) for task in plan.TASKS)):
        if rows := read_rows(name, out):
            write_rows(name, rows, folder)


def every_run(task: plan.Task) -> Iterator[Run]:
    """All runs that there can be: contenders and their controls, seeds and folds."""
    for contender in plan.with_controls(task).values():
        for seed in range(plan.SEEDS):
            for fold in range(1, plan.FOLDS + 1):
                yield Run(task, contender, seed, fold)


def _networks(task: plan.Task) -> Iterator[str]:
    """The columns that a table can have, in their order."""
    for name in plan.with_controls(task):
        for ending in ("", plan.WITHOUT):
            yield from (f"{name}{ending}/{seed}" for seed in range(plan.SEEDS))
    yield from (f"{name}/0" for name in FLOORS.values())


def _key(about: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(about[column]) for column in ("task", "contender", "seed", "fold"))


def _scores(task: plan.Task, out: Path) -> Iterator[tuple[str, Scores]]:
    for run in every_run(task):
        if run.is_done(out):
            yield f"{run.contender.name}/{run.seed}", run.scores(out)
            if run.contender.with_crops:
                yield f"{run.contender.name}{plan.WITHOUT}/{run.seed}", run.scores(out, without_crops=True)
    for name, scores in read_floors(task, out).items():
        yield f"{name}/0", scores
