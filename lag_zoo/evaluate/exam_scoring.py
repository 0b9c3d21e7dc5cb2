"""Scores of an examination network: one row an examination, so that the report counts examinations."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lag_zoo.data.exam_table import ExamLevel, ExamTable, exams_of
from lag_zoo.data.images import read_image
from lag_zoo.data.manifest import Manifest
from lag_zoo.errors import DataError, StateError
from lag_zoo.evaluate.scores import Calibration, Flow, FrameTable, Scores
from lag_zoo.evaluate.scoring import view_batches
from lag_zoo.files import write_whole
from lag_zoo.nn import LAG
from lag_zoo.nn.exam_head import ExamHead
from lag_zoo.nn.exam_network import ExamNetwork, frame_features, frame_width, site_numbers
from lag_zoo.nn.modes import evaluation_twin
from lag_zoo.opening import read_regular
from lag_zoo.provenance import KnownFrames
from lag_zoo.specs import ExamConfig
from lag_zoo.views import ViewSampler

_AT_ONCE = 64  # examinations that pass a head together
_LARGEST = 1 << 32  # bytes of kept features


class ExamFeatures:
    """The input of a head: features (n, F) of frames, by their number in the manifest, and their sites.

    Args:
        manifest: the frames.
        features: (n, F) float32, NaN in the rows of frames that could not be read.
    """

    def __init__(self, manifest: Manifest, features: np.ndarray) -> None:
        self.manifest = manifest
        self.features = features
        self.readable = np.isfinite(features).all(axis=1)

    def bag(self, numbers: list[int], config: ExamConfig) -> tuple[Tensor, Tensor]:
        """Return the features (k, F) and sites (k,) of these frames."""
        sites = site_numbers([self.manifest.frames[number].anatomy for number in numbers], config)
        return torch.from_numpy(self.features[numbers]), sites

    def seen(self, exams: ExamTable, place: int) -> list[int]:
        """Return the numbers of an examination's frames that could be read."""
        return [number for number in exams.frames[place] if self.readable[number]]


def exam_features(
    model: LAG,
    manifest: Manifest,
    *,
    batch_size: int = 32,
    workers: int = 2,
    cache: Path | None = None,
    skip_unreadable: bool = False,
    progress: Callable[[], None] = lambda: None,
) -> ExamFeatures:
    """Give what an examination's head reads of each frame, by the frame network where it is, in evaluation mode.

    Args:
        manifest: excluded frames get none.
        cache: a folder in which they are kept, for this network and these files.
        skip_unreadable: leave out frames that cannot be read; by default they are an error.
        progress: called after each frame.

    Raises:
        UnreadableImageError: a frame that cannot be read.
        StateError: what is kept in the cache is damaged.
        OSError: the cache cannot be written.
    """
    wanted = [number for number, frame in enumerate(manifest.frames) if not frame.excluded]
    found = np.full((len(manifest), frame_width(model)), np.nan, dtype=np.float32)
    file = None if cache is None else cache / f"features-{_key(model, manifest)}.npy"
    if file is not None and file.is_file():
        found[wanted] = _kept(file, (len(wanted), found.shape[1]))
        lost = [number for number in wanted if not np.isfinite(found[number]).all()]
        if lost and not skip_unreadable:
            read_image(manifest.path(manifest.frames[lost[0]]))  # says why
        for _ in wanted:
            progress()
    else:
        chosen = manifest.with_frames(manifest.frames[number] for number in wanted)
        sampler = ViewSampler.from_config(model.config, with_coverage=False)
        twin = evaluation_twin(model)
        batches = view_batches(
            chosen,
            sampler,
            KnownFrames(),
            batch_size=batch_size,
            workers=workers,
            skip_unreadable=skip_unreadable,
        )
        for batch in batches:
            if batch.views is not None:
                with torch.inference_mode():
                    values = frame_features(twin, batch.views.to(twin.pixel_mean.device))
                found[[wanted[number] for number in batch.numbers]] = values.float().cpu().numpy()
            for _ in range(batch.tried):
                progress()
        if file is not None and found[wanted].nbytes < _LARGEST:
            file.parent.mkdir(parents=True, exist_ok=True)
            _keep(file, found[wanted])
    return ExamFeatures(manifest, found)


@torch.inference_mode()
def exam_logits(
    head: ExamHead, features: ExamFeatures, exams: ExamTable, places: list[int], config: ExamConfig
) -> np.ndarray:
    """Return the logits (k, C) of examinations by a head, which keeps its mode; each has frames that could be read."""
    twin, found = evaluation_twin(head), []
    device = next(twin.parameters()).device
    for start in range(0, len(places), _AT_ONCE):
        bags = [
            features.bag(features.seen(exams, place), config) for place in places[start : start + _AT_ONCE]
        ]
        found.append(twin(*(part.to(device) for part in filled(bags, config))).logits.double().cpu().numpy())
    return np.concatenate(found) if found else np.zeros((0, len(config.label_names)))


def filled(bags: list[tuple[Tensor, Tensor]], config: ExamConfig) -> tuple[Tensor, ...]:
    """Put bags of any sizes into one batch: features (E, N, F), which are frames (E, N), and any sites."""
    most = max(len(sites) for _, sites in bags)
    features = torch.zeros(len(bags), most, config.in_features)
    present = torch.zeros(len(bags), most, dtype=torch.bool)
    numbers = torch.full((len(bags), most), -1)
    for row, (own, sites) in enumerate(bags):
        features[row, : len(own)], present[row, : len(own)], numbers[row, : len(own)] = own, True, sites
    return (features, present, numbers) if config.sites else (features, present)


def score_exams(
    network: ExamNetwork,
    manifest: Manifest,
    *,
    split: str | None = "test",
    any_frame: bool = False,
    batch_size: int = 32,
    workers: int = 2,
    cache: Path | None = None,
    skip_unreadable: bool = False,
    progress: Callable[[], None] = lambda: None,
) -> Scores:
    """Score the examinations, or patients, of a split; each is a row, named by its id.

    Args:
        network: its `exam_spec` says which of both it answers for.
        split: `None`: all.
        any_frame: as in `exams_of`.
        cache: as in `exam_features`.

    Raises:
        DataError: other labels than the network's, no such split, no frame that can be read; or as `exams_of` raises.
        UnreadableImageError: a frame that cannot be read.
    """
    manifest = manifest.with_label_names(network.config.label_names)
    if split is not None:
        manifest = manifest.with_frames(frame for frame in manifest.frames if frame.split == split)
    exams = exams_of(manifest, level_of(network), any_frame=any_frame)
    features = exam_features(
        network.frame,
        manifest,
        batch_size=batch_size,
        workers=workers,
        cache=cache,
        skip_unreadable=skip_unreadable,
        progress=progress,
    )
    return scores_of(
        network.head, features, exams, exams.of_split(None), network.config, _calibration(network)
    )


def level_of(network: ExamNetwork) -> ExamLevel:
    """Return what a network was trained to answer for; where nothing is said of it, examinations."""
    spec = network.exam_spec
    return "patient" if spec is not None and spec.level == "patient" else "exam"


def scores_of(
    head: ExamHead,
    features: ExamFeatures,
    exams: ExamTable,
    places: list[int],
    config: ExamConfig,
    calibration: Calibration,
) -> Scores:
    """Score examinations by their places; those without a frame that could be read are counted as not seen.

    Raises:
        DataError: none is left.
    """
    seen = [place for place in places if features.seen(exams, place)]
    if not seen:
        raise DataError(f"{features.manifest.source}: no {exams.level} of these has a frame that can be read")
    lost = sorted(set(places) - set(seen))
    return Scores(
        label_names=config.label_names,
        task=config.task,
        logits=exam_logits(head, features, exams, seen, config),
        frames=_table(exams, seen),
        calibration=calibration,
        flow=Flow(
            found=len(places),
            found_groups=len(set(exams.groups[places].tolist())),
            skipped=_table(exams, lost) if lost else None,
        ),
    )


def _table(exams: ExamTable, places: list[int]) -> FrameTable:
    return FrameTable(
        images=tuple(exams.names[place] for place in places),
        targets=exams.targets[places],
        groups=exams.groups[places],
        grouping=exams.grouping,
        columns={"exam": tuple(exams.names[place] for place in places)} if exams.level == "exam" else {},
        fold=tuple(exams.splits[place] for place in places),
    )


def _calibration(network: ExamNetwork) -> Calibration:
    spec = network.exam_spec
    if spec is None:
        return Calibration()
    return Calibration(temperature=spec.temperature, operating_points=dict(spec.operating_points))


def _key(model: LAG, manifest: Manifest) -> str:
    """A digest of the network and of the files, by their paths, sizes and times."""
    digest = hashlib.sha256(model.config.to_json().encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    for frame in manifest.frames:
        if not frame.excluded:
            path = manifest.path(frame).absolute()
            about = path.stat() if path.is_file() else None
            digest.update(json.dumps([str(path), about and [about.st_size, about.st_mtime_ns]]).encode())
    return digest.hexdigest()[:32]


def _keep(file: Path, features: np.ndarray) -> None:
    data = np.ascontiguousarray(features).tobytes()
    write_whole(file, hashlib.sha256(data).digest() + data)


def _kept(file: Path, shape: tuple[int, int]) -> np.ndarray:
    data = read_regular(file, most=_LARGEST)
    if len(data) != 32 + 4 * shape[0] * shape[1] or hashlib.sha256(data[32:]).digest() != data[:32]:
        raise StateError(f"{file} is damaged: remove it, and the features are made anew")
    return np.frombuffer(data[32:], np.float32).reshape(shape)
