"""The network that a run leaves in `best/`: saved whenever an epoch is best, calibrated at the end."""

import copy
import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from lag_zoo.data.manifest import Manifest
from lag_zoo.evaluate.operating_points import operating_points
from lag_zoo.evaluate.scores import Calibration
from lag_zoo.evaluate.scoring import score
from lag_zoo.metrics.scaling import fit_temperature
from lag_zoo.nn import LAG
from lag_zoo.publishing import About, save_pretrained
from lag_zoo.training.recipe import Recipe


def save_meanwhile(
    model: LAG, state: Mapping[str, Tensor], folder: Path, *, recipe: Recipe, stage: int, epoch: int
) -> None:
    """Saves the network with the weights of the best epoch yet, and says on its card that the run is not over.

    It has no operating points, and temperature 1. Random numbers stay as they are.

    Raises:
        OSError: the folder cannot be written; what was there is untouched.
    """
    with torch.random.fork_rng(devices=[]):
        network = copy.deepcopy(model)
        network.load_state_dict(state)
        if not any(part.crops for part in recipe.stages[: stage + 1]):
            silence_crops(network)
        limit = (
            f"From a run that was not over: its best by epoch {epoch} of {recipe.epochs}; neither calibrated "
            "nor with operating points."
        )
        save_pretrained(network.eval(), folder, about=About(limits=(limit,)))


def silence_crops(model: LAG) -> None:
    """Makes crops that no stage has trained say nothing: the network answers as its plain backbone does.

    What follows the fusion gets the global features first (`LAG.fusion`); its weights for the rest become zero.
    """
    with torch.no_grad():
        cast(torch.nn.Linear, model.hidden[0]).weight[:, model.config.global_dim :] = 0


def calibrated(model: LAG, manifest: Manifest, recipe: Recipe, *, progress: Callable[[], None]) -> About:
    """Temperature and operating points from validation frames, which travel with the weights.

    Where training made rare labels count more, the labels' frequency is fitted too, and goes into the head's bias. What
    makes the temperature doubtful stands among the limits.

    Args:
        manifest: those that the last stage was validated on are its split `val`.
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
    return About(temperature=fit.temperature, operating_points=operating_points(scores), limits=fit.remarks)
