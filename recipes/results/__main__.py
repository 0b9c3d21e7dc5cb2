"""Does looking twice help? The backbone alone, larger, and as a LAG, on one budget:

    python -m recipes.results run DATA OUT [PART ...]   trains and scores what OUT lacks (processes share the runs)
    python -m recipes.results report OUT                writes the parts of docs/results.md whose runs are all there

DATA is a Kvasir-SEG folder with manifest.csv; OUT holds parts of its frames, and is scratch. Each LAG is screened on
the first fold; the two best by their validation frames there, and the plain backbones, are trained on all five. Parts
are the tasks' names, guards and baselines; by default all. Without the runs of a screening made before, its finalists
are the words of OUT/finalists.txt.
"""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from recipes.polyp.files import FOLDS
from recipes.results import plan
from recipes.results.data import write_manifests
from recipes.results.report import write
from recipes.results.runs import (
    BASELINES,
    Run,
    finalists,
    finals,
    guarded,
    mine,
    reference,
    screening,
    train,
    write_baselines,
)

GUARDS = "guards"
PARTS = (*(task.name for task in plan.TASKS), GUARDS, BASELINES)


def run(data: Path, out: Path, parts: Sequence[str]) -> None:
    """Trains what is not there yet, and what no other process is at."""
    torch.set_num_threads(1)
    write_manifests(data, out)
    for task in plan.TASKS:
        if task.name in parts:
            if finalists(out) is None:
                _train(screening(), out)
            _train(finals(task, out), out)
    if GUARDS in parts:
        _train(guarded(), out)
    if BASELINES in parts:
        for task in plan.WITH_BASELINES:
            for fold in range(1, FOLDS + 1):
                plain = reference(task, fold)
                with mine(plain, out) as free:
                    if free:
                        train(plain, out)
                        write_baselines(plain, out)


def _train(runs: Iterable[Run], out: Path) -> None:
    for one in runs:
        with mine(one, out) as free:
            if free:
                train(one, out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run")
    running.add_argument("data", type=Path)
    running.add_argument("out", type=Path)
    running.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    commands.add_parser("report").add_argument("out", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "run":
        if unknown := set(arguments.parts) - set(PARTS):
            parser.error(f"no part {', '.join(unknown)}; parts are {', '.join(PARTS)}")
        run(arguments.data, arguments.out, arguments.parts or PARTS)
    else:
        write(arguments.out)


if __name__ == "__main__":
    main()
