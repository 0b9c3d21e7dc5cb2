"""Burnt-in text: how often `lag_zoo.data.burnt_in` suspects it, in frames with drawn text and as they are.

python -m benchmarks.burnt_in --frames 12

Frames of the shared sets as an import would write them, with all outside the field of view blanked, and the same frames
with a name and a date drawn into the field at several sizes. Many frames of Kvasir-SEG have a date of their own there.
"""

import argparse
import io
import os
import random
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from lag_zoo.data.burnt_in import text_suspected
from lag_zoo.data.images import read_image
from lag_zoo.views import find_field_of_view

SETS = {
    "Kvasir-SEG": "kvasir_seg/images/*.jpg",
    "NeoPolyp": "neopolyp/images/*",
    "PolypGen": "polypgen/images/*",
    "LAG samples": "samples/*/*.TIF",
    "CH-Gastro": "chgastro/images/*",
}
SIZES = (14, 22, 32)  # pixels of the letters' height


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=12, help="of each set")
    count = parser.parse_args().frames
    shared = Path(os.environ.get("LAG_ZOO_SHARED") or "../shared")
    warnings.simplefilter("ignore")
    print("| frames | n | as they are |", *(f" drawn text of {size} |" for size in SIZES))
    for name, pattern in SETS.items():
        paths = sorted(shared.glob(pattern))
        frames = [read_image(path) for path in random.Random(0).sample(paths, min(count, len(paths)))]
        found = [sum(map(suspected, frames))]
        found += [sum(suspected(drawn_on(f, size, n)) for n, f in enumerate(frames)) for size in SIZES]
        print(f"| {name} | {len(frames)} | {' | '.join(map(str, found))} |", flush=True)


def suspected(pixels: torch.Tensor) -> bool:
    return text_suspected(pixels, find_field_of_view(pixels[None]).mask()[0])


def drawn_on(pixels: torch.Tensor, size: int, seed: int) -> torch.Tensor:
    """The frame with a white name and date in its middle, as a JPEG of quality 90."""
    picture, rng = Image.fromarray(pixels.permute(1, 2, 0).numpy()), np.random.default_rng(seed)
    at = picture.width * rng.uniform(0.3, 0.45), picture.height * rng.uniform(0.3, 0.7)
    font = ImageFont.load_default(size)
    ImageDraw.Draw(picture).text(at, "DOE JANE 24/12/1963", "white", font=font)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return read_image(file.getvalue())


if __name__ == "__main__":
    main()
