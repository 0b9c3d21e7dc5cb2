"""Near-copies in a manifest: every frame is read once and hashed, and like ones are found (`lag_zoo.likeness`)."""

import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lag_zoo.data.images import read_image
from lag_zoo.data.manifest import Frame, Manifest
from lag_zoo.errors import FieldOfViewWarning, NearCopiesWarning, UnreadableImageError
from lag_zoo.likeness import Hashes, frame_hashes, near_duplicates

_SHOWN = 3


def hash_frames(
    manifest: Manifest, *, progress: Callable[[], None] = lambda: None, workers: int | None = None
) -> list[Hashes | None]:
    """Read and hash each image of a manifest; `None`: excluded, or it cannot be read, as `data check` says.

    Args:
        progress: called after each image.
        workers: threads; by default one a core.
    """
    found = []
    with warnings.catch_warnings(), ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        warnings.simplefilter("ignore", FieldOfViewWarning)  # frames without a lit area are compared whole
        for hashes in pool.map(
            _hashed, manifest.paths(), [bool(frame.excluded) for frame in manifest.frames]
        ):
            found.append(hashes)
            progress()
    return found


def _hashed(path: Path, excluded: bool) -> Hashes | None:
    if excluded:
        return None
    try:
        return frame_hashes(read_image(path))
    except UnreadableImageError:
        return None


def near_copies(hashes: Sequence[Hashes | None]) -> list[tuple[int, ...]]:
    """Groups near-copies by their place in the manifest; frames without hashes are copies of nothing."""
    places = [place for place, found in enumerate(hashes) if found is not None]
    groups = near_duplicates([found for found in hashes if found is not None])
    return [tuple(places[number] for number in group) for group in groups]


def near_copies_across(manifest: Manifest, hashes: Sequence[Hashes | None]) -> list[tuple[Frame, ...]]:
    """The near-copies that stand in more than one split: what is measured on them is too good.

    Args:
        hashes: of each frame, as `hash_frames` gives them; `None`: of a frame that is not looked at.
    """
    groups = [tuple(manifest.frames[place] for place in group) for group in near_copies(hashes)]
    return [group for group in groups if len({frame.split for frame in group} - {""}) > 1]


def warn_of_near_copies(manifest: Manifest, hashes: Sequence[Hashes | None]) -> None:
    """Warn of near-copies in more than one split, with a `NearCopiesWarning`."""
    if across := near_copies_across(manifest, hashes):
        first = "; ".join(
            " = ".join(f"{frame.image} ({frame.split})" for frame in group) for group in across[:_SHOWN]
        )
        warnings.warn(
            f"{manifest.source}: {len(across)} groups of near-copies stand in more than one split: {first}. Look at "
            "them; lag-zoo data split keeps near-copies together",
            NearCopiesWarning,
            stacklevel=2,
        )
