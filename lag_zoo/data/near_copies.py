"""Near-copies in a manifest: every frame is read once and sketched, and like ones are found (`lag_zoo.sketches`)."""

import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lag_zoo.data.images import read_image
from lag_zoo.data.manifest import Frame, Manifest
from lag_zoo.errors import FieldOfViewWarning, NearCopiesError, NearCopiesWarning, UnreadableImageError
from lag_zoo.sketches import Sketch, near_copies_among, sketch_frame

_SHOWN = 3


def sketch_frames(
    manifest: Manifest, *, progress: Callable[[], None] = lambda: None, workers: int | None = None
) -> list[Sketch | None]:
    """Read and sketch each image of a manifest; `None`: excluded, or it cannot be read, as `data check` says.

    Args:
        progress: called after each image.
        workers: threads; by default one a core.
    """
    found = []
    with warnings.catch_warnings(), ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        warnings.simplefilter("ignore", FieldOfViewWarning)  # frames without a lit area are compared whole
        for sketch in pool.map(
            _sketched, manifest.paths(), [bool(frame.excluded) for frame in manifest.frames]
        ):
            found.append(sketch)
            progress()
    return found


def _sketched(path: Path, excluded: bool) -> Sketch | None:
    if excluded:
        return None
    try:
        return sketch_frame(read_image(path))
    except UnreadableImageError:
        return None


def near_copies(sketches: Sequence[Sketch | None]) -> list[tuple[int, ...]]:
    """Groups near-copies by their place in the manifest; frames without a sketch are copies of nothing."""
    places = [place for place, found in enumerate(sketches) if found is not None]
    groups = near_copies_among([found for found in sketches if found is not None])
    return [tuple(places[number] for number in group) for group in groups]


def copies_across(manifest: Manifest, copies: Sequence[Sequence[int]]) -> list[tuple[Frame, ...]]:
    """The near-copies that stand in more than one split: what is measured on them is too good.

    Args:
        copies: groups of places, as `near_copies` finds them.
    """
    groups = [tuple(manifest.frames[place] for place in group) for group in copies]
    return [group for group in groups if len({frame.split for frame in group} - {""}) > 1]


def require_no_copies_across(
    manifest: Manifest, copies: Sequence[Sequence[int]], *, allow: bool = False
) -> None:
    """Refuse near-copies in more than one split.

    Args:
        copies: groups of places, as `near_copies` finds them.
        allow: warn of them with a `NearCopiesWarning` instead.

    Raises:
        NearCopiesError: with the first of them.
    """
    across = copies_across(manifest, copies)
    if not across:
        return
    first = "; ".join(
        " = ".join(f"{frame.image} ({frame.split})" for frame in group) for group in across[:_SHOWN]
    )
    found = (
        f"{manifest.source}: {len(across)} group{'s' * (len(across) > 1)} of near-copies in more than one split: "
        f"{first}"
    )
    if not allow:
        raise NearCopiesError(
            f"{found}. What is measured on them is too good. Look at them; lag-zoo data split keeps near-copies "
            "together, and a frame with a reason in the column excluded is left out. To use them as they are: "
            "--allow-near-copies (allow_near_copies=True)"
        )
    warnings.warn(f"{found}: what is measured on them is too good", NearCopiesWarning, stacklevel=2)
