"""Checks of the frames before a run begins: every file is there, can be read, and is in one split only."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from lag_zoo.data.images import read_image
from lag_zoo.data.manifest import Frame, Manifest
from lag_zoo.errors import DataError, UnreadableImageError
from lag_zoo.listener import Listener
from lag_zoo.provenance import frame_digest

_SHOWN = 3


class Inspection(NamedTuple):
    """The frames that can be read; the reasons why others cannot, by image; and the digests of the former, in order."""

    manifest: Manifest
    skipped: dict[str, str]
    digests: list[str]


def require_files(manifest: Manifest, *, listener: Listener = Listener()) -> None:
    """Refuse a manifest that lists files that are missing, or one file in two splits under two names.

    Raises:
        DataError: files are missing, or are copies; the message names the first and their lines.
    """
    gone = [frame for frame in manifest.frames if not frame.excluded and not manifest.path(frame).is_file()]
    if gone:
        first = ", ".join(f"{manifest.path(f)}{f' (line {f.line})' if f.line else ''}" for f in gone[:_SHOWN])
        raise DataError(f"{manifest.source}: {len(gone)} of {len(manifest)} files are missing: {first}")
    _require_no_copies(manifest, listener)


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
                with manifest.path(frame).open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                first = seen.setdefault(digest, frame)
                if first.split != frame.split:
                    raise DataError(
                        f"{manifest.source}: {first.image} ({first.split}) and {frame.image} ({frame.split}) are the "
                        "same file; a frame stands in one split (lag-zoo data check finds near-copies too)"
                    )
                advance(1)


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
    kept, digests, skipped = [], [], {}
    with (
        listener.task("reading frames", len(manifest)) as advance,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        results = [pool.submit(_digest, manifest.path(frame)) for frame in manifest.frames]
        try:
            for frame, result in zip(manifest.frames, results, strict=True):
                try:
                    digests.append(result.result())
                    kept.append(frame)
                except UnreadableImageError as error:
                    if not skip_unreadable:
                        raise
                    skipped[frame.image] = str(error)
                advance(1)
        finally:
            pool.shutdown(cancel_futures=True)
    return Inspection(manifest.with_frames(kept), skipped, digests)


def _digest(path: Path) -> str:
    return frame_digest(read_image(path))
