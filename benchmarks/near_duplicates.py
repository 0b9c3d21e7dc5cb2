"""How many near-copies the hash finds at each distance, and how many other pairs it takes for some.

By `python -m benchmarks.near_duplicates`, on Kvasir-SEG, whose manifest names groups of near-copies as far as they were
found; others may be among the rest, and the known ones are few. So a copy of each frame is made in each of several
ways, and the distance to its original is counted too. Last, the seconds for 50,000 random hashes, which have no
near-copies among them.
"""

import io
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
from lag_zoo.data.near_duplicates import DISTANCE, frame_hash, near_duplicates
from lag_zoo.data.sources import open_data

DISTANCES = range(25)
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
}


def hashed(path: Path) -> list[int]:
    """The hashes of a frame and of its copies."""
    frame = read_image(path)
    return [frame_hash(frame), *(frame_hash(copy(frame)) for copy in COPIES.values())]


def pairs(hashes: list[int], groups: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Of every pair of frames: the bits in which they differ, and whether they share a group."""
    found = [
        ((hashes[i] ^ hashes[j]).bit_count(), groups[i] == groups[j])
        for i in range(len(hashes))
        for j in range(i)
    ]
    distances, known = (np.array(column) for column in zip(*found, strict=True))
    return distances, known


def main() -> None:
    shared = Path(os.environ.get("LAG_ZOO_SHARED") or Path(__file__).resolve().parents[2] / "shared")
    manifest = open_data(shared / "kvasir_seg" / "manifest.csv", columns={"group": "exam"})
    with ThreadPoolExecutor() as pool:
        hashes = list(pool.map(hashed, manifest.paths()))
    distances, known = pairs([of_frame[0] for of_frame in hashes], manifest.groups())
    copies = np.array([[(copy ^ own).bit_count() for copy in rest] for own, *rest in hashes])
    print(
        f"{len(hashes)} frames, {len(known)} pairs, {known.sum()} of them known near-copies; bits used: {DISTANCE}\n"
    )
    print("| bits | known found | other pairs | " + " | ".join(COPIES) + " |")
    print("| --- " * (3 + len(COPIES)) + "|")
    for bits in DISTANCES:
        near = distances <= bits
        shares = " | ".join(f"{share:.1%}" for share in (copies <= bits).mean(axis=0))
        print(f"| {bits} | {(near & known).sum()} | {(near & ~known).sum()} | {shares} |")
    drawn = random.Random(0)
    many = [drawn.getrandbits(128) for _ in range(MANY)]
    start = time.perf_counter()
    found = near_duplicates(many)
    print(f"\n{MANY} random hashes: {len(found)} groups in {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
