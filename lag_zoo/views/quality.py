"""Doubts about a frame: too little in view, too dark or bright, no frame by its layout, or none like those that the
weights know.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from lag_zoo.specs import Doubts
from lag_zoo.views import colours
from lag_zoo.views.appearance import Appearance, appearance_of
from lag_zoo.views.field_of_view import FieldOfView
from lag_zoo.views.sampler import Views

_SMALL_FIELD = 0.2  # of the frame: real fields fill more than half of it
_DARK, _BRIGHT = 25, 235  # grey levels; real frames: mean 35 to 161
_OVEREXPOSED = 0.25  # of the field, brighter than _BRIGHT; real frames: at most 9%

# Of no weights in particular; python -m benchmarks.foreign_input prints what real frames have.
_EVEN = 5  # grey levels of contrast
_ROUNDING = 1  # grey levels of contrast, which are no picture's
_NOISE = 0.4  # of roughness
_GAP = 0.06  # of the field's height
_SEAM = 0.6  # of the field's height
_PAGE = 0.5  # of the border


def frame_doubts(
    pixels: Tensor, field: FieldOfView, views: Views, modality: str | None, known: Doubts | None = None
) -> Iterator[str]:
    """Yield reasons to doubt the prediction for a frame (3, H, W).

    Args:
        pixels: the frame.
        field: its field of view.
        views: its views, batched.
        modality: the light that the model was trained on, `wli` or `lci`; `None`: unknown, and raises no doubt.
        known: the frames that the weights know, whose colours are then the measure in place of `modality`; `None`:
            unknown.

    >>> from lag_zoo.views import ViewSampler, whole_frame
    >>> dark = torch.randint(0, 19, (3, 90, 120), dtype=torch.uint8)
    >>> views = ViewSampler(field_of_view=False, global_size=90)(dark).batched()
    >>> list(frame_doubts(dark, whole_frame(1, (90, 120)), views, None))[0]
    "dark: the field's mean is 9 of 255"
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
    found = appearance_of(view, lit)
    yield from _layout_doubts(found)
    if known is not None:
        yield from _foreign(found, known)
    elif modality is not None:
        light = colours.modality_of(pixels[None], field)
        if light is not None and light != modality:
            yield f"foreign colours: the frame looks like {light.upper()}, the model was made for {modality.upper()}"


def _layout_doubts(found: Appearance) -> Iterator[str]:
    """Yield reasons why an image is no endoscopic frame, whatever the weights know."""
    # Noise of single pixels is all but gone from the small view: what is left has hardly any contrast.
    if found.roughness > _NOISE and found.contrast > _ROUNDING:
        yield (
            f"noise: neighbouring pixels have little in common (roughness {found.roughness:.2f}, that of frames at "
            f"most {_NOISE}); is this a picture?"
        )
        return
    if found.contrast < _EVEN:
        yield (
            f"nearly one colour: the contrast is {found.contrast:.1f} of 255, that of frames at least {_EVEN}; is "
            "the lens covered?"
        )
        return
    if found.border >= _PAGE:
        yield (
            f"a page around the frame: {found.border:.0%} of the border is lit and of one colour, of frames at most "
            f"{_PAGE:.0%}; cut the frame out"
        )
    elif found.gap > _GAP:
        yield (
            f"two pictures: a dark gap between them cuts {found.gap:.0%} of the field, in frames at most {_GAP:.0%}; "
            "cut out one"
        )
    elif found.seam > _SEAM:
        yield (
            f"two pictures: a straight seam runs over {found.seam:.0%} of the field, in frames at most {_SEAM:.0%}; "
            "cut out one"
        )


def _foreign(found: Appearance, known: Doubts) -> Iterator[str]:
    """Yield reasons why a frame is none of those that the weights know."""
    shares = {"red": found.red, "green": found.green, "blue": found.blue}
    excess = {name: _beyond(share, getattr(known, name)) for name, share in shares.items()}
    worst = max(excess, key=lambda name: excess[name])
    if excess[worst] > 0:
        low, high = getattr(known, worst)
        swapped = max(_beyond(found.blue, known.red), _beyond(found.red, known.blue)) <= 0
        hint = "are red and blue swapped?" if swapped else "another light, dye or organ, or no endoscopy?"
        yield (
            f"foreign colours: {worst} is {shares[worst]:.3f} of the light, in frames that the weights know "
            f"{low:.3f} to {high:.3f}; {hint}"
        )
    low, high = known.roughness
    if _beyond(found.roughness, known.roughness) > 0:
        hint = "is it blurred, or enlarged?" if found.roughness < low else "is it noisy, or a drawing?"
        yield (
            f"foreign texture: the roughness is {found.roughness:.4f}, in frames that the weights know {low:.4f} to "
            f"{high:.4f}; {hint}"
        )


def _beyond(value: float, limits: tuple[float, ...]) -> float:
    """Distance of a value beyond its limits; at most 0 within them."""
    return max(limits[0] - value, value - limits[1])
