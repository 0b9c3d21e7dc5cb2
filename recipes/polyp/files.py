"""Windows as files, with manifests that `lag-zoo train` takes: `python -m recipes.polyp.files KVASIR POLYPGEN OUT`.

`fold1.csv` to `fold5.csv` each test on a fifth of the frames of both sources, validate on a tenth and train on the
rest. `centre_C1.csv` to `centre_C6.csv` test on one hospital of PolypGen, and train and validate on Kvasir-SEG and the
five others. `all.csv` tests on none. Near-copies, by the data's own groups and by hash, stay together. Training windows
come in pairs, those that are scored in crossed fours (see `windows`). A window with a polyp names its mask.
`frames.csv` says of each frame which group, hospital and fold it is of. OUT holds parts of the frames: it is scratch,
not to be shared.
"""

import argparse
import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lag_zoo.catalogue.polyp import LABELS
from lag_zoo.data import Frame as Row
from lag_zoo.data import Manifest, read_manifest, write_manifest
from lag_zoo.files import csv_writer, write_whole
from recipes.polyp.blanking import drawn_field, stretched
from recipes.polyp.grouping import PILES, SEED, merged_groups, piles, require_demo_unseen, without_groups
from recipes.polyp.windows import (
    Frame,
    Window,
    crossed_quads,
    load_frames,
    matched_pairs,
    mirrored_pairs,
)

KVASIR, POLYPGEN = SOURCES = ("kvasir_seg", "polypgen")
FOLDS, CENTRES = 5, ("C1", "C2", "C3", "C4", "C5", "C6")
ALL, FRAMES = "all", "frames.csv"
FOLD_MANIFESTS = tuple(f"fold{number}" for number in range(1, FOLDS + 1))
CENTRE_MANIFESTS = tuple(f"centre_{centre}" for centre in CENTRES)
MANIFESTS = (*FOLD_MANIFESTS, *CENTRE_MANIFESTS, ALL)
BLANKED = 0.35  # of the training pairs are shown through a drawn field


class Listed(NamedTuple):
    """A line of `frames.csv`: the frame as source/stem, its image from the source's folder, where it belongs."""

    frame: str
    image: str
    centre: str
    group: str
    fold: str

    @property
    def source(self) -> str:
        """The data set."""
        return self.frame.split("/")[0]


class Amount(NamedTuple):
    """How many windows a frame of a source gives at most: mirrored pairs to train on, crossed fours to be scored on."""

    mirrored: int
    quads: int


AMOUNTS = {KVASIR: Amount(mirrored=3, quads=2), POLYPGEN: Amount(mirrored=5, quads=4)}
LARGE = 0.55  # of the field's short side
PLACES, LEAN = 16, 2  # places drawn a frame; windows of one label more than of the other

Pair = tuple[Window, Window]


class Cut(NamedTuple):
    """A window, and the field that it is shown through where one was drawn."""

    window: Window
    keep: Tensor | None = None


class Parts(NamedTuple):
    """The frames, by number, of a manifest."""

    train: Sequence[int]
    val: Sequence[int]
    test: Sequence[int]


def parts_of(
    name: str, frames: Sequence[Frame], groups: Sequence[str], dealt: Sequence[Sequence[int]]
) -> Parts:
    """Which frames a manifest trains, validates and tests on."""
    numbers = range(len(frames))
    if name in CENTRE_MANIFESTS:
        centre = name.removeprefix("centre_")
        tested = [number for number in numbers if frames[number].centre == centre]
        validated = without_groups(dealt[0], groups, tested)
    else:
        fold = MANIFESTS.index(name) if name != ALL else FOLDS
        tested = [] if name == ALL else sorted([*dealt[2 * fold], *dealt[2 * fold + 1]])
        validated = sorted(dealt[(2 * fold + 2) % PILES])
    return Parts(without_groups(numbers, groups, [*tested, *validated]), validated, tested)


def training_pairs(frames: Sequence[Frame], pile: Sequence[int]) -> list[Pair]:
    """The pairs of a pile, each of one source."""
    pairs = []
    for source, numbers in _by_source(frames, pile):
        chosen, amount = [frames[number] for number in numbers], AMOUNTS[source]
        found = mirrored_pairs(chosen, pairs=amount.mirrored, seed=SEED)
        places = PLACES * len(chosen)
        found += matched_pairs(chosen, smallest=LARGE, shapes=places, per_shape=1, lean=LEAN, seed=SEED + 1)
        pairs += [(_of_frame(one, numbers), _of_frame(other, numbers)) for one, other in found]
    return pairs


def scored_windows(frames: Sequence[Frame], numbers: Sequence[int]) -> list[Window]:
    """The windows that these frames are scored on: crossed fours, each of one source."""
    found = []
    for source, members in _by_source(frames, numbers):
        chosen = [frames[number] for number in members]
        windows = crossed_quads(chosen, shapes=3000, quads=AMOUNTS[source].quads, seed=SEED + 3)
        found += [_of_frame(window, members) for window in dict.fromkeys(windows)]
    return found


def _by_source(frames: Sequence[Frame], numbers: Sequence[int]) -> Iterator[tuple[str, list[int]]]:
    for source in dict.fromkeys(frames[number].source for number in numbers):
        yield source, [number for number in numbers if frames[number].source == source]


def _of_frame(window: Window, numbers: Sequence[int]) -> Window:
    return window._replace(frame=numbers[window.frame])


def blanked(frames: Sequence[Frame], pair: Pair) -> tuple[Cut, Cut]:
    """A pair, in some cases with a field drawn for both."""
    rng = np.random.default_rng([SEED, pair[0].frame, *pair[0].box, pair[1].frame, *pair[1].box])
    keep = drawn_field(frames, pair, rng) if rng.random() < BLANKED else None
    return Cut(pair[0], keep), Cut(pair[1], keep)


def write_windows(folders: Mapping[str, Path], out: Path) -> dict[str, Manifest]:
    """Cut the windows out and write the manifests.

    Args:
        folders: of the sources, by name; without PolypGen there are no manifests by centre.
        out: a folder; files that are there are not written again.

    Raises:
        DataError: frames that the demo shows, or near-copies of them.
    """
    frames = load_frames(folders)
    require_demo_unseen(frames)
    groups = merged_groups(frames)
    dealt = piles(frames, groups)
    list_frames(frames, groups, dealt, out)
    pairs = [blanked(frames, pair) for pile in dealt for pair in training_pairs(frames, pile)]
    written = {}
    for name in MANIFESTS:
        if name in CENTRE_MANIFESTS and POLYPGEN not in folders:
            continue
        parts = parts_of(name, frames, groups, dealt)
        train = set(parts.train)
        cuts = {
            "train": [cut for pair in pairs if {cut.window.frame for cut in pair} <= train for cut in pair],
            "val": [Cut(window) for window in scored_windows(frames, parts.val)],
            "test": [Cut(window) for window in scored_windows(frames, parts.test)],
        }
        rows = {
            file_of(frames[cut.window.frame], cut): _row(frames, groups, cut, split, out)
            for split, some in cuts.items()
            for cut in some
        }
        manifest = Manifest(root=out, label_names=LABELS, frames=tuple(rows.values()), source=f"{name}.csv")
        write_manifest(manifest, out / f"{name}.csv")
        written[name] = manifest
    return written


def list_frames(
    frames: Sequence[Frame], groups: Sequence[str], dealt: Sequence[Sequence[int]], out: Path
) -> None:
    """Write `frames.csv`."""
    fold_of = {number: FOLD_MANIFESTS[pile // 2] for pile, numbers in enumerate(dealt) for number in numbers}
    rows = [
        Listed(id_of(frame), frame.name, frame.centre, groups[number], fold_of[number])
        for number, frame in enumerate(frames)
    ]
    _write_rows(out / FRAMES, [Listed._fields, *rows])


def listed_frames(out: Path) -> list[Listed]:
    """Read `frames.csv`."""
    with (out / FRAMES).open(newline="", encoding="utf-8") as file:
        return [Listed(**row) for row in csv.DictReader(file)]


def _write_rows(path: Path, rows: Iterable[Sequence[str]]) -> None:
    def write(scratch: Path) -> None:
        with scratch.open("w", newline="", encoding="utf-8") as file:
            csv_writer(file).writerows(rows)

    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, write)


def _row(frames: Sequence[Frame], groups: Sequence[str], cut: Cut, split: str, out: Path) -> Row:
    """A window as a file, which is written unless it is there, and its row."""
    window = cut.window
    frame = frames[window.frame]
    name = file_of(frame, cut)
    if not (out / name).is_file():
        _cut_out(frame, cut, out)
    return Row(
        image=name,
        labels=(window.label,),
        exam=groups[window.frame],
        centre=frame.centre,
        mask=mask_of(name) if window.label else "",
        split=split,
    )


def _cut_out(frame: Frame, cut: Cut, out: Path) -> None:
    """Write the window's pixels and, where a polyp is in view, its mask."""
    x1, y1, x2, y2 = cut.window.box
    pixels, polyp = frame.pixels[:, y1:y2, x1:x2], torch.from_numpy(frame.mask()[y1:y2, x1:x2])
    if cut.keep is not None:
        seen = stretched(cut.keep, y2 - y1, x2 - x1)
        pixels, polyp = pixels * seen, polyp & seen
    image = file_of(frame, cut)
    if cut.window.label:
        _save((polyp.byte() * 255).numpy(), out / mask_of(image))
    _save(pixels.permute(1, 2, 0).numpy(), out / image)


def _save(pixels: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, lambda scratch: Image.fromarray(pixels).save(scratch, "PNG", compress_level=1))


def file_of(frame: Frame, cut: Cut) -> str:
    """The name of a window's file."""
    place = "_".join(map(str, cut.window.box))
    return f"windows/{id_of(frame)}_{place}{'' if cut.keep is None else '_blanked'}.png"


def id_of(frame: Frame) -> str:
    """A frame as source/stem."""
    return f"{frame.source}/{Path(frame.name).stem}"


def frame_of(window: str) -> str:
    """The frame of a window's file, as source/stem.

    >>> frame_of("windows/polypgen/C3_EndoCV2021_00458_10_20_210_260.png")
    'polypgen/C3_EndoCV2021_00458'
    """
    source, name = Path(window).parts[-2:]
    return f"{source}/{name.removesuffix('_blanked.png').rsplit('_', 4)[0]}"


def box_of(window: str) -> tuple[int, int, int, int]:
    """The box (x1, y1, x2, y2) of a window's file.

    >>> box_of("windows/polypgen/C3_EndoCV2021_00458_10_20_210_260.png")
    (10, 20, 210, 260)
    """
    x1, y1, x2, y2 = map(int, Path(window).stem.removesuffix("_blanked").rsplit("_", 4)[1:])
    return x1, y1, x2, y2


def mask_of(image: str) -> str:
    """The name of the mask's file, of a window's."""
    return image.replace("windows/", "masks/", 1)


def opened(out: Path, name: str) -> Manifest:
    """One of the manifests, with the labels in their order."""
    return read_manifest(out / f"{name}.csv", labels=LABELS)


def describe(manifest: Manifest) -> str:
    """Count a manifest's windows by split, label and source."""
    said = []
    for split in ("train", "val", "test"):
        rows = [row for row in manifest.frames if row.split == split]
        if rows:
            polyps = sum(row.labels[0] for row in rows)
            ours = sum(row.image.startswith(f"windows/{POLYPGEN}/") for row in rows)
            groups = len({row.exam for row in rows})
            said.append(f"{split} {len(rows)} ({polyps} with a polyp, {ours} of {POLYPGEN}, {groups} groups)")
    return "; ".join(said)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for source in SOURCES:
        parser.add_argument(source, type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    folders = {source: getattr(arguments, source) for source in SOURCES}
    for name, manifest in write_windows(folders, arguments.out).items():
        print(f"{arguments.out / name}.csv: {describe(manifest)}")
