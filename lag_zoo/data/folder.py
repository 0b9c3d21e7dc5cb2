"""Folders as manifests: one folder a label, one a modality and label, either below folders of splits."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from lag_zoo.data.grades import as_asked
from lag_zoo.data.images import describe_left_out, find_images, is_image_name, kind_of, special_kind
from lag_zoo.data.manifest import SPLIT_NAMES, Frame, Manifest
from lag_zoo.errors import DataError
from lag_zoo.specs import Task

_WITH_MODALITY = re.compile(r"(wli|lci|bli|nbi)[_-](.+)", re.IGNORECASE)


def read_folder(
    folder: str | os.PathLike[str],
    *,
    labels: Sequence[str] | None = None,
    cohort: bool = False,
    task: Task | None = None,
) -> Manifest:
    """A manifest of the images in a folder that has one folder a label (`IM/`, `normal/`) or one a modality and label
    (`WLI_IM/`, `LCI_normal/`), which may lie below `train/`, `val/` and `test/`.

    Labels of folders are exclusive. A folder that says no modality leaves it unknown. Files that are no images are
    counted in `Manifest.left_out`.

    Args:
        folder: walked, each label's folder to its end.
        labels: the labels in a network's order; by default sorted.
        cohort: the data are to be evaluated, and may lack labels.
        task: `ordinal`: the labels are grades, in the order of `labels`, the lowest first; `None`: `multiclass`.

    Raises:
        DataError: no such folders, a folder without images, images beside the folders, or other labels.
    """
    root = Path(folder)
    if not root.is_dir():
        raise DataError(f"{root} is no folder")
    left_out: Counter[str] = Counter()
    found = _labelled(root, left_out)
    with_modality = all(_WITH_MODALITY.fullmatch(path.name) for path, _ in found)
    named = {path: _named(path.name, with_modality=with_modality) for path, _ in found}
    names = _ordered(root, {label for label, _ in named.values()}, labels, cohort)
    numbers = {name: number for number, name in enumerate(names)}
    frames = []
    for path, split in found:
        label, modality = named[path]
        besides: Counter[str] = Counter()
        images = list(find_images([path], besides))
        if not images:
            raise DataError(f"{path} holds no image ({describe_left_out(besides) or 'it is empty'})")
        left_out += besides
        frames += [
            Frame(
                image=image.relative_to(root).as_posix(),
                labels=(numbers[label],),
                modality=modality,
                split=split,
            )
            for image in images
        ]
    manifest = Manifest(
        root=root, label_names=names, frames=tuple(frames), source=str(root), left_out=dict(left_out)
    )
    return as_asked(manifest, task, labels)


def _labelled(root: Path, left_out: Counter[str]) -> list[tuple[Path, str]]:
    """The folders of labels, each with its split; empty where there are no splits."""
    below = _folders(root, left_out)
    splits = {path: SPLIT_NAMES[path.name.lower()] for path in below if path.name.lower() in SPLIT_NAMES}
    if splits and len(splits) < len(below):
        other = next(path.name for path in below if path not in splits)
        raise DataError(
            f"{root} has folders of splits ({', '.join(p.name for p in splits)}) and of something else ({other})"
        )
    if not splits:
        return [(path, "") for path in below or _without_labels(root, left_out)]
    return [
        (path, split)
        for part, split in splits.items()
        for path in _folders(part, left_out) or _without_labels(part, left_out)
    ]


def _folders(folder: Path, left_out: Counter[str]) -> list[Path]:
    """The folders in a folder, sorted; images beside them belong to nobody, and other files are left out."""
    folders, stray = [], []
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            left_out[kind_of(entry.name)] += 1
        elif entry.is_dir():
            folders.append(entry)
        elif special := special_kind(entry):
            left_out[special] += 1
        elif is_image_name(entry.name):
            stray.append(entry)
        else:
            left_out[kind_of(entry.name)] += 1
    if folders and stray:
        raise DataError(
            f"{folder}: {stray[0].name} lies beside the folders of labels and has none ({len(stray)} such images): "
            "move it into a folder with its label's name, or name a CSV with the columns image, label and patient"
        )
    if stray:
        left_out["images without a label"] = len(stray)
    return folders


def _without_labels(folder: Path, left_out: Counter[str]) -> NoReturn:
    beside = f" ({describe_left_out(left_out)})" if left_out else ""
    raise DataError(
        f"{folder} has no folders of labels, such as IM/ and normal/{beside}: put each frame into a folder with its "
        "label's name, or name a CSV with the columns image, label and patient"
    )


def _named(name: str, *, with_modality: bool) -> tuple[str, str]:
    match = _WITH_MODALITY.fullmatch(name) if with_modality else None
    return (match[2], match[1].lower()) if match else (name, "")


def _ordered(root: Path, found: set[str], labels: Sequence[str] | None, cohort: bool) -> tuple[str, ...]:
    if len(found) < 2 and not cohort:
        raise DataError(f"{root} has one label, {', '.join(found)}; at least 2 are needed")
    names = tuple(sorted(found)) if labels is None else tuple(labels)
    if not (found <= set(names) if cohort else found == set(names)):
        raise DataError(f"{root} has folders of {', '.join(sorted(found))}; {', '.join(names)} are expected")
    return names
