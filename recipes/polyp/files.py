"""Kvasir-SEG as windows in files, with manifests that `lag-zoo train` takes: `python -m recipes.polyp.files DATA OUT`.

`fold1.csv` to `fold5.csv` each test on a fifth of the frames, validate on a tenth and train on the rest; `all.csv`
tests on none. Near-copies, by the data's own groups and by hash, stay together. Training windows come in pairs, those
that are scored in crossed fours (see `windows`). OUT holds parts of the frames: it is scratch, not to be shared.
"""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.model_selection import GroupKFold
from torch import Tensor

from lag_zoo.catalogue.polyp import LABELS
from lag_zoo.data import Frame as Row
from lag_zoo.data import Manifest, read_manifest, write_manifest
from lag_zoo.likeness import frame_hashes, near_duplicates
from recipes.polyp.windows import (
    Frame,
    Window,
    crossed_quads,
    load_frames,
    matched_pairs,
    mirrored_pairs,
)

FOLDS, PILES, SEED = 5, 10, 2026
MANIFESTS = (*(f"fold{number}" for number in range(1, FOLDS + 1)), "all")
BLANKED = (
    0.35  # of the training pairs are shown through a field of view drawn at random, as whole frames have one
)
STILL_SEEN = 0.6  # of the polyp's pixels, at least


def merged_groups(frames: Sequence[Frame]) -> list[str]:
    """The group of each frame: the data's own, and near-copies by hash in one."""
    groups = [frame.group for frame in frames]
    hashes = [frame_hashes(frame.pixels, field=frame.field) for frame in frames]
    for copies in near_duplicates(hashes):
        joined = {groups[number] for number in copies}
        groups = [min(joined) if group in joined else group for group in groups]
    return groups


def piles(groups: Sequence[str]) -> list[list[int]]:
    """The frames in ten piles, groups whole: a fold is two piles."""
    dealt = GroupKFold(PILES, shuffle=True, random_state=SEED).split(groups, groups=groups)
    return [sorted(test.tolist()) for _, test in dealt]


def training_pairs(frames: Sequence[Frame], pile: Sequence[int]) -> list[tuple[Window, Window]]:
    """The pairs of a pile."""
    chosen = [frames[number] for number in pile]
    pairs = mirrored_pairs(chosen, pairs=12, seed=SEED)
    pairs += matched_pairs(chosen, smallest=0.33, shapes=600, per_shape=2, lean=8, seed=SEED + 1)
    return [(_of_frame(one, pile), _of_frame(other, pile)) for one, other in pairs]


def scored_windows(frames: Sequence[Frame], numbers: Sequence[int]) -> list[Window]:
    """The windows that these frames are scored on."""
    if not numbers:
        return []
    found = crossed_quads([frames[i] for i in numbers], shapes=3000, quads=2, seed=SEED + 3)
    return [_of_frame(window, numbers) for window in dict.fromkeys(found)]


def _of_frame(window: Window, numbers: Sequence[int]) -> Window:
    return window._replace(frame=numbers[window.frame])


def write_windows(data: Path, out: Path) -> dict[str, Manifest]:
    """Cuts the windows out and writes the manifests."""
    frames = load_frames(data)
    groups = merged_groups(frames)
    dealt = piles(groups)
    folder = out / "windows"
    folder.mkdir(parents=True, exist_ok=True)
    training = [_training_rows(frames, groups, pile, out) for pile in dealt]

    def scored(numbers: Sequence[int], split: str) -> list[Row]:
        return [_row(frames, groups, w, split, out) for w in scored_windows(frames, numbers)]

    written = {}
    for fold, name in enumerate(MANIFESTS):
        tested = (2 * fold, 2 * fold + 1) if name != "all" else ()
        validated = (2 * fold + 2) % PILES
        rows = [row for n, pile in enumerate(training) if n not in (*tested, validated) for row in pile]
        rows += scored(dealt[validated], "val")
        rows += scored(sorted(number for pile in tested for number in dealt[pile]), "test")
        manifest = Manifest(root=out, label_names=LABELS, frames=tuple(rows), source=f"{name}.csv")
        write_manifest(manifest, out / f"{name}.csv")
        written[name] = manifest
    return written


def _training_rows(
    frames: Sequence[Frame], groups: Sequence[str], pile: Sequence[int], out: Path
) -> list[Row]:
    rows: dict[str, Row] = {}
    for number, pair in enumerate(training_pairs(frames, pile)):
        rng = np.random.default_rng([SEED, pile[0], number])
        keep = drawn_field(frames, pair, rng) if rng.random() < BLANKED else None
        for window in pair:
            row = _row(frames, groups, window, "train", out, keep=keep)
            rows[row.image] = row
    return list(rows.values())


def _row(
    frames: Sequence[Frame],
    groups: Sequence[str],
    window: Window,
    split: str,
    out: Path,
    *,
    keep: Tensor | None = None,
) -> Row:
    """A window as a file, which is written unless it is there, and its row."""
    frame = frames[window.frame]
    x1, y1, x2, y2 = window.box
    name = file_of(frame, window, blanked=keep is not None)
    if not (out / name).is_file():
        pixels = frame.pixels[:, y1:y2, x1:x2]
        if keep is not None:
            pixels = pixels * _stretched(keep, y2 - y1, x2 - x1)
        Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(out / name, compress_level=1)
    return Row(image=name, labels=(window.label,), exam=groups[window.frame], split=split)


def file_of(frame: Frame, window: Window, *, blanked: bool = False) -> str:
    """The name of a window's file."""
    place = "_".join(map(str, window.box))
    return f"windows/{Path(frame.name).stem}_{place}{'_blanked' if blanked else ''}.png"


def opened(out: Path, name: str) -> Manifest:
    """One of the manifests, with the labels in their order."""
    return read_manifest(out / f"{name}.csv", labels=LABELS)


def drawn_field(frames: Sequence[Frame], pair: Iterable[Window], rng: np.random.Generator) -> Tensor | None:
    """A field (128, 128) to show both windows of a pair through; `None` where it would hide the polyp."""
    keep = _random_field(128, rng)
    positive = next(window for window in pair if window.label)
    frame, (x1, y1, x2, y2) = frames[positive.frame], positive.box
    polyp = torch.from_numpy(np.diff(np.diff(frame.integral, axis=0), axis=1)[y1:y2, x1:x2] > 0)
    seen = (polyp & _stretched(keep, y2 - y1, x2 - x1)).sum() / polyp.sum()
    return keep if seen >= STILL_SEEN else None


def _stretched(keep: Tensor, height: int, width: int) -> Tensor:
    rows, columns = (torch.arange(side) * len(keep) // side for side in (height, width))
    return keep[rows][:, columns]


def _random_field(size: int, rng: np.random.Generator) -> Tensor:
    """A lit field (size, size): an octagon, a disc or something between, at times with a box cut out of a corner."""
    axis = torch.linspace(-1, 1, size)
    y, x = torch.meshgrid(axis - rng.uniform(-0.1, 0.1), axis - rng.uniform(-0.1, 0.1), indexing="ij")
    power = rng.choice([2.0, 4.0, 6.0])
    reach = rng.uniform(0.95, 1.25)
    keep = (x.abs() ** power + y.abs() ** power) <= reach**power
    keep &= (x.abs() + y.abs()) <= rng.uniform(1.3, 1.9)
    if rng.random() < 0.4:
        keep &= ~((x < -rng.uniform(0.3, 0.6)) & (y > rng.uniform(0.3, 0.6)))
    return keep


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    for name, manifest in write_windows(arguments.data, arguments.out).items():
        counts = {split: sum(f.split == split for f in manifest.frames) for split in manifest.splits}
        print(f"{arguments.out / name}.csv: {counts}, {len(set(manifest.groups()))} groups")
