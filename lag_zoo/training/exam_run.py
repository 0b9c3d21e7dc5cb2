"""Training an examination's head on features that are made once, and what it is worth beside the plain rules."""

import copy
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from scipy.special import expit

import lag_zoo
from lag_zoo.data.exam_table import ExamLevel, ExamTable, exams_of
from lag_zoo.data.manifest import Manifest
from lag_zoo.data.near_copies import near_copies, require_no_copies_across, sketch_frames
from lag_zoo.errors import DataError, InvalidConfigError, extra
from lag_zoo.evaluate.exam_scoring import ExamFeatures, exam_features, exam_logits, filled, scores_of
from lag_zoo.evaluate.operating_points import operating_points
from lag_zoo.evaluate.scores import Calibration, Scores
from lag_zoo.factory import create_model
from lag_zoo.files import write_whole
from lag_zoo.listener import Listener
from lag_zoo.metrics import influence
from lag_zoo.metrics.clustered import group_interval
from lag_zoo.metrics.intervals import Interval
from lag_zoo.metrics.pooling import pool_frames
from lag_zoo.metrics.scaling import fit_temperature
from lag_zoo.nn import LAG
from lag_zoo.nn.exam_head import ExamHead
from lag_zoo.nn.exam_network import ExamNetwork, frame_width, head_of
from lag_zoo.publishing import save_pretrained
from lag_zoo.specs import ExamConfig
from lag_zoo.state import write_state
from lag_zoo.tasks import rules_of
from lag_zoo.training.accelerators import accelerator_for, device_to_train_on, own_random
from lag_zoo.training.exam_recipe import ExamRecipe
from lag_zoo.training.losses import label_loss, label_weights, loss_weight
from lag_zoo.training.preflight import require_files
from lag_zoo.training.recipe_file import load_recipe
from lag_zoo.weights.exam_files import ExamSpec, read_exam_spec

if TYPE_CHECKING:
    from accelerate import Accelerator

BEST, RECIPE, RESULTS = "best", "recipe.json", "results.json"
POOLINGS = ("maximum", "top3", "mean", "noisy-or")
HEAD, COUNT, CAPPED = "the head", "number of frames", "the head, at most {} frames of each"
_CERTAIN = 50.0  # logits
_DRAWS = 20  # of frames, where examinations are cut to the same length


class Measured(NamedTuple):
    """The AUROC of one way to answer for examinations, for one label, on the examinations of one split."""

    split: str
    label: str
    name: str
    auroc: Interval


def train_exam(
    manifest: Manifest,
    output: str | os.PathLike[str],
    *,
    recipe: ExamRecipe | None = None,
    level: ExamLevel = "exam",
    any_frame: bool = False,
    device: torch.device | str = "auto",
    cache: str | os.PathLike[str] | None = None,
    skip_unreadable: bool = False,
    allow_near_copies: bool = False,
    workers: int = 2,
    listener: Listener = Listener(),
) -> tuple[ExamNetwork, list[Measured]]:
    """Train the head of an examination network on the splits train and val, and save it as `OUTPUT/best`.

    The frame network is frozen: its features are made once, and kept in `cache`. The epoch and the temperature are
    chosen on val. Beside the head stand the plain rules on the frame network's own probabilities, where it has the
    labels of the examinations; the number of frames alone, which in many hospitals tells a lot; and the head on
    examinations that are cut to the same length, which cannot know it.

    Args:
        manifest: each frame has the label of its examination, see `lag_zoo.data.exam_table.exams_of`; its anatomy is
            taken as its site.
        output: the run's folder, which may not be there.
        level: what is answered for: examinations, or patients; `any_frame` as in `exams_of`.
        device: as in `lag_zoo.finetune`.
        cache: a folder in which the features of the frames are kept.
        skip_unreadable: leave out frames that cannot be read; by default they are an error.
        allow_near_copies: only warn of near-copies in more than one split.
        workers: processes that read frames.

    Returns:
        the network, and what it is worth on val and, where there is one, test.

    Raises:
        DataError: no splits train and val, the same picture in two splits, or as `exams_of` raises.
        InvalidConfigError: the folder holds something.
        WeightsError: the frame network cannot be had.
    """
    folder = Path(output)
    recipe = recipe or ExamRecipe()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidConfigError(f"{folder} is there already: name a new folder")
    exams = exams_of(manifest, level, any_frame=any_frame)
    for split in ("train", "val"):
        if not exams.of_split(split):
            raise DataError(
                f"{manifest.source} has no {level} in the split {split}: lag-zoo data split deals them"
            )
    require_files(manifest, listener=listener)
    with listener.task("looking for near-copies", len(manifest)) as advance:
        sketches = sketch_frames(manifest, progress=lambda: advance(1))
        require_no_copies_across(manifest, near_copies(sketches), allow=allow_near_copies)
    folder.mkdir(parents=True, exist_ok=True)  # now, not after all the work
    where = device_to_train_on(device)
    with listener.task(f"making {recipe.model} ready"):
        frame = create_model(recipe.model, pretrained=True).eval().to(where)
    config = ExamConfig(
        label_names=manifest.label_names,
        task=manifest.task,
        in_features=frame_width(frame),
        log_odds=frame.num_classes,
        sites=tuple(sorted({f.anatomy for f in manifest.frames if f.anatomy and f.split == "train"})),
        width=recipe.width,
        attention_width=recipe.attention_width,
        site_dropout=recipe.site_dropout,
    )
    listener.begin(_facts(exams, config, recipe, folder, len(manifest)))
    with listener.task("features of frames", sum(map(len, exams.frames))) as advance:
        features = exam_features(
            frame,
            manifest,
            workers=workers,
            cache=None if cache is None else Path(cache),
            skip_unreadable=skip_unreadable,
            progress=lambda: advance(1),
        )
    for split in ("train", "val"):
        if not _seen(features, exams, split):
            raise DataError(
                f"{manifest.source}: no {level} of the split {split} has a frame that can be read"
            )
    with extra("train"), own_random(recipe.seed, where):
        head = train_head(features, exams, config, recipe, where, listener)
    spec = _calibrated(head, features, exams, config, level)
    network = ExamNetwork(frame, config, head.cpu() if where.type == "cpu" else head).eval()
    network.exam_spec = spec
    measured = list(_measured(network, features, exams, spec))
    write_whole(folder / RECIPE, recipe.to_json())
    with listener.task(f"saving {folder / BEST}"):
        save_pretrained(network, folder / BEST)
    network.exam_spec = read_exam_spec(
        folder / BEST, source=str(folder / BEST)
    )  # with the digests of its files
    write_state(folder / RESULTS, {"measured": [_plain(one) for one in measured]})
    return network, measured


def train_head(
    features: ExamFeatures,
    exams: ExamTable,
    config: ExamConfig,
    recipe: ExamRecipe,
    device: torch.device,
    listener: Listener,
) -> ExamHead:
    """Train a head; the epoch with the lowest validation loss is kept."""
    settings = load_recipe("plain").changed(
        {"tracker": "none"}
    )  # precision and the rest, as frames are trained
    with accelerator_for(settings, device=device, folder=".") as accelerator:
        return _trained(features, exams, config, recipe, accelerator, listener)


def _trained(
    features: ExamFeatures,
    exams: ExamTable,
    config: ExamConfig,
    recipe: ExamRecipe,
    accelerator: "Accelerator",
    listener: Listener,
) -> ExamHead:
    head = head_of(config)
    optimizer = torch.optim.AdamW(
        head.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    train = _seen(features, exams, "train")
    steps = recipe.epochs * -(-len(train) // recipe.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    head, optimizer = accelerator.prepare(head, optimizer)
    targets = torch.from_numpy(exams.targets)
    weights = label_weights(targets[train], labels=len(config.label_names), task=config.task)
    rng = np.random.default_rng(recipe.seed)
    lowest, best, kept = float("inf"), 0, copy.deepcopy(head.state_dict())
    with listener.task("training", recipe.epochs) as advance:
        for epoch in range(1, recipe.epochs + 1):
            head.train()
            for places in _batches(train, recipe.batch_size, rng):
                bags = [
                    features.bag(_drawn(features.seen(exams, place), recipe.max_frames, rng), config)
                    for place in places
                ]
                own = targets[places]
                logits = head(*(part.to(accelerator.device) for part in filled(bags, config))).logits.cpu()
                whole = loss_weight(own, task=config.task, weights=weights).clamp(min=1e-9)
                loss = label_loss(logits, own, task=config.task, weights=weights) / whole
                optimizer.zero_grad()
                accelerator.backward(loss)
                optimizer.step()
                schedule.step()
            found = _val_loss(head, features, exams, config)
            if found < lowest:
                lowest, best, kept = found, epoch, copy.deepcopy(head.state_dict())
            advance(1)
    listener.say(f"epoch {best} of {recipe.epochs} is kept: validation loss {lowest:.3f}")
    head.load_state_dict(kept)
    trained: ExamHead = accelerator.unwrap_model(head).eval()
    return trained


def _val_loss(head: ExamHead, features: ExamFeatures, exams: ExamTable, config: ExamConfig) -> float:
    places = _seen(features, exams, "val")
    logits = torch.from_numpy(exam_logits(head, features, exams, places, config))
    targets = torch.from_numpy(exams.targets[places])
    weight = loss_weight(targets, task=config.task).clamp(min=1)
    return float(label_loss(logits, targets, task=config.task) / weight)


def _calibrated(
    head: ExamHead, features: ExamFeatures, exams: ExamTable, config: ExamConfig, level: ExamLevel
) -> ExamSpec:
    """Fit temperature and operating points on the validation examinations."""
    scores = scores_of(head, features, exams, exams.of_split("val"), config, Calibration())
    fit = fit_temperature(scores.logits, scores.frames.targets, task=config.task)
    scores = dataclasses.replace(scores, calibration=Calibration(temperature=fit.temperature))
    words = {"exam": "examination", "patient": "patient"}
    points: dict[str, float] = {}
    without: tuple[str, ...] = ()
    try:
        points = operating_points(scores)
    except InvalidConfigError as error:
        without = (f"Without operating points: {error}.",)
    return ExamSpec(
        config=config,
        files=dict.fromkeys(("model.safetensors", "exam.safetensors"), ""),  # known once they are written
        level=level,
        temperature=fit.temperature,
        operating_points=points,
        limits=(*(remark.replace("frames", f"{words[level]}s") for remark in fit.remarks), *without),
        lag_zoo_version=lag_zoo.__version__,
    )


def _measured(
    network: ExamNetwork, features: ExamFeatures, exams: ExamTable, spec: ExamSpec
) -> Iterator[Measured]:
    config = network.config
    calibration = Calibration(temperature=spec.temperature)
    for split in ("val", "test"):
        places = _seen(features, exams, split)
        if not places:
            continue
        scores = scores_of(network.head, features, exams, places, config, calibration)
        yield from _areas(split, HEAD, scores.rules.claims(scores.probabilities), scores)
        for pooling, chances in _plain_rules(network.frame, features, exams, places, config):
            yield from _areas(split, pooling, chances, scores)
        counts = np.array([len(exams.frames[place]) for place in places], dtype=float)
        signed = np.stack([counts] * len(config.label_names), axis=1)
        yield from _areas(split, COUNT, signed, scores, either_way=True)
        most = int(np.median(counts))
        if counts.max() > most:
            capped = _capped(network.head, features, exams, places, config, most)
            yield from _areas(split, CAPPED.format(most), capped, scores)


def _plain_rules(
    frame: LAG, features: ExamFeatures, exams: ExamTable, places: list[int], config: ExamConfig
) -> Iterator[tuple[str, np.ndarray]]:
    """The frame network's own probabilities, pooled; none where its labels are others."""
    if frame.config.label_names != config.label_names or frame.config.task != config.task:
        return
    weights = frame.weight_spec
    temperature = 1.0 if weights is None else weights.temperature
    labels = frame.num_classes
    rules = rules_of(config.task)
    claims = expit(features.features[:, -labels:].astype(np.float64))
    if rules.ordered:
        claims[:, 0] = 1.0  # every frame has the lowest grade at least
    with np.errstate(invalid="ignore"):  # frames that could not be read
        logits = rules.logits(rules.of_claims(claims)).clip(-_CERTAIN, _CERTAIN)
        chances = rules.claims(rules.probabilities(logits / temperature))
    for pooling in POOLINGS:
        each = [pool_frames(chances[features.seen(exams, place)], by=pooling) for place in places]
        yield pooling, np.array(each)


def _capped(
    head: ExamHead,
    features: ExamFeatures,
    exams: ExamTable,
    places: list[int],
    config: ExamConfig,
    most: int,
) -> np.ndarray:
    """The claims of the mean logits of examinations of which at most so many frames are drawn."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(_DRAWS):
        frames = list(exams.frames)
        for place in places:
            frames[place] = tuple(_drawn(features.seen(exams, place), most, rng))
        cut = dataclasses.replace(exams, frames=tuple(frames))
        found.append(exam_logits(head, features, cut, places, config))
    rules = rules_of(config.task)
    return rules.claims(rules.probabilities(np.mean(found, axis=0)))


def _areas(
    split: str, name: str, values: np.ndarray, scores: Scores, *, either_way: bool = False
) -> Iterator[Measured]:
    """The AUROC of values (m, C) for each label that some have and some lack; `either_way`: 0.3 counts as 0.7."""
    units = scores.at("frame")
    for number in scores.rules.numbers(len(scores.label_names)):
        label, known = scores.label_names[number], units.known[:, number]
        truth = units.truth[known, number]
        if units.positive not in (None, number) or not truth.any() or truth.all():
            continue
        own = values[known, number]
        if either_way and influence.auroc(own, truth).value < 0.5:
            own = -own
        groups = units.groups[known] if units.grouped else None
        yield Measured(split, label, name, group_interval(influence.auroc(own, truth), groups, len(truth)))


def _seen(features: ExamFeatures, exams: ExamTable, split: str) -> list[int]:
    return [place for place in exams.of_split(split) if features.seen(exams, place)]


def _batches(places: list[int], size: int, rng: np.random.Generator) -> Iterator[list[int]]:
    mixed = rng.permutation(places).tolist()
    for start in range(0, len(mixed), size):
        yield mixed[start : start + size]


def _drawn(numbers: list[int], most: int, rng: np.random.Generator) -> list[int]:
    return numbers if len(numbers) <= most else sorted(rng.choice(numbers, most, replace=False).tolist())


def _facts(
    exams: ExamTable, config: ExamConfig, recipe: ExamRecipe, folder: Path, frames: int
) -> dict[str, str]:
    word = {"exam": "examinations", "patient": "patients"}[exams.level]
    counts = ", ".join(
        f"{split} {len(exams.of_split(split))}" for split in sorted(set(exams.splits)) if split
    )
    return {
        word: f"{len(exams)} ({counts}), {frames} frames",
        "labels": ", ".join(config.label_names),
        "sites": ", ".join(config.sites) or "none named",
        "frame network": recipe.model,
        "output": str(folder),
    }


def _plain(one: Measured) -> dict[str, Any]:
    interval = one.auroc
    numbers = {"auroc": interval.value, "low": interval.low, "high": interval.high}
    finite = {key: value if np.isfinite(value) else None for key, value in numbers.items()}
    return {
        "split": one.split,
        "label": one.label,
        "name": one.name,
        **finite,
        "n": interval.n,
        "groups": interval.groups,
        "method": interval.method,
    }
