"""One run: a contender trained with a seed, and scored, on one fold of a task."""

import dataclasses
import datetime
import functools
import json
import platform
import subprocess
import time
from pathlib import Path
from typing import Any, NamedTuple

from lag_zoo.evaluate.scores import Scores
from lag_zoo.evaluate.scoring import score
from lag_zoo.factory import create_model
from lag_zoo.files import write_whole
from lag_zoo.training.cross_validation import SCORES, fold_scores
from lag_zoo.training.run_folder import BEST, DATA, ENVIRONMENT, LAST, METRICS
from recipes.locks import mine
from recipes.results.data import opened
from recipes.results.plan import Contender, Task

ABOUT, WITHOUT_CROPS = "run.json", "without_crops.csv"


class Run(NamedTuple):
    """A contender, a seed and a fold of a task."""

    task: Task
    contender: Contender
    seed: int
    fold: int

    def folder(self, out: Path) -> Path:
        """Return where it is kept."""
        return out / self.task.name / self.contender.name / f"seed{self.seed}" / f"fold{self.fold}"

    def labelled(self) -> dict[str, Any]:
        """Return what tells it from every other."""
        return {
            "task": self.task.name,
            "contender": self.contender.name,
            "seed": self.seed,
            "fold": self.fold,
        }

    def is_done(self, out: Path) -> bool:
        """Whether its scores are there."""
        return (self.folder(out) / ABOUT).is_file()

    def scores(self, out: Path, *, without_crops: bool = False) -> Scores:
        """Read its scores of the test frames; with `without_crops`, those of the backbone inside it."""
        return Scores.read(self.folder(out) / (WITHOUT_CROPS if without_crops else SCORES))

    def about(self, out: Path) -> dict[str, Any]:
        """Read what it took and came to."""
        found: dict[str, Any] = json.loads((self.folder(out) / ABOUT).read_text(encoding="utf-8"))
        return found


def train(run: Run, out: Path) -> None:
    """Train and score, unless that is done or another process is at it; one that was stopped is resumed."""
    _revision()
    name = f"{run.task.name} {run.contender.name} seed {run.seed} fold {run.fold}"
    with mine(name, out) as free:
        if not free or run.is_done(out):
            return
        folder = run.folder(out)
        resumed, begun = folder.is_dir(), time.process_time()
        recipe = run.contender.recipe.changed({"seed": run.seed})
        manifest = opened(run.task, run.fold, out, low_pass=run.contender.low_pass)
        kind = f"lowpass{run.contender.low_pass}" if run.contender.low_pass else "frames"
        cache = out / "cache" / f"{run.task.name}_{kind}_{recipe.fields['global_size']}"
        fold_scores(
            manifest,
            folder,
            recipe,
            name=f"fold{run.fold}",
            device="cpu",
            cache=cache,
            allow_near_copies=True,  # the folds are settled; what stands in two is warned of
        )
        if run.contender.with_crops:
            inside = create_model(f"local-dir:{folder / BEST}", pretrained=True).without_crops()
            scores = score(inside, manifest, batch_size=recipe.batch_size, workers=0)
            _of_fold(scores, run.fold).write(folder / WITHOUT_CROPS, seed=run.seed)
        used = None if resumed else round(time.process_time() - begun)
        (folder / LAST).unlink(missing_ok=True)  # of 80 MB, to resume from
        write_whole(folder / ABOUT, json.dumps(_about(run, folder, used)))
        print(f"{name}: {'resumed' if used is None else f'{used} CPU seconds'}", flush=True)


def _of_fold(scores: Scores, fold: int) -> Scores:
    frames = dataclasses.replace(scores.frames, fold=(f"fold{fold}",) * len(scores))
    return dataclasses.replace(scores, frames=frames)


def _about(run: Run, folder: Path, cpu_seconds: int | None) -> dict[str, Any]:
    rows = [json.loads(line) for line in (folder / METRICS).read_text(encoding="utf-8").splitlines()]
    environment = json.loads((folder / ENVIRONMENT).read_text(encoding="utf-8"))
    best = max(rows, key=lambda row: (row["val_auroc"], -row["val_loss"]))
    return {
        **run.labelled(),
        "epochs": run.contender.recipe.epochs,
        "training_frames": json.loads((folder / DATA).read_text(encoding="utf-8"))["splits"]["train"],
        "val_auroc": round(best["val_auroc"], 4),
        "val_auroc_without_crops": best.get("val_auroc_without_crops"),
        "cpu_seconds": cpu_seconds,
        "machine": environment["machine"],
        "threads": environment["threads"],
        "versions": " ".join(f"{name}={version}" for name, version in environment["versions"].items()),
        "python": platform.python_version(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "revision": _revision(),
    }


@functools.cache
def _revision() -> str:
    """Return the commit that was checked out when the process began, with a + where files differed from it."""
    here = Path(__file__).parent
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--abbrev=7", "--exclude=*"],
        cwd=here,
        capture_output=True,
        text=True,
        check=True,
    )
    return told.stdout.strip()
