"""The network in `best/`: saved whenever an epoch is best, calibrated at the end of the run."""

import copy
import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from lag_zoo.about import About
from lag_zoo.data.manifest import Manifest
from lag_zoo.evaluate.operating_points import operating_points
from lag_zoo.evaluate.scores import Calibration
from lag_zoo.evaluate.scoring import score
from lag_zoo.metrics.scaling import fit_temperature
from lag_zoo.nn import LAG
from lag_zoo.predict.doubts import MIN_FRAMES, fit_doubts
from lag_zoo.publishing import save_pretrained
from lag_zoo.specs import Doubts
from lag_zoo.training.recipe import Recipe

_FRAMES = 400  # that doubts are fitted on: more change no limit


def save_meanwhile(
    model: LAG, weights: Mapping[str, Tensor], folder: Path, *, recipe: Recipe, stage: int, epoch: int
) -> None:
    """Save a network with the weights of the best epoch so far; its card says that the run is not over.

    It has no operating points, and temperature 1. Random numbers stay as they are.

    Args:
        stage: the number of the stage with the best epoch.
        epoch: how many epochs are done.

    Raises:
        OSError: the folder cannot be written; what was there is untouched.
    """
    with torch.random.fork_rng(devices=[]):
        network = copy.deepcopy(model)
        network.load_state_dict(weights)
        if not any(part.crops for part in recipe.stages[: stage + 1]):
            network.remove_crops()
        limit = (
            f"From a run that was not over: its best by epoch {epoch} of {recipe.epochs}; neither calibrated "
            "nor with operating points."
        )
        save_pretrained(network.eval(), folder, about=About(limits=(limit,)))


def calibrate(model: LAG, manifest: Manifest, recipe: Recipe, *, progress: Callable[[], None]) -> About:
    """Fit temperature, operating points and doubts on validation frames; they travel with the weights.

    Where training made rare labels count more, the labels' frequency is fitted too, and goes into the head's bias. What
    makes the temperature doubtful stands among the limits.

    Args:
        manifest: the split `val` has the frames that the last stage was validated on.
        progress: called after each frame.
    """
    workers = min(recipe.workers, 1)
    scores = score(
        model, manifest, split="val", batch_size=recipe.batch_size, workers=workers, progress=progress
    )
    fit = fit_temperature(
        scores.logits,
        scores.frames.targets,
        task=scores.task,
        intercepts=recipe.balance in ("weights", "sampling"),
    )
    if fit.intercepts.any():
        shift = fit.temperature * fit.intercepts
        bias = cast(torch.nn.Linear, model.get_classifier()).bias
        with torch.no_grad():
            bias.add_(torch.from_numpy(shift).to(bias))
        scores = dataclasses.replace(scores, logits=scores.logits + shift)
    scores = dataclasses.replace(scores, calibration=Calibration(temperature=fit.temperature))
    doubts, remarks = _doubts(model, manifest, recipe)
    return About(
        temperature=fit.temperature,
        operating_points=operating_points(scores),
        doubts=doubts,
        limits=(*fit.remarks, *remarks),
    )


def _doubts(model: LAG, manifest: Manifest, recipe: Recipe) -> tuple[Doubts | None, tuple[str, ...]]:
    """The doubts by the validation frames, at most `_FRAMES` of them, and a remark where there are none."""
    paths = manifest.where(split="val").paths()
    some = paths[:: -(-len(paths) // _FRAMES)]
    doubts = fit_doubts(model, some, batch_size=recipe.batch_size)
    if doubts is not None:
        return doubts, ()
    return None, (
        f"Foreign images raise no doubt by colours, texture or content: {len(some)} validation frames, and "
        f"{MIN_FRAMES} are needed.",
    )
