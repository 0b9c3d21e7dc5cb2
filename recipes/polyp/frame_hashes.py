"""Writes the digests of the frames that the built-in polyp model was trained on, one a line.

    python -m recipes.polyp.frame_hashes ROOT

ROOT is the folder of Kvasir-SEG, with `images/`. `lag-zoo predict` marks these frames `in_training_data`.
"""

import sys
from pathlib import Path

import lag_zoo.catalogue
from lag_zoo.catalogue.polyp import NAME
from lag_zoo.data import find_images, read_image
from lag_zoo.provenance import frame_digest

TARGET = Path(lag_zoo.catalogue.__file__).with_name(f"{NAME}_frames.txt")


def main(root: Path) -> None:
    digests = sorted({frame_digest(read_image(path)) for path in find_images([root / "images"])})
    TARGET.write_text("".join(f"{digest}\n" for digest in digests), encoding="ascii")
    print(f"{len(digests)} digests written to {TARGET}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
