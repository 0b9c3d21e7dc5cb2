"""One call from a manifest to a trained network: the recipe, the run's folder, and the loop put together."""

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import torch

from lag_zoo.data.cache import build_cache
from lag_zoo.data.facts import data_facts
from lag_zoo.data.grades import as_told_by
from lag_zoo.data.manifest import Manifest
from lag_zoo.data.near_copies import near_copies, require_no_copies_across
from lag_zoo.data.sources import open_data
from lag_zoo.distributed import is_first
from lag_zoo.errors import InvalidConfigError, UngroupedDataWarning, extra
from lag_zoo.evaluate.operating_points import TRAINED_ON
from lag_zoo.listener import Listener, spoken
from lag_zoo.nn import LAG
from lag_zoo.provenance import KnownFrames, frames_behind
from lag_zoo.publishing import save_pretrained
from lag_zoo.specs import Json
from lag_zoo.training.batches import drawing_weights
from lag_zoo.training.best_network import calibrate
from lag_zoo.training.header import device_fact, epoch_facts, mask_facts, network_facts
from lag_zoo.training.initial_network import build_network, named_network, suit_stages, with_model
from lag_zoo.training.mask_views import Masks, read_masks
from lag_zoo.training.preflight import Identity, Inspection, identity_of, inspect_frames, require_files
from lag_zoo.training.recipe import Balance, Precision, Recipe, Select, Stage
from lag_zoo.training.recipe_file import is_recipe_file, load_recipe
from lag_zoo.training.run_folder import BEST, RunFolder
from lag_zoo.training.stage_frames import stage_frames
from lag_zoo.training.training_views import Source, from_cache, from_files
from lag_zoo.training.verdict import summarise_validation

if TYPE_CHECKING:
    from lag_zoo.training.job import Job
    from lag_zoo.training.run import Run


class RecipeFields(TypedDict, total=False):
    """The fields of `Recipe` that `finetune` takes by name, and `epochs`, of all stages together."""

    epochs: int
    pretrained: bool | str
    backbone_weights: str | None
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
    mask_loss: float
    crop_drop: float
    accumulate: int
    clip: float
    freeze_norm: bool
    augment: float
    select: Select
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
    allow_near_copies: bool = False,
    device: torch.device | str = "auto",
    cache: str | os.PathLike[str] | None = None,
    listener: Listener = Listener(),
    **changes: Unpack[RecipeFields],
) -> LAG:
    """Train a network on frames with a split (`train`, `val`), and save the best epoch's in `output/best`.

    The models are for research: what comes out is no medical device, and what it is worth is for `lag-zoo evaluate` to
    say, on frames of patients that it has not seen. `output/best` is there from the first epoch on, so that a run that
    is killed leaves a network; at the end it is calibrated and has operating points.

    Args:
        model: a name of the zoo, an architecture, a place, or a ready LAG, which is trained in place; `None`: the
            recipe's. A place, or a name with weights of its own, starts from these, unless `pretrained` or
            `backbone_weights` is among the changes. Where no stage has crops, it loses its own (`LAG.remove_crops`).
        data: a manifest, or a folder or file that gives one (`lag_zoo.data.open_data`), with splits. A network that
            tells grades reads exclusive labels of the same names as these.
        output: the run's folder: empty, or the run to resume.
        recipe: by name or file (`lag_zoo.training.list_recipes`), or ready.
        resume: go on from the folder's last checkpoint, with the same data, and the same recipe but for what changes no
            number (`workers`, `tracker`, `name`, `about`).
        skip_unreadable: list frames that cannot be read in `skipped.txt` and leave them out; by default one of them,
            of whatever split, stops the run before it begins.
        allow_near_copies: only warn of near-copies in more than one split (`lag_zoo.sketches`), with a
            `NearCopiesWarning`.
        device: `auto` (the GPU where there is one), `cpu`, `cuda`, `cuda:1`, ...; several processes take a GPU each.
        cache: a folder for decoded frames, which are read from there in each epoch; it gets those that it lacks. By
            default frames are decoded anew each time.
        listener: hears what is about to be done, how far it is, and each epoch's row.
        changes: fields of `Recipe`, in place of the recipe's own; `epochs`: of all stages together.

    Raises:
        InvalidConfigError: a recipe that cannot be right, a device that is not there, an output that is not empty, or a
            resume with another recipe.
        DataError: no such split, labels that are missing or not the network's, files that are not there, a file in two
            splits.
        NearCopiesError: near-copies in more than one split.
        UnreadableImageError: a frame that cannot be read.
        WeightsNotFoundError: what the network is to start from cannot be had; the message says the ways on.
        TrainingError: the loss is no number any more, or the disk is full; the folder is whole.
        KeyboardInterrupt: Ctrl-C; the step is finished first, and the run can be resumed.
        MissingExtraError: the extra `train` is not installed.
    """
    listener = listener if is_first() else Listener()
    with extra("train"), listener.task("starting"):
        from lag_zoo.training.accelerators import accelerator_for, own_random
        from lag_zoo.training.job import Job
        from lag_zoo.training.run import Run
    given = data if isinstance(data, Manifest) else open_data(data)
    chosen = _recipe(recipe, model, changes)
    folder = RunFolder(output)
    if not resume and is_first():  # now, not after an hour of reading
        folder.require_empty()
    _require_data(given, chosen, listener)
    with (
        accelerator_for(chosen, device=device, folder=output) as accelerator,
        own_random(chosen.seed, accelerator.device),
    ):
        network = _network(model, chosen, given, listener)
        names = network.label_names or given.label_names
        manifest = as_told_by(given, names, network.config.task).where()
        (manifest, skipped, identities), source = _frames(manifest, network, cache, skip_unreadable, listener)
        with listener.task("looking for near-copies"):
            copies = near_copies([identity.sketch for identity in identities])
            require_no_copies_across(manifest, copies, allow=allow_near_copies)
        job = Job(
            recipe=chosen,
            manifest=manifest,
            source=source,
            folder=folder,
            accelerator=accelerator,
            listener=listener,
            masks=_masks(manifest, network, chosen, listener),
        )
        state = _enter(job, network, resume=resume)
        if job.is_first:
            folder.note_frames(_known(network, manifest, identities), skipped.values())
        accelerator.wait_for_everyone()
        with listener.task("starting the tracker"):
            accelerator.init_trackers("tensorboard" if chosen.tracker == "tensorboard" else "lag_zoo")
        about_data = data_facts(given, manifest, trained_on="train")
        facts = network_facts(network, chosen, built=network is not model)
        facts |= mask_facts(chosen, manifest, job.masks)
        listener.begin(about_data | facts | _course(job, network, state))
        run = Run(network, job)
        trained = run.go(state)
        _finish(trained, run, listener)
        accelerator.wait_for_everyone()
    return trained


def _require_data(manifest: Manifest, recipe: Recipe, listener: Listener) -> None:
    """Refuses data that some stage could not be trained on, before anything is written."""
    require_files(manifest, listener=listener)
    for stage in recipe.stages:
        for split in ("train", "val"):
            numbers = stage_frames(manifest, split, stage)
            if split == "train":
                drawing_weights(manifest, numbers, recipe)
    _say_if_ungrouped(manifest)


def _network(model: str | LAG | None, recipe: Recipe, manifest: Manifest, listener: Listener) -> LAG:
    if isinstance(model, LAG):
        network = named_network(model, manifest)
    else:
        with listener.task(f"making {recipe.model} ready"):
            network = build_network(recipe, manifest)
    suit_stages(network, recipe)
    return network


def _enter(job: "Job", network: LAG, *, resume: bool) -> dict[str, Any] | None:
    """Go into the run's folder; the checkpoint to go on from, if there is one."""
    if resume:
        return job.folder.resume(job.recipe, job.manifest, network.state_dict())
    if job.is_first:
        job.folder.start(job.recipe, job.manifest, device=_device_in_words(job))
    return None


def _course(job: "Job", network: LAG, state: Mapping[str, Any] | None) -> dict[str, str]:
    done = 0 if state is None else len(state["progress"]["rows"])
    epochs = epoch_facts(job.recipe, job.plan, done=done)
    device = {"device": _device_in_words(job)}
    return epochs | device | _time(job, network, done) | {"output": str(job.folder.path)}


def _time(job: "Job", network: LAG, done: int) -> dict[str, str]:
    """Forecast the time that the run takes, if somebody hears the header."""
    from lag_zoo.training.forecast import forecast

    if type(job.listener).begin is Listener.begin or not job.is_first:
        return {}
    with job.listener.task("timing a step"):
        seconds = forecast(network, job, done=done)
    return {} if seconds is None else {"time": f"about {spoken(seconds)}, by one step on this machine"}


def _device_in_words(job: "Job") -> str:
    return device_fact(job.device, processes=job.processes)


def _finish(trained: LAG, run: "Run", listener: Listener) -> None:
    """Calibrate the best epoch's network, save it, and give the verdict."""
    recipe, folder, manifest = run.job.recipe, run.job.folder, run.job.manifest
    last = recipe.stages[-1].modality
    served = manifest.with_frames(f for f in manifest.frames if last in ("", f.modality))
    with listener.task("calibrating", sum(frame.split == "val" for frame in served.frames)) as advance:
        about = calibrate(trained, served, recipe, progress=lambda: advance(1))
    if not run.job.is_first:
        return
    best = folder.path / BEST
    with listener.task(f"saving {best}"):
        folder.save_best(lambda place: save_pretrained(trained, place, about=about))
    with listener.task("comparing with and without crops"):
        found = summarise_validation(
            run.progress.rows, run.selection.logits, manifest, about=about, best=best
        )
    folder.note_validation(found)
    for limit in about.limits:
        listener.say(limit)
    if found["verdict"]:
        listener.say(found["verdict"])


def _recipe(
    recipe: Recipe | str | os.PathLike[str], model: str | LAG | None, changes: Mapping[str, Any]
) -> Recipe:
    if isinstance(recipe, Recipe):
        chosen = recipe
    else:
        chosen = load_recipe(Path(recipe) if is_recipe_file(Path(recipe)) else str(recipe))
    chosen = chosen.changed(changes)
    if model is None:
        return chosen
    if isinstance(model, str):
        own = with_model(chosen, model)
        return own.changed({"pretrained": changes["pretrained"]}) if "pretrained" in changes else own
    if chosen.backbone_weights is not None:
        raise InvalidConfigError(
            f"backbone_weights={chosen.backbone_weights!r} are for a network that the run builds: give a name in place "
            "of the ready network, or leave them out"
        )
    return chosen.changed({"model": f"lag_{model.config.backbone}", "fields": {}})


def _frames(
    manifest: Manifest,
    network: LAG,
    cache: str | os.PathLike[str] | None,
    skip_unreadable: bool,
    listener: Listener,
) -> tuple[Inspection, Source]:
    """The frames, each read once, and where they are read from in training; a cache spares the reading."""
    if cache is None:
        found = inspect_frames(manifest, skip_unreadable=skip_unreadable, listener=listener)
        return found, from_files(found.manifest)
    found = Inspection(manifest, {}, [])
    if skip_unreadable:
        found = inspect_frames(manifest, skip_unreadable=True, listener=listener)
    paths, size = found.manifest.paths(), network.config.global_size or 0
    with listener.task("decoding frames into the cache", len(paths)) as advance:
        cached = build_cache(paths, cache, global_size=size, progress=lambda: advance(1))
    with listener.task("noting which frames they are", len(paths)) as advance:
        identities = []
        for number in range(len(cached)):
            frame = cached.mapped(number)
            identities.append(identity_of(frame.pixels, frame.field))
            advance(1)
    return found._replace(identities=identities), from_cache(cached)


def _masks(manifest: Manifest, network: LAG, recipe: Recipe, listener: Listener) -> Masks | None:
    """The masks of the frames that are trained on, where there are any, and the network has a map to compare."""
    some = any(frame.mask and frame.split == "train" for frame in manifest.frames)
    if not (some and recipe.mask_loss and network.config.pooling == "topk"):
        return None
    return read_masks(manifest, split="train", size=network.config.global_size or 0, listener=listener)


def _known(network: LAG, manifest: Manifest, identities: Sequence[Identity]) -> KnownFrames:
    """The frames that the run trains on or chooses by, and those behind the weights that it starts from."""
    origin = network.load_report
    behind = {} if origin is None else frames_behind(origin.trained_on, origin.path).hashes
    own = {
        identity.digest: identity.sketch.whole
        for frame, identity in zip(manifest.frames, identities, strict=True)
        if frame.split in TRAINED_ON
    }
    return KnownFrames({**behind, **own})


def _say_if_ungrouped(manifest: Manifest) -> None:
    if manifest.grouping is None:
        warnings.warn(
            f"{manifest.source} names neither patients nor examinations: frames of one patient may stand in train and "
            "in val, and what is measured on them will be too good (--column case_id=patient says which column it is; "
            "lag-zoo data group infers examinations)",
            UngroupedDataWarning,
            stacklevel=4,
        )
