"""Check a data set before anything is trained on it: every image is read once.

Four things are errors: a file that cannot be read, a mask that is none of its frame, like frames on both sides of a
split, and a label that a split has no frame of. The rest is for a reader to judge: a scope's sizes, labels that go with
sizes, colours that contradict the modality told.
"""

import functools
import os
import statistics
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from torch import Tensor

from lag_zoo.brief import brief
from lag_zoo.data.identities import doubtful_ids
from lag_zoo.data.images import read_image
from lag_zoo.data.manifest import Frame, Manifest
from lag_zoo.data.masks import check_mask
from lag_zoo.data.near_copies import near_copies
from lag_zoo.errors import DataError, FieldOfViewWarning, UnreadableImageError
from lag_zoo.provenance import frame_digest
from lag_zoo.sketches import Sketch, sketch_frame
from lag_zoo.tasks import rules_of
from lag_zoo.views import find_field_of_view
from lag_zoo.views.colours import modality_of


@dataclass(frozen=True, kw_only=True)
class LabelCount:
    """Counts of one label: its frames, its groups, and its frames in each split (`splits`)."""

    label: str
    frames: int
    groups: int
    splits: dict[str, int]
    unknown: int = 0


@dataclass(frozen=True, kw_only=True)
class DataReport:
    """The findings of `check_data`.

    Attributes:
        source: the folder or manifest.
        frames: how many there are; `excluded`: how many of them are left out.
        grouping: by what frames belong together, patient or exam; `None`: nobody says.
        labels: one row a label.
        sizes: "width x height" and how many frames have it, the most frequent first.
        unreadable: (image, line, reason); `unreadable_excluded`: the images of them that are excluded.
        same: images whose pixels are the same.
        alike: images that are near-copies (`lag_zoo.sketches`).
        across: those of `same` and `alike` that stand in more than one split; `torn`: of more than one patient or
            examination; `contradictory`: with labels that differ.
        ids: ids of patients or examinations that differ only in their spelling; `shared_exams`: examinations that stand
            under more than one patient, with those (`lag_zoo.data.identities`).
        modality: (image, line, modality told, modality by colour) where the two differ.
        field: the least, the median and the largest part of the frame that a field of view fills; `None`: no frame has
            one. no_field: images without a lit area.
        masks: how many frames of each label have a mask, by name; excluded frames do not count.
        bad_masks: (image, line, reason) of masks that cannot be used; `idle_masks`: images whose mask says nothing,
            since nothing is marked in it or no label is known to hold.
        left_out: how many files of the folder are no frames, by kind; of a manifest's file, none.
    """

    source: str
    frames: int
    excluded: int
    grouping: str | None
    labels: tuple[LabelCount, ...]
    sizes: dict[str, int]
    unreadable: tuple[tuple[str, int, str], ...]
    unreadable_excluded: tuple[str, ...]
    same: tuple[tuple[str, ...], ...]
    alike: tuple[tuple[str, ...], ...]
    across: tuple[tuple[str, ...], ...]
    torn: tuple[tuple[str, ...], ...]
    contradictory: tuple[tuple[str, ...], ...]
    ids: tuple[tuple[str, ...], ...]
    shared_exams: dict[str, tuple[str, ...]]
    modality: tuple[tuple[str, int, str, str], ...]
    field: tuple[float, float, float] | None
    no_field: tuple[str, ...]
    masks: dict[str, int]
    bad_masks: tuple[tuple[str, int, str], ...]
    idle_masks: tuple[str, ...]
    left_out: dict[str, int]

    __repr__ = brief

    @property
    def errors(self) -> list[str]:
        """Faults that have to be mended before training, which leaves excluded frames out."""
        found = [
            f"{image}{f' (line {line})' if line else ''}: {reason}"
            for image, line, reason in self.unreadable
            if image not in self.unreadable_excluded
        ]
        found += [
            f"{image}{f' (line {line})' if line else ''}: {reason}" for image, line, reason in self.bad_masks
        ]
        found += [f"like frames in more than one split: {', '.join(images)}" for images in self.across]
        found += [f"no frame has the label {row.label}" for row in self.labels if not row.frames]
        return found + [
            f"no frame of the split {split} has the label {row.label}"
            for row in self.labels
            for split, count in row.splits.items()
            if row.frames and not count
        ]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "errors": self.errors}


class _Seen(NamedTuple):
    """The findings on one image."""

    size: str = ""
    digest: str = ""
    sketch: Sketch | None = None
    modality: str | None = None
    field: float = 0.0
    error: str = ""
    marked: bool = False
    mask_error: str = ""


def check_data(
    manifest: Manifest,
    *,
    progress: Callable[[], None] = lambda: None,
    workers: int | None = None,
) -> DataReport:
    """Read every image of a manifest once, the excluded ones too, and say what was found.

    Args:
        progress: called after each image.
        workers: threads; by default one a core.
    """
    with warnings.catch_warnings(), ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        warnings.simplefilter("ignore", FieldOfViewWarning)  # frames without a lit area are in the report
        seen = []
        for one in pool.map(functools.partial(_look, manifest), manifest.frames):
            seen.append(one)
            progress()
    frames = manifest.frames
    good = [number for number, one in enumerate(seen) if not one.error]
    same = _same([(number, seen[number].digest) for number in good])
    alike = near_copies([one.sketch for one in seen])
    alike = [group for group in alike if len({seen[number].digest for number in group}) > 1]
    copies = sorted({*same, *alike})
    doubtful = doubtful_ids(manifest)
    groups = manifest.groups() if manifest.grouping is not None else [""] * len(manifest)
    masked = [number for number, frame in enumerate(frames) if frame.mask and not frame.excluded]
    labelled = set(manifest.marks()[0].tolist())
    return DataReport(
        source=manifest.source,
        frames=len(manifest),
        excluded=sum(bool(frame.excluded) for frame in frames),
        grouping=manifest.grouping,
        labels=_counted(manifest),
        sizes=dict(Counter(seen[number].size for number in good).most_common()),
        unreadable=tuple(
            (frame.image, frame.line, one.error) for frame, one in zip(frames, seen, strict=True) if one.error
        ),
        unreadable_excluded=tuple(
            frame.image for frame, one in zip(frames, seen, strict=True) if one.error and frame.excluded
        ),
        same=_names(frames, same),
        alike=_names(frames, alike),
        across=_names(frames, [g for g in copies if len({frames[n].split for n in g} - {""}) > 1]),
        torn=_names(frames, [g for g in copies if len({groups[n] for n in g} - {""}) > 1]),
        contradictory=_names(
            frames, [g for g in copies if len({frames[n].labels for n in g if not frames[n].excluded}) > 1]
        ),
        ids=tuple(doubtful.patients + doubtful.exams),
        shared_exams=doubtful.shared_exams,
        modality=tuple(_contradictions(frames, seen)),
        field=_spread([seen[number].field for number in good if seen[number].field]),
        no_field=tuple(frames[number].image for number in good if not seen[number].field),
        masks=manifest.with_frames(frames[n] for n in masked).label_counts() if masked else {},
        bad_masks=tuple(
            (frames[n].image, frames[n].line, seen[n].mask_error) for n in masked if seen[n].mask_error
        ),
        idle_masks=tuple(
            frames[n].image
            for n in masked
            if not (seen[n].error or seen[n].mask_error or (seen[n].marked and n in labelled))
        ),
        left_out=dict(manifest.left_out),
    )


def _look(manifest: Manifest, frame: Frame) -> _Seen:
    path = manifest.path(frame)
    try:
        pixels = read_image(path)
    except UnreadableImageError as error:
        return _Seen(error=str(error).removeprefix(f"{path}: "))
    marked, mask_error = _look_at_mask(manifest, frame, pixels)
    field = find_field_of_view(pixels[None])
    empty = bool(field.empty)
    return _Seen(
        size=f"{pixels.shape[2]} x {pixels.shape[1]}",
        digest=frame_digest(pixels),
        sketch=sketch_frame(pixels, field=field),
        modality=None if empty else modality_of(pixels[None], field),
        field=0.0 if empty else float(field.area()) / pixels[0].numel(),
        marked=marked,
        mask_error=mask_error,
    )


def _look_at_mask(manifest: Manifest, frame: Frame, pixels: Tensor) -> tuple[bool, str]:
    """Tell whether the mask of a frame marks something, and the reason why it cannot be used."""
    if not frame.mask:
        return False, ""
    try:
        return bool(check_mask(manifest.root / frame.mask, pixels.shape[1:]).any()), ""
    except (DataError, UnreadableImageError) as error:
        return False, str(error)


def _spread(shares: Sequence[float]) -> tuple[float, float, float] | None:
    return (min(shares), statistics.median(shares), max(shares)) if shares else None


def _same(digests: Sequence[tuple[int, str]]) -> list[tuple[int, ...]]:
    by_digest: dict[str, list[int]] = {}
    for number, digest in digests:
        by_digest.setdefault(digest, []).append(number)
    return [tuple(numbers) for numbers in by_digest.values() if len(numbers) > 1]


def _names(frames: Sequence[Frame], groups: Sequence[tuple[int, ...]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(frames[number].image for number in group) for group in groups)


def _contradictions(frames: Sequence[Frame], seen: Sequence[_Seen]) -> list[tuple[str, int, str, str]]:
    # The rule by colours says lci or nothing, so only frames told to be of another light can contradict it.
    return [
        (frame.image, frame.line, frame.modality, one.modality)
        for frame, one in zip(frames, seen, strict=True)
        if frame.modality and one.modality and frame.modality != one.modality
    ]


def _counted(manifest: Manifest) -> tuple[LabelCount, ...]:
    """One row a label."""
    frames, groups, targets = manifest.frames, manifest.groups(), manifest.targets()
    having: list[list[int]] = [[] for _ in manifest.label_names]
    for place, number in zip(*(found.tolist() for found in manifest.marks()), strict=True):
        if not frames[place].excluded:
            having[number].append(place)
    rules = rules_of(manifest.task)
    used = targets[[not frame.excluded for frame in frames]]
    unknown = [0 if rules.exclusive else int((~rules.known(used, n)).sum()) for n in range(len(having))]
    rows = []
    for name, places, without in zip(manifest.label_names, having, unknown, strict=True):
        splits = Counter(frames[place].split for place in places)
        rows.append(
            LabelCount(
                label=name,
                frames=len(places),
                groups=len({groups[place] for place in places}),
                splits={split: splits[split] for split in manifest.splits},
                unknown=without,
            )
        )
    return tuple(rows)
