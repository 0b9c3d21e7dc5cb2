"""The runs: candidates on inner folds, and `finetune` against the plain timm loop on the folds of the results."""

import time
from pathlib import Path

from lag_zoo.evaluate.scores import Scores
from lag_zoo.training.cross_validation import cross_validate, fold_scores
from recipes.locks import mine
from recipes.results.data import opened, write_folds
from recipes.results.plan import FOLDS, Task
from recipes.tuning import timm_loop
from recipes.tuning.plan import INNER_FOLDS, candidates, finetune

FINETUNE, TIMM = "finetune", "timm"


def try_candidates(task: Task, shared: Path, out: Path) -> None:
    """Cross-validate the candidates inside the first fold; what is there is not done again."""
    write_folds(task, shared, out)
    with mine(f"{task.name} candidates", out) as free:
        if free:
            whole = opened(task, 1, out)
            inside = whole.with_frames(frame for frame in whole.frames if frame.split != "test")
            begun = time.process_time()
            cross_validate(
                candidates(task),
                inside,
                candidates_folder(task, out),
                folds=INNER_FOLDS,
                device="cpu",
                cache=_cache(task, out),
            )
            print(f"{task.name} candidates: {time.process_time() - begun:.0f} CPU seconds", flush=True)


def meet_timm(task: Task, shared: Path, out: Path) -> None:
    """Train and score both on each fold; what is there is not done again."""
    write_folds(task, shared, out)
    recipe = finetune(task)
    for number in range(1, FOLDS + 1):
        manifest = opened(task, number, out)
        with mine(f"{task.name} finetune {number}", out) as free:
            if free:
                fold_scores(
                    manifest,
                    peer_folder(task, FINETUNE, number, out),
                    recipe,
                    name=f"fold{number}",
                    device="cpu",
                    cache=_cache(task, out),
                    allow_near_copies=True,  # the folds are settled; what stands in two is warned of
                )
                print(f"{task.name} finetune fold {number}", flush=True)
        with mine(f"{task.name} timm {number}", out) as free:
            file = peer_folder(task, TIMM, number, out) / "scores.csv"
            if free and not file.is_file():
                file.parent.mkdir(parents=True, exist_ok=True)
                scores = timm_loop.fold_scores(
                    manifest,
                    size=task.sizes[0],
                    epochs=recipe.epochs,
                    seed=recipe.seed,
                    fold=f"fold{number}",
                )
                scores.write(file, seed=recipe.seed)
                print(f"{task.name} timm fold {number}", flush=True)


def candidate_scores(task: Task, out: Path) -> dict[str, Scores]:
    """Read the out-of-fold scores of the candidates that are there, by name."""
    files = {
        name: candidates_folder(task, out) / name / "repeat1" / "scores.csv" for name in candidates(task)
    }
    return {name: Scores.read(file) for name, file in files.items() if file.is_file()}


def peer_scores(task: Task, out: Path) -> list[tuple[str, Scores]]:
    """Read the scores of both on the folds that both have, by name."""
    found = []
    for number in range(1, FOLDS + 1):
        files = {name: peer_folder(task, name, number, out) / "scores.csv" for name in (FINETUNE, TIMM)}
        if all(file.is_file() for file in files.values()):
            found += [(f"{name}/0", Scores.read(file)) for name, file in files.items()]
    return found


def candidates_folder(task: Task, out: Path) -> Path:
    """Return where the candidates of a task are kept."""
    return out / "candidates" / task.name


def peer_folder(task: Task, name: str, fold: int, out: Path) -> Path:
    """Return where a run against the other is kept."""
    return out / "peers" / task.name / name / f"fold{fold}"


def _cache(task: Task, out: Path) -> Path:
    return out / "cache" / f"{task.name}_{task.sizes[0]}"
