"""Checks of the frames before a run begins: every file is there, can be read, and is in one split only."""

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from lag_zoo.data.images import read_image
from lag_zoo.data.manifest import Frame, Manifest
from lag_zoo.errors import DataError, FieldOfViewWarning, UnreadableImageError
from lag_zoo.listener import Listener
from lag_zoo.provenance import frame_digest
from lag_zoo.sketches import Sketch, sketch_frame
from lag_zoo.views import FieldOfView
from lag_zoo.weights.digests import digest_of

_SHOWN = 3


class Identity(NamedTuple):
    """A frame's digest, and its sketch, by which near-copies are known."""

    digest: str
    sketch: Sketch


class Inspection(NamedTuple):
    """The frames that can be read, the reasons why others cannot, by image, and the identity of each of the former."""

    manifest: Manifest
    skipped: dict[str, str]
    identities: list[Identity]


def require_files(manifest: Manifest, *, listener: Listener = Listener()) -> None:
    """Refuse a manifest that lists files that are missing, or one file in two splits under two names.

    Raises:
        DataError: files are missing, or are copies; the message names the first and their lines.
    """
    used = [frame for frame in manifest.frames if not frame.excluded]
    _require_present(manifest, "files", [(frame, manifest.path(frame)) for frame in used])
    masks = [(frame, path) for frame in used if (path := manifest.mask_path(frame))]
    _require_present(manifest, "masks", masks)
    _require_no_copies(manifest, listener)


def _require_present(manifest: Manifest, kind: str, files: Sequence[tuple[Frame, Path]]) -> None:
    gone = [(frame, path) for frame, path in files if not path.is_file()]
    if gone:
        first = ", ".join(f"{path}{f' (line {f.line})' if f.line else ''}" for f, path in gone[:_SHOWN])
        raise DataError(f"{manifest.source}: {len(gone)} of {len(files)} {kind} are missing: {first}")


def _require_no_copies(manifest: Manifest, listener: Listener) -> None:
    """Refuse a file in two splits. Only files of one size are read: few, unless pixels are stored uncompressed."""
    by_size: dict[int, list[Frame]] = {}
    for frame in manifest.frames:
        if frame.split and not frame.excluded:
            by_size.setdefault(manifest.path(frame).stat().st_size, []).append(frame)
    alike = [frames for frames in by_size.values() if len({frame.split for frame in frames}) > 1]
    with listener.task("looking for copies", sum(map(len, alike))) as advance:
        for frames in alike:
            seen: dict[str, Frame] = {}
            for frame in frames:
                first = seen.setdefault(_digest(manifest.path(frame)), frame)
                if first.split != frame.split:
                    raise DataError(
                        f"{manifest.source}: {first.image} ({first.split}) and {frame.image} ({frame.split}) are the "
                        "same file; a frame stands in one split (lag-zoo data check finds near-copies too)"
                    )
                advance(1)


def _digest(path: Path) -> str:
    try:
        return digest_of(path)
    except OSError as error:
        raise UnreadableImageError(f"{path}: {error.strerror}") from error


def inspect_frames(
    manifest: Manifest, *, skip_unreadable: bool = False, listener: Listener = Listener()
) -> Inspection:
    """Read each image once.

    Args:
        skip_unreadable: leave out frames that cannot be read.
        listener: hears of each frame.

    Raises:
        UnreadableImageError: the first that cannot be read, unless they are to be skipped.
    """
    kept, identities, skipped = [], [], {}
    with (
        listener.task("reading frames", len(manifest)) as advance,
        ThreadPoolExecutor(os.cpu_count()) as pool,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", FieldOfViewWarning)  # frames without a lit area are compared whole
        results = [pool.submit(_identity, manifest.path(frame)) for frame in manifest.frames]
        try:
            for frame, result in zip(manifest.frames, results, strict=True):
                try:
                    identities.append(result.result())
                    kept.append(frame)
                except UnreadableImageError as error:
                    if not skip_unreadable:
                        raise
                    skipped[frame.image] = str(error)
                advance(1)
        finally:
            pool.shutdown(cancel_futures=True)
    return Inspection(manifest.with_frames(kept), skipped, identities)


def _identity(path: Path) -> Identity:
    return identity_of(read_image(path))


def identity_of(pixels: Tensor, field: FieldOfView | None = None) -> Identity:
    """Return the digest and the sketch of a frame (3, H, W); `field`: its field of view, where it is known already."""
    return Identity(frame_digest(pixels), sketch_frame(pixels, field=field))
