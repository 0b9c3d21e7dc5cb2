"""How many near-copies the hashes find at each distance, how many other pairs they take for some, and the time.

    python -m benchmarks.near_duplicates

On Kvasir-SEG, PolypGen, NeoPolyp and chromoendoscopy of the stomach. Frames of different hospitals are never copies of
each other, so pairs of two data sets that are found are false. Pairs of one are counted apart, for unknown copies are
among them; the nearest that share no group are listed, to be looked at. Of every twelfth frame copies are made in each
of several ways, and the distance to the original is counted. Then the list of the built-in weights' training frames:
how many copies of these it knows, and of frames of the other data sets it takes for some. Last, the seconds.
"""

import io
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torchvision.transforms.v2.functional as F
from PIL import Image
from torch import Tensor

from lag_zoo.catalogue.polyp import NAME
from lag_zoo.data.images import read_image
from lag_zoo.data.tables import read_manifest
from lag_zoo.likeness import (
    BITS,
    CUTS,
    DISTANCE,
    Hashes,
    _positions,
    frame_hashes,
    looks_like,
    near_duplicates,
    signs,
)
from lag_zoo.provenance import known_frames

SETS = {"kvasir_seg": ("label", "group"), "polypgen": ("centre", "group"), "neopolyp": ("label", "group"),
        "chgastro": ("label", "group")}  # fmt: skip
DISTANCES = (10, 16, 22, 26, 30, 32, 34, 36, 38, 42, 46, 50)
EACH = 12  # of how many frames one is copied
LISTED = 12
MANY = 5000


class Seen(NamedTuple):
    """One frame: its data set, name and group, its hashes, and those of its copies."""

    data: str
    name: str
    group: str
    hashes: Hashes
    copies: list[Hashes]


def recompressed(frame: Tensor, quality: int = 40) -> Tensor:
    buffer = io.BytesIO()
    Image.fromarray(frame.permute(1, 2, 0).contiguous().numpy()).save(buffer, "JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(buffer))).permute(2, 0, 1)


def resized(frame: Tensor) -> Tensor:
    return F.resize(frame, [frame.shape[1] // 2, frame.shape[2] // 2], antialias=True)


def cut(*shares: float) -> Callable[[Tensor], Tensor]:
    """A copy that lacks such a share left, above, right and below."""

    def apply(frame: Tensor) -> Tensor:
        height, width = frame.shape[1:]
        left, top, right, bottom = (
            round(share * side) for share, side in zip(shares, (width, height) * 2, strict=True)
        )
        return frame[:, top : height - bottom, left : width - right]

    return apply


COPIES: dict[str, Callable[[Tensor], Tensor]] = {
    "JPEG at 40": recompressed,
    "half size": resized,
    "15% brighter": lambda frame: (frame.float() * 1.15).clamp(0, 255).to(torch.uint8),
    "border": lambda frame: F.pad(frame, [frame.shape[2] // 8, 5, 5, 20]),
    "mirrored": lambda frame: frame.flip(-1),
    "quarter turn": lambda frame: frame.rot90(1, (1, 2)),
    "half turn": lambda frame: frame.rot90(2, (1, 2)),
    "2% cut": cut(*[0.02] * 4),
    "5% cut": cut(*[0.05] * 4),
    "10% cut": cut(*[0.1] * 4),
    "12% cut": cut(*[0.12] * 4),
    "10% cut, mirrored, JPEG at 60": lambda frame: recompressed(cut(*[0.1] * 4)(frame).flip(-1), 60),
    "10% cut left and above only": cut(0.1, 0.1, 0, 0),
}


def seen(job: tuple[str, str, str, bool]) -> Seen:
    data, path, group, copied = job
    frame = read_image(path)
    copies = [frame_hashes(copy(frame).contiguous()) for copy in COPIES.values()] if copied else []
    return Seen(data, Path(path).name, group, frame_hashes(frame), copies)


def jobs(shared: Path) -> list[tuple[str, str, str, bool]]:
    found = []
    for data, (label, group) in SETS.items():
        manifest = read_manifest(shared / data / "manifest.csv", columns={label: "label", group: "exam"})
        for number, frame in enumerate(manifest.frames):
            found.append((data, str(manifest.path(frame)), frame.exam, number % EACH == 0))
    return found


def distances(frames: list[Hashes], whole: Tensor) -> np.ndarray:
    """The bits (frames, whole) in which frames differ from whole ones, in the best position and cut."""
    rows = []
    for hashes in frames:
        agreeing = (_positions(signs(hashes)) @ whole.T).amax(0)
        rows.append((BITS - agreeing.numpy()) / 2)
    return np.array(rows)


def print_found(frames: list[Seen]) -> None:
    whole = signs([frame.hashes[0] for frame in frames])
    apart = distances([frame.hashes for frame in frames], whole)
    apart = np.minimum(apart, apart.T)
    one, other = np.triu_indices(len(frames), 1)
    pairs = apart[one, other]
    data, group = np.array([f.data for f in frames]), np.array([f.group for f in frames])
    hospitals = data[one] != data[other]
    same = ~hospitals & (group[one] == group[other])
    rest = ~hospitals & ~same
    copied = [(number, frame) for number, frame in enumerate(frames) if frame.copies]
    copies = np.array([
        [
            min(
                distances([frame.hashes], signs([copy[0]]))[0, 0],
                distances([copy], whole[number : number + 1])[0, 0],
            )
            for copy in frame.copies
        ]
        for number, frame in copied
    ])  # fmt: skip
    print(
        f"{len(frames)} frames; {hospitals.sum()} pairs of two data sets, {rest.sum()} of one and two groups, "
    )
    print(f"{same.sum()} of one group; copies of {len(copied)} frames; bits used: {DISTANCE} of {BITS}\n")
    print("| bits | two data sets | one data set, two groups | " + " | ".join(COPIES) + " |")
    print("| --- " * (3 + len(COPIES)) + "|")
    for bits in DISTANCES:
        shares = " | ".join(f"{share:.0%}" for share in (copies <= bits).mean(axis=0))
        print(f"| {bits} | {(pairs[hospitals] <= bits).sum()} | {(pairs[rest] <= bits).sum()} | {shares} |")
    print("\nthe nearest pairs of one data set that share no group")
    for place in np.argsort(np.where(rest, pairs, BITS))[:LISTED]:
        a, b = frames[one[place]], frames[other[place]]
        print(f"{pairs[place]:3.0f} bits: {a.data} {a.name} {b.name}")


def print_known(frames: list[Seen]) -> None:
    known = signs([value for value in known_frames(NAME).hashes.values() if value is not None])
    own = [frame for frame in frames if frame.data == "kvasir_seg" and frame.copies]
    print(f"\nby the list of the training frames of {NAME}, of {len(own)} of them")
    for number, name in enumerate(COPIES):
        print(f"{name}: {sum(looks_like(frame.copies[number], known) for frame in own) / len(own):.0%} known")
    others = [frame for frame in frames if frame.data != "kvasir_seg"]
    print(
        f"of {len(others)} frames of other data sets: {sum(looks_like(f.hashes, known) for f in others)} known"
    )


def print_seconds(shared: Path) -> None:
    torch.set_num_threads(1)
    for data in ("kvasir_seg", "polypgen"):
        paths = sorted((shared / data / "images").iterdir())[:10]
        images = [read_image(path) for path in paths]
        start = time.process_time()
        for image in images:
            frame_hashes(image)
        spent = (time.process_time() - start) / len(images)
        print(f"a frame of {data}: {1000 * spent:.0f} ms of one core")
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 256, (MANY, len(CUTS), BITS // 8), np.uint8)
    many = [tuple(int.from_bytes(row.tobytes(), "big") for row in frame) for frame in bits]
    start = time.process_time()
    near_duplicates(many)
    print(f"{MANY} random hashes compared: {time.process_time() - start:.0f} s of one core")


def main() -> None:
    shared = Path(os.environ.get("LAG_ZOO_SHARED") or Path(__file__).resolve().parents[2] / "shared")
    with ProcessPoolExecutor() as pool:
        frames = list(pool.map(seen, jobs(shared), chunksize=8))
    print_found(frames)
    print_known(frames)
    print_seconds(shared)


if __name__ == "__main__":
    main()
