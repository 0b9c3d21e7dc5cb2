"""How many known near-copies the hash finds, and how many other pairs it takes for some.

By `python -m benchmarks.near_duplicates`, on Kvasir-SEG, whose manifest names groups of near-copies as far as they were
found; others may be among the rest.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from lag_zoo.data.images import read_image
from lag_zoo.data.near_duplicates import DISTANCE, frame_hash
from lag_zoo.data.sources import open_data


def main() -> None:
    shared = Path(os.environ.get("LAG_ZOO_SHARED") or Path(__file__).resolve().parents[2] / "shared")
    manifest = open_data(shared / "kvasir_seg" / "manifest.csv", columns={"group": "exam"})
    with ThreadPoolExecutor() as pool:
        hashes = list(pool.map(lambda path: frame_hash(read_image(path)), manifest.paths()))
    groups = manifest.groups()
    pairs = [
        ((hashes[i] ^ hashes[j]).bit_count(), groups[i] == groups[j])
        for i in range(len(hashes))
        for j in range(i)
    ]
    distances, known = (np.array(column) for column in zip(*pairs, strict=True))
    print(
        f"{len(hashes)} frames, {len(pairs)} pairs, {known.sum()} of them known near-copies; used: {DISTANCE} bits"
    )
    for distance in range(0, 25, 2):
        near = distances <= distance
        print(f"{distance:3d} bits: {(near & known).sum()} known found, {(near & ~known).sum()} others")


if __name__ == "__main__":
    main()
