"""The manifests of the tasks, a file a fold with the splits train, val and test; and frames without fine detail."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import torch.nn.functional as F
from PIL import Image

from lag_zoo.data import Manifest, open_data, read_manifest, write_manifest
from lag_zoo.data.images import read_image
from lag_zoo.data.splits import folds, joined
from lag_zoo.errors import DataError
from lag_zoo.likeness import frame_hashes, near_duplicates
from lag_zoo.views.extract import global_views
from recipes.results.plan import FOLDS, Task


def write_folds(task: Task, shared: Path, out: Path) -> None:
    """Write `OUT/data/<task>/fold1.csv` and so on, unless they are there.

    Raises:
        DataError: windows that have not been cut yet.
    """
    folder = folder_of(task, out)
    if not (folder / f"fold{FOLDS}.csv").is_file():
        _WRITERS[task.name](task, shared, folder)


def folder_of(task: Task, out: Path) -> Path:
    """Return where the manifests of a task are."""
    return out / "data" / task.name


def opened(task: Task, fold: int, out: Path, *, low_pass: int = 0) -> Manifest:
    """Read one of them; with `low_pass`, of frames shrunk to so many pixels on a side and enlarged again.

    Of the training frames each `task.every`-th group takes part.
    """
    folder = folder_of(task, out)
    whole = read_manifest(folder / f"fold{fold}.csv", labels=task.labels)
    groups = set(sorted({frame.exam for frame in whole.frames if frame.split == "train"})[:: task.every])
    manifest = whole.with_frames(f for f in whole.frames if f.split != "train" or f.exam in groups)
    return _low_passed(manifest, low_pass, folder / f"lowpass{low_pass}") if low_pass else manifest


def _deal(task: Task, shared: Path, folder: Path) -> None:
    """Deal the frames into folds by group, near-copies together; the fold after the one tested on is validated on."""
    data = open_data(shared / task.name / "manifest.csv", columns={"group": "exam"}, labels=task.labels)
    # By hash alone, as the folds of the tables that are there were dealt.
    copies = near_duplicates([frame_hashes(read_image(path)) for path in data.paths()])
    dealt = folds(data.with_column("exam", joined(data.groups(), copies).tolist()), FOLDS)
    for number in range(FOLDS):
        parts = {f"fold{number + 1}": "test", f"fold{(number + 1) % FOLDS + 1}": "val"}
        split = [parts.get(frame.split, "train") for frame in dealt.frames]
        write_manifest(dealt.with_column("split", split), folder / f"fold{number + 1}.csv")


def _want_windows(task: Task, shared: Path, folder: Path) -> None:
    raise DataError(
        f"{folder} has no windows yet: cut them by python -m recipes.polyp.files {shared / 'kvasir_seg'} "
        f"{shared / 'polypgen'} {folder}, or link a folder there where that was done"
    )


_WRITERS: Mapping[str, Callable[[Task, Path, Path], None]] = {
    "neopolyp": _deal,
    "chgastro": _deal,
    "windows": _want_windows,
}


def _low_passed(manifest: Manifest, size: int, folder: Path) -> Manifest:
    """Return the manifest on copies of its frames without detail; those that are not in the folder are made."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = []
    for frame in manifest.frames:
        copy = folder / f"{Path(frame.image).stem}.png"
        if not copy.is_file():
            pixels = read_image(manifest.path(frame))
            height, width = pixels.shape[1:]
            small = global_views(pixels[None], size)
            large = F.interpolate(small.float(), (height, width), mode="bilinear").round().clamp(0, 255)
            part = copy.with_suffix(".part")
            Image.fromarray(large[0].byte().permute(1, 2, 0).numpy()).save(part, "PNG", compress_level=1)
            part.replace(copy)
        frames.append(dataclasses.replace(frame, image=str(copy.absolute())))
    return manifest.with_frames(frames)
