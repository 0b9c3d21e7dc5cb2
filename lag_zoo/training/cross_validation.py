"""Cross-validation: grouped, nested, resumable fold by fold.

Each fold is tested on once. The best epoch, the temperature and the thresholds are chosen on inner validation frames,
split by group from the rest; the fold itself chooses nothing.
"""

import dataclasses
import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from lag_zoo.data.facts import data_facts
from lag_zoo.data.grades import as_told_by
from lag_zoo.data.manifest import Manifest
from lag_zoo.data.near_copies import near_copies, require_no_copies_across, sketch_frames
from lag_zoo.data.splits import by_column, into_parts
from lag_zoo.data.splits import folds as into_folds
from lag_zoo.distributed import is_first, launched, processes
from lag_zoo.errors import InvalidConfigError
from lag_zoo.evaluate.scores import Flow, Scores, counted
from lag_zoo.evaluate.scoring import frame_table, score
from lag_zoo.factory import create_model
from lag_zoo.listener import Advance, Listener, spoken
from lag_zoo.tasks import thresholds_of
from lag_zoo.training.accelerators import device_to_train_on
from lag_zoo.training.finetuning import finetune
from lag_zoo.training.header import device_fact
from lag_zoo.training.preflight import Inspection, inspect_frames
from lag_zoo.training.recipe import Recipe
from lag_zoo.training.run_folder import BEST, RECIPE, RunFolder

SCORES = "scores.csv"
_WORTH_SAYING = 20.0  # seconds that a fold takes, from which on the length of all is announced


def cross_validate(
    recipes: Mapping[str, Recipe],
    data: Manifest,
    output: str | os.PathLike[str],
    *,
    folds: int | Literal["centre"] = 5,
    repeats: int = 1,
    inner: float = 0.2,
    device: torch.device | str = "auto",
    cache: str | os.PathLike[str] | None = None,
    skip_unreadable: bool = False,
    allow_near_copies: bool = False,
    listener: Listener = Listener(),
) -> dict[str, list[Scores]]:
    """Return the out-of-fold scores of each recipe, all on the same folds: one `Scores` a repeat.

    A fold that is done is not done again, and one that was stopped is resumed. The logits are divided by their fold's
    temperature, so that folds can be put together; each frame carries its fold's thresholds. The scores are also
    written, as `OUTPUT/<recipe>/repeat<r>/scores.csv`.

    Args:
        recipes: by name.
        data: with groups; its own splits are not used.
        folds: how many; or "centre": one for each hospital, which is tested on by a network that has not seen it.
        inner: share of the frames outside a fold that is validated on.
        repeats: how often the frames are dealt into folds anew, each time with another seed of training.
        device: as in `finetune`; so is `cache`.
        skip_unreadable: leave out frames that cannot be read, and name them in the scores; by default they stop it.
        allow_near_copies: only warn of near-copies in two hospitals where `folds` is "centre", with a
            `NearCopiesWarning`; folds by number keep near-copies together.
        listener: hears once what is about to be done, how far it is, and each epoch's row, with `recipe`, `repeat` and
            `fold` in it.

    Raises:
        InvalidConfigError: no recipe, names that are no names of folders, a device that is not there, or an output that
            holds folds of another recipe or of other data.
        DataError: fewer groups of a label than folds.
        NearCopiesError: near-copies in two hospitals, each of which is a fold.
    """
    bad = [name for name in recipes if not name or Path(name).name != name]
    if bad or not recipes:
        raise InvalidConfigError(f"recipes have names that a folder can have; got {sorted(recipes)}")
    root = Path(output)
    listener = listener if is_first() else Listener()
    manifest, skipped, _ = (
        inspect_frames(data.where(), skip_unreadable=True, listener=listener)
        if skip_unreadable
        else Inspection(data.where(), {}, [])
    )
    if isinstance(folds, str) and folds != "centre":
        raise InvalidConfigError(f"folds are a number or 'centre', got {folds!r}")
    centres = by_column(manifest) if folds == "centre" else None
    count = len(centres.splits) if centres is not None else int(folds)
    told = f"{count}, a hospital each" if centres is not None else f"{count}"
    where = device_fact(device_to_train_on(device), processes=launched())
    listener.begin(
        {
            **data_facts(_without_splits(data), _without_splits(manifest)),
            **{f"recipe {name}": _in_words(recipe) for name, recipe in recipes.items()},
            "folds": f"{told}{f', {repeats} times' * (repeats > 1)}; {inner:.0%} of the rest to validate on",
            "device": where,
            "output": os.fspath(output),
        }
    )
    found: dict[str, list[Scores]] = {name: [] for name in recipes}
    with listener.task("looking for near-copies", len(manifest)) as advance:
        copies = near_copies(sketch_frames(manifest, progress=lambda: advance(1)))
    if centres is not None:
        require_no_copies_across(centres, copies, allow=allow_near_copies)
        for fold in centres.splits:  # now, not after hours of training
            _nested(centres, fold, inner=inner, seed=0, copies=copies)
    with listener.task("folds", count * repeats * len(recipes)) as advance:
        pace = _Pace(listener, advance, count * repeats * len(recipes))
        for repeat, (name, recipe) in product(range(repeats), recipes.items()):
            dealt = (
                centres if centres is not None else into_folds(manifest, count, seed=repeat, together=copies)
            )
            seeded = recipe.changed({"seed": recipe.seed + repeat})
            place = root / name / f"repeat{repeat + 1}"
            parts = []
            for fold in dealt.splits:
                with pace:
                    parts.append(
                        fold_scores(
                            _nested(dealt, fold, inner=inner, seed=repeat, copies=copies),
                            place / fold,
                            seeded,
                            name=fold,
                            device=device,
                            cache=cache,
                            allow_near_copies=allow_near_copies,
                            listener=_OfAFold(listener, {"recipe": name, "repeat": repeat + 1, "fold": fold}),
                        )
                    )
            whole = dataclasses.replace(parts[0].join(parts[1:]), flow=_flow(data, manifest, skipped))
            if is_first():
                whole.write(place / SCORES, seed=seeded.seed)
            found[name].append(whole)
    return found


def _flow(data: Manifest, readable: Manifest, skipped: Collection[str]) -> Flow:
    lost = [frame for frame in data.frames if frame.image in skipped]
    return Flow(
        found=len(data),
        found_groups=data.count_groups(),
        excluded=len(data) - len(data.where()),
        reasons=counted(frame.excluded for frame in data.frames),
        references=counted(frame.reference for frame in readable.frames),
        skipped=frame_table(data.with_frames(lost)) if lost else None,
    )


def _nested(
    dealt: Manifest, fold: str, *, inner: float, seed: int, copies: Sequence[tuple[int, ...]] = ()
) -> Manifest:
    """The manifest with this fold as `test`, and the rest split into `train` and `val` by group.

    Args:
        copies: places of near-copies, which stay together.
    """
    rest = [number for number, frame in enumerate(dealt.frames) if frame.split != fold]
    place = {number: inside for inside, number in enumerate(rest)}
    together = [tuple(place[number] for number in group if number in place) for group in copies]
    others = dealt.with_frames(dealt.frames[number] for number in rest)
    inside = into_parts(others, {"val": inner}, seed=seed, together=together)
    named = {frame.image: frame.split for frame in inside.frames}
    return dealt.with_column("split", [named.get(frame.image, "test") for frame in dealt.frames])


def fold_scores(
    manifest: Manifest,
    folder: Path,
    recipe: Recipe,
    *,
    name: str,
    device: torch.device | str = "auto",
    cache: str | os.PathLike[str] | None = None,
    allow_near_copies: bool = False,
    listener: Listener = Listener(),
) -> Scores:
    """Train on the splits `train` and `val`, unless that is done, and return the scores of the split `test`.

    They can be joined with those of other folds: each frame has its own thresholds. They are kept as
    `FOLDER/scores.csv`, beside the run. Of several processes all train; the first scores.

    Raises:
        InvalidConfigError: the folder holds a run of another recipe, or of other data.
    """
    scored, resume = (folder / SCORES).is_file(), (folder / RECIPE).is_file()
    cpu = device_to_train_on(device).type == "cpu"
    processes(cpu=cpu).wait()  # until all have looked: the first one writes
    if not scored:
        how: dict[str, Any] = {
            "device": device,
            "cache": cache,
            "allow_near_copies": allow_near_copies,
            "listener": listener,
        }
        model = finetune(None, manifest, folder, recipe=recipe, resume=resume, **how)
        if is_first():
            trained = create_model(f"local-dir:{folder / BEST}", pretrained=True).to(model.pixel_mean.device)
            with listener.task(f"scoring {name}", sum(f.split == "test" for f in manifest.frames)) as advance:
                scores = score(
                    trained,
                    manifest,
                    batch_size=recipe.batch_size,
                    workers=recipe.workers,
                    progress=lambda: advance(1),
                )
            _of_fold(scores, name).write(folder / SCORES, seed=recipe.seed)
        processes(cpu=cpu).wait()
    kept = Scores.read(folder / SCORES)
    RunFolder(folder).require_same(recipe, as_told_by(manifest, kept.label_names, kept.task).where())
    return kept


def _of_fold(scores: Scores, fold: str) -> Scores:
    """Name the scores of one fold for it, and give each frame the fold's thresholds."""
    thresholds = thresholds_of(scores.calibration.operating_points, scores.label_names)
    return dataclasses.replace(
        scores,
        frames=dataclasses.replace(
            scores.frames,
            columns={**scores.frames.columns, "fold": (fold,) * len(scores)},
            fold=(fold,) * len(scores),
        ),
        calibration=dataclasses.replace(
            scores.calibration, operating_points={}, thresholds=np.tile(thresholds, (len(scores), 1))
        ),
    )


def _without_splits(data: Manifest) -> Manifest:
    return data.with_column("split", ("",) * len(data))


def _in_words(recipe: Recipe) -> str:
    """A recipe in words."""
    epochs = ", ".join(f"{stage.epochs} {stage.name}" for stage in recipe.stages)
    return f"{recipe.model}, epochs {recipe.epochs}: {epochs}; steps of {recipe.batch_size} frames"


class _OfAFold(Listener):
    """A listener for one fold among others: no header, no remarks, and epochs with the name of the fold."""

    def __init__(self, listener: Listener, fold: Mapping[str, Any]) -> None:
        self.listener, self.fold = listener, fold

    @contextmanager
    def task(self, what: str, total: int | None = None, *, done: int = 0) -> Iterator[Advance]:
        with self.listener.task(what, total, done=done) as advance:
            yield advance

    def epoch(self, row: Mapping[str, Any]) -> None:
        self.listener.epoch({**self.fold, **row})


class _Pace:
    """Surrounds each fold: moves the folds on, and after the first that was trained says how long the others take."""

    def __init__(self, listener: Listener, advance: Advance, folds: int) -> None:
        self.listener, self.advance, self.left, self.announced = listener, advance, folds, False
        self.begun = 0.0

    def __enter__(self) -> None:
        self.begun = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.advance(1)
        self.left -= 1
        took = time.monotonic() - self.begun
        if not self.announced and self.left and took >= _WORTH_SAYING:
            self.announced = True
            self.listener.say(
                f"about {spoken(took * self.left)} for the other {self.left} folds on this machine"
            )
