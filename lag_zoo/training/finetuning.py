"""One call from a manifest to a trained network: the recipe, the run's folder, and the loop put together."""

import dataclasses
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, Unpack, cast

import torch

from lag_zoo.data.cache import build_cache
from lag_zoo.data.known_frames import frame_digest, frames_behind
from lag_zoo.data.manifest import Manifest
from lag_zoo.data.sources import open_data
from lag_zoo.errors import DataError, InvalidConfigError, UngroupedDataWarning, extra
from lag_zoo.evaluate.questions import TRAINED_ON
from lag_zoo.evaluate.report import operating_points
from lag_zoo.evaluate.scores import score
from lag_zoo.factory import create_model
from lag_zoo.metrics.calibration import fit_temperature, fit_temperature_and_intercepts
from lag_zoo.nn import LAG
from lag_zoo.processes import is_first
from lag_zoo.publishing import About, save_pretrained
from lag_zoo.specs import Json
from lag_zoo.training.batches import (
    Source,
    drawing_weights,
    from_cache,
    from_files,
    stage_frames,
)
from lag_zoo.training.inspection import Inspected, inspected, require_files
from lag_zoo.training.recipe import Balance, Precision, Recipe, Stage, load_recipe
from lag_zoo.training.run_folder import BEST, RunFolder


class RecipeFields(TypedDict, total=False):
    """The fields of `Recipe` that `finetune` takes by name."""

    pretrained: bool | str
    fields: Mapping[str, Json | Sequence[Json]]
    stages: Sequence[Stage | Mapping[str, Any]]
    batch_size: int
    learning_rate: float
    crop_learning_rate: float
    weight_decay: float
    layer_decay: float | None
    warmup: float
    label_smoothing: float
    average: float
    balance: Balance
    global_loss: float
    crop_drop: float
    accumulate: int
    clip: float
    freeze_norm: bool
    augment: float
    select: str
    patience: int
    mixed_precision: Precision
    compile: bool
    tracker: str
    workers: int
    seed: int


def finetune(
    model: str | LAG | None,
    data: Manifest | str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    recipe: Recipe | str | os.PathLike[str] = "finetune",
    resume: bool = False,
    skip_unreadable: bool = False,
    cpu: bool = False,
    cache: str | os.PathLike[str] | None = None,
    log: Callable[[Mapping[str, Any]], None] = lambda row: None,
    step: Callable[[int, int], None] = lambda done, steps: None,
    **changes: Unpack[RecipeFields],
) -> LAG:
    """Trains a network on frames with a split (`train`, `val`), and saves the best epoch's in `output/best`.

    The models are for research: what comes out is no medical device, and what it is worth is for `lag-zoo evaluate` to
    say, on frames of patients that it has not seen.

    Args:
        model: a name of the zoo, an architecture, a place, or a ready LAG, which is trained in place; `None`: the
            recipe's.
        data: a manifest, or a folder or file that gives one (`lag_zoo.data.open_data`), with splits.
        output: the run's folder: empty, or the run to resume.
        recipe: by name or file (`lag_zoo.training.list_recipes`), or ready.
        resume: go on from the folder's last checkpoint, with the same recipe and data.
        skip_unreadable: list frames that cannot be read in `skipped.txt` and leave them out; by default one of them,
            of whatever split, stops the run before it begins.
        cpu: leave GPUs alone.
        cache: a folder for decoded frames, which are read from there in each epoch; it gets those that it lacks. By
            default frames are decoded anew each time.
        log: is given each epoch's row.
        step: is told after each step how many of the epoch's are done, and how many there are.
        changes: fields of `Recipe`, in place of the recipe's own.

    Raises:
        InvalidConfigError: a recipe that cannot be right, an output that is not empty, or a resume with another recipe.
        DataError: no such split, labels that are missing or not the network's, files that are not there, a file in two
            splits.
        UnreadableImageError: a frame that cannot be read.
        TrainingError: the loss is no number any more; the folder is whole.
        KeyboardInterrupt: Ctrl-C; the step is finished first, and the run can be resumed.
        MissingExtraError: the extra `train` is not installed.
    """
    with extra("train"):
        from lag_zoo.training.accelerators import accelerator_for
        from lag_zoo.training.loop import Run
    manifest = data if isinstance(data, Manifest) else open_data(data)
    chosen = _recipe(recipe, model, changes)
    folder = RunFolder(output)
    if not resume and is_first():  # now, not after an hour of reading
        folder.require_empty()
    require_files(manifest)
    for stage in chosen.stages:
        for split in ("train", "val"):
            numbers = stage_frames(manifest, split, stage)
            if split == "train":
                drawing_weights(manifest, numbers, chosen)
    _say_if_ungrouped(manifest)
    with torch.random.fork_rng(), accelerator_for(chosen, cpu=cpu, folder=output) as accelerator:
        torch.manual_seed(chosen.seed)
        network = _named(model, manifest) if isinstance(model, LAG) else _network(chosen, manifest)
        manifest = manifest.with_label_names(network.label_names or manifest.label_names)
        (manifest, skipped, digests), source = _frames(manifest.where(), network, cache, skip_unreadable)
        run = Run(
            network,
            manifest,
            chosen,
            folder,
            source,
            accelerator=accelerator,
            log=log if accelerator.is_main_process else lambda row: None,
            step=step if accelerator.is_main_process else lambda done, steps: None,
        )
        state = None
        if resume:
            state = folder.resume(chosen, manifest)
        elif accelerator.is_main_process:
            folder.start(chosen, manifest)
        if accelerator.is_main_process:
            folder.note_frames(_behind(network) | _known_to(manifest, digests), skipped.values())
        accelerator.wait_for_everyone()
        accelerator.init_trackers("tensorboard" if chosen.tracker == "tensorboard" else "lag_zoo")
        trained = run.go(state)
        if not any(stage.crops for stage in chosen.stages):
            _silence_crops(trained)
        about = _calibrated(trained, manifest, chosen)
        if accelerator.is_main_process:
            save_pretrained(trained, folder.path / BEST, about=about)
        accelerator.wait_for_everyone()
    return trained


def _recipe(
    recipe: Recipe | str | os.PathLike[str], model: str | LAG | None, changes: Mapping[str, Any]
) -> Recipe:
    data = (
        recipe
        if isinstance(recipe, Recipe)
        else load_recipe(Path(recipe) if _is_file(recipe) else str(recipe))
    ).to_dict()
    if isinstance(model, str):
        data["model"] = model
    elif isinstance(model, LAG):
        data["model"] = f"lag_{model.config.backbone}"
        data["fields"] = {}
    if "stages" in changes:
        changes = {
            **changes,
            "stages": [s.to_dict() if isinstance(s, Stage) else s for s in changes["stages"]],
        }
    return Recipe.from_dict({**data, **changes})


def _frames(
    manifest: Manifest, network: LAG, cache: str | os.PathLike[str] | None, skip_unreadable: bool
) -> tuple[Inspected, Source]:
    """The frames, each read once, and where they are read from in training; a cache spares the reading."""
    if cache is None:
        found = inspected(manifest, skip_unreadable=skip_unreadable)
        return found, from_files(found.manifest)
    found = inspected(manifest, skip_unreadable=True) if skip_unreadable else Inspected(manifest, {}, [])
    cached = build_cache(found.manifest.paths(), cache, global_size=network.config.global_size or 0)
    digests = [frame_digest(cached.mapped(number).pixels) for number in range(len(cached))]
    return found._replace(digests=digests), from_cache(cached)


def _known_to(manifest: Manifest, digests: Sequence[str]) -> frozenset[str]:
    """The digests of the frames that the run trains on or chooses by."""
    told = zip(manifest.frames, digests, strict=True)
    return frozenset(digest for frame, digest in told if frame.split in TRAINED_ON)


def _behind(network: LAG) -> frozenset[str]:
    """Those of the frames behind the weights that it starts from."""
    origin = network.load_report
    return frozenset() if origin is None else frames_behind(origin.trained_on, origin.path)


def _silence_crops(model: LAG) -> None:
    """Crops that no stage has trained say nothing: the network answers as its plain backbone does.

    What follows the fusion gets the global features first (`LAG.fusion`); its weights for the rest become zero.
    """
    with torch.no_grad():
        cast(torch.nn.Linear, model.hidden[0]).weight[:, model.config.global_dim :] = 0


def _calibrated(model: LAG, manifest: Manifest, recipe: Recipe) -> About:
    """Temperature and operating points from the last stage's validation frames, which travel with the weights.

    Where training made rare labels count more, the labels' frequency is fitted too, and goes into the head's bias.
    """
    last = recipe.stages[-1].modality
    served = manifest.with_frames(frame for frame in manifest.frames if last in ("", frame.modality))
    scores = score(model, served, split="val", batch_size=recipe.batch_size, workers=min(recipe.workers, 1))
    if recipe.balance in ("weights", "sampling"):
        temperature, intercepts = fit_temperature_and_intercepts(
            scores.logits, scores.targets, task=scores.task
        )
        shift = temperature * intercepts
        bias = cast(torch.nn.Linear, model.get_classifier()).bias
        with torch.no_grad():
            bias.add_(torch.from_numpy(shift).to(bias))
        scores = dataclasses.replace(scores, logits=scores.logits + shift)
    else:
        temperature = fit_temperature(scores.logits, scores.targets, task=scores.task)
    scores = dataclasses.replace(scores, temperature=temperature)
    return About(temperature=temperature, operating_points=operating_points(scores))


def _is_file(recipe: str | os.PathLike[str]) -> bool:
    return Path(recipe).suffix in (".yaml", ".yml")


def _network(recipe: Recipe, manifest: Manifest) -> LAG:
    """The recipe's model with the data's labels; in the order of the model's own, where these are the same."""
    own = _own_labels(recipe)
    names = own if own and set(own) == set(manifest.label_names) else manifest.label_names
    return create_model(
        recipe.model,
        pretrained=recipe.pretrained,
        label_names=list(names),
        task=manifest.task,
        **recipe.fields,  # type: ignore[arg-type]
    )


def _named(model: LAG, manifest: Manifest) -> LAG:
    """A ready network, whose outputs get the data's labels where they have no names.

    Raises:
        DataError: it tells other kinds of labels, or another number of them, than the data have.
    """
    if model.config.task != manifest.task or model.num_classes != len(manifest.label_names):
        raise DataError(
            f"the network tells {model.num_classes} labels ({model.config.task}), and {manifest.source} has "
            f"{len(manifest.label_names)} ({manifest.task}): {', '.join(manifest.label_names)}; make the network with "
            "label_names and task as the data have them"
        )
    if model.label_names is None:
        model.config = dataclasses.replace(model.config, label_names=manifest.label_names)
    return model


def _say_if_ungrouped(manifest: Manifest) -> None:
    if manifest.grouping is None:
        warnings.warn(
            f"{manifest.source} names neither patients nor examinations: frames of one patient may stand in train and "
            "in val, and what is measured on them will be too good (--column case_id=patient says which column it is; "
            "lag-zoo data group infers examinations)",
            UngroupedDataWarning,
            stacklevel=3,
        )


def _own_labels(recipe: Recipe) -> tuple[str, ...] | None:
    try:
        with torch.device("meta"):
            return create_model(recipe.model).label_names
    except InvalidConfigError:  # an architecture has none
        return None
