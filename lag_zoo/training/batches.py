"""Which frames make which batch: settled by seed, epoch and step, so that a resumed run and a second process agree."""

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
from lag_zoo.training.augment import AugmentedViews
from lag_zoo.training.recipe import Recipe, Stage
from lag_zoo.views import Views, ViewTransform


class Batch(NamedTuple):
    """Views, and the numbers of their frames in the manifest (B,)."""

    views: Views
    numbers: Tensor


class FrameNumbers(Dataset[tuple[Tensor, int]]):
    """The frames of a manifest as (pixels, number of the frame)."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = [str(path) for path in paths]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return read_image(self.paths[index]), index


class Drawn(Sampler[list[int]]):
    """The batches of one epoch, from a step on; with several processes, this one's share of each.

    `weights` (n,): how often each frame is drawn, with replacement; `None`: each once, in random order. An epoch has
    the same number of steps either way, and whole batches only, unless all frames together are fewer than one.
    """

    def __init__(
        self,
        numbers: np.ndarray,
        *,
        size: int,
        seed: int,
        weights: np.ndarray | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.numbers = numbers
        self.size = min(size, len(numbers))
        self.weights = None if weights is None else weights / weights.sum()
        self.seed, self.rank, self.world = seed, rank, world
        self.epoch, self.start = 0, 0
        if self.size % world:
            raise InvalidConfigError(f"a batch of {self.size} frames does not divide over {world} processes")

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return len(self.numbers) // self.size

    def __len__(self) -> int:
        return self.steps - self.start

    def __iter__(self) -> Iterator[list[int]]:
        rng = np.random.default_rng([self.seed, self.epoch])
        count = self.steps * self.size
        if self.weights is None:
            order = rng.permutation(self.numbers)[:count]
        else:
            order = rng.choice(self.numbers, count, p=self.weights)
        share = self.size // self.world
        for step in range(self.start, self.steps):
            batch = order[step * self.size : (step + 1) * self.size]
            yield [int(number) for number in batch[self.rank * share : (self.rank + 1) * share]]


def drawing_weights(manifest: Manifest, numbers: np.ndarray, recipe: Recipe) -> np.ndarray | None:
    """How often each of these frames is drawn (n,), by the recipe's `balance`; `None`: alike."""
    if recipe.balance == "modality":
        told = np.array(manifest.column("modality"))[numbers]
        if not told.all():
            raise DataError(f"{manifest.source}: balance=modality needs the modality of every frame")
        return _inverse_frequency(told)
    if recipe.balance != "sampling":
        return None
    targets = manifest.targets()[numbers]
    if targets.ndim == 1:
        return _inverse_frequency(targets)
    return _inverse_frequency(np.unique(targets, axis=0, return_inverse=True)[1].reshape(-1))


def _inverse_frequency(values: np.ndarray) -> np.ndarray:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / counts[places.reshape(-1)])


def kept_crops(count: int, dropped: float) -> Tensor:
    """The places in a batch of frames that keep their crops (K,), K at least 1: spread evenly, always the same.

    Which frame stands where is drawn anew each epoch. The same number in each batch keeps shapes as they are, and where
    it is a whole number in each process's share, many processes keep what one would.

    >>> kept_crops(8, 0.5), kept_crops(5, 0.8), kept_crops(3, 0.0)
    (tensor([0, 2, 4, 6]), tensor([0]), tensor([0, 1, 2]))
    """
    place = torch.arange(count, dtype=torch.float64)
    share = 1 - dropped
    return ((place + 1) * share - 1e-9).ceil().gt((place * share - 1e-9).ceil()).nonzero()[:, 0]


def stage_frames(manifest: Manifest, split: str, stage: Stage | None) -> np.ndarray:
    """The numbers of a split's frames that a stage uses (n,), without excluded ones.

    Raises:
        DataError: none, or a label that none of them has, or that none is known to lack.
    """
    wanted = stage.modality if stage is not None else ""
    numbers = np.array(
        [
            number
            for number, frame in enumerate(manifest.frames)
            if frame.split == split and not frame.excluded and wanted in ("", frame.modality)
        ],
        dtype=np.int64,
    )
    told = {manifest.frames[number].modality for number in numbers} - {""}
    if stage is not None and stage.alignment and split == "train" and len(numbers) and len(told) < 2:
        raise DataError(
            f"{manifest.source}: the stage {stage.name} aligns modalities, and its frames are of "
            f"{'one' if told else 'none that is told'}{f': {told.pop()}' if told else ' (column modality)'}"
        )
    what = f"{split} frames{f' in {wanted}' if wanted else ''}"
    if not len(numbers):
        raise DataError(
            f"{manifest.source} has no {what}; its splits are {', '.join(manifest.splits) or 'none'}"
            f"{manifest.told_excluded()} (lag-zoo data split makes train, val and test)"
        )
    targets = manifest.targets()[numbers]
    for number, name in enumerate(manifest.label_names):
        marks = targets == number if targets.ndim == 1 else targets[:, number]
        if not (marks == 1).any():
            raise DataError(f"{manifest.source}: none of the {len(numbers)} {what} has the label {name}")
        if targets.ndim > 1 and not (marks == 0).any():
            raise DataError(
                f"{manifest.source}: none of the {len(numbers)} {what} is known to be without {name}, so it cannot be "
                "told apart; mark frames that lack it with 0"
            )
    return numbers


Source = Callable[[ViewTransform], Dataset[tuple[Views, int]]]
"""Makes the data set of (Views, number of the frame) for a transform: from files, or from a cache."""


def from_files(manifest: Manifest) -> Source:
    """Frames read from their files each time."""
    images = FrameNumbers(manifest.paths())
    return lambda transform: ViewDataset(images, transform)


def from_cache(cache: FrameCache) -> Source:
    """Frames from a cache; the same views, bit for bit."""
    return lambda transform: CachedViews(cache, range(len(cache)), transform)


def training_set(source: Source, transform: ViewTransform, recipe: Recipe) -> Dataset[tuple[Views, int]]:
    """The frames as a network sees them in training."""
    dataset = source(transform)
    if not recipe.augment:
        return dataset
    return AugmentedViews(dataset, seed=recipe.seed, strength=recipe.augment)


def make_loader(
    dataset: Dataset[Any], batches: Sampler[list[int]] | list[list[int]], workers: int
) -> DataLoader[Batch]:
    """A loader of these batches; what it draws for itself is apart from everybody's."""
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
    """Batches of these frames in their order; with several processes, each its own frames."""
    mine = numbers[rank::world]
    return [mine[start : start + size].tolist() for start in range(0, len(mine), size)]
