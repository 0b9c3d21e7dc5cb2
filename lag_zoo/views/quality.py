"""Doubts about a frame: too little in view, too dark or bright, another light than the model was trained on."""

from collections.abc import Iterator

import torch
from torch import Tensor

from lag_zoo.views import colours
from lag_zoo.views.field_of_view import FieldOfView
from lag_zoo.views.sampler import Views

_SMALL_FIELD = 0.2  # of the frame: real fields fill more than half of it
_DARK, _BRIGHT = 25, 235  # grey levels; real frames: mean 35 to 161
_OVEREXPOSED = 0.25  # of the field, brighter than _BRIGHT; real frames: at most 9%


def frame_doubts(pixels: Tensor, field: FieldOfView, views: Views, modality: str | None) -> Iterator[str]:
    """Yield reasons to doubt the prediction for a frame (3, H, W), from its field of view and its (batched) views.

    `modality` is the light that the model was trained on, `wli` or `lci`; `None`: unknown, and colours raise no doubt.

    >>> from lag_zoo.views import ViewSampler, whole_frame
    >>> dark = torch.full((3, 90, 120), 9, dtype=torch.uint8)
    >>> views = ViewSampler(field_of_view=False)(dark).batched()
    >>> list(frame_doubts(dark, whole_frame(1, (90, 120)), views, None))
    ["dark: the field's mean is 9 of 255"]
    """
    if bool(field.empty[0]):
        yield "no lit field of view: there is nothing to see in this frame"
        return
    # The global view is small and at hand; what lies outside the field does not count.
    view = views.global_view[0]
    lit = field.mask((view.shape[1], view.shape[2]))[0]
    filled = float(lit.float().mean())
    if filled < _SMALL_FIELD:
        yield f"little mucosa in view: the lit field fills {filled:.0%} of the frame"
    elif views.inside.shape[1] and not bool(views.inside[0].any()):
        yield "little mucosa in view: the lit field has no room for a crop"
    grey = view.float().mean(0) * (1.0 if view.dtype == torch.uint8 else 255.0)
    mucosa = grey[lit]
    if (mean := float(mucosa.mean())) < _DARK:
        yield f"dark: the field's mean is {mean:.0f} of 255"
    elif (glare := float((mucosa >= _BRIGHT).float().mean())) > _OVEREXPOSED:
        yield f"overexposed: {glare:.0%} of the field is nearly white"
    if modality is not None:
        light = colours.modality_of(pixels[None], field)
        if light is not None and light != modality:
            yield f"foreign colours: the frame looks like {light.upper()}, the model was made for {modality.upper()}"
