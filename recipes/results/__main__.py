"""When does looking twice pay? Plain backbones, larger ones, LAGs and top-k pooling at equal training:

    python -m recipes.results run SHARED OUT [PART ...]   trains and scores what the tables and OUT lack
    python -m recipes.results tables OUT                  adds what OUT has to recipes/results/tables
    python -m recipes.results report                      makes docs/results.md from these tables

SHARED has the data sets as folders: neopolyp, chgastro, kvasir_seg, polypgen. OUT is scratch: it holds frames. Parts:

- TASK: all its contenders with the first seed, fold by fold;
- seeds_TASK: two more seeds of the plain backbones and of the finalists, which are the two others that were best on the
  validation frames of the first seed;
- controls_TASK: of the contenders that are better than the plain backbone at the small size, by their intervals;
- floors: what can be had from colours and from metadata; readouts: heads on frozen features; costs at inference.

By default all, in this order. Processes that are started side by side share the runs; one that is stopped leaves its
run to be resumed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from recipes.commands import Parts, main
from recipes.locks import mine
from recipes.results import plan
from recipes.results.comparing import winners
from recipes.results.costs import costs
from recipes.results.data import write_folds
from recipes.results.floors import write_floors
from recipes.results.readouts import TASKS as READ_OUT
from recipes.results.readouts import readouts
from recipes.results.record import Record, collect
from recipes.results.report import write
from recipes.results.runs import Run, train
from recipes.results.tables import COSTS, READOUTS, frame_rows, read_rows, table_of, write_rows


def first_seed(task: plan.Task, record: Record) -> Iterator[Run]:
    """All contenders with the first seed; the large ones, which cost most, last."""
    every = plan.contenders(task).values()
    for contender in sorted(every, key=lambda one: one.recipe.fields["global_size"]):
        for fold in range(1, plan.FOLDS + 1):
            yield Run(task, contender, 0, fold)


def more_seeds(task: plan.Task, record: Record) -> Iterator[Run]:
    """The other seeds of the plain backbones and the finalists; the large one, which costs most, last."""
    contenders = plan.contenders(task)
    small, large = plan.plain(task)
    for name in (small, *finalists(task, record), large):
        for seed in range(1, plan.SEEDS):
            for fold in range(1, plan.FOLDS + 1):
                yield Run(task, contenders[name], seed, fold)


def finalists(task: plan.Task, record: Record) -> list[str]:
    """Return the best contenders besides the plain ones, by their validation frames; none before all are there."""
    found: dict[str, float] = {}
    for run in first_seed(task, record):
        if not record.has(run):
            return []
        if run.contender.name not in plan.plain(task):
            name = run.contender.name
            found[name] = found.get(name, 0.0) + float(record.about(run)["val_auroc"])
    return sorted(found, key=lambda name: -found[name])[: plan.FINALISTS]


def controls(task: plan.Task, record: Record) -> Iterator[Run]:
    """The controls of the contenders that win over the plain backbone at the small size."""
    table = table_of(record.task_rows(task))
    for name in winners(table, task) if table else ():
        for control in plan.controls(task, name).values():
            for fold in range(1, plan.FOLDS + 1):
                yield Run(task, control, 0, fold)


def _train(
    shared: Path, out: Path, task: plan.Task, runs: Callable[[plan.Task, Record], Iterator[Run]]
) -> None:
    write_folds(task, shared, out)
    record = Record(out)
    for one in runs(task, record):
        if not record.has(one):
            train(one, out)


def _floors(shared: Path, out: Path) -> None:
    for task in plan.TASKS:
        with mine(f"{task.name} floors", out) as free:
            if free:
                write_floors(task, out)


def _readouts(shared: Path, out: Path) -> None:
    for name in READ_OUT:
        task = plan.task_of(name)
        write_folds(task, shared, out)
        _write_once(READOUTS.format(name), out, partial(_heads, task, out))


def _heads(task: plan.Task, out: Path) -> list[dict[str, str]]:
    return frame_rows(readouts(task, out))


def _costs(shared: Path, out: Path) -> None:
    _write_once(COSTS, out, lambda: list(costs()))


def _write_once(table: str, out: Path, rows: Callable[[], Sequence[Mapping[str, object]]]) -> None:
    with mine(table, out) as free:
        if free and not read_rows(table) and not read_rows(table, out):
            write_rows(table, rows(), out)


PARTS: Parts = {
    **{task.name: partial(_train, task=task, runs=first_seed) for task in plan.TASKS},
    **{f"seeds_{task.name}": partial(_train, task=task, runs=more_seeds) for task in plan.TASKS},
    **{f"controls_{task.name}": partial(_train, task=task, runs=controls) for task in plan.TASKS},
    "floors": _floors,
    "readouts": _readouts,
    "costs": _costs,
}


if __name__ == "__main__":
    main(__doc__.splitlines()[0], PARTS, collect, write)
