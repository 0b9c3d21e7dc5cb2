"""Does looking twice help? The backbone alone, larger, and as a LAG, on one budget:

    python -m recipes.results run DATA OUT      trains and scores what OUT lacks (several processes share the runs)
    python -m recipes.results report OUT        writes docs/results.md from what is there

DATA is a Kvasir-SEG folder with manifest.csv; OUT holds parts of its frames, and is scratch. Each LAG is screened on
the first fold; the two best by their validation frames there, and the plain backbones, are trained on all five.
"""

import argparse
from functools import partial
from pathlib import Path

import torch

from recipes.polyp.files import FOLDS
from recipes.results import plan
from recipes.results.data import write_manifests
from recipes.results.report import write
from recipes.results.runs import finals, guarded, mine, screening, train, write_floors


def run(data: Path, out: Path) -> None:
    """Trains what is not there yet, and what no other process is at."""
    torch.set_num_threads(1)
    write_manifests(data, out)
    for runs in (screening, *(partial(finals, task, out) for task in plan.TASKS), guarded):
        for one in runs():
            with mine(one, out) as free:
                if free and not one.done(out):
                    train(one, out)
    for task in plan.TASKS:
        for fold in range(1, FOLDS + 1):
            write_floors(task, fold, out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run")
    running.add_argument("data", type=Path)
    running.add_argument("out", type=Path)
    commands.add_parser("report").add_argument("out", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "run":
        run(arguments.data, arguments.out)
    else:
        write(arguments.out)


if __name__ == "__main__":
    main()
