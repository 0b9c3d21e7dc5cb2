"""The runs of the recipe: one for each manifest, trained and scored, shared among processes and kept once done."""

import dataclasses
import json
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lag_zoo import create_model
from lag_zoo.data import Frame as Row
from lag_zoo.data import Manifest
from lag_zoo.evaluate import Scores, score
from lag_zoo.listener import Listener
from lag_zoo.training import finetune, load_recipe
from lag_zoo.training.cross_validation import SCORES, fold_scores
from lag_zoo.training.run_folder import BEST, METRICS, RECIPE, VALIDATION
from recipes.locks import mine
from recipes.polyp.files import ALL, MANIFESTS, Listed, listed_frames, opened

RECIPE_FILE = Path(__file__).with_name("polyp.yaml")
WHOLE = "whole_frames.csv"
"""Scores of the whole frames of a fold or a hospital, all of which hold a polyp."""


def folder_of(part: str, out: Path) -> Path:
    """Where a part's run is kept."""
    return out / "runs" / part


def is_done(part: str, out: Path) -> bool:
    """Whether a part is trained and, but for `all`, scored."""
    folder = folder_of(part, out)
    files = (VALIDATION,) if part == ALL else (VALIDATION, SCORES, WHOLE)
    return all((folder / file).is_file() for file in files)


def train(part: str, folders: Mapping[str, Path], out: Path) -> None:
    """Train a part and score its windows and their whole frames, unless that is done or another process is at it."""
    with mine(part, out) as free:
        if not free or is_done(part, out):
            return
        folder, listener = folder_of(part, out), _Told(part)
        recipe, manifest, cache = load_recipe(RECIPE_FILE), opened(out, part), out / "cache"
        resume = (folder / RECIPE).is_file()
        if part == ALL:
            finetune(
                None,
                manifest,
                folder,
                recipe=recipe,
                resume=resume,
                device="cpu",
                cache=cache,
                allow_near_copies=True,
                listener=listener,
            )
            return
        scores = fold_scores(
            manifest,
            folder,
            recipe,
            name=part,
            device="cpu",
            cache=cache,
            allow_near_copies=True,  # the folds are settled; what stands in two is warned of
            listener=listener,
        )
        whole = whole_scores(scores, part, folders, out, batch_size=recipe.batch_size)
        whole.write(folder / WHOLE, seed=recipe.seed)


def whole_scores(
    scores: Scores, part: str, folders: Mapping[str, Path], out: Path, *, batch_size: int
) -> Scores:
    """Score every whole frame of a fold or a hospital, by the network and at the threshold of the windows' `scores`."""
    frames = tested_frames(part, out)
    rows = [
        Row(image=str((folders[one.source] / one.image).absolute()), labels=(1,), exam=one.group)
        for one in frames
    ]
    manifest = Manifest(
        root=Path(), label_names=scores.label_names, frames=tuple(rows), source="whole frames"
    )
    model = create_model(f"local-dir:{folder_of(part, out) / BEST}", pretrained=True)
    said = score(model, manifest, split=None, batch_size=batch_size, workers=0)
    fold, limits = (part,) * len(said), scores.calibration.thresholds
    assert limits is not None, "a fold's scores carry its thresholds"
    names = tuple(one.frame for one in frames)
    return dataclasses.replace(
        said,
        frames=dataclasses.replace(said.frames, images=names, columns={"fold": fold}, fold=fold),
        calibration=dataclasses.replace(
            said.calibration, operating_points={}, thresholds=np.tile(limits[0], (len(said), 1))
        ),
    )


def tested_frames(part: str, out: Path) -> list[Listed]:
    """The frames of a fold, or of the hospital that is left out."""
    return [one for one in listed_frames(out) if part in (one.fold, f"centre_{one.centre}")]


def hours_spent(out: Path) -> float:
    """Hours that the runs took to train, by their logs of frames a second; validation not counted."""
    seconds = 0.0
    for part in MANIFESTS:
        frames = len(opened(out, part).where(split="train"))
        lines = (folder_of(part, out) / METRICS).read_text(encoding="utf-8").splitlines()
        seconds += sum(frames / json.loads(line)["frames_per_second"] for line in lines)
    return seconds / 3600


class _Told(Listener):
    """Prints each epoch and the seconds of the processor so far."""

    def __init__(self, part: str) -> None:
        self.part, self.begun = part, time.process_time()

    def epoch(self, row: Mapping[str, object]) -> None:
        print(f"{self.part}: {dict(row)}, {time.process_time() - self.begun:.0f} CPU seconds", flush=True)
