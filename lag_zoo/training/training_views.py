"""The views that a network is trained on: of frames from files or from a cache, drawn anew each time they are drawn.

The k-th draw of a frame in an epoch has the index `number + k * frames` (`lag_zoo.training.batches`). The index settles
crops, turns and augmentation; its remainder is the frame.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils.data import Dataset

from lag_zoo.data.cache import FrameCache
from lag_zoo.data.cached_views import CachedViews
from lag_zoo.data.dataset import ViewDataset
from lag_zoo.data.images import read_image
from lag_zoo.data.manifest import Manifest
from lag_zoo.training.augment import AugmentedViews
from lag_zoo.training.mask_views import MaskedViews, Masks
from lag_zoo.training.recipe import Recipe
from lag_zoo.views import Views, ViewTransform


class FrameNumbers(Dataset[tuple[Tensor, int]]):
    """The frames of a manifest as (pixels, number of the frame); the index of any draw leads to its frame."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = [str(path) for path in paths]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        number = index % len(self)
        return read_image(self.paths[number]), number


class CachedDraws(CachedViews):
    """The frames of a cache as (views, number of the frame); the index of any draw leads to its frame."""

    def __init__(self, cache: FrameCache, transform: ViewTransform) -> None:
        super().__init__(cache, range(len(cache)), transform)

    def __getitem__(self, index: int) -> tuple[Views, Any]:
        number = index % len(self)
        return self.views_of(number, index=index), number


Source = Callable[[ViewTransform], ViewDataset]
"""Makes the data set of (views, number of the frame) for a transform: from files, or from a cache."""


def from_files(manifest: Manifest) -> Source:
    """Read frames from their files each time."""
    images = FrameNumbers(manifest.paths())
    return lambda transform: ViewDataset(images, transform)


def from_cache(cache: FrameCache) -> Source:
    """Read frames from a cache; the views are the same, bit for bit."""
    return lambda transform: CachedDraws(cache, transform)


def training_set(
    source: Source, transform: ViewTransform, recipe: Recipe, masks: Masks | None = None
) -> ViewDataset | AugmentedViews | MaskedViews:
    """Make the data set of augmented (views, number of the frame), and with masks also the frame's mask."""
    dataset: ViewDataset | AugmentedViews = source(transform)
    if recipe.augment:
        dataset = AugmentedViews(dataset, seed=recipe.seed, strength=recipe.augment)
    return dataset if masks is None else MaskedViews(dataset, masks)
