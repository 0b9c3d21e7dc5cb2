"""A manifest: which frames there are, what is said of each, and whose they are.

Nothing in it is guessed. A label that nobody gave is unknown, a group that nobody named does not exist, and what cannot
be right is an error with its line and column.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from lag_zoo.brief import brief
from lag_zoo.errors import DataError
from lag_zoo.specs import Task

Column = Literal["patient", "exam", "site", "centre", "device", "modality", "reference", "excluded", "split"]
COLUMNS: tuple[Column, ...] = (
    "patient",
    "exam",
    "site",
    "centre",
    "device",
    "modality",
    "reference",
    "excluded",
    "split",
)
"""What may be said of a frame besides its labels, in the order in which a manifest has them."""

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""What the splits are called elsewhere, in small letters."""

MODALITIES = ("wli", "lci", "bli", "nbi", "other")
REFERENCES = ("histology", "endoscopist")
UNKNOWN = -1
_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One image of a manifest.

    Attributes:
        image: its path, as the manifest has it: absolute, or from the manifest's folder.
        labels: exclusive labels: the number of the one that holds, or -1 where the frame is excluded and has none; not
            exclusive: 0, 1 or -1 (unknown) for each.
        patient: whose frame it is; `exam`: of which examination; empty where the manifest has no such column.
        site: the place in the body; `centre`: the hospital; `device`: the scope or processor.
        modality: wli, lci, bli, nbi or other.
        reference: what the label rests on, histology or endoscopist.
        excluded: why the frame is left out; empty where it is not.
        split: train, val, test, or the name of a fold.
        line: of the manifest; 0 where it came from a folder.
    """

    image: str
    labels: tuple[int, ...]
    patient: str = ""
    exam: str = ""
    site: str = ""
    centre: str = ""
    device: str = ""
    modality: str = ""
    reference: str = ""
    excluded: str = ""
    split: str = ""
    line: int = 0

    __repr__ = brief


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The frames of a data set, from `open_data` or `read_manifest`.

    >>> frames = [Frame(image=f"{n}.jpg", labels=(n % 2,), patient=f"p{n // 2}") for n in range(4)]
    >>> manifest = Manifest(root=Path("."), label_names=("normal", "IM"), frames=tuple(frames))
    >>> len(manifest), manifest.grouping, manifest.groups().tolist()
    (4, 'patient', ['p0', 'p0', 'p1', 'p1'])
    >>> manifest.targets().tolist()
    [0, 1, 0, 1]
    """

    root: Path
    label_names: tuple[str, ...]
    task: Task = "multiclass"
    frames: tuple[Frame, ...]
    source: str = "the manifest"

    __repr__ = brief

    def __post_init__(self) -> None:
        if not self.frames:
            raise DataError(f"{self.source} has no frames")
        _require_whole_columns(self)
        _require_one_row_each(self)
        require_disjoint_splits(self)

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def grouping(self) -> Literal["patient", "exam"] | None:
        """By what frames belong together: patient, else examination; `None`: nobody says."""
        if any(self.column("patient")):
            return "patient"
        return "exam" if any(self.column("exam")) else None

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that the frames name, sorted; empty where there are none."""
        return tuple(sorted({frame.split for frame in self.frames if frame.split}))

    def path(self, frame: Frame) -> Path:
        """Where a frame's image lies."""
        return self.root / frame.image

    def paths(self) -> list[Path]:
        """Where the images lie."""
        return [self.path(frame) for frame in self.frames]

    def groups(self) -> np.ndarray:
        """Whose each frame is (n,), str; without a grouping each frame is its own."""
        if self.grouping is None:
            return np.array([frame.image for frame in self.frames])
        return np.array([getattr(frame, self.grouping) for frame in self.frames])

    def count_groups(self) -> int | None:
        """How many patients or examinations there are; `None`: nobody says. An excluded frame may be nobody's."""
        return len(set(self.groups()) - {""}) if self.grouping is not None else None

    def targets(self) -> np.ndarray:
        """The labels, int64: (n,) their numbers where they are exclusive, else (n, labels) of 0, 1 and -1, unknown."""
        labels = np.array([frame.labels for frame in self.frames], dtype=np.int64)
        return labels[:, 0] if self.task == "multiclass" else labels

    def label_counts(self) -> dict[str, int]:
        """How many frames have each label, by name; excluded frames do not count."""
        targets = self.targets()[[not frame.excluded for frame in self.frames]]
        held = (
            targets[:, None] == np.arange(len(self.label_names))
            if self.task == "multiclass"
            else targets == 1
        )
        return dict(zip(self.label_names, held.sum(axis=0).tolist(), strict=True))

    def column(self, name: Column) -> list[str]:
        """What the frames have in one column."""
        return [getattr(frame, name) for frame in self.frames]

    def where(self, *, split: str | None = None, excluded: bool = False) -> "Manifest":
        """The frames of a split (`None`: of all), without the excluded ones unless they are asked for.

        Raises:
            DataError: none is left, or there is no such split.
        """
        if split is not None and split not in self.splits:
            raise DataError(
                f"{self.source} has no split {split!r}; it has {', '.join(self.splits) or 'none'}"
            )
        kept = [f for f in self.frames if (excluded or not f.excluded) and split in (None, f.split)]
        return self.with_frames(kept)

    def with_frames(self, frames: Iterable[Frame]) -> "Manifest":
        """The same manifest with other frames."""
        return dataclasses.replace(self, frames=tuple(frames))

    def with_column(self, name: Column, values: Sequence[str]) -> "Manifest":
        """The same frames with one column put in the place of theirs."""
        pairs = zip(self.frames, values, strict=True)
        return self.with_frames(Frame(**{**vars(frame), name: value}) for frame, value in pairs)

    def with_label_names(self, label_names: Sequence[str]) -> "Manifest":
        """The same labels in the order of a network's.

        Raises:
            DataError: they are not the same labels.
        """
        names = tuple(label_names)
        if set(names) != set(self.label_names) or len(names) != len(self.label_names):
            raise DataError(
                f"{self.source} has the labels {list(self.label_names)}, and {list(names)} are expected"
            )
        if self.task == "multilabel":
            order = [self.label_names.index(name) for name in names]
            moved = [tuple(frame.labels[i] for i in order) for frame in self.frames]
        else:
            numbers = [names.index(name) for name in self.label_names]
            moved = [tuple(numbers[i] if i != UNKNOWN else i for i in frame.labels) for frame in self.frames]
        frames = (
            dataclasses.replace(frame, labels=labels)
            for frame, labels in zip(self.frames, moved, strict=True)
        )
        return dataclasses.replace(self, frames=tuple(frames), label_names=names)


def require_disjoint_splits(manifest: Manifest) -> None:
    """Refuses a manifest in which a patient (else an examination) stands in more than one split.

    Raises:
        DataError: with the first such groups, their splits and lines.
    """
    if manifest.grouping is None:
        return
    seen: dict[str, dict[str, int]] = {}
    for frame in manifest.frames:
        if frame.split and not frame.excluded:
            seen.setdefault(getattr(frame, manifest.grouping), {}).setdefault(frame.split, frame.line)
    torn = {group: splits for group, splits in seen.items() if len(splits) > 1}
    if torn:
        first = "; ".join(
            f"{group} in " + " and ".join(f"{s} (line {line})" if line else s for s, line in splits.items())
            for group, splits in list(torn.items())[:_SHOWN]
        )
        raise DataError(
            f"{manifest.source}: {len(torn)} of {len(seen)} groups by {manifest.grouping} stand in "
            f"more than one split: {first}. A group goes into one split as a whole (lag-zoo data split does it)"
        )


def _require_whole_columns(manifest: Manifest) -> None:
    for name in ("patient", "exam"):
        values = [(frame.line, getattr(frame, name)) for frame in manifest.frames if not frame.excluded]
        empty = [line for line, value in values if not value]
        if empty and len(empty) < len(values):
            raise DataError(
                f"{manifest.source}: {name} is empty on line {empty[0]} (and {len(empty) - 1} more) and "
                "filled on others: fill it everywhere, or leave the column out"
            )


def _require_one_row_each(manifest: Manifest) -> None:
    lines: dict[str, int] = {}
    for frame in manifest.frames:
        if frame.image in lines:
            raise DataError(
                f"{manifest.source}: {frame.image} stands on line {lines[frame.image]} and again on line "
                f"{frame.line}"
            )
        lines[frame.image] = frame.line
