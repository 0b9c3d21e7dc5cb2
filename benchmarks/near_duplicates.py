"""How many near-copies the hash finds at each distance, and how many other pairs it takes for some.

By `python -m benchmarks.near_duplicates`, on Kvasir-SEG, whose manifest names groups of near-copies as far as they were
found. They are few, and others are among the rest: the nearest pairs that it does not name are listed, to be looked at.
So a copy of each frame is made in each of several ways, too, and the distance to its original is counted. Last, the
seconds for 50,000 random hashes, among which are no near-copies.
"""

import io
import itertools
import os
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
import torchvision.transforms.v2.functional as F
from PIL import Image
from torch import Tensor

from lag_zoo.data.images import read_image
from lag_zoo.data.manifest import Manifest
from lag_zoo.data.near_duplicates import DISTANCE, frame_hash, near_duplicates
from lag_zoo.data.sources import open_data

DISTANCES = range(25)
LISTED = 22  # up to how many bits
MANY = 50_000


def recompressed(frame: Tensor) -> Tensor:
    buffer = io.BytesIO()
    Image.fromarray(frame.permute(1, 2, 0).numpy()).save(buffer, "JPEG", quality=40)
    return torch.from_numpy(np.array(Image.open(buffer))).permute(2, 0, 1)


def resized(frame: Tensor) -> Tensor:
    return F.resize(frame, [frame.shape[1] // 2, frame.shape[2] // 2], antialias=True)


def brightened(frame: Tensor) -> Tensor:
    return (frame.float() * 1.15).clamp(0, 255).to(torch.uint8)


def cut(share: float) -> Callable[[Tensor], Tensor]:
    """A copy that lacks this share of each side."""

    def apply(frame: Tensor) -> Tensor:
        y, x = (round(size * share) for size in frame.shape[1:])
        return frame[:, y : frame.shape[1] - y, x : frame.shape[2] - x]

    return apply


COPIES: dict[str, Callable[[Tensor], Tensor]] = {
    "JPEG at 40": recompressed,
    "half size": resized,
    "15% brighter": brightened,
    "1% cut": cut(0.01),
    "2% cut": cut(0.02),
    "4% cut": cut(0.04),
    "border": lambda frame: F.pad(frame, [frame.shape[2] // 8, 5, 5, 20]),
}


def hashed(path: Path) -> list[int]:
    """The hashes of a frame and of its copies."""
    frame = read_image(path)
    return [frame_hash(frame), *(frame_hash(copy(frame)) for copy in COPIES.values())]


def listed(manifest: Manifest, hashes: list[int]) -> None:
    """Prints the nearest pairs that share no group."""
    groups, paths = manifest.groups(), manifest.paths()
    print("\nthe nearest pairs that share no group")
    for bits, i, j in sorted(
        ((a ^ b).bit_count(), i, j) for (i, a), (j, b) in itertools.combinations(enumerate(hashes), 2)
    ):
        if bits > LISTED:
            break
        if groups[i] != groups[j]:
            print(f"{bits:3d} bits: {paths[i].name} {paths[j].name}")


def main() -> None:
    shared = Path(os.environ.get("LAG_ZOO_SHARED") or Path(__file__).resolve().parents[2] / "shared")
    manifest = open_data(shared / "kvasir_seg" / "manifest.csv", columns={"group": "exam"})
    with ThreadPoolExecutor() as pool:
        hashes = list(pool.map(hashed, manifest.paths()))
    own = [of_frame[0] for of_frame in hashes]
    distances = np.array([(a ^ b).bit_count() for a, b in itertools.combinations(own, 2)])
    known = np.array([a == b for a, b in itertools.combinations(manifest.groups(), 2)])
    copies = np.array([[(copy ^ first).bit_count() for copy in rest] for first, *rest in hashes])
    print(
        f"{len(hashes)} frames, {len(known)} pairs, {known.sum()} of them known near-copies; bits used: {DISTANCE}\n"
    )
    print("| bits | known found | other pairs | " + " | ".join(COPIES) + " |")
    print("| --- " * (3 + len(COPIES)) + "|")
    for bits in DISTANCES:
        near = distances <= bits
        shares = " | ".join(f"{share:.1%}" for share in (copies <= bits).mean(axis=0))
        print(f"| {bits} | {(near & known).sum()} | {(near & ~known).sum()} | {shares} |")
    listed(manifest, own)
    drawn = random.Random(0)
    many = [drawn.getrandbits(128) for _ in range(MANY)]
    start = time.perf_counter()
    found = near_duplicates(many)
    print(f"\n{MANY} random hashes: {len(found)} groups in {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
