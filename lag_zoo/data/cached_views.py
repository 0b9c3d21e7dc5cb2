"""A cache of frames as a data set of views: the same bits as from the files, without decoding them again."""

import operator
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from lag_zoo.data.cache import FrameCache
from lag_zoo.data.dataset import ViewDataset
from lag_zoo.errors import InvalidConfigError
from lag_zoo.views import Views, ViewTransform


class _Labelled:
    """The frames of a cache as (pixels, label)."""

    def __init__(self, cache: FrameCache, labels: Sequence[Any]) -> None:
        self.cache = cache
        self.labels = labels

    def __len__(self) -> int:
        return len(self.cache)

    def __getitem__(self, index: int, /) -> tuple[Tensor, Any]:
        return self.cache[index], self.labels[index]


class CachedViews(ViewDataset):
    """Gives (Views, label) for each frame of a cache, as `ViewDataset` does for the files behind it, bit for bit.

    Crops read only their own pixels; the global view and the field of view are not made again. Works in workers, forked
    or spawned, which share the mapped memory. Of frames without a lit area the build warns, and nothing here.

    Args:
        cache: from `lag_zoo.data.cache.build_cache`.
        labels: one for each frame of the cache, in its order.
        transform: as for `ViewDataset`; its `global_size` is the cache's.

    Raises:
        InvalidConfigError: another global size, another number of labels, or another kind of transform.
    """

    def __init__(self, cache: FrameCache, labels: Sequence[Any], transform: ViewTransform) -> None:
        super().__init__(_Labelled(cache, labels), transform)
        if len(labels) != len(cache):
            left_out = f"; {len(cache.skipped)} that could not be read are left out" if cache.skipped else ""
            raise InvalidConfigError(
                f"each frame has a label: got {len(labels)} labels, and {cache.folder} has {len(cache)} frames"
                f"{left_out}"
            )
        if transform.sampler.global_size != cache.global_size:
            raise InvalidConfigError(
                f"the transform makes global views of {transform.sampler.global_size} pixels, and {cache.folder} "
                f"keeps them of {cache.global_size}: build a cache in a folder of its own for this size"
            )
        self.cache = cache
        self.labels = labels

    def __getitem__(self, index: int) -> tuple[Views, Any]:
        number = operator.index(index)
        number += len(self) if number < 0 else 0
        return self.views_of(number, index=number), self.labels[number]

    def views_of(self, number: int, *, index: int) -> Views:
        """Return the views of a frame of the cache, with what `index` and the epoch settle."""
        sampler, frame = self.transform.sampler, self.cache.mapped(number)
        views = sampler.of_frames(
            frame.pixels[None],
            indices=[index],
            epoch=self.epoch,
            field=frame.field if sampler.field_of_view else None,
            view=frame.global_view[None].clone(),  # out of the mapped memory
        )
        one = Views(*(tensor[0] for tensor in views))
        return self.transform.turned(one, index=index, epoch=self.epoch)
