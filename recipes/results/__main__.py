"""Does looking twice help? The backbone alone, larger, and as a LAG, on one budget:

    python -m recipes.results run DATA OUT      trains and scores what OUT lacks (`--part 1/2`: every second run)
    python -m recipes.results report OUT        writes docs/results.md from what is there

DATA is a Kvasir-SEG folder with manifest.csv; OUT holds parts of its frames, and is scratch. Each LAG is screened on
the first fold; the two best by their validation frames there, and the plain backbones, are trained on all five.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch

from lag_zoo.evaluate.floors import floors
from lag_zoo.evaluate.scores import Scores
from lag_zoo.training import Recipe
from lag_zoo.training.cross_validation import SCORES, fold_scores
from lag_zoo.training.run_folder import METRICS
from recipes.polyp.files import FOLDS
from recipes.results import plan
from recipes.results.data import opened, write_manifests

FINALISTS = 2
FLOORS = "floors"


class Run(NamedTuple):
    """A network trained on one fold of a task."""

    task: plan.Task
    name: str
    recipe: Recipe
    fold: int

    def folder(self, out: Path) -> Path:
        """Where it is kept."""
        return out / self.task.name / self.name / f"fold{self.fold}"

    def done(self, out: Path) -> bool:
        """Whether its scores are there."""
        return (self.folder(out) / SCORES).is_file()


def screening() -> Iterator[Run]:
    """The first fold of everything."""
    for task in plan.TASKS:
        for name, recipe in {**plan.backbones(task), **plan.screened(task)}.items():
            yield Run(task, name, recipe, 1)


def finals(out: Path) -> Iterator[Run]:
    """The other folds of the backbones, the finalists and the guards; of a task whose screening is done."""
    for task in plan.TASKS:
        chosen = finalists(task, out)
        if chosen is None:
            continue
        recipes = {**plan.backbones(task), **{name: plan.screened(task)[name] for name in chosen}}
        guarded = {**plan.guards(task), "concat10": plan.screened(task)["concat10"]} if task.guards else {}
        for fold in range(1, FOLDS + 1):
            for name, recipe in {**recipes, **guarded}.items():
                yield Run(task, name, recipe, fold)


def finalists(task: plan.Task, out: Path) -> list[str] | None:
    """The two best by their validation frames of the first fold; `None`: not all have been screened."""
    runs = [Run(task, name, recipe, 1) for name, recipe in plan.screened(task).items()]
    if not all(run.done(out) for run in runs):
        return None
    found = {run.name: best_validation(run.folder(out)) for run in runs}
    return sorted(found, key=lambda name: -found[name])[:FINALISTS]


def best_validation(folder: Path) -> float:
    """The validation AUROC of the epoch that was kept."""
    rows = [json.loads(line) for line in (folder / METRICS).read_text(encoding="utf-8").splitlines()]
    last = [row for row in rows if row["stage"] == rows[-1]["stage"]]
    return max(row["val_auroc"] for row in last)


def train(run: Run, out: Path) -> None:
    """Trains and scores, and says what it took."""
    begun, used = time.perf_counter(), time.process_time()
    manifest = opened(out, run.task.manifests.format(fold=run.fold))
    cache = out / f"cache_{run.task.manifests[:4]}_{run.recipe.fields['global_size']}"
    fold_scores(manifest, run.folder(out), run.recipe, name=f"fold{run.fold}", cpu=True, cache=cache)
    print(
        f"{run.task.name} {run.name} fold {run.fold}: {time.perf_counter() - begun:.0f} s, "
        f"{time.process_time() - used:.0f} CPU seconds",
        flush=True,
    )


def write_floors(task: plan.Task, fold: int, out: Path) -> None:
    """What colours, metadata and the border give on the fold, beside the plain backbone's frames."""
    folder = out / task.name / FLOORS / f"fold{fold}"
    plain, recipe = next(iter(plan.backbones(task).items()))
    scored = out / task.name / plain / f"fold{fold}"
    if folder.is_dir() or not (scored / SCORES).is_file():
        return
    from lag_zoo.factory import create_model

    config = create_model(f"local-dir:{scored / 'best'}", pretrained=True).config
    manifest = opened(out, task.manifests.format(fold=fold))
    found = floors(manifest, Scores.read(scored / SCORES), config)
    folder.mkdir(parents=True)
    for name, scores in found.items():
        scores.write(folder / f"{name}.csv", seed=recipe.seed)


def run(data: Path, out: Path, part: str) -> None:
    """Trains what is not there yet."""
    number, of = map(int, part.split("/"))
    torch.set_num_threads(1)
    write_manifests(data, out)
    for runs in (screening, lambda: finals(out)):
        for one in list(runs())[number - 1 :: of]:
            if not one.done(out):
                train(one, out)
    for task in plan.TASKS[number - 1 :: of]:
        for fold in range(1, FOLDS + 1):
            write_floors(task, fold, out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run")
    running.add_argument("data", type=Path)
    running.add_argument("out", type=Path)
    running.add_argument("--part", default="1/1")
    commands.add_parser("report").add_argument("out", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "run":
        run(arguments.data, arguments.out, arguments.part)
    else:
        from recipes.results.report import write

        write(arguments.out)


if __name__ == "__main__":
    main()
