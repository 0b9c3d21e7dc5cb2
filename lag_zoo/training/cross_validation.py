"""Cross-validation: grouped, nested, resumable fold by fold.

Each fold is tested on once. What is chosen (the best epoch, the temperature, the thresholds) is chosen on inner
validation frames, split by group from the rest; the fold itself chooses nothing.
"""

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lag_zoo.data.manifest import Manifest
from lag_zoo.data.splits import folds as into_folds
from lag_zoo.data.splits import into_parts
from lag_zoo.errors import InvalidConfigError
from lag_zoo.evaluate.scores import Scores, counted, score
from lag_zoo.factory import create_model
from lag_zoo.processes import is_first, processes
from lag_zoo.training.finetuning import finetune
from lag_zoo.training.inspection import Inspected, inspected
from lag_zoo.training.recipe import Recipe
from lag_zoo.training.run_folder import BEST, RECIPE, RunFolder

SCORES = "scores.csv"


def cross_validate(
    recipes: Mapping[str, Recipe],
    data: Manifest,
    output: str | os.PathLike[str],
    *,
    folds: int = 5,
    repeats: int = 1,
    inner: float = 0.2,
    cpu: bool = False,
    cache: str | os.PathLike[str] | None = None,
    skip_unreadable: bool = False,
    log: Callable[[Mapping[str, Any]], None] = lambda row: None,
) -> dict[str, list[Scores]]:
    """Out-of-fold scores of each recipe, all on the same folds: one `Scores` a repeat.

    A fold that is done is not done again, and one that was stopped goes on. The logits are divided by their fold's
    temperature, so that folds can be put together; each frame carries its fold's thresholds. Written too, as
    `OUTPUT/<recipe>/repeat<r>/scores.csv`.

    Args:
        recipes: by name.
        data: with groups; its own splits are not used.
        inner: share of the frames outside a fold that is validated on.
        repeats: deals of the folds; each has its own, and its own seed of training.
        skip_unreadable: leave out frames that cannot be read, and name them in the scores; by default they stop it.

    Raises:
        InvalidConfigError: no recipe, names that are no names of folders, or an output that holds folds of another
            recipe or of other data.
        DataError: fewer groups of a label than folds.
    """
    bad = [name for name in recipes if not name or Path(name).name != name]
    if bad or not recipes:
        raise InvalidConfigError(f"recipes have names that a folder can have; got {sorted(recipes)}")
    root = Path(output)
    manifest, skipped, _ = (
        inspected(data.where(), skip_unreadable=True) if skip_unreadable else Inspected(data.where(), {}, [])
    )
    found: dict[str, list[Scores]] = {name: [] for name in recipes}
    for repeat in range(repeats):
        dealt = into_folds(manifest, folds, seed=repeat)
        for name, recipe in recipes.items():
            seeded = Recipe.from_dict({**recipe.to_dict(), "seed": recipe.seed + repeat})
            place = root / name / f"repeat{repeat + 1}"
            parts = []
            for fold in dealt.splits:
                nested = _nested(dealt, fold, inner=inner, seed=repeat)
                tell = _teller(log, name, repeat, fold)
                parts.append(
                    fold_scores(nested, place / fold, seeded, name=fold, cpu=cpu, cache=cache, log=tell)
                )
            whole = dataclasses.replace(
                parts[0].joined(parts[1:]),
                found=len(data),
                found_groups=data.count_groups(),
                excluded=len(data) - len(data.where()),
                reasons=counted(frame.excluded for frame in data.frames),
                references=counted(frame.reference for frame in manifest.frames),
                skipped=tuple(skipped),
            )
            if is_first():
                whole.write(place / SCORES, seed=seeded.seed)
            found[name].append(whole)
    return found


def _nested(dealt: Manifest, fold: str, *, inner: float, seed: int) -> Manifest:
    """The manifest with this fold as `test`, and the rest split into `train` and `val` by group."""
    rest = dealt.with_frames(frame for frame in dealt.frames if frame.split != fold)
    inside = into_parts(rest, {"val": inner}, seed=seed)
    named = {frame.image: frame.split for frame in inside.frames}
    return dealt.with_column("split", [named.get(frame.image, "test") for frame in dealt.frames])


def fold_scores(
    manifest: Manifest,
    folder: Path,
    recipe: Recipe,
    *,
    name: str,
    cpu: bool = False,
    cache: str | os.PathLike[str] | None = None,
    log: Callable[[Mapping[str, Any]], None] = lambda row: None,
) -> Scores:
    """The scores of the split `test`, by a network trained on the splits `train` and `val`, if that is not done yet.

    They can be joined with those of other folds: logits are divided by the temperature, and each frame has its own
    thresholds. Kept as `FOLDER/scores.csv`, beside the run. Of several processes all train, and the first scores.

    Raises:
        InvalidConfigError: the folder holds a run of another recipe, or of other data.
    """
    scored, resume = (folder / SCORES).is_file(), (folder / RECIPE).is_file()
    processes(cpu=cpu).wait()  # until all have looked: the first one writes
    if not scored:
        model = finetune(None, manifest, folder, recipe=recipe, resume=resume, cpu=cpu, cache=cache, log=log)
        if is_first():
            trained = create_model(f"local-dir:{folder / BEST}", pretrained=True).to(model.pixel_mean.device)
            scores = score(trained, manifest, batch_size=recipe.batch_size, workers=recipe.workers)
            _joinable(scores, name).write(folder / SCORES, seed=recipe.seed)
        processes(cpu=cpu).wait()
    kept = Scores.read(folder / SCORES)
    RunFolder(folder).require_same(recipe, manifest.with_label_names(kept.label_names).where())
    return kept


def _joinable(scores: Scores, part: str) -> Scores:
    """One fold's scores, with what differs from fold to fold taken into them: temperature and thresholds."""
    thresholds = np.array([scores.operating_points[name] for name in scores.label_names])
    return dataclasses.replace(
        scores,
        logits=scores.logits / scores.temperature,
        temperature=1.0,
        thresholds=np.tile(thresholds, (len(scores), 1)),
        parts=(part,) * len(scores),
    )


def _teller(
    log: Callable[[Mapping[str, Any]], None], name: str, repeat: int, fold: str
) -> Callable[[Mapping[str, Any]], None]:
    return lambda row: log({"recipe": name, "repeat": repeat + 1, "fold": fold, **row})
