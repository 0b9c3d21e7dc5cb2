"""Examinations and patients in a manifest: whose frames belong together, and the one label that they have."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lag_zoo.brief import brief
from lag_zoo.data.manifest import Manifest
from lag_zoo.errors import DataError
from lag_zoo.tasks import rules_of

ExamLevel = Literal["exam", "patient"]
_WORDS = {"exam": "examination", "patient": "patient"}
_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class ExamTable:
    """m examinations, or patients, and their frames.

    Attributes:
        level: which of them.
        names: (m,) of each; `groups`: (m,) its patient, else its examination; `splits`: (m,) its split, "" without one.
        frames: of each the numbers of its frames in the manifest.
        targets: (m,) of exclusive labels, or (m, C), as frames have them.
        grouping: by what `groups` are.
    """

    level: ExamLevel
    names: tuple[str, ...]
    groups: np.ndarray
    splits: tuple[str, ...]
    frames: tuple[tuple[int, ...], ...]
    targets: np.ndarray
    grouping: Literal["exam", "patient"]

    __repr__ = brief

    def __len__(self) -> int:
        return len(self.names)

    def of_split(self, split: str | None) -> list[int]:
        """Return the places of those in a split; `None`: all."""
        return [place for place, own in enumerate(self.splits) if split in (None, own)]


def exams_of(manifest: Manifest, level: ExamLevel, *, any_frame: bool = False) -> ExamTable:
    """Return the examinations, or patients, of a manifest; frames that are excluded are in none.

    Each has the label of its frames, which all have to have the same: what is said of an examination stands in each of
    its rows.

    Args:
        any_frame: labels are those of single frames, and an examination has a label if any of its frames has it.

    Raises:
        DataError: the manifest has no such column, or one examination stands under two labels or in two splits.
        InvalidConfigError: `any_frame`, and more than two labels that exclude each other.
    """
    places = [place for place, frame in enumerate(manifest.frames) if not frame.excluded]
    names = unit_names(manifest, level)
    if not any(names[place] for place in places):
        raise DataError(
            f"{manifest.source} has no column {level}: it says which frames belong together. If another one is it, say "
            f"--column NAME={level}"
        )
    found: dict[str, list[int]] = {}
    for place in places:
        found.setdefault(names[place], []).append(place)
    _require_one(manifest, found, level, ("split",) if any_frame else ("labels", "split"))
    first = [manifest.frames[own[0]] for own in found.values()]
    rules = rules_of(manifest.task)
    targets = rules.of_manifest(np.array([frame.labels for frame in manifest.frames], dtype=np.int64))
    each = [
        rules.of_whole(targets[own], manifest.label_names) if any_frame else targets[own[0]]
        for own in found.values()
    ]
    by_patient = any(frame.patient for frame in first)
    return ExamTable(
        level=level,
        names=tuple(found),
        groups=np.array([frame.patient if by_patient else frame.exam for frame in first]),
        splits=tuple(frame.split for frame in first),
        frames=tuple(map(tuple, found.values())),
        targets=np.array(each, dtype=np.int64),
        grouping="patient" if by_patient else "exam",
    )


def unit_names(manifest: Manifest, level: ExamLevel) -> list[str]:
    """Return the name of each frame's patient or examination; an examination is one within its patient.

    Examinations that are numbered anew for each patient are called by both.

    >>> from pathlib import Path
    >>> from lag_zoo.data.manifest import Frame
    >>> frames = [Frame(image=f"{n}", labels=(0,), patient=f"p{n}", exam="1") for n in (1, 2)]
    >>> unit_names(Manifest(root=Path(), label_names=("a",), frames=tuple(frames)), "exam")
    ['p1 1', 'p2 1']
    """
    if level == "patient":
        return [frame.patient for frame in manifest.frames]
    pairs = {(frame.patient, frame.exam) for frame in manifest.frames if not frame.excluded}
    if len({exam for _, exam in pairs}) == len(pairs):
        return [frame.exam for frame in manifest.frames]
    return [f"{frame.patient} {frame.exam}" for frame in manifest.frames]


def _require_one(
    manifest: Manifest, found: dict[str, list[int]], level: ExamLevel, columns: Sequence[str]
) -> None:
    """Refuse examinations whose frames say different things of them."""
    for column in columns:
        what = f"more than one {column.removesuffix('s')}"
        several = {
            name: sorted({getattr(manifest.frames[place], column) for place in own})
            for name, own in found.items()
            if len({getattr(manifest.frames[place], column) for place in own}) > 1
        }
        if several:
            first = "; ".join(
                f"{name}: {', '.join(_in_words(manifest, value) for value in values)}"
                for name, values in [*several.items()][:_SHOWN]
            )
            raise DataError(
                f"{manifest.source}: {len(several)} of {len(found)} {_WORDS[level]}s have {what} ({first}). Each row "
                f"of one says the same of it. Where labels are of single frames, and one with it is enough, say "
                "--any-frame (any_frame=True)"
            )


def _in_words(manifest: Manifest, value: str | Sequence[int]) -> str:
    if isinstance(value, str):
        return value or "none"
    if rules_of(manifest.task).exclusive:
        return manifest.label_names[value[0]]
    return (
        "+".join(name for name, mark in zip(manifest.label_names, value, strict=True) if mark == 1) or "none"
    )
