"""A data set of images as a data set of views, made in the workers: a batch ships 90k pixels an image, not 1.3M."""

import operator
from typing import Any, Protocol

import torch
from torch.utils.data import Dataset

from lag_zoo.errors import InvalidConfigError
from lag_zoo.views import Views, ViewTransform


class Images(Protocol):
    """A map-style data set of (image, label), as `ViewDataset` wraps it."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> tuple[Any, Any]: ...


class ViewDataset(Dataset[tuple[Views, Any]]):
    """Gives (Views, label) for each (image, label) of a map-style data set.

    An image's draw is settled by the sampler's seed, the epoch and the image's index, and by nothing else: not by the
    order, the batch, or the number of workers. Call `set_epoch` before each epoch's loop; it reaches persistent
    workers too, forked or spawned.

    Args:
        dataset: of (image, label), with a length; an image is anything that `lag_zoo.views.to_pixels` takes.
        transform: from `lag_zoo.create_transform(model)`, with `training=True` to draw at random.

    Raises:
        InvalidConfigError: another kind of data set or of transform.

    >>> from lag_zoo.data.phantom import draw_frame
    >>> from lag_zoo.views import ViewSampler
    >>> images = [(draw_frame((240, 300), seed=seed), "normal") for seed in range(2)]
    >>> views, label = ViewDataset(images, ViewTransform(ViewSampler(num_crops=2, crop_size=32)))[1]
    >>> views.crops.shape, label
    (torch.Size([2, 3, 32, 32]), 'normal')
    """

    def __init__(self, dataset: Images, transform: ViewTransform) -> None:
        if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
            raise InvalidConfigError(
                f"a map-style data set of (image, label) is expected; got {type(dataset).__name__}, which lacks "
                "__len__ or __getitem__"
            )
        if not isinstance(transform, ViewTransform):
            raise InvalidConfigError(
                "a transform to views is expected, as lag_zoo.create_transform(model) gives it; "
                f"got {type(transform).__name__}"
            )
        self.dataset = dataset
        self.transform = transform
        self._epoch = torch.zeros((), dtype=torch.int64)
        self._epoch.share_memory_()  # type: ignore[no-untyped-call]  # one memory for all workers

    @property
    def epoch(self) -> int:
        """The epoch that settles the draws."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, in this process and in every worker."""
        self._epoch.fill_(operator.index(epoch))

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Views, Any]:
        number = operator.index(index)
        number += len(self) if number < 0 else 0
        image, label = self.dataset[number]
        return self.transform(image, index=number, epoch=self.epoch), label
