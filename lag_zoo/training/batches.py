"""Batches: which frames are in which, and what is drawn for each, settled by seed, epoch and step.

So a resumed run and a second process agree. A frame that is drawn several times in an epoch is looked at anew each
time: its k-th draw has the index `number + k * frames`, which settles its views (`lag_zoo.training.training_views`).
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from lag_zoo.data.manifest import Manifest
from lag_zoo.data.workers import leave_interrupts
from lag_zoo.errors import DataError, InvalidConfigError
from lag_zoo.training.recipe import Recipe
from lag_zoo.views import Views


class Batch(NamedTuple):
    """Views, and the numbers of their frames in the manifest (B,).

    With masks also these, in the geometry of the global view (B, G, G), uint8: 255 where all of a pixel is marked.
    """

    views: Views
    numbers: Tensor
    masks: Tensor | None = None


class EpochBatches(Sampler[list[int]]):
    """The batches of one epoch from a step on, as indices of views; with several processes, this one's share of each.

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
        before = times_before(self.order.ravel()).reshape(self.order.shape)
        share = self.size // self.world
        mine = (self.order + self.frames * before)[self.start :, self.rank * share : (self.rank + 1) * share]
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
