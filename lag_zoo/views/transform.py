"""The same views as a torchvision transform, for data sets and data loaders."""

from typing import Any

import torch
from torch import Tensor
from torchvision.transforms import v2

from lag_zoo.errors import InvalidConfigError
from lag_zoo.views.pixels import ImageLike, to_pixels
from lag_zoo.views.policies import mix
from lag_zoo.views.sampler import Views, ViewSampler


class FrameTransform(v2.Transform):
    """An image of any kind to the raw frame (3, H, W), for `LAG` to make views of."""

    def forward(self, image: ImageLike) -> Tensor:
        """One image as `to_pixels` gives it.

        Raises:
            InvalidImageError: something that is not an image, such as its path; see `to_pixels`.
        """
        return to_pixels(image)


class ViewTransform(v2.Transform):
    """An image of any kind to its raw `Views`, unbatched.

    In training the crops lie at random and both looks are flipped and turned by quarters: native pixels stay native.
    `index`, the image's number in its data set, and `epoch` settle the draw; `lag_zoo.data.ViewDataset` gives both.
    """

    def __init__(self, sampler: ViewSampler, *, training: bool = False) -> None:
        super().__init__()
        self.sampler = sampler
        self.training_views = training

    def forward(self, image: ImageLike, *, index: int | None = None, epoch: int = 0) -> Views:  # type: ignore[override]
        """The views of one image.

        Raises:
            InvalidImageError: something that is not an image, such as its path; see `to_pixels`.
            InvalidConfigError: in training, without `index`: every image would be drawn alike.
        """
        if self.training_views and index is None:
            raise InvalidConfigError(
                "a training transform needs the image's index (and epoch), which settle its draw: wrap the data set, "
                "lag_zoo.data.ViewDataset(dataset, transform), or call transform(image, index=i, epoch=e)"
            )
        return self.turned(self.sampler(image, epoch=epoch, index=index or 0), index=index or 0, epoch=epoch)

    def turned(self, views: Views, *, index: int, epoch: int) -> Views:
        """Return the views of one image unchanged, or in training flipped and turned."""
        return turn_views(views, self._generator(index, epoch)) if self.training_views else views

    def turned_mask(self, mask: Tensor, *, crops: int, index: int, epoch: int) -> Tensor:
        """Return a mask (..., G, G) of a global view as `turned` lays the view, which has so many crops beside it."""
        if not self.training_views:
            return mask
        return _turn(mask, _draw_turns(self._generator(index, epoch), crops)[0])

    def _generator(self, index: int, epoch: int) -> torch.Generator:
        return torch.Generator().manual_seed(mix(self.sampler.seed + 1, epoch, index))

    def extra_repr(self) -> str:
        """The sampler and the mode, for `print`."""
        return f"{self.sampler}, training={self.training_views}"

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """One image, as torchvision's own transforms call it."""
        return self.forward(inpt)


def turn_views(views: Views, generator: torch.Generator) -> Views:
    """Flip and turn the global view and each crop by quarters, each by its own draw; views are unbatched.

    The boxes stay where the pixels came from.
    """
    draws = _draw_turns(generator, len(views.crops))
    turned = [_turn(crop, draw) for crop, draw in zip(views.crops, draws[1:], strict=True)]
    crops = torch.stack(turned) if turned else views.crops
    return views._replace(global_view=_turn(views.global_view, draws[0]), crops=crops)


def _draw_turns(generator: torch.Generator, crops: int) -> list[int]:
    """Draw one of eight ways to lay the global view, which comes first, and each crop."""
    draws: list[int] = torch.randint(0, 8, (1 + crops,), generator=generator).tolist()
    return draws


def _turn(image: Tensor, draw: int) -> Tensor:
    turned = torch.rot90(image, draw % 4, (-2, -1))
    return (turned.flip(-1) if draw >= 4 else turned).contiguous()
