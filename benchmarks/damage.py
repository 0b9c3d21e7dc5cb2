"""How much damage to image files is found, by format and kind, and how many whole files are taken for damaged.

    python -m benchmarks.damage [--every N]

On all frames of Kvasir-SEG, PolypGen and NeoPolyp, which are no part of the repository (LAG_ZOO_SHARED, or `shared`
beside the checkout). The files are JPEG; as the other formats they are written anew. Of every N-th frame damaged copies
are made. A copy is found where `read_image` refuses it; one that is not, but whose pixels are all as they were, counts
as no damage. Whole files: all of them, as they lie there.
"""

import argparse
import io
import os
import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch
from PIL import Image

from lag_zoo.data.images import find_images, read_image
from lag_zoo.errors import UnreadableImageError

SETS = ("kvasir_seg", "polypgen", "neopolyp")
_END = b"\xff\xd9"


def hole(data: bytes, size: int, place: float = 0.5) -> bytes:
    at = int(place * len(data))
    return data[:at] + bytes(len(data[at : at + size])) + data[at + size :]


def other_bytes(data: bytes, size: int) -> bytes:
    at = len(data) // 2
    return data[:at] + random.Random(at).randbytes(size) + data[at + size :]


def one_bit(data: bytes) -> bytes:
    at = random.Random(len(data)).randrange(len(data) // 4, len(data))
    return data[:at] + bytes([data[at] ^ 8]) + data[at + 1 :]


KINDS: dict[str, Callable[[bytes], bytes]] = {
    "cut off at a third": lambda data: data[: len(data) // 3],
    "ended at a third, with an end": lambda data: data[: len(data) // 3] + _END,
    "the last tenth zeroed": lambda data: hole(data, len(data), 0.9),
    "a hole of 2,000 zeros": lambda data: hole(data, 2000),
    "a hole of 64 zeros": lambda data: hole(data, 64),
    "500 other bytes": lambda data: other_bytes(data, 500),
    "500 bytes lost": lambda data: data[: len(data) // 2] + data[len(data) // 2 + 500 :],
    "500 bytes doubled": lambda data: data[: len(data) // 2 + 500] + data[len(data) // 2 :],
    "its own beginning again from the middle on": lambda data: (
        data[: len(data) // 2] + data[: len(data) // 2]
    ),
    "one bit flipped": one_bit,
}
FORMATS: dict[str, dict[str, object]] = {
    "JPEG, as it lies there": {},
    "JPEG, progressive": {"format": "JPEG", "quality": 90, "progressive": True},
    "PNG": {"format": "PNG", "compress_level": 1},
    "WebP": {"format": "WEBP", "quality": 90, "method": 0},
    "TIFF, LZW": {"format": "TIFF", "compression": "tiff_lzw"},
    "TIFF, uncompressed": {"format": "TIFF"},
}


def refused(data: bytes, right: torch.Tensor) -> bool | None:
    """Whether damage is found; `None`: there is none to be found."""
    try:
        pixels = read_image(data)
    except UnreadableImageError:
        return True
    return None if torch.equal(pixels, right) else False


def tried(path: Path) -> Counter[tuple[str, str, bool]]:
    """What comes of each kind of damage, in each format."""
    found: Counter[tuple[str, str, bool]] = Counter()
    stored = path.read_bytes()
    for name, options in FORMATS.items():
        data = stored
        if options:
            buffer = io.BytesIO()
            Image.open(io.BytesIO(stored)).convert("RGB").save(buffer, **options)  # type: ignore[arg-type]
            data = buffer.getvalue()
        right = read_image(data)
        for kind, damage in KINDS.items():
            if (answer := refused(damage(data), right)) is not None:
                found[name, kind, answer] += 1
    return found


def taken_for_damaged(path: Path) -> str:
    try:
        read_image(path)
    except UnreadableImageError as error:
        return str(error)
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--every", type=int, default=20)
    every = parser.parse_args().every
    shared = Path(os.environ.get("LAG_ZOO_SHARED") or Path(__file__).parents[2] / "shared")
    files = [path for name in SETS for path in find_images([shared / name / "images"])]
    with ProcessPoolExecutor() as pool:
        false = [error for error in pool.map(taken_for_damaged, files, chunksize=20) if error]
        found: Counter[tuple[str, str, bool]] = Counter()
        for one in pool.map(tried, files[::every]):
            found += one
    print(
        f"Whole files taken for damaged: {len(false)} of {len(files)}. Damaged copies of {len(files[::every])}:\n"
    )
    rows = [["damage", *FORMATS]]
    for kind in KINDS:
        cells = []
        for name in FORMATS:
            yes, no = found[name, kind, True], found[name, kind, False]
            cells.append(f"{yes} of {yes + no}" if yes + no else "")
        rows.append([kind, *cells])
    print("\n".join(f"| {' | '.join(row)} |" for row in [rows[0], ["---"] * len(rows[0]), *rows[1:]]))
    for error in false[:5]:
        print(error)


if __name__ == "__main__":
    main()
