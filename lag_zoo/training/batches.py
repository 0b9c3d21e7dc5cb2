"""Batches: which frames are in which, and what is drawn for each, settled by seed, epoch and step.

So a resumed run and a second process agree. A frame that is drawn several times in an epoch is looked at anew each
time: its k-th draw has the index `number + k * frames`, and the index settles crops, turns and augmentation.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from lag_zoo.data.cache import FrameCache
from lag_zoo.data.cached_views import CachedViews
from lag_zoo.data.dataset import ViewDataset
from lag_zoo.data.images import read_image
from lag_zoo.data.manifest import Manifest
from lag_zoo.data.workers import leave_interrupts
from lag_zoo.errors import DataError, InvalidConfigError
from lag_zoo.tasks import rules_of
from lag_zoo.training.augment import AugmentedViews
from lag_zoo.training.recipe import Recipe, Stage
from lag_zoo.views import Views, ViewTransform


class Batch(NamedTuple):
    """Views, and the numbers of their frames in the manifest (B,)."""

    views: Views
    numbers: Tensor


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


class EpochBatches(Sampler[list[int]]):
    """The batches of one epoch as indices of draws, from a step on; with several processes, this one's share of each.

    An epoch has the same number of steps however frames are drawn, and whole batches only, unless all frames together
    are fewer than one.

    Args:
        numbers: of the frames that are drawn from (n,).
        frames: how many the data set has, of which these are some.
        size: frames a batch, over all processes.
        weights: how often each frame is drawn (n,), with replacement; `None`: each once, in random order.

    Raises:
        InvalidConfigError: a batch does not divide over the processes.
    """

    def __init__(
        self,
        numbers: np.ndarray,
        *,
        frames: int,
        size: int,
        seed: int,
        weights: np.ndarray | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.numbers, self.frames = numbers, frames
        self.size = min(size, len(numbers))
        self.weights = None if weights is None else weights / weights.sum()
        self.seed, self.rank, self.world = seed, rank, world
        if self.size % world:
            raise InvalidConfigError(f"a batch of {self.size} frames does not divide over {world} processes")
        self.begin(0)

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return len(self.numbers) // self.size

    def __len__(self) -> int:
        return self.steps - self.start

    def begin(self, epoch: int, start: int = 0) -> None:
        """Draw the batches of an epoch, over all processes: `order` (steps, size) has the numbers of their frames."""
        rng = np.random.default_rng([self.seed, epoch])
        count = self.steps * self.size
        if self.weights is None:
            order = rng.permutation(self.numbers)[:count]
        else:
            order = rng.choice(self.numbers, count, p=self.weights)
        self.epoch, self.start, self.order = epoch, start, order.reshape(self.steps, self.size)

    def __iter__(self) -> Iterator[list[int]]:
        draws = times_before(self.order.ravel()).reshape(self.order.shape)
        share = self.size // self.world
        mine = (self.order + self.frames * draws)[self.start :, self.rank * share : (self.rank + 1) * share]
        yield from mine.tolist()


def times_before(values: np.ndarray) -> np.ndarray:
    """Count for each value how often it stood before (n,).

    >>> times_before(np.array([7, 3, 7, 7, 3]))
    array([0, 0, 1, 2, 1])
    """
    places = np.argsort(values, kind="stable")
    ordered = values[places]
    before = np.empty(len(values), dtype=np.int64)
    before[places] = np.arange(len(values)) - np.searchsorted(ordered, ordered)
    return before


def drawing_weights(manifest: Manifest, numbers: np.ndarray, recipe: Recipe) -> np.ndarray | None:
    """Weigh frames by the recipe's `balance`, for drawing (n,); `None`: alike.

    Raises:
        DataError: modalities are to be balanced, and some frame's is not known.
    """
    if recipe.balance == "modality":
        modalities = np.array(manifest.column("modality"))[numbers]
        if not modalities.all():
            raise DataError(f"{manifest.source}: balance=modality needs the modality of every frame")
        return _inverse_frequency(modalities)
    if recipe.balance == "sampling":
        return _inverse_frequency(manifest.targets()[numbers])
    return None


def _inverse_frequency(values: np.ndarray) -> np.ndarray:
    """Return one over how often each value, or row of values, occurs (n,)."""
    rows = values.reshape(len(values), -1)
    _, places, counts = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / counts[places.reshape(-1)])


def kept_crops(count: int, dropped: float) -> Tensor:
    """Return the places in a batch whose frames keep their crops (K,), K at least 1: spread evenly, always the same.

    Each epoch puts other frames in these places. The same number in each batch keeps shapes as they are; where it is a
    whole number in each process's share, several processes keep what one would.

    >>> kept_crops(8, 0.5), kept_crops(5, 0.8), kept_crops(3, 0.0)
    (tensor([0, 2, 4, 6]), tensor([0]), tensor([0, 1, 2]))
    """
    place = torch.arange(count, dtype=torch.float64)
    share = 1 - dropped
    return ((place + 1) * share - 1e-9).ceil().gt((place * share - 1e-9).ceil()).nonzero()[:, 0]


def stage_frames(manifest: Manifest, split: str, stage: Stage) -> np.ndarray:
    """Return the numbers of a split's frames that a stage uses (n,), without excluded ones.

    Raises:
        DataError: no frames; a label that none of them has, or that none is known to lack; or one modality alone,
            where the stage aligns several.
    """
    numbers = np.array(
        [
            number
            for number, frame in enumerate(manifest.frames)
            if frame.split == split and not frame.excluded and stage.modality in ("", frame.modality)
        ],
        dtype=np.int64,
    )
    frames = f"{split} frames{f' in {stage.modality}' if stage.modality else ''}"
    if not len(numbers):
        raise DataError(
            f"{manifest.source} has no {frames}; its splits are {', '.join(manifest.splits) or 'none'}"
            f"{manifest.told_excluded()} (lag-zoo data split makes train, val and test)"
        )
    if stage.alignment and split == "train":
        _require_modalities(manifest, numbers, stage)
    _require_labels(manifest, numbers, f"none of the {len(numbers)} {frames}")
    return numbers


def _require_modalities(manifest: Manifest, numbers: np.ndarray, stage: Stage) -> None:
    found = {manifest.frames[number].modality for number in numbers} - {""}
    if len(found) < 2:
        raise DataError(
            f"{manifest.source}: the stage {stage.name} aligns modalities, and its frames are of "
            f"{f'one: {found.pop()}' if found else 'none that is told (column modality)'}"
        )


def _require_labels(manifest: Manifest, numbers: np.ndarray, none: str) -> None:
    rules, targets = rules_of(manifest.task), manifest.targets()[numbers]
    for label, name in enumerate(manifest.label_names):
        if not rules.truth(targets, label).any():
            raise DataError(f"{manifest.source}: {none} has the label {name}")
    for label, name in enumerate(manifest.label_names):
        if not (rules.known(targets, label) & ~rules.truth(targets, label)).any():
            raise DataError(
                f"{manifest.source}: {none} is known to be without {name}, so it cannot be told apart; mark frames "
                "that lack it with 0"
            )


Source = Callable[[ViewTransform], ViewDataset]
"""Makes the data set of (views, number of the frame) for a transform: from files, or from a cache."""


def from_files(manifest: Manifest) -> Source:
    """Read frames from their files each time."""
    images = FrameNumbers(manifest.paths())
    return lambda transform: ViewDataset(images, transform)


def from_cache(cache: FrameCache) -> Source:
    """Read frames from a cache; the views are the same, bit for bit."""
    return lambda transform: CachedDraws(cache, transform)


def training_set(source: Source, transform: ViewTransform, recipe: Recipe) -> ViewDataset | AugmentedViews:
    """Make the data set of augmented (views, number of the frame)."""
    dataset = source(transform)
    if not recipe.augment:
        return dataset
    return AugmentedViews(dataset, seed=recipe.seed, strength=recipe.augment)


def make_loader(
    dataset: Dataset[Any], batches: Sampler[list[int]] | list[list[int]], workers: int
) -> DataLoader[Batch]:
    """Make a loader of these batches; it draws nothing from torch's random numbers."""
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        persistent_workers=workers > 0,
        worker_init_fn=leave_interrupts,
        generator=torch.Generator(),
        pin_memory=torch.cuda.is_available(),
    )


def in_order(numbers: np.ndarray, size: int, *, rank: int = 0, world: int = 1) -> list[list[int]]:
    """Put frames into batches in their order; with several processes, this one's frames.

    >>> in_order(np.arange(5), 2), in_order(np.arange(5), 2, rank=1, world=2)
    ([[0, 1], [2, 3], [4]], [[1, 3]])
    """
    mine = numbers[rank::world]
    return [mine[start : start + size].tolist() for start in range(0, len(mine), size)]
