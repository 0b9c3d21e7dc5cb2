"""Folders as manifests: one folder a label, one a modality and label, either below folders of splits."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from lag_zoo.data.images import find_images
from lag_zoo.data.manifest import SPLIT_NAMES, Frame, Manifest
from lag_zoo.errors import DataError

_WITH_MODALITY = re.compile(r"(wli|lci|bli|nbi)[_-](.+)", re.IGNORECASE)


def read_folder(folder: str | os.PathLike[str], *, labels: Sequence[str] | None = None) -> Manifest:
    """A manifest of the images in a folder that has one folder a label (`IM/`, `normal/`) or one a modality and label
    (`WLI_IM/`, `LCI_normal/`), which may lie below `train/`, `val/` and `test/`.

    Labels of folders are exclusive. A folder that says no modality leaves it unknown.

    Args:
        folder: walked, each label's folder to its end.
        labels: the labels in a network's order; by default sorted.

    Raises:
        DataError: no such folders, a folder without images, images beside the folders, or other labels.
    """
    root = Path(folder)
    if not root.is_dir():
        raise DataError(f"{root} is no folder")
    below = _folders(root)
    splits = {path: SPLIT_NAMES[path.name.lower()] for path in below if path.name.lower() in SPLIT_NAMES}
    if splits and len(splits) < len(below):
        other = next(path.name for path in below if path not in splits)
        raise DataError(
            f"{root} has folders of splits ({', '.join(p.name for p in splits)}) and of something else ({other})"
        )
    if splits:
        found = [
            (path, split)
            for part, split in splits.items()
            for path in _folders(part) or [_without_labels(part)]
        ]
    else:
        found = [(path, "") for path in below]
    if not found:
        raise DataError(f"{root} has no folders of labels, such as IM/ and normal/")
    named = {path: _named(path.name, with_modality=_all_with_modality(found)) for path, _ in found}
    names = _ordered(root, {label for label, _ in named.values()}, labels)
    frames = []
    for path, split in found:
        label, modality = named[path]
        images = list(find_images([path]))
        if not images:
            raise DataError(f"{path} holds no TIFF, JPEG, PNG, BMP or WebP image")
        frames += [
            Frame(
                image=image.relative_to(root).as_posix(),
                labels=(names.index(label),),
                modality=modality,
                split=split,
            )
            for image in images
        ]
    return Manifest(root=root, label_names=names, frames=tuple(frames), source=str(root))


def _folders(folder: Path) -> list[Path]:
    """The folders in a folder, sorted; images beside them belong to nobody."""
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    folders = [entry for entry in entries if entry.is_dir()]
    stray = [image for image in find_images([folder]) if image.parent == folder]
    if folders and stray:
        raise DataError(
            f"{folder}: {stray[0].name} lies beside the folders of labels and has none ({len(stray)} such images)"
        )
    return folders


def _without_labels(folder: Path) -> Path:
    raise DataError(f"{folder} has no folders of labels, such as IM/ and normal/")


def _all_with_modality(found: Sequence[tuple[Path, str]]) -> bool:
    return all(_WITH_MODALITY.fullmatch(path.name) for path, _ in found)


def _named(name: str, *, with_modality: bool) -> tuple[str, str]:
    match = _WITH_MODALITY.fullmatch(name) if with_modality else None
    return (match[2], match[1].lower()) if match else (name, "")


def _ordered(root: Path, found: set[str], labels: Sequence[str] | None) -> tuple[str, ...]:
    if len(found) < 2:
        raise DataError(f"{root} has one label, {', '.join(found)}; at least 2 are needed")
    names = tuple(sorted(found)) if labels is None else tuple(labels)
    if set(names) != found:
        raise DataError(f"{root} has folders of {', '.join(sorted(found))}; {', '.join(names)} are expected")
    return names
