"""Which frames belong together, how they are dealt out, and which must not be there at all."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from lag_zoo.data import find_images, read_image
from lag_zoo.errors import DataError
from lag_zoo.likeness import frame_hashes, near_duplicates
from recipes.polyp.windows import Frame

PILES, SEED = 10, 2026
DEMO = Path(__file__).parents[2] / "examples" / "frames"
DEMO_FRAMES = (
    "cju2sxf3iqbpv09937iksn8ep",
    "cju0sr5ghl0nd08789uzf1raf",
    "cju2oq5570avm079959o20op1",
    "cju2nd7l7z98o0799gfjvyfmw",
)
"""Frames of Kvasir-SEG that the demo's four were made from: nothing is trained on them."""


def merged_groups(frames: Sequence[Frame]) -> list[str]:
    """The group of each frame: the data's own, and near-copies by hash, of one source or of two, in one."""
    groups = [frame.group for frame in frames]
    for copies in near_duplicates([frame.hashes for frame in frames]):
        joined = {groups[number] for number in copies}
        groups = [min(joined) if group in joined else group for group in groups]
    return groups


def piles(frames: Sequence[Frame], groups: Sequence[str]) -> list[list[int]]:
    """The frames, by number, in ten piles: groups whole, each with its share of every centre."""
    dealer = StratifiedGroupKFold(PILES, shuffle=True, random_state=SEED)
    dealt = dealer.split(groups, [frame.centre for frame in frames], groups)
    return [sorted(test.tolist()) for _, test in dealt]


def require_demo_unseen(frames: Sequence[Frame], demo: Path = DEMO) -> None:
    """Refuse frames that the demo shows, or near-copies of them.

    Raises:
        DataError: with the first of them.
    """
    named = [frame.name for frame in frames if Path(frame.name).stem in DEMO_FRAMES]
    shown = [frame_hashes(read_image(path)) for path in find_images([demo])]
    copies = near_duplicates([*shown, *(frame.hashes for frame in frames)])
    alike = [frames[n - len(shown)].name for group in copies if group[0] < len(shown) for n in group[1:]]
    if named or alike:
        raise DataError(
            f"frames of the demo may not be trained on; found {[*named, *alike][0]}: take it out of the manifest"
        )


def without_groups(numbers: Iterable[int], groups: Sequence[str], kept_out: Iterable[int]) -> list[int]:
    """These frames without those that share a group with one that is kept out."""
    out = {groups[number] for number in kept_out}
    return [number for number in np.sort([*numbers]).tolist() if groups[number] not in out]
