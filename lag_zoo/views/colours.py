"""Colours: which light a frame was taken in, judged from the mucosa alone.

White light (`wli`) shows mucosa far more red than green. Linked colour imaging (`lci`) pulls like colours apart: what
is red turns redder, what is pale turns pale or purple, and most mucosa is pale. So a frame in which red exceeds green
by little is LCI. The reverse does not hold: inflamed mucosa in LCI is as red as any in white light, and no threshold
tells the two apart. The rule therefore says `lci` or nothing. docs/guides/modality.md has its errors.
"""

from typing import Literal

from torch import Tensor

from lag_zoo.errors import InvalidImageError
from lag_zoo.views.field_of_view import FieldOfView

__all__ = ["modality_of", "red_over_green"]

_POINTS = 160  # looked at along the long side: colours need no more
_DARK, _CLIPPED = 40, 250  # 0..255: below it colour is noise, above it a channel may be cut off
_LEAST = 0.1  # of the field that has to be left
_GREY, _LCI = 1.10, 1.40  # red over green: below _GREY no light known here; below _LCI linked colour imaging


def modality_of(frame: Tensor, field: FieldOfView) -> Literal["wli", "lci"] | None:
    """The light that one raw frame (1, 3, H, W), uint8 or float in [0, 1], was taken in; `None` is unsure.

    Only colours inside the field of view count. White light is never claimed (see the module), so the answer is
    `"lci"` or `None`.

    Raises:
        InvalidImageError: not one frame.

    >>> import torch
    >>> from lag_zoo.views import whole_frame
    >>> pale = torch.tensor([170.0, 130.0, 110.0]).to(torch.uint8).view(1, 3, 1, 1).expand(1, 3, 64, 64)
    >>> modality_of(pale, whole_frame(1, (64, 64)))
    'lci'
    """
    ratio = red_over_green(frame, field)
    return "lci" if ratio is not None and _GREY <= ratio < _LCI else None


def red_over_green(frame: Tensor, field: FieldOfView) -> float | None:
    """Mean red over mean green of the field's pixels that are neither dark nor clipped; `None` where few are left.

    Raises:
        InvalidImageError: not one frame (1, 3, H, W).
    """
    if frame.ndim != 4 or frame.shape[:2] != (1, 3):
        raise InvalidImageError(f"one frame has the shape (1, 3, H, W); got {tuple(frame.shape)}")
    step = max(1, max(frame.shape[-2:]) // _POINTS)
    points = frame[0, :, step // 2 :: step, step // 2 :: step].float()
    if frame.is_floating_point():
        points = points * 255
    lit = field.mask((points.shape[1], points.shape[2]))[0]
    brightest = points.amax(0)
    usable = lit & (brightest > _DARK) & (brightest < _CLIPPED)
    if int(usable.sum()) <= _LEAST * int(lit.sum()):
        return None
    red, green, _ = points[:, usable].mean(1)
    return float(red / green.clamp(min=1.0))
