"""What a network said of each frame of a split: logits beside the truth and whose frame it is, in a file if wanted."""

import csv
import dataclasses
import io
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from lag_zoo.brief import brief
from lag_zoo.data.images import read_image
from lag_zoo.data.manifest import Manifest
from lag_zoo.data.workers import as_raised, leave_interrupts
from lag_zoo.errors import DataError, InvalidConfigError, UnreadableImageError
from lag_zoo.files import write_whole
from lag_zoo.metrics.calibration import probabilities_of
from lag_zoo.nn import LAG
from lag_zoo.nn.global_path import GlobalPath
from lag_zoo.provenance import KnownFrames, frames_behind
from lag_zoo.specs import Task
from lag_zoo.views import Views, ViewSampler

SUBGROUPS = ("anatomy", "device", "modality", "centre")
APPARENT = "apparent"
_TOLD = (*SUBGROUPS, "exam")
_COLUMNS = (*_TOLD, APPARENT)
_KINDS: dict[Task, str] = {
    "multiclass": "exclusive (one column `label`, or folders by class)",
    "multilabel": "each for itself (one column a label, with 0 and 1)",
}


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Logits of n frames.

    Attributes:
        label_names: of the C outputs.
        task: exclusive labels or not.
        images: names of the frames, as their manifest has them.
        logits: (n, C) float64.
        targets: (n,) numbers of exclusive labels, or (n, C) of 0, 1 and -1 (unknown).
        groups: (n,) whose each frame is; without a `grouping` each is its own.
        grouping: patient or exam; `None`: nobody says.
        columns: of each of anatomy, device, modality, centre and exam that the manifest has, the value of each
            frame; and `apparent`, yes where the network's weights, or those that they were made from, were trained on
            the frame or chosen by it, as far as that is known (`lag_zoo.provenance`).
        fold: (n,) the split or fold of each frame; `seed` of the run that gave the logits, where there was one.
        temperature: by which the logits are divided; `operating_points`: threshold of each label; both stored with the
            weights, from data that these are not.
        thresholds: (n, C) operating points that differ from frame to frame, those of the fold that a frame was scored
            in; they go before `operating_points`.
        found: frames in the split; `excluded`: those left out (also before there was a split); `skipped`: those that
            could not be read.
        reasons: why frames were excluded, and how many each; `references`: what the labels of the frames rest on, and
            of how many each.
        found_groups: patients or examinations among the found; `None`: nobody says.
    """

    label_names: tuple[str, ...]
    task: Task
    images: tuple[str, ...]
    logits: np.ndarray
    targets: np.ndarray
    groups: np.ndarray
    grouping: Literal["patient", "exam"] | None
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fold: tuple[str, ...] = ()
    temperature: float = 1.0
    operating_points: Mapping[str, float] = field(default_factory=dict)
    thresholds: np.ndarray | None = None
    found: int = 0
    found_groups: int | None = None
    excluded: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    references: Mapping[str, int] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()

    __repr__ = brief

    def __post_init__(self) -> None:
        n = len(self.images)
        if self.logits.shape != (n, len(self.label_names)) or len(self.targets) != n or len(self.groups) != n:
            raise InvalidConfigError(
                f"{n} images of {len(self.label_names)} labels; got logits {self.logits.shape}, targets "
                f"{self.targets.shape} and groups {self.groups.shape}"
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def probabilities(self) -> np.ndarray:
        """Probabilities (n, C), at the stored temperature."""
        return probabilities_of(self.logits, task=self.task, temperature=self.temperature)

    def units(self, level: Literal["exam", "patient"]) -> np.ndarray:
        """Whose each frame is (n,), by examination or patient; an examination is one within its patient.

        Raises:
            InvalidConfigError: the data do not name them.
        """
        if level == self.grouping:
            return self.groups
        exams = np.array(self.columns.get("exam", ()))
        if level == "patient" or not exams.size or not (exams != "").all():
            raise InvalidConfigError(
                f"the data do not name every frame's {level}; they are grouped by {self.grouping or 'nothing'}"
            )
        return np.array([f"{patient}\0{exam}" for patient, exam in zip(self.groups, exams, strict=True)])

    def write(self, path: str | os.PathLike[str], *, seed: int | None = None) -> None:
        """Writes a CSV file: image, group, fold, seed, anatomy and so on, targets and logits; whole or not at all."""
        targets = self.targets[:, None] if self.targets.ndim == 1 else self.targets
        names = ["target"] if self.targets.ndim == 1 else [f"target:{name}" for name in self.label_names]
        limits = [] if self.thresholds is None else [f"threshold:{name}" for name in self.label_names]
        logits = [f"logit:{name}" for name in self.label_names]
        columns = {name: values for name, values in self.columns.items() if name != self.grouping}
        header = ["image", self.grouping or "frame", "part", "seed", *columns, *names, *limits, *logits]
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        for i, image in enumerate(self.images):
            part = self.fold[i] if self.fold else ""
            own = [] if self.thresholds is None else self.thresholds[i]
            numbers = (repr(float(x)) for x in (*own, *self.logits[i]))
            known = [image, self.groups[i], part, "" if seed is None else seed]
            writer.writerow([*known, *(v[i] for v in columns.values()), *targets[i], *numbers])
        write_whole(path, text.getvalue())

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "Scores":
        """What `write` wrote; temperature and operating points are not in the file.

        Raises:
            DataError: no such file, or another one.
        """
        try:
            with Path(path).open(newline="", encoding="utf-8") as file:
                header, *rows = list(csv.reader(file))
            names = tuple(c.removeprefix("logit:") for c in header if c.startswith("logit:"))
            marks = [i for i, c in enumerate(header) if c.startswith("target")]
            first = header.index(f"logit:{names[0]}")
            limited = f"threshold:{names[0]}" in header
            targets = np.array([[int(row[i]) for i in marks] for row in rows])
            grouping = header[1]
            return cls(
                label_names=names,
                task="multiclass" if header[marks[0]] == "target" else "multilabel",
                images=tuple(row[0] for row in rows),
                logits=np.array([[float(x) for x in row[first:]] for row in rows]),
                targets=targets[:, 0] if header[marks[0]] == "target" else targets,
                groups=np.array([row[1] for row in rows]),
                grouping=grouping if grouping in ("patient", "exam") else None,  # type: ignore[arg-type]
                columns={
                    name: tuple(row[place] for row in rows)
                    for place, name in enumerate(header[2 : marks[0]], start=2)
                    if name in _COLUMNS
                },
                fold=tuple(row[2] for row in rows),
                thresholds=(
                    np.array([[float(x) for x in row[first - len(names) : first]] for row in rows])
                    if limited
                    else None
                ),
                found=len(rows),
                found_groups=len({row[1] for row in rows}) if grouping in ("patient", "exam") else None,
            )
        except (OSError, ValueError, IndexError) as error:
            raise DataError(f"{path} holds no scores that lag_zoo wrote: {error}") from error

    def taken(self, places: np.ndarray) -> "Scores":
        """Some of these frames, by their places (k,), in this order."""
        return dataclasses.replace(
            self,
            images=tuple(self.images[i] for i in places),
            logits=self.logits[places],
            targets=self.targets[places],
            groups=self.groups[places],
            columns={name: tuple(values[i] for i in places) for name, values in self.columns.items()},
            fold=tuple(self.fold[i] for i in places) if self.fold else (),
            thresholds=None if self.thresholds is None else self.thresholds[places],
        )

    def joined(self, others: Sequence["Scores"]) -> "Scores":
        """These and others, of other frames, as one: the folds of a cross-validation."""
        every = [self, *others]
        images = tuple(image for scores in every for image in scores.images)
        if len(set(images)) < len(images):
            raise InvalidConfigError("a frame is scored twice: only scores of different frames can be joined")
        if any(scores.label_names != self.label_names for scores in others):
            raise InvalidConfigError("the scores are of different labels")
        return Scores(
            label_names=self.label_names,
            task=self.task,
            images=images,
            logits=np.concatenate([scores.logits for scores in every]),
            targets=np.concatenate([scores.targets for scores in every]),
            groups=np.concatenate([scores.groups for scores in every]),
            grouping=self.grouping,
            columns={
                name: tuple(v for s in every for v in s.columns.get(name, ("",) * len(s)))
                for name in _COLUMNS
                if any(name in s.columns for s in every)
            },
            fold=tuple(part for scores in every for part in scores.fold),
            thresholds=_together([scores.thresholds for scores in every]),
            found=sum(scores.found for scores in every),
            found_groups=_sum([scores.found_groups for scores in every]),
            excluded=sum(scores.excluded for scores in every),
            reasons=dict(sum((Counter(scores.reasons) for scores in every), Counter())),
            references=dict(sum((Counter(scores.references) for scores in every), Counter())),
            skipped=tuple(name for scores in every for name in scores.skipped),
        )


def counted(values: Iterable[str]) -> dict[str, int]:
    """How often each value stands there, the most frequent first; empty ones do not count.

    >>> counted(["blurred", "", "no consent", "blurred"])
    {'blurred': 2, 'no consent': 1}
    """
    return dict(Counter(value for value in values if value).most_common())


def _sum(parts: Sequence[int | None]) -> int | None:
    there = [part for part in parts if part is not None]
    return sum(there) if len(there) == len(parts) else None


def _together(parts: Sequence[np.ndarray | None]) -> np.ndarray | None:
    there = [part for part in parts if part is not None]
    return np.concatenate(there) if len(there) == len(parts) else None


class _Frames(torch.utils.data.Dataset["tuple[Views | None, int, bool]"]):
    """Views of a manifest's frames, `None` of one that cannot be read and may be skipped; and whether it is known."""

    def __init__(self, manifest: Manifest, sampler: ViewSampler, skip: bool, known: KnownFrames) -> None:
        self.paths = [str(path) for path in manifest.paths()]
        self.sampler, self.skip, self.known = sampler, skip, known

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> "tuple[Views | None, int, bool]":
        try:
            pixels = read_image(self.paths[index])
        except UnreadableImageError:
            if self.skip:
                return None, index, False
            raise
        return self.sampler(pixels), index, self.known.holds(pixels)


@torch.inference_mode()
def score(
    model: LAG | GlobalPath,
    manifest: Manifest,
    *,
    split: str | None = "test",
    batch_size: int = 32,
    workers: int = 2,
    skip_unreadable: bool = False,
    progress: Callable[[], None] = lambda: None,
) -> Scores:
    """What a network says of a split's frames; it is put into evaluation mode for it, and back.

    Args:
        split: `None`: of all frames.
        skip_unreadable: list frames that cannot be read, and leave them out; by default they are an error.
        progress: called after each frame.

    Raises:
        DataError: no such split, other labels than the network's, or labels of another kind (`task`); no frame can be
            read; or the network's answer to one is no number.
        UnreadableImageError: a frame that cannot be read.
    """
    lag = model.lag if isinstance(model, GlobalPath) else model
    if lag.config.task != manifest.task:
        raise DataError(
            f"the network's labels are {_KINDS[lag.config.task]}, those of {manifest.source} are "
            f"{_KINDS[manifest.task]}: bring the data into the network's form, or evaluate a network of this one"
        )
    manifest = manifest.with_label_names(model.label_names or manifest.label_names)
    chosen = manifest.where(split=split)
    # `lag-zoo data split` deals no excluded frames; they were left out before, and belong to the way of the frames.
    whole = manifest.with_frames(
        f for f in manifest.frames if split in (None, f.split) or (f.excluded and not f.split)
    )
    origin = lag.load_report
    known = KnownFrames() if origin is None else frames_behind(origin.trained_on, origin.path)
    loader = torch.utils.data.DataLoader(
        _Frames(chosen, ViewSampler.from_config(lag.config, with_coverage=False), skip_unreadable, known),
        batch_size=batch_size,
        num_workers=workers,
        collate_fn=_collate,
        worker_init_fn=leave_interrupts,
        generator=torch.Generator(),
    )
    mode, found = model.training, np.zeros((len(chosen), lag.num_classes))
    seen, apparent = np.zeros(len(chosen), bool), np.zeros(len(chosen), bool)
    model.eval()
    try:
        for views, numbers, count, of_training in as_raised(loader):
            if views is not None:
                seen[numbers], apparent[numbers] = True, of_training
                found[numbers] = model(views.to(lag.pixel_mean.device)).double().cpu().numpy()
            for _ in range(count):
                progress()
    finally:
        model.train(mode)
    if not np.isfinite(found).all():
        first = chosen.frames[int(np.argmin(np.isfinite(found).all(axis=1)))]
        raise DataError(
            f"the network's answer to {first.image} is no number: its weights are damaged, or diverged"
        )
    frames = [frame for frame, ok in zip(chosen.frames, seen, strict=True) if ok]
    if not frames:
        raise DataError(f"{manifest.source}: no frame of {split or 'all'} could be read")
    kept = chosen.with_frames(frames)
    weights = (
        None if isinstance(model, GlobalPath) else lag.weight_spec
    )  # what is stored is of the whole network
    return Scores(
        label_names=kept.label_names,
        task=kept.task,
        images=tuple(frame.image for frame in frames),
        logits=found[seen],
        targets=kept.targets(),
        groups=kept.groups(),
        grouping=kept.grouping,
        columns={
            **{c: tuple(getattr(f, c) for f in frames) for c in _TOLD if any(getattr(f, c) for f in frames)},
            **(
                {APPARENT: tuple("yes" if known else "" for known in apparent[seen])}
                if apparent.any()
                else {}
            ),
        },
        fold=tuple(frame.split for frame in frames),
        temperature=1.0 if weights is None else weights.temperature,
        operating_points={} if weights is None else weights.operating_points,
        found=len(whole),
        found_groups=whole.count_groups(),
        excluded=len(whole) - len(chosen),
        reasons=counted(frame.excluded for frame in whole.frames),
        references=counted(frame.reference for frame in frames),
        skipped=tuple(f.image for f, ok in zip(chosen.frames, seen, strict=True) if not ok),
    )


def _collate(
    items: "list[tuple[Views | None, int, bool]]",
) -> "tuple[Views | None, list[int], int, list[bool]]":
    """The views and numbers of those that could be read, how many there were, and which of the first are known."""
    good = [(views, number, known) for views, number, known in items if views is not None]
    if not good:
        return None, [], len(items), []
    views = Views(*(torch.stack(parts) for parts in zip(*(v for v, *_ in good), strict=True)))
    return views, [number for _, number, _ in good], len(items), [known for *_, known in good]
