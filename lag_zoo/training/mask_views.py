"""Masks in the geometry of the views that a network is trained on: shrunk, turned and moved as the global view is.

A view and its mask are settled by the same draws, so wherever the label goes in the picture its mark goes with it.
Masks are read once, before a run, and kept in memory at the size of the global view, compressed to about one kilobyte.
"""

import os
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from lag_zoo.data.dataset import ViewDataset
from lag_zoo.data.manifest import Frame, Manifest
from lag_zoo.data.masks import as_pixels, mask_of
from lag_zoo.listener import Listener
from lag_zoo.training.augment import AugmentedViews, apply_to_mask
from lag_zoo.views import Views
from lag_zoo.views.extract import global_views


class Masks:
    """The masks of some frames of a manifest, squashed as their global views are; see `read_masks`.

    Args:
        packed: the masks that mark something, by the number of the frame, as `pack` makes them.
        frames: how many frames the manifest has.
        size: pixels on a side.
    """

    def __init__(self, packed: Mapping[int, bytes], *, frames: int, size: int) -> None:
        self.packed, self.frames, self.size = dict(packed), frames, size

    @property
    def marked(self) -> np.ndarray:
        """The frames that have a mask that marks something, as (n,) bool."""
        marked = np.zeros(self.frames, dtype=bool)
        marked[list(self.packed)] = True
        return marked

    def __getitem__(self, number: int) -> Tensor:
        """The mask of a frame (1, G, G), uint8: 255 where all of a pixel is marked; nothing where it has none."""
        side = self.size
        if number not in self.packed:
            return torch.zeros(1, side, side, dtype=torch.uint8)
        values = np.frombuffer(bytearray(zlib.decompress(self.packed[number])), dtype=np.uint8)
        return torch.from_numpy(values).view(1, side, side)


def read_masks(manifest: Manifest, *, split: str, size: int, listener: Listener = Listener()) -> Masks:
    """Read the masks of a split's frames, at the size of their global views.

    Raises:
        DataError: a mask cannot be read, is none, or is not as large as its frame; the message names the line.
    """
    chosen = {
        number: frame
        for number, frame in enumerate(manifest.frames)
        if frame.split == split and frame.mask and not frame.excluded
    }

    def read(frame: Frame) -> bytes | None:
        mask = mask_of(manifest, frame)
        return None if mask is None or not mask.any() else pack(mask, size)

    packed = {}
    with (
        listener.task("reading masks", len(chosen)) as advance,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        results = [pool.submit(read, frame) for frame in chosen.values()]
        try:
            for number, result in zip(chosen, results, strict=True):
                if (found := result.result()) is not None:
                    packed[number] = found
                advance(1)
        finally:
            pool.shutdown(cancel_futures=True)
    return Masks(packed, frames=len(manifest), size=size)


def pack(mask: Tensor, size: int) -> bytes:
    """Squash a mask (H, W) as frames are squashed to their global view, and compress it."""
    shrunk = global_views(as_pixels(mask)[None], size)[0, 0]
    return zlib.compress(shrunk.contiguous().numpy().tobytes())


class MaskedViews(Dataset[tuple[Views, Any, Tensor]]):
    """A data set of (views, number of the frame, its mask (G, G), uint8), of one of views and numbers."""

    def __init__(self, dataset: ViewDataset | AugmentedViews, masks: Masks) -> None:
        self.augmented = dataset if isinstance(dataset, AugmentedViews) else None
        self.plain: ViewDataset = dataset.dataset if isinstance(dataset, AugmentedViews) else dataset
        self.masks = masks

    @property
    def epoch(self) -> int:
        """The epoch of the data set inside."""
        return self.plain.epoch

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, in every worker too."""
        self.plain.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.plain)

    def __getitem__(self, index: int) -> tuple[Views, Any, Tensor]:
        views, number = self.plain[index]
        mask = self.plain.transform.turned_mask(
            self.masks[number], crops=len(views.crops), index=index, epoch=self.epoch
        )
        if self.augmented is None:
            return views, number, mask[0]
        mask = apply_to_mask(mask, views.global_view, self.augmented.draw(index))
        return self.augmented.changed(views, index), number, mask[0]
