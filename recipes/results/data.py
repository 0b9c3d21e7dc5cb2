"""The manifests of the tasks: windows by `recipes.polyp.files`, and whole frames in the same folds."""

from pathlib import Path

from lag_zoo.data import Manifest, open_data, write_manifest
from recipes.polyp.files import FOLDS, KVASIR, write_windows
from recipes.polyp.grouping import PILES, merged_groups, piles
from recipes.polyp.windows import load_frames


def write_manifests(data: Path, out: Path) -> None:
    """Writes `foldK.csv` and `framesK.csv`, unless they are there."""
    if (out / f"frames{FOLDS}.csv").is_file():
        return
    out.mkdir(parents=True, exist_ok=True)
    write_windows({KVASIR: data}, out)
    frames = load_frames({KVASIR: data})
    groups = merged_groups(frames)
    pile_of = {number: pile for pile, members in enumerate(piles(frames, groups)) for number in members}
    manifest = open_data(data / "manifest.csv", columns={"group": "exam"})
    names = {frame.image: number for number, frame in enumerate(manifest.frames)}
    assert [names[frame.name] for frame in frames] == list(range(len(frames))), "two readings of one manifest"
    manifest = manifest.with_column("exam", groups)
    for fold in range(FOLDS):
        split = [_split(pile_of[number], fold) for number in range(len(frames))]
        write_manifest(manifest.with_column("split", split), out / f"frames{fold + 1}.csv")


def _split(pile: int, fold: int) -> str:
    if pile // 2 == fold:
        return "test"
    return "val" if pile == (2 * fold + 2) % PILES else "train"


def opened(out: Path, name: str) -> Manifest:
    """One of them."""
    return open_data(out / name)
