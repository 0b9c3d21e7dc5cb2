"""How many copies of each kind the detector of near-copies finds, how many other pairs it takes for some, and the time.

    python -m benchmarks.near_duplicates

On Kvasir-SEG, PolypGen, NeoPolyp and chromoendoscopy of the stomach. Of every twelfth frame of Kvasir-SEG a copy of
each kind is made, and all copies of a kind are looked for among the frames that they were made from, as `lag-zoo data
check` does. Frames of different hospitals are never copies of each other, so pairs of two data sets that stand in one
group are false. Pairs of one data set are counted apart, for unknown copies are among them. Then the list of the
built-in weights' training frames, which holds a hash of each and no more: how many copies it knows, and how many frames
that the weights have not seen it takes for some. Last, seconds of one core, and how they grow with the frames.
"""

import io
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torchvision.transforms.v2.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

from lag_zoo.catalogue.polyp import NAME
from lag_zoo.data.images import read_image
from lag_zoo.data.tables import read_manifest
from lag_zoo.likeness import Hashes, frame_hashes, looks_like, signs
from lag_zoo.provenance import known_frames
from lag_zoo.sketches import Sketch, near_copies_among, sketch_frame
from lag_zoo.views import find_field_of_view

SETS = {"kvasir_seg": ("label", "group"), "polypgen": ("centre", "group"), "neopolyp": ("label", "group"),
        "chgastro": ("label", "group")}  # fmt: skip
COPIED = "kvasir_seg"
LEARNT = ("kvasir_seg", "polypgen")  # the weights have seen them
EACH = 12  # of how many frames one is copied
LISTED = 12

Copy = Callable[[Tensor], Tensor]


class Seen(NamedTuple):
    """One frame: its data set, name and group, its sketch, and of its copies the sketches and the hashes."""

    data: str
    name: str
    group: str
    sketch: Sketch
    hashes: Hashes
    copies: list[tuple[Sketch, Hashes]]


def recompressed(frame: Tensor, quality: int = 40) -> Tensor:
    buffer = io.BytesIO()
    Image.fromarray(frame.permute(1, 2, 0).contiguous().numpy()).save(buffer, "JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(buffer))).permute(2, 0, 1)


def resized(frame: Tensor) -> Tensor:
    return F.resize(frame, [frame.shape[1] // 2, frame.shape[2] // 2], antialias=True)


def cut(*shares: float) -> Copy:
    """A copy that lacks such a share left, above, right and below."""

    def apply(frame: Tensor) -> Tensor:
        height, width = frame.shape[1:]
        left, top, right, bottom = (
            round(share * side) for share, side in zip(shares, (width, height) * 2, strict=True)
        )
        return frame[:, top : height - bottom, left : width - right]

    return apply


def moved(across: int, down: int, *, repeated: bool = False) -> Copy:
    """A copy moved by so many pixels; what opens is black, or repeats the edge."""

    def apply(frame: Tensor) -> Tensor:
        y, x = torch.arange(frame.shape[1]) - down, torch.arange(frame.shape[2]) - across
        inside_y, inside_x = y.clamp(0, frame.shape[1] - 1), x.clamp(0, frame.shape[2] - 1)
        copy = frame[:, inside_y][:, :, inside_x]
        return copy if repeated else copy * (y == inside_y)[:, None] * (x == inside_x)

    return apply


def boxed(frame: Tensor) -> Tensor:
    """A copy with a grey box over 14% of it."""
    height, width = frame.shape[1:]
    copy = frame.clone()
    copy[:, int(0.55 * height) : int(0.9 * height), int(0.5 * width) : int(0.9 * width)] = 200
    return copy


def inset(frame: Tensor) -> Tensor:
    """A copy with a picture laid over 13% of it: the frame itself, mirrored and shrunk."""
    height, width = frame.shape[1:]
    tall, wide = int(0.35 * height), int(0.38 * width)
    copy = frame.clone()
    at = slice(int(0.1 * height), int(0.1 * height) + tall), slice(int(0.1 * width), int(0.1 * width) + wide)
    copy[(slice(None), *at)] = F.resize(frame.flip(-1), [tall, wide], antialias=True)
    return copy


def written_on(frame: Tensor) -> Tensor:
    """A copy with four lines of text."""
    image = Image.fromarray(frame.permute(1, 2, 0).contiguous().numpy())
    height, width = frame.shape[1:]
    for line in range(4):
        at = (0.1 * width, (0.15 + 0.2 * line) * height)
        ImageDraw.Draw(image).text(at, "Name, 2026-01-01 12:00", fill=(255, 255, 0), font_size=height // 12)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


COPIES: dict[str, Copy] = {
    "mirrored": lambda frame: frame.flip(-1),
    "upside down": lambda frame: frame.flip(-2),
    "quarter turn left": lambda frame: frame.rot90(1, (1, 2)),
    "quarter turn right": lambda frame: frame.rot90(3, (1, 2)),
    "half turn": lambda frame: frame.rot90(2, (1, 2)),
    "transposed": lambda frame: frame.mT,
    "transposed, half turn": lambda frame: frame.mT.rot90(2, (1, 2)),
    "JPEG at 40": recompressed,
    "half size": resized,
    "224 x 224": lambda frame: F.resize(frame, [224, 224], antialias=True),
    "15% brighter": lambda frame: (frame.float() * 1.15).clamp(0, 255).to(torch.uint8),
    "border": lambda frame: F.pad(frame, [frame.shape[2] // 8, 5, 5, 20]),
    **{f"{share}% cut of each side": cut(*[share / 100] * 4) for share in (2, 5, 10, 15, 20)},
    "10% cut left": cut(0.1, 0, 0, 0),
    "20% cut left": cut(0.2, 0, 0, 0),
    "20% cut above": cut(0, 0.2, 0, 0),
    "20% cut right": cut(0, 0, 0.2, 0),
    "20% cut below": cut(0, 0, 0, 0.2),
    "10% cut left and above": cut(0.1, 0.1, 0, 0),
    "20% cut left and above": cut(0.2, 0.2, 0, 0),
    "20% cut right and below": cut(0, 0, 0.2, 0.2),
    "20, 5, 10, 15% cut": cut(0.2, 0.05, 0.1, 0.15),
    "24 pixels to the right": moved(24, 0),
    "24 pixels to the left": moved(-24, 0),
    "24 pixels up": moved(0, -24),
    "24 pixels down": moved(0, 24),
    "24 pixels right, edge repeated": moved(24, 0, repeated=True),
    "24 pixels up, edge repeated": moved(0, -24, repeated=True),
    "grey box": boxed,
    "picture in the picture": inset,
    "text": written_on,
    "10% cut, mirrored, JPEG at 60": lambda frame: recompressed(cut(*[0.1] * 4)(frame).flip(-1), 60),
    "20% cut, mirrored, JPEG at 40": lambda frame: recompressed(cut(*[0.2] * 4)(frame).flip(-1)),
}


def seen(job: tuple[str, str, str, bool]) -> Seen:
    torch.set_num_threads(1)
    data, path, group, copied = job
    frame = read_image(path)
    copies = [known_by(copy(frame).contiguous()) for copy in COPIES.values()] if copied else []
    return Seen(data, Path(path).name, group, *known_by(frame), copies)


def known_by(frame: Tensor) -> tuple[Sketch, Hashes]:
    field = find_field_of_view(frame[None])
    return sketch_frame(frame, field=field), frame_hashes(frame, field=field)


def jobs(shared: Path) -> list[tuple[str, str, str, bool]]:
    found = []
    for data, (label, group) in SETS.items():
        manifest = read_manifest(shared / data / "manifest.csv", columns={label: "label", group: "exam"})
        for number, frame in enumerate(manifest.frames):
            copied = data == COPIED and number % EACH == 0
            found.append((data, str(manifest.path(frame)), frame.exam, copied))
    return found


def print_recall(frames: list[Seen]) -> None:
    own = [frame for frame in frames if frame.copies]
    known = signs([value for value in known_frames(NAME).hashes.values() if value is not None])
    print(
        f"copies of {len(own)} frames of {COPIED}; beside it, by the list of the training frames of {NAME}\n"
    )
    print("| kind | found | known by the list |\n| --- | --- | --- |")
    count = len(own)
    for number, kind in enumerate(COPIES):
        copies = [frame.copies[number] for frame in own]
        groups = near_copies_among([*(frame.sketch for frame in own), *(sketch for sketch, _ in copies)])
        joined = {place: group for group in groups for place in group}
        found = sum(place + count in joined.get(place, ()) for place in range(count))
        listed = sum(looks_like(hashes, known) for _, hashes in copies)
        print(f"| {kind} | {found / count:.0%} ({found}) | {listed / count:.0%} |", flush=True)
    others = [frame for frame in frames if frame.data not in LEARNT]
    wrong = sum(looks_like(frame.hashes, known) for frame in others)
    print(f"\nof {len(others)} frames that the weights have not seen the list takes {wrong} for its own")


def print_false(frames: list[Seen]) -> None:
    sizes = [sum(frame.data == data for frame in frames) for data in SETS]
    pairs = sum(one * other for one, other in combinations(sizes, 2))
    groups = near_copies_among([frame.sketch for frame in frames])
    joined = [(frames[a], frames[b]) for group in groups for a, b in combinations(group, 2)]
    false = [(a, b) for a, b in joined if a.data != b.data]
    new = [(a, b) for a, b in joined if a.data == b.data and a.group != b.group]
    same = len(joined) - len(false) - len(new)
    print(
        f"\n{len(frames)} frames: {pairs} pairs of two data sets, of which {len(false)} are taken for copies"
    )
    print(f"of pairs of one data set: {same} that share a group, {len(new)} that do not; some of these:")
    for a, b in [*false, *new][:LISTED]:
        print(f"{a.data} {a.name} = {b.data} {b.name}")


def print_seconds(frames: list[Seen], shared: Path) -> None:
    torch.set_num_threads(1)
    print("\nseconds of one core")
    for data in ("kvasir_seg", "polypgen"):
        paths = sorted((shared / data / "images").iterdir())[:30]
        start = time.process_time()
        images = [read_image(path) for path in paths]
        read = time.process_time()
        for image in images:
            sketch_frame(image)
        ms = [1000 * spent / len(paths) for spent in (read - start, time.process_time() - read)]
        print(f"a frame of {data}: {ms[0]:.0f} ms to read, {ms[1]:.0f} ms to sketch")
    sketches = [frames[number].sketch for number in np.random.default_rng(0).permutation(len(frames))]
    took = []
    for count in (len(frames) // 4, len(frames) // 2, len(frames)):
        start = time.process_time()
        near_copies_among(sketches[:count])
        took.append((count, time.process_time() - start))
        print(f"{count} frames compared: {took[-1][1]:.2f} s")
    (n, half), (m, whole) = took[1:]
    square = (whole / m - half / n) / (m - n)
    each = whole / m - square * m
    print(
        f"by these, of n frames: {each:.2g} n + {square:.2g} n^2; of 20,000: {20000 * each + 4e8 * square:.0f} s"
    )


def main() -> None:
    shared = Path(os.environ.get("LAG_ZOO_SHARED") or Path(__file__).resolve().parents[2] / "shared")
    with ProcessPoolExecutor() as pool:
        frames = list(pool.map(seen, jobs(shared), chunksize=8))
    print_recall(frames)
    print_false(frames)
    print_seconds(frames, shared)


if __name__ == "__main__":
    main()
