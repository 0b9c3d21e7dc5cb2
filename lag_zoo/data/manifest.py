"""A manifest: which frames there are, what is said of each, and whose they are.

Nothing in it is guessed. A label that nobody gave is unknown, a group that nobody named does not exist, and what cannot
be right is an error with its line and column.
"""

import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from lag_zoo.brief import brief
from lag_zoo.data.demographics import age_of, sex_of
from lag_zoo.errors import DataError
from lag_zoo.specs import Task
from lag_zoo.tasks import rules_of

Column = Literal[
    "patient",
    "exam",
    "age",
    "sex",
    "anatomy",
    "centre",
    "device",
    "modality",
    "reference",
    "excluded",
    "split",
    "mask",
]
COLUMNS: tuple[Column, ...] = get_args(Column)
"""Columns of a manifest besides image and labels, in their order."""

PATHS = ("image", "mask")
"""Columns that hold paths of files, from the manifest's folder."""

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""Other names of the splits, in small letters."""

MODALITIES = ("wli", "lci", "bli", "nbi", "other")
REFERENCES = ("histology", "endoscopist")
NO_REASON = "excluded"
"""The reason of a frame of which a column says only that it is excluded."""

_SAY_NO = frozenset({"", "0", "false", "f", "no", "n", "nan", "none", "null", "na", "n/a", "<na>"})
_SAY_YES = frozenset({"1", "true", "t", "yes", "y"})
_SHOWN = 3


def reason_of(cell: object) -> str:
    """Read a cell of the column `excluded`, text, number or truth value: the reason, empty where it is not excluded.

    >>> [reason_of(cell) for cell in ("0", " No ", False, 1.0, "TRUE", "blurred")]
    ['', '', '', 'excluded', 'excluded', 'blurred']
    """
    text = str(cell).strip()
    word = text.lower()
    if word and word[0] in "+-.0123456789":  # 0.00 and 1.0, as spreadsheets and decimals have them
        try:
            word = f"{float(word):g}".removeprefix("-")
        except ValueError:
            return text
    return "" if word in _SAY_NO else NO_REASON if word in _SAY_YES else text


READERS: Mapping[Column, Callable[[object], str]] = {"age": age_of, "sex": sex_of, "excluded": reason_of}
"""Readers of the columns whose cells are more than texts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One image of a manifest.

    Attributes:
        image: its path, as the manifest has it: absolute, or from the manifest's folder.
        labels: exclusive labels: the number of the one that holds, or -1 where the frame is excluded and has none; not
            exclusive: 0, 1 or -1 (unknown) for each.
        patient: whose frame it is; `exam`: of which examination; empty where the manifest has no such column.
        age: of the patient, in years, "63" or "0.5"; a number is taken too. `sex`: f, m, other or unknown.
        anatomy: the place in the body; `centre`: the hospital; `device`: the scope or processor.
        modality: wli, lci, bli, nbi or other.
        reference: what the label rests on, histology or endoscopist.
        excluded: why the frame is left out; empty where it is not. What only says yes or no (1, False, "no", "y") is
            taken as that, and yes becomes the reason "excluded".
        split: train, val, test, or the name of a fold.
        mask: path of an image that marks where in the frame its label is seen, given as `image` is;
            empty: nobody marked it.
        line: of the manifest; 0 where it came from a folder.

    Raises:
        DataError: an age or a sex that cannot be one.
    """

    image: str
    labels: tuple[int, ...]
    patient: str = ""
    exam: str = ""
    age: str = ""
    sex: str = ""
    anatomy: str = ""
    centre: str = ""
    device: str = ""
    modality: str = ""
    reference: str = ""
    excluded: str = ""
    split: str = ""
    mask: str = ""
    line: int = 0

    __repr__ = brief

    def __post_init__(self) -> None:
        for name, read in READERS.items():
            object.__setattr__(self, name, read(getattr(self, name)))


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The frames of a data set, from `open_data` or `read_manifest`.

    Attributes:
        root: the folder from which the frames' paths lead.
        label_names: the labels; `task`: whether they exclude each other, or are grades, from the lowest on.
        frames: at least one; images, groups and splits that contradict each other are refused.
        source: what messages call it.
        left_out: how many files of a folder are no frames, by kind; see `lag_zoo.data.find_images`.

    Raises:
        DataError: no frames, an image twice, a group in two splits, or one that is named on some lines only.
        InvalidConfigError: no such task.

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
    left_out: Mapping[str, int] = field(default_factory=dict, compare=False)

    __repr__ = brief

    def __post_init__(self) -> None:
        rules_of(self.task)
        if not self.frames:
            raise DataError(f"{self.source} has no frames")
        _require_whole_columns(self)
        _require_one_row_each(self)
        require_disjoint_splits(self)

    def __len__(self) -> int:
        return len(self.frames)

    @cached_property
    def grouping(self) -> Literal["patient", "exam"] | None:
        """By what frames belong together: patient, else examination; `None`: nobody says."""
        if any(self.column("patient")):
            return "patient"
        return "exam" if any(self.column("exam")) else None

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """The splits that the frames name, sorted; empty where there are none."""
        return tuple(sorted({frame.split for frame in self.frames if frame.split}))

    def path(self, frame: Frame) -> Path:
        """Path of a frame's image."""
        return self.root / frame.image

    def mask_path(self, frame: Frame) -> Path | None:
        """Path of a frame's mask; `None`: it has none."""
        return self.root / frame.mask if frame.mask else None

    def paths(self) -> list[Path]:
        """Paths of the images."""
        return [self.path(frame) for frame in self.frames]

    def groups(self) -> np.ndarray:
        """Patient or examination of each frame (n,), str; without a grouping each frame is its own."""
        name = self.grouping or "image"
        return np.array([getattr(frame, name) for frame in self.frames])

    def count_groups(self) -> int | None:
        """Number of patients or examinations; `None`: not known. An excluded frame may have none."""
        return len(set(self.groups()) - {""}) if self.grouping is not None else None

    def targets(self) -> np.ndarray:
        """The labels, int64: (n,) their numbers where they are exclusive, else (n, labels) of 0, 1 and -1, unknown."""
        labels = np.array([frame.labels for frame in self.frames], dtype=np.int64)
        return rules_of(self.task).of_manifest(labels)

    def label_counts(self) -> dict[str, int]:
        """Count the frames of each label, by name; excluded frames do not count."""
        places, numbers = self.marks()
        used = np.array([not frame.excluded for frame in self.frames])
        counts = np.bincount(numbers[used[places]], minlength=len(self.label_names))
        return dict(zip(self.label_names, counts.tolist(), strict=True))

    def marks(self) -> tuple[np.ndarray, np.ndarray]:
        """The labels that hold, pair by pair (m,), int64: the place of the frame, and the number of the label."""
        return rules_of(self.task).marks(self.targets())

    def column(self, name: Column) -> list[str]:
        """Values of one column, a frame each."""
        return [getattr(frame, name) for frame in self.frames]

    def where(self, *, split: str | None = None, excluded: bool = False) -> "Manifest":
        """The frames of a split (`None`: of all), without the excluded ones unless they are asked for.

        Raises:
            DataError: none is left, or there is no such split; the excluded frames are counted.
        """
        if split is not None and split not in self.splits:
            raise DataError(
                f"{self.source} has no split {split!r}; it has {', '.join(self.splits) or 'none'}"
                f"{self.describe_excluded()}"
            )
        of_split = [frame for frame in self.frames if split in (None, frame.split)]
        kept = of_split if excluded else [frame for frame in of_split if not frame.excluded]
        if not kept:
            whose = "" if split is None else f" of the split {split}"
            raise DataError(
                f"{self.source}: no frame{whose} is left: all {len(of_split)} are excluded ({_reasons(of_split)})"
            )
        return self.with_frames(kept)

    def describe_excluded(self) -> str:
        """The excluded frames counted by reason, to be put after a message; empty where there are none.

        >>> frames = [Frame(image=f"{n}.jpg", labels=(n,), excluded=("", "blurred")[n]) for n in range(2)]
        >>> Manifest(root=Path("."), label_names=("normal", "IM"), frames=tuple(frames)).describe_excluded()
        '; 1 of 2 frames are excluded (1 blurred)'
        """
        count = sum(bool(frame.excluded) for frame in self.frames)
        return f"; {count} of {len(self)} frames are excluded ({_reasons(self.frames)})" if count else ""

    def with_frames(self, frames: Iterable[Frame]) -> "Manifest":
        """The same manifest with other frames.

        Raises:
            DataError: none are given; the excluded ones of this manifest are counted.
        """
        kept = tuple(frames)
        if not kept:
            raise DataError(
                f"{self.source}: none of its {len(self)} frames is left{self.describe_excluded()}"
            )
        return dataclasses.replace(self, frames=kept)

    def with_column(self, name: Column, values: Sequence[str]) -> "Manifest":
        """The same frames with one column put in the place of theirs; what is said again and again is held once."""
        once: dict[str, str] = {}
        pairs = zip(self.frames, values, strict=True)
        return self.with_frames(
            dataclasses.replace(frame, **{name: once.setdefault(value, value)})  # type: ignore[arg-type]
            for frame, value in pairs
        )

    def with_label_names(self, label_names: Sequence[str]) -> "Manifest":
        """The same frames with a network's labels, in its order; a cohort may lack some of them.

        A label that the data lack is one that no frame has where labels are exclusive, else unknown of every frame.

        Raises:
            DataError: the data have labels that are not among these, or grades in another order, or a
                name stands twice.
        """
        names = tuple(label_names)
        if not set(self.label_names) <= set(names) or len(names) != len(set(names)):
            raise DataError(
                f"{self.source} has the labels {list(self.label_names)}, and {list(names)} are expected"
            )
        place = {name: number for number, name in enumerate(names)}
        own = [place[name] for name in self.label_names]
        if rules_of(self.task).ordered and own != sorted(own):
            raise DataError(
                f"{self.source} has the grades {list(self.label_names)}, from the lowest on, and {list(names)} are "
                "expected: say the order that both have (labels, --labels)"
            )
        moved = [rules_of(self.task).among(frame.labels, own, len(names)) for frame in self.frames]
        frames = (
            dataclasses.replace(frame, labels=labels)
            for frame, labels in zip(self.frames, moved, strict=True)
        )
        return dataclasses.replace(self, frames=tuple(frames), label_names=names)


def require_disjoint_splits(manifest: Manifest) -> None:
    """Refuse a manifest in which a patient (else an examination) stands in more than one split.

    Raises:
        DataError: with the first such groups, their splits and lines.
    """
    grouping = manifest.grouping
    if grouping is None:
        return
    seen: dict[str, str] = {}
    torn: dict[str, dict[str, int]] = {}
    dealt = [frame for frame in manifest.frames if frame.split and not frame.excluded]
    for frame in dealt:
        group = getattr(frame, grouping)
        if seen.setdefault(group, frame.split) != frame.split:
            torn[group] = {}
    if torn:
        for frame in dealt:
            if (group := getattr(frame, grouping)) in torn:
                torn[group].setdefault(frame.split, frame.line)
        torn = {group: torn[group] for group in seen if group in torn}  # in the order of the manifest
        first = "; ".join(
            f"{group} in " + " and ".join(f"{s} (line {line})" if line else s for s, line in splits.items())
            for group, splits in list(torn.items())[:_SHOWN]
        )
        raise DataError(
            f"{manifest.source}: {len(torn)} of {len(seen)} groups by {grouping} stand in "
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
    # Where a path goes up again, only the disk knows where it leads: the folder that it leaves may be a link.
    up = any(".." in frame.image for frame in manifest.frames)
    place = os.path.realpath if up else os.path.abspath

    def places() -> Iterator[str]:
        return (place(os.path.join(manifest.root, frame.image)) for frame in manifest.frames)

    # Eight bytes a frame: the paths themselves would take more than all else that is checked.
    if len(np.unique(np.fromiter(map(hash, places()), np.int64, len(manifest.frames)))) == len(
        manifest.frames
    ):
        return
    first: dict[str, Frame] = {}
    for where, frame in zip(places(), manifest.frames, strict=True):
        before = first.setdefault(where, frame)
        if before is not frame:
            other = "" if before.image == frame.image else f" as {before.image}"
            raise DataError(
                f"{manifest.source}: {frame.image} stands on line {before.line}{other} and again on line {frame.line}"
            )


def _reasons(frames: Iterable[Frame]) -> str:
    """Count the reasons of exclusion, the most frequent first, such as "2 blurred, 1 without a reason"."""
    counts = Counter(frame.excluded for frame in frames if frame.excluded)
    counted = [
        f"{count} {'without a reason' if reason == NO_REASON else reason}"
        for reason, count in counts.most_common(_SHOWN)
    ]
    rest = counts.total() - sum(count for _, count in counts.most_common(_SHOWN))
    return ", ".join([*counted, *([f"{rest} for other reasons"] if rest else [])])
