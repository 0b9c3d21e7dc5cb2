"""The frame cache: images decoded once, kept as training needs them.

A folder of shards to which builds only add: killed at any moment, a build loses the shard it was writing, and the next
goes on after those that are whole. No EXIF, no names and no dates are kept. The pixels are, and with them whatever is
burnt into them: guard a cache as you guard the frames.
"""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]  # imported there, not in so many words exported
from torch import Tensor

from lag_zoo.data.cache_folder import (
    LOCK,
    Order,
    file_of,
    held_frames,
    make_folder,
    make_header,
    read_header,
    read_order,
    write_order,
)
from lag_zoo.data.cache_shards import (
    CachedFrame,
    Place,
    ShardWriter,
    frame_at,
    map_shard,
    verify_shard,
)
from lag_zoo.data.images import read_image
from lag_zoo.errors import DataError, UnreadableImageError
from lag_zoo.files import PART
from lag_zoo.views import find_field_of_view
from lag_zoo.views.extract import global_views

SHARD_BYTES = 1 << 28
"""About how many bytes a shard has: 64 frames of 1280 x 1024."""

_SHOWN = 3


class FrameCache:
    """The decoded frames of a folder that `build_cache` has made; read-only, and pickled by its path.

    Each shard is verified by its SHA-256 when it is opened first, and again when its file has changed.

    Args:
        folder: of the cache; it may be read-only.
        images: which frames, in this order; by default those of the last build, in its order.

    Attributes:
        folder: of the cache.
        global_size: pixels on a side of its global views.
        skipped: which images of the last build could not be read, by their places in its sequence; they are no frames
            of the cache.

    Raises:
        DataError: no cache, a damaged one (the message names the file), or images that are not in it or have changed.
    """

    def __init__(self, folder: str | os.PathLike[str], images: Sequence[Path] | None = None) -> None:
        self.folder = Path(folder).absolute()
        header = read_header(self.folder)
        self.global_size = header.global_size
        self.skipped: tuple[int, ...] = ()
        held = held_frames(self.folder)
        if images is None:
            order = read_order(self.folder)
            if order is None:
                raise DataError(f"{self.folder} was not built to its end: build again, and it goes on")
            keys, self.skipped = order.frames, tuple(order.skipped)
            if absent := [key for key in keys if key not in held]:
                raise DataError(f"{self.folder} lacks {len(absent)} of {len(keys)} frames: build it again")
        else:
            keys = [header.key(Path(path)) for path in images]
            _require(images, keys, held, self.folder)
        self._shards = sorted({held[key][0] for key in keys})
        numbers = {name: number for number, name in enumerate(self._shards)}
        # Numbers in one array, not objects: forked workers share it, and spawned ones get it fast.
        rows = [(numbers[held[key][0]], *held[key][1]) for key in keys]
        self._rows = np.array(rows, dtype=np.int64)
        self._maps: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Tensor:
        """The raw pixels (3, H, W) of a frame, uint8; a copy."""
        return self.mapped(index).pixels.clone()

    def mapped(self, index: int) -> CachedFrame:
        """A frame in mapped memory, of which only what is looked at is read; it is not to be written to.

        Raises:
            DataError: its shard is gone.
        """
        shard, *place = self._rows[index].tolist()
        if shard not in self._maps:
            self._maps[shard] = map_shard(self.folder / self._shards[shard])
        return frame_at(self._maps[shard], Place(*place), global_size=self.global_size)

    def verify(self) -> None:
        """Read every shard anew, whether its file has changed or not.

        Raises:
            DataError: one is damaged; the message names it.
        """
        for name in self._shards:
            verify_shard(self.folder / name, anew=True)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_maps": {}}


def build_cache(
    images: Sequence[Path],
    folder: str | os.PathLike[str],
    *,
    global_size: int,
    skip_unreadable: bool = False,
    progress: Callable[[], None] | None = None,
    workers: int | None = None,
    shard_bytes: int = SHARD_BYTES,
) -> FrameCache:
    """Decodes images into a cache, but for those that are in it already: the cache of these images, in their order.

    Of processes that build in one folder at once, one works and the others wait for it. Frames of other images stay,
    so data sets may share a folder. What a changed file was before is deleted once all files of its shard have changed.

    Args:
        images: the files.
        folder: a new or an empty one, or a cache for the same `global_size`.
        global_size: pixels on a side of the global views.
        skip_unreadable: leaves out what cannot be read, and lists it in `FrameCache.skipped`.
        progress: called once an image.
        workers: threads; by default one a core.
        shard_bytes: about how many bytes a shard has.

    Raises:
        DataError: no images, a folder of something else, another `global_size`, or a damaged shard.
        UnreadableImageError: an image cannot be read.
        OSError: the folder cannot be written, or the disk is full; the shards that are whole are kept.

    >>> import tempfile, torch, torchvision
    >>> from lag_zoo.data.phantom import draw_frame
    >>> with tempfile.TemporaryDirectory() as scratch:
    ...     image = Path(scratch) / "frame.png"
    ...     _ = torchvision.utils.save_image(draw_frame((240, 300)) / 255, image)
    ...     cache = build_cache([image], Path(scratch) / "cache", global_size=96)
    ...     len(cache), cache[0].shape, cache.mapped(0).global_view.shape
    (1, torch.Size([3, 240, 300]), torch.Size([3, 96, 96]))
    """
    images, folder = [Path(path) for path in images], Path(folder).absolute()
    progress = progress or (lambda: None)
    if not images:
        raise DataError("a cache of no images: at least one is needed")
    if (ready := _ready(images, folder, global_size)) is not None:
        for _ in images:
            progress()
        return ready
    make_folder(folder)
    with WeakFileLock(folder / LOCK):
        for part in folder.glob(f"*{PART}"):  # of a killed build: nobody else writes now
            part.unlink()
        make_header(folder, global_size=global_size)
        header, held = read_header(folder, global_size=global_size), held_frames(folder)
        keys = [header.key(path) for path in images]
        missing = {key: path for key, path in zip(keys, images, strict=True) if key not in held}
        for _ in range(len(images) - len(missing)):
            progress()
        with closing(_decoded(missing, global_size, workers or os.cpu_count() or 1)) as found:
            unreadable = _write(folder, found, skip_unreadable, progress, shard_bytes)
        order = Order(
            [key for key in keys if key not in unreadable],
            [place for place, key in enumerate(keys) if key in unreadable],
        )
        if not order.frames:
            raise DataError(f"none of {len(images)} images can be read; the first of them is {images[0]}")
        write_order(folder, order)
        _drop_superseded(folder, held, order.frames)
        return FrameCache(folder)


def _ready(images: Sequence[Path], folder: Path, global_size: int) -> FrameCache | None:
    """The cache, where there is nothing to build: such a folder may be read-only."""
    order = read_order(folder)
    if order is None:
        return None
    header = read_header(folder, global_size=global_size)
    if order != Order([header.key(path) for path in images], []):
        return None
    held = held_frames(folder)
    return FrameCache(folder) if all(key in held for key in order.frames) else None


def _require(images: Sequence[Path], keys: Sequence[str], held: Mapping[str, object], folder: Path) -> None:
    if not images:
        raise DataError("a cache of no images: at least one is needed")
    absent = [str(path) for path, key in zip(images, keys, strict=True) if key not in held]
    if absent:
        raise DataError(
            f"{folder} lacks {len(absent)} of {len(images)} images, or they have changed since it was built: "
            f"{', '.join(absent[:_SHOWN])}. build_cache adds them"
        )


Decoded = tuple[str, CachedFrame | UnreadableImageError]


def _decoded(missing: Mapping[str, Path], global_size: int, workers: int) -> Generator[Decoded]:
    """The keys and frames of files, in their order; a few are decoded ahead, not all."""
    with ThreadPoolExecutor(workers) as pool:
        ahead: deque[Future[Decoded]] = deque()
        for key, path in missing.items():
            ahead.append(pool.submit(_decode, key, path, global_size))
            if len(ahead) > workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _decode(key: str, path: Path, global_size: int) -> Decoded:
    try:
        pixels = read_image(path)
    except UnreadableImageError as error:
        return key, error
    frames = pixels[None]
    return key, CachedFrame(pixels, global_views(frames, global_size)[0], find_field_of_view(frames))


def _write(
    folder: Path,
    found: Iterator[Decoded],
    skip_unreadable: bool,
    progress: Callable[[], None],
    shard_bytes: int,
) -> set[str]:
    """Write shard after shard, and return the keys of what could not be read."""
    unreadable = set()

    def readable() -> Iterator[tuple[str, CachedFrame]]:
        for key, frame in found:
            if isinstance(frame, CachedFrame):
                yield key, frame
            elif skip_unreadable:
                unreadable.add(key)
            else:
                raise frame
            progress()

    frames = readable()
    for first in frames:
        with ShardWriter(folder) as shard:
            for key, frame in chain([first], frames):
                shard.add(key, frame)
                if shard.size >= shard_bytes:
                    break
    return unreadable


def _drop_superseded(folder: Path, held: Mapping[str, tuple[str, Place]], frames: Sequence[str]) -> None:
    """Deletes the shards of which every frame is of a file that has changed since."""
    current, files = set(frames), {file_of(key) for key in frames}
    kept = {name for key, (name, _) in held.items() if key in current or file_of(key) not in files}
    for name in {name for name, _ in held.values()} - kept:
        (folder / name).unlink(missing_ok=True)
