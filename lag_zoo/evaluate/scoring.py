"""Scoring: a network's logits of the frames of a manifest, by the engine that predictions run on."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, cast

import numpy as np
import torch

from lag_zoo.data.demographics import age_band
from lag_zoo.data.grades import as_told_by
from lag_zoo.data.images import read_image
from lag_zoo.data.manifest import Manifest
from lag_zoo.data.workers import as_raised, leave_interrupts
from lag_zoo.errors import DataError, UnreadableImageError
from lag_zoo.evaluate.scores import IN_TRAINING_DATA, Calibration, Flow, FrameTable, Scores, counted
from lag_zoo.nn import LAG
from lag_zoo.nn.global_path import GlobalPath
from lag_zoo.predict.engine import Engine, Precision
from lag_zoo.provenance import KnownFrames, frames_behind
from lag_zoo.tasks import readable_as, rules_of
from lag_zoo.views import Views, ViewSampler

_SAID = ("anatomy", "device", "modality", "centre", "sex", "exam")


class Seen(NamedTuple):
    """The views of a frame, `None` of one that cannot be read; its number; whether it is known from training."""

    views: Views | None
    number: int
    known: bool


class Batch(NamedTuple):
    """The views of the frames that could be read, `None` of none, their numbers and marks; and how many were tried."""

    views: Views | None
    numbers: list[int]
    known: list[bool]
    tried: int


class _Frames(torch.utils.data.Dataset[Seen]):
    """The frames of a manifest as a network sees them."""

    def __init__(self, manifest: Manifest, sampler: ViewSampler, skip: bool, known: KnownFrames) -> None:
        self.paths = [str(path) for path in manifest.paths()]
        self.sampler, self.skip, self.known = sampler, skip, known

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Seen:
        try:
            pixels = read_image(self.paths[index])
        except UnreadableImageError:
            if self.skip:
                return Seen(None, index, False)
            raise
        return Seen(self.sampler(pixels), index, self.known.holds(pixels))


def score(
    model: LAG | GlobalPath,
    manifest: Manifest,
    *,
    split: str | None = "test",
    batch_size: int = 32,
    workers: int = 2,
    device: torch.device | str | None = None,
    fuse: bool = False,
    precision: Precision = "fp32",
    skip_unreadable: bool = False,
    progress: Callable[[], None] = lambda: None,
) -> Scores:
    """Score the frames of a split with a network, in evaluation mode; each module is put back into its own.

    Args:
        model: a network, or its global path alone (`model.without_crops()`).
        manifest: its labels are the network's, or some of them: a cohort may lack a label. Exclusive labels are read as
            the grades of a network that tells grades.
        split: `None`: all frames.
        batch_size: views that pass through the network at once.
        workers: processes that read frames.
        device: where the network runs; `None`: where it is.
        fuse: run `LAG.fuse()`'s copy, which is faster; its logits are equal to 1e-5.
        precision: of weights and features: `fp32`, `bf16` or `fp16`.
        skip_unreadable: list frames that cannot be read, and leave them out; by default they are an error.
        progress: called after each frame.

    Raises:
        DataError: no such split, labels that the network does not have or of another task; no frame can be read; or a
            logit is not finite.
        UnreadableImageError: a frame that cannot be read.
    """
    lag = model.lag if isinstance(model, GlobalPath) else model
    _require_task(lag, manifest)
    manifest = as_told_by(manifest, model.label_names or manifest.label_names, lag.config.task)
    chosen = manifest.where(split=split)
    origin = lag.load_report
    known = KnownFrames() if origin is None else frames_behind(origin.trained_on, origin.path)
    sampler = ViewSampler.from_config(
        lag.config, with_coverage=False, with_crops=not isinstance(model, GlobalPath)
    )
    engine = Engine(
        model, batch_size=batch_size, device=device, fuse=fuse, compile=False, precision=precision
    )
    logits = np.zeros((len(chosen), lag.num_classes))
    seen, of_training = np.zeros(len(chosen), bool), np.zeros(len(chosen), bool)
    batches = view_batches(
        chosen, sampler, known, batch_size=batch_size, workers=workers, skip_unreadable=skip_unreadable
    )
    for batch in batches:
        if batch.views is not None:
            logits[batch.numbers] = engine(batch.views).logits.numpy()
            seen[batch.numbers], of_training[batch.numbers] = True, batch.known
        for _ in range(batch.tried):
            progress()
    _require_finite(logits, chosen)
    if not seen.any():
        raise DataError(f"{manifest.source}: no frame of {split or 'all'} could be read")
    return Scores(
        label_names=chosen.label_names,
        task=chosen.task,
        logits=logits[seen],
        frames=frame_table(_those(chosen, seen), of_training[seen]),
        calibration=_calibration(model),
        flow=flow_of(manifest, chosen, split, seen),
    )


def view_batches(
    manifest: Manifest,
    sampler: ViewSampler,
    known: KnownFrames,
    *,
    batch_size: int,
    workers: int,
    skip_unreadable: bool,
) -> Iterator[Batch]:
    """Yield the views of all frames of a manifest, batch by batch, in its order.

    Args:
        known: the frames that are marked as known from training.
        workers: processes that read frames.
        skip_unreadable: leave out frames that cannot be read; by default they are an error.

    Raises:
        UnreadableImageError: a frame that cannot be read.
    """
    frames = _Frames(manifest, sampler, skip_unreadable, known)
    yield from as_raised(_loader(frames, batch_size, workers))


def _loader(frames: _Frames, batch_size: int, workers: int) -> "torch.utils.data.DataLoader[Batch]":
    return torch.utils.data.DataLoader(
        cast("torch.utils.data.Dataset[Batch]", frames),  # a loader is typed by what it collates
        batch_size=batch_size,
        num_workers=workers,
        collate_fn=_collate,
        worker_init_fn=leave_interrupts,
        generator=torch.Generator(),
    )


def _collate(items: Sequence[Seen]) -> Batch:
    read = [(one.views, one.number, one.known) for one in items if one.views is not None]
    if not read:
        return Batch(None, [], [], len(items))
    views = Views(*(torch.stack(parts) for parts in zip(*(views for views, *_ in read), strict=True)))
    return Batch(views, [number for _, number, _ in read], [known for *_, known in read], len(items))


def _require_task(lag: LAG, manifest: Manifest) -> None:
    if not readable_as(manifest.task, lag.config.task):
        raise DataError(
            f"the network's labels are {rules_of(lag.config.task).in_words}, those of {manifest.source} are "
            f"{rules_of(manifest.task).in_words}: bring the data into the network's form, or evaluate a network of "
            "this one"
        )


def _require_finite(logits: np.ndarray, manifest: Manifest) -> None:
    finite = np.isfinite(logits).all(axis=1)
    if not finite.all():
        raise DataError(
            f"a logit of {manifest.frames[int(np.argmin(finite))].image} is not finite: the network's weights are "
            "damaged, or diverged"
        )


def frame_table(manifest: Manifest, of_training: np.ndarray | None = None) -> FrameTable:
    """Return the frames of a manifest with their truth.

    Args:
        manifest: its frames are taken as they are, excluded ones too.
        of_training: (n,) bool, those that the weights are known to have been trained on.
    """
    columns = {name: tuple(getattr(frame, name) for frame in manifest.frames) for name in _SAID}
    columns["age_band"] = tuple(age_band(frame.age) for frame in manifest.frames)
    if of_training is not None and of_training.any():
        columns[IN_TRAINING_DATA] = tuple("yes" if known else "" for known in of_training)
    return FrameTable(
        images=tuple(frame.image for frame in manifest.frames),
        targets=manifest.targets(),
        groups=manifest.groups(),
        grouping=manifest.grouping,
        columns={name: values for name, values in columns.items() if any(values)},
        fold=tuple(frame.split for frame in manifest.frames),
    )


def _those(manifest: Manifest, chosen: np.ndarray) -> Manifest:
    return manifest.with_frames(frame for frame, ok in zip(manifest.frames, chosen, strict=True) if ok)


def _calibration(model: LAG | GlobalPath) -> Calibration:
    """Calibration of the whole network; without its crops it has none."""
    weights = None if isinstance(model, GlobalPath) else model.weight_spec
    if weights is None:
        return Calibration()
    return Calibration(temperature=weights.temperature, operating_points=dict(weights.operating_points))


def flow_of(manifest: Manifest, chosen: Manifest, split: str | None, seen: np.ndarray) -> Flow:
    """Return the flow of frames from a manifest to those that have logits.

    Args:
        manifest: the whole of it.
        chosen: its frames of `split` that are not excluded; of `None`, all of these.
        seen: (n,) bool, those of the chosen frames that have logits.
    """
    # `lag-zoo data split` deals no excluded frames; they were left out before, and belong to the flow of frames.
    whole = manifest.with_frames(
        f for f in manifest.frames if split in (None, f.split) or (f.excluded and not f.split)
    )
    return Flow(
        found=len(whole),
        found_groups=whole.count_groups(),
        excluded=len(whole) - len(chosen),
        reasons=counted(frame.excluded for frame in whole.frames),
        references=counted(frame.reference for frame, ok in zip(chosen.frames, seen, strict=True) if ok),
        skipped=None if seen.all() else frame_table(_those(chosen, ~seen)),
    )
