"""Which runs there are, which are done, and how one is made."""

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from lag_zoo.evaluate.baselines import baselines
from lag_zoo.evaluate.scores import Scores
from lag_zoo.evaluate.scoring import score
from lag_zoo.factory import create_model
from lag_zoo.training import Recipe
from lag_zoo.training.cross_validation import SCORES, fold_scores
from lag_zoo.training.run_folder import BEST, METRICS
from recipes.polyp.files import FOLDS
from recipes.results import plan
from recipes.results.data import opened

FINALISTS = 2
BASELINES = "baselines"
CHOSEN = "finalists.txt"
WITHOUT_CROPS = "without_crops.csv"


class Run(NamedTuple):
    """A network trained on one fold of a task."""

    task: plan.Task
    name: str
    recipe: Recipe
    fold: int

    def folder(self, out: Path) -> Path:
        """Where it is kept."""
        return out / self.task.name / self.name / f"fold{self.fold}"

    @property
    def with_crops(self) -> bool:
        """Whether it is a LAG."""
        return any(stage.crops for stage in self.recipe.stages)

    def done(self, out: Path) -> bool:
        """Whether its scores are there, and those of the backbone inside a LAG."""
        files = (SCORES, WITHOUT_CROPS) if self.with_crops else (SCORES,)
        return all((self.folder(out) / file).is_file() for file in files)


def screening() -> Iterator[Run]:
    """Every LAG on one fold of one task."""
    for name, recipe in plan.screened(plan.SCREENED_ON).items():
        yield Run(plan.SCREENED_ON, name, recipe, 1)


def finals(task: plan.Task, out: Path) -> Iterator[Run]:
    """All folds of the backbones and the finalists, once the screening is done."""
    screened = plan.screened(task)
    chosen = {name: screened[name] for name in finalists(out) or ()}
    for fold in range(1, FOLDS + 1):
        for name, recipe in {**plan.backbones(task), **chosen}.items():
            yield Run(task, name, recipe, fold)


def reference(task: plan.Task, fold: int) -> Run:
    """The plain backbone at the task's size."""
    name, recipe = next(iter(plan.backbones(task).items()))
    return Run(task, name, recipe, fold)


def guarded() -> Iterator[Run]:
    """LAG of the paper's form with and without the guards, and what they are compared with."""
    task = plan.SCREENED_ON
    for fold in range(1, plan.GUARD_FOLDS + 1):
        yield reference(task, fold)
        for name, recipe in {"concat10": plan.lag(task), **plan.guards(task)}.items():
            yield Run(task, name, recipe, fold)


def finalists(out: Path) -> list[str] | None:
    """The two best by their validation frames where they were screened, now or before; `None`: not all have been."""
    if (out / CHOSEN).is_file():
        return (out / CHOSEN).read_text(encoding="utf-8").split()
    runs = list(screening())
    if not all(run.done(out) for run in runs):
        return None
    found = {run.name: best_validation(run.folder(out)) for run in runs}
    return sorted(found, key=lambda name: -found[name])[:FINALISTS]


def best_validation(folder: Path) -> float:
    """The validation AUROC of the epoch that was kept."""
    rows = [json.loads(line) for line in (folder / METRICS).read_text(encoding="utf-8").splitlines()]
    last = [row for row in rows if row["stage"] == rows[-1]["stage"]]
    return max(row["val_auroc"] for row in last)


@contextmanager
def mine(run: Run, out: Path) -> Iterator[bool]:
    """Whether this process may make the run: no other is at it. A process that is killed lets go of it."""
    locks = out / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    with (locks / f"{run.task.name}-{run.name}-{run.fold}").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def train(run: Run, out: Path) -> None:
    """Trains and scores what is not done yet, and says what it took."""
    if run.done(out):
        return
    begun, used = time.perf_counter(), time.process_time()
    manifest = opened(out, run.task.manifests.format(fold=run.fold))
    cache = out / f"cache_{run.task.manifests[:4]}_{run.recipe.fields['global_size']}"
    fold_scores(manifest, run.folder(out), run.recipe, name=f"fold{run.fold}", device="cpu", cache=cache)
    if run.with_crops:
        model = create_model(f"local-dir:{run.folder(out) / BEST}", pretrained=True).without_crops()
        inside = score(model, manifest, batch_size=run.recipe.batch_size)
        inside.write(run.folder(out) / WITHOUT_CROPS, seed=run.recipe.seed)
    print(
        f"{run.task.name} {run.name} fold {run.fold}: {time.perf_counter() - begun:.0f} s, "
        f"{time.process_time() - used:.0f} CPU seconds",
        flush=True,
    )


def write_baselines(plain: Run, out: Path) -> None:
    """What colours, metadata and the border give on the fold, beside the plain backbone's frames."""
    folder, scored = out / plain.task.name / BASELINES / f"fold{plain.fold}", plain.folder(out)
    if folder.is_dir():
        return
    config = create_model(f"local-dir:{scored / BEST}", pretrained=True).config
    manifest = opened(out, plain.task.manifests.format(fold=plain.fold))
    found = baselines(manifest, Scores.read(scored / SCORES), config)
    folder.mkdir(parents=True, exist_ok=True)
    for name, scores in found.items():
        scores.write(folder / f"{name}.csv", seed=plain.recipe.seed)
