"""Writes the digests and hashes of the frames that the built-in polyp model was trained on, one a line.

    python -m recipes.polyp.frame_hashes ROOT

ROOT is the folder of Kvasir-SEG, with `images/`. `lag-zoo predict` marks these frames and near-copies of them
`in_training_data`.
"""

import sys
from pathlib import Path

import lag_zoo.catalogue
from lag_zoo.catalogue.polyp import NAME
from lag_zoo.data import find_images, read_image
from lag_zoo.files import write_whole
from lag_zoo.likeness import frame_hashes
from lag_zoo.provenance import KnownFrames, frame_digest

TARGET = Path(lag_zoo.catalogue.__file__).with_name(f"{NAME}_frames.txt")


def main(root: Path) -> None:
    frames = [read_image(path) for path in find_images([root / "images"])]
    known = KnownFrames({frame_digest(frame): frame_hashes(frame)[0] for frame in frames})
    write_whole(TARGET, known.to_text())
    print(f"{len(known)} frames written to {TARGET}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
