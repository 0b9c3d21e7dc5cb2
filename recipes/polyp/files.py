"""The windows that the folds are scored on, as files with a manifest: `python -m recipes.polyp.files DATA OUT`.

So `lag-zoo train` and `lag-zoo evaluate` can work on them as on anybody's frames. A window's group is its frame's, its
split the fold of that group. OUT holds parts of the frames: it is scratch, not to be shared.
"""

import argparse
from pathlib import Path

from PIL import Image

from lag_zoo.data import Frame, Manifest, write_manifest
from lag_zoo.models.polyp import LABELS
from recipes.polyp.__main__ import folds, test_windows
from recipes.polyp.windows import load_frames


def write_windows(data: Path, out: Path) -> Manifest:
    """Cuts the windows out and writes `OUT/windows.csv`."""
    frames = load_frames(data)
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, fold in enumerate(folds(frames), start=1):
        for window in test_windows(frames, fold):
            frame = frames[window.frame]
            x1, y1, x2, y2 = window.box
            name = f"{Path(frame.name).stem}_{x1}_{y1}_{x2}_{y2}.png"
            if not (out / name).is_file():
                pixels = frame.pixels[:, y1:y2, x1:x2].permute(1, 2, 0).numpy()
                Image.fromarray(pixels).save(out / name, compress_level=1)
            rows.append(Frame(image=name, labels=(window.label,), exam=frame.group, split=f"fold{number}"))
    unique = {row.image: row for row in rows}
    manifest = Manifest(
        root=out, label_names=LABELS, frames=tuple(unique.values()), source="Kvasir-SEG windows"
    )
    write_manifest(manifest, out / "windows.csv")
    return manifest


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    written = write_windows(arguments.data, arguments.out)
    print(f"{arguments.out / 'windows.csv'}: {len(written)} windows of {len(set(written.groups()))} groups")
