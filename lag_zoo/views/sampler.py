"""Views: one frame looked at twice, made by one piece of code wherever they are made.

`ViewSampler` runs in a data-loader worker on one image or inside the network on a batch; for uint8 on the CPU both
give the same bits.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lag_zoo.brief import shown
from lag_zoo.errors import InvalidConfigError, InvalidImageError
from lag_zoo.specs import LAGConfig, Policy
from lag_zoo.views.extract import crops_of, global_views
from lag_zoo.views.field_finder import find_field_of_view
from lag_zoo.views.field_of_view import FieldOfView, whole_frame
from lag_zoo.views.pixels import Frames, ImageLike, check_frames, not_pixels, to_pixels
from lag_zoo.views.policies import mix, place_crops


class Views(NamedTuple):
    """The views of B frames; of one frame, without the leading B.

    global_view: (B, 3, G, G), crops: (B, N, 3, c, c): raw pixels, uint8 or float in 0..1.
    boxes: (B, N, 4) int64, x1 y1 x2 y2 in the frame. inside: (B, N) bool, the crops wholly in the field of view.
    coverage: (B,) float32, the part of the field of view that the crops see; NaN where it was not asked for.
    """

    global_view: Tensor
    crops: Tensor
    boxes: Tensor
    inside: Tensor
    coverage: Tensor

    def __repr__(self) -> str:
        parts = [f"global_view={shown(self.global_view)}", f"crops={tuple(self.crops.shape)}"]
        if type(self.inside) is Tensor and not self.inside.is_meta:  # else it has no values to count
            parts.append(f"{int(self.inside.sum())} of {self.inside.numel()} crops inside")
        return f"Views({', '.join(parts)})"

    def batched(self) -> "Views":
        """Return the views with the leading B, added where it is missing."""
        return self if self.global_view.ndim == 4 else Views(*(t[None] for t in self))

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> "Views":
        """Return the views on another device. Their dtype stays: the network converts and normalises."""
        return Views(*(t.to(device=device, non_blocking=non_blocking) for t in self))


@dataclass(frozen=True, kw_only=True)
class ViewSampler:
    """Frames of any size -> `Views`; the single maker of views, wherever they are made.

    Without crops (`with_crops=False`, or `num_crops=0`) N is 0, and so is the coverage. No network looks at the
    coverage, and counting takes as long as placing the crops: `with_coverage=False` leaves it out.

    >>> sampler = ViewSampler(global_size=96, num_crops=4, crop_size=32)
    >>> views = sampler(np.full((200, 300, 3), 128, np.uint8))
    >>> views.global_view.shape, views.crops.shape, views.inside.all().item()
    (torch.Size([3, 96, 96]), torch.Size([4, 3, 32, 32]), True)
    """

    global_size: int = 224
    num_crops: int = 10
    crop_size: int = 64
    policy: Policy = "sobol"
    field_of_view: bool = True
    mask_outside: bool = False
    seed: int = 0
    with_crops: bool = True
    with_coverage: bool = True

    @classmethod
    def from_config(
        cls,
        config: LAGConfig,
        *,
        policy: Policy | None = None,
        seed: int = 0,
        with_crops: bool = True,
        with_coverage: bool = True,
    ) -> "ViewSampler":
        """The sampler that a network's configuration describes; its `global_size` must be settled.

        Equal arguments give the same sampler, so that nothing is checked anew for each frame.
        """
        return _sampler_of(config, policy, seed, with_crops, with_coverage)

    def __post_init__(self) -> None:
        LAGConfig.checked(
            global_size=self.global_size,
            num_crops=self.num_crops,
            crop_size=self.crop_size,
            policy=self.policy,
        )

    def __call__(
        self, images: ImageLike | Frames, *, epoch: int = 0, index: int | Sequence[int] | None = None
    ) -> Views:
        """Views of one image (unbatched) or of several (batched).

        One image is a PIL image, an ndarray (H, W, 3) or a tensor (3, H, W); several are a tensor (B, 3, H, W) or a
        sequence of images of any sizes. `index` numbers them (default 0, 1, ...): with `epoch` and `seed` it settles
        where `random` puts the crops.

        Raises:
            InvalidImageError: something is not an image; see `to_pixels`.
        """
        if isinstance(images, Tensor) and images.ndim != 3:
            return self.of_frames(check_frames(images), epoch=epoch, indices=_numbers(index, len(images)))
        if isinstance(images, Image.Image | np.ndarray | Tensor):
            number = 0 if index is None else _whole(index)
            views = self.of_frames(to_pixels(images)[None], epoch=epoch, indices=[number])
            return Views(*(t[0] for t in views))
        if not isinstance(images, Sequence) or isinstance(images, str | bytes | bytearray | memoryview):
            raise not_pixels(
                images, "views are made of an image, a tensor (B, 3, H, W) or a sequence of images"
            )
        # Frames of different sizes become views of one size, one frame at a time.
        each = [
            self.of_frames(to_pixels(image)[None], epoch=epoch, indices=[number])
            for image, number in zip(images, _numbers(index, len(images)), strict=True)
        ]
        if len({v.crops.dtype for v in each}) > 1:
            raise InvalidImageError("a batch is either all uint8 or all float; got both")
        return Views(*(torch.cat(parts) for parts in zip(*each, strict=True)))

    @property
    def makes_crops(self) -> bool:
        """True where there are crops to make."""
        return self.with_crops and self.num_crops > 0

    def field(self, frames: Tensor) -> FieldOfView:
        """Frames (B, 3, H, W) -> their field of view; the whole frame with `field_of_view=False`."""
        if self.field_of_view:
            return find_field_of_view(frames)
        return whole_frame(len(frames), (frames.shape[-2], frames.shape[-1]), device=frames.device)

    def of_frames(
        self,
        frames: Tensor,
        *,
        indices: Sequence[int],
        epoch: int = 0,
        field: FieldOfView | None = None,
        view: Tensor | None = None,
    ) -> Views:
        """Checked frames (B, 3, H, W) -> views, batched.

        Args:
            frames: as `check_frames` gives them.
            indices: the number of each frame, which with `epoch` and `seed` settles where `random` puts its crops.
            epoch: of the training.
            field: the field of view of the frames, where the caller has it already.
            view: their global view (B, 3, G, G), not masked, likewise.
        """
        view = global_views(frames, self.global_size) if view is None else view
        if not (self.makes_crops or self.mask_outside):
            return _without_crops(view, self.crop_size)
        if field is None:
            field = self.field(frames)
        if self.mask_outside:
            view = view * field.mask((self.global_size, self.global_size))[:, None].to(view.dtype)
        if not self.makes_crops:
            return _without_crops(view, self.crop_size)
        boxes, inside = place_crops(
            field,
            num_crops=self.num_crops,
            crop_size=self.crop_size,
            policy=self.policy,
            seeds=[mix(self.seed, epoch, i) for i in indices],
        )
        coverage = (
            field.coverage(boxes) if self.with_coverage else torch.full_like(field.offsets[:, 0], torch.nan)
        )
        return Views(view, crops_of(frames, boxes), boxes, inside, coverage)


@functools.lru_cache(maxsize=64)
def _sampler_of(
    config: LAGConfig,
    policy: Policy | None,
    seed: int,
    with_crops: bool,
    with_coverage: bool,
) -> ViewSampler:
    if config.global_size is None:
        raise InvalidConfigError(
            "the configuration leaves global_size open; take the configuration of a built model"
        )
    return ViewSampler(
        global_size=config.global_size,
        num_crops=config.num_crops,
        crop_size=config.crop_size,
        policy=config.policy if policy is None else policy,
        field_of_view=config.field_of_view,
        mask_outside=config.mask_outside,
        seed=seed,
        with_crops=with_crops,
        with_coverage=with_coverage,
    )


def _without_crops(view: Tensor, crop_size: int) -> Views:
    batch, device = len(view), view.device
    return Views(
        view,
        view.new_zeros(batch, 0, 3, crop_size, crop_size),
        torch.zeros(batch, 0, 4, dtype=torch.int64, device=device),
        torch.zeros(batch, 0, dtype=torch.bool, device=device),
        torch.zeros(batch, device=device),
    )


def _whole(index: int | Sequence[int]) -> int:
    if isinstance(index, int):
        return index
    raise InvalidImageError(f"one image has one index, a whole number; got {index!r}")


def _numbers(index: int | Sequence[int] | None, count: int) -> list[int]:
    if count == 0:
        raise InvalidImageError("no images: an empty batch has no views")
    if isinstance(index, int):
        raise InvalidImageError(f"{count} images need as many indices, a sequence; got {index}")
    numbers = list(range(count)) if index is None else [int(i) for i in index]
    if len(numbers) != count:
        raise InvalidImageError(f"{count} images need as many indices, got {len(numbers)}")
    return numbers
