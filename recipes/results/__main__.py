"""When does looking twice pay? Plain backbones, larger ones, LAGs and top-k pooling at equal training:

    python -m recipes.results run SHARED OUT [PART ...]   trains and scores what OUT lacks (processes share the runs)

SHARED has the data sets as folders: neopolyp, chgastro, kvasir_seg, polypgen. OUT is scratch: it holds frames. A part
is a task (all its contenders with the first seed, fold by fold), by default each. A process that is stopped leaves its
run to be resumed.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from recipes.results import plan
from recipes.results.data import write_folds
from recipes.results.runs import Run, train

PARTS = tuple(task.name for task in plan.TASKS)


def run(shared: Path, out: Path, parts: Sequence[str]) -> None:
    """Train what is not there yet, and what no other process is at, part by part."""
    torch.set_num_threads(1)
    for part in parts:
        task = plan.task_of(part)
        write_folds(task, shared, out)
        for one in first_seed(task):
            train(one, out)


def first_seed(task: plan.Task) -> Iterator[Run]:
    """All contenders with the first seed, fold by fold."""
    for fold in range(1, plan.FOLDS + 1):
        for contender in plan.contenders(task).values():
            yield Run(task, contender, 0, fold)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run")
    running.add_argument("shared", type=Path)
    running.add_argument("out", type=Path)
    running.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no part {', '.join(unknown)}; parts are {', '.join(PARTS)}")
    run(arguments.shared, arguments.out, arguments.parts or PARTS)


if __name__ == "__main__":
    main()
