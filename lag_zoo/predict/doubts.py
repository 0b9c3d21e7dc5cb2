"""Doubts: the frames that weights know, fitted on some of them, so that a foreign image raises a warning.

Colours and roughness have limits, and the backbone's features a direction that those of all frames come near to. A
limit lies well beyond the fitted frames, because the next hospital's differ from them. The features find drawings and
photographs; another organ in the same light they mostly do not find. docs/guides/foreign-input.md has the rates.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from lag_zoo.data.images import read_image
from lag_zoo.errors import InvalidConfigError
from lag_zoo.nn import LAG
from lag_zoo.predict.engine import Engine
from lag_zoo.specs import Doubts
from lag_zoo.views import Views, to_pixels
from lag_zoo.views.appearance import Appearance, appearance_of
from lag_zoo.views.pixels import ImageLike

MIN_FRAMES = 40
"""Frames below which nothing is fitted: their quantiles say too little."""

_FOLD = 128  # numbers of a direction
_BEYOND, _BEYOND_LIKENESS = 3.0, 2.0  # times the distance from the median to the 5% or 95% quantile
_LEAST, _LEAST_LOG = (
    0.02,
    0.5,
)  # such a distance in any case: of a colour, and of the logarithm of the roughness

Array = npt.NDArray[np.float64]


def fit_doubts(
    model: LAG,
    images: Iterable[str | Path | ImageLike],
    *,
    batch_size: int = 16,
    progress: Callable[[], None] = lambda: None,
) -> Doubts | None:
    """Fit the doubts of a network on frames of the kind that it is for; they belong in its `weight_spec`.

    The limits of the colours and of the logarithm of the roughness lie three times as far from the median as the 5% and
    95% quantiles, that of the likeness twice as far.

    Args:
        model: a network, in whatever mode.
        images: files, or images in memory, that the network was not trained on: else its features of them are closer
            together than those of new frames. A frame without a lit field of view is left out.
        batch_size: frames that pass through the network at once.
        progress: called after each image.

    Returns:
        The doubts; `None` of fewer than `MIN_FRAMES` frames.

    Raises:
        UnreadableImageError: a file that cannot be read.
        InvalidImageError: something in memory that is not an image.
    """
    engine = Engine(model, batch_size=batch_size, device=None, fuse=False, compile=False, precision="fp32")
    appearances, features = [], []
    rest = iter(images)
    while some := list(islice(rest, batch_size)):
        seen = []
        for image in some:
            if (found := _seen(image, model)) is not None:
                appearances.append(found[0])
                seen.append(found[1])
            progress()
        if seen:
            features.append(engine(Views(*map(torch.cat, zip(*seen, strict=True)))).features.numpy())
    return doubts_from(appearances, np.concatenate(features)) if features else None


def _seen(image: str | Path | ImageLike, model: LAG) -> tuple[Appearance, Views] | None:
    """The appearance and the views of an image; `None` of one without a lit field."""
    pixels = read_image(image) if isinstance(image, str | Path) else to_pixels(image).cpu()
    frame = (pixels if pixels.dtype == torch.uint8 else (pixels * 255).round().to(torch.uint8))[None]
    sampler = model.sampler(with_coverage=False)
    field = sampler.field(frame)
    if bool(field.empty[0]):
        return None
    views = sampler.of_frames(frame, indices=[0], field=field)
    view = views.global_view[0]
    return appearance_of(view, field.mask((view.shape[1], view.shape[2]))[0]), views


def doubts_from(appearances: Sequence[Appearance], features: Array) -> Doubts | None:
    """The doubts of frames with these appearances and backbone features (n, F); `None` of fewer than `MIN_FRAMES`."""
    count = len(appearances)
    if count < MIN_FRAMES:
        return None
    table = np.array(appearances)
    red, green, blue, roughness = table.T[:4]
    rays = _rays(features)
    total = rays.sum(0)
    # Each frame against the others: among few frames its own part of the mean would flatter it.
    own = (rays * _unit(total - rays)).sum(1)
    middle, low = np.quantile(own, (0.5, 0.05))
    return Doubts(
        frames=count,
        red=_limits(red, _LEAST),
        green=_limits(green, _LEAST),
        blue=_limits(blue, _LEAST),
        roughness=tuple(float(f"{x:.3g}") for x in np.exp(_limits(np.log(roughness + 1e-6), _LEAST_LOG))),
        direction=tuple(_unit(total).round(4).tolist()),
        likeness=round(float(max(-1.0, middle - _BEYOND_LIKENESS * (middle - low))), 4),
    )


def _limits(values: Array, least: float) -> tuple[float, float]:
    """Lowest and highest value that raises no doubt, at least so far from the median."""
    low, middle, high = np.quantile(values, (0.05, 0.5, 0.95))
    below, above = max(least, _BEYOND * (middle - low)), max(least, _BEYOND * (high - middle))
    return round(middle - below, 4), round(middle + above, 4)


def _rays(features: Array) -> Array:
    """Features (n, F) -> directions of length 1 (n, at most 128).

    Signs are drawn by a hash of the place, and places are added up: angles stay about the same (Charikar et al.,
    Finding Frequent Items in Data Streams, 2002).
    """
    places = np.arange(features.shape[1])
    signs = 1 - 2 * ((places * 2654435761 % 2**32 >> 16) & 1)
    width = min(_FOLD, features.shape[1])
    padded = np.pad(features * signs, ((0, 0), (0, -features.shape[1] % width)))
    return _unit(padded.reshape(len(features), -1, width).sum(1))


def _unit(vectors: Array) -> Array:
    length: Array = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(length, 1e-12)


def require_fitting(known: Doubts, model: LAG) -> None:
    """Hold doubts to the width of a network's features.

    Raises:
        InvalidConfigError: they are those of another network.
    """
    width = min(_FOLD, model.global_fc.in_features)
    if len(known.direction) != width:
        raise InvalidConfigError(
            f"the doubts of these weights have a direction of {len(known.direction)} numbers, and the network's "
            f"features fold to {width}: they were fitted on another network"
        )


def feature_doubts(features: Array, known: Doubts) -> tuple[str, ...]:
    """Reasons to doubt the prediction for one frame by its backbone features (F,): one or none."""
    likeness = float(_rays(features[None])[0] @ _unit(np.array(known.direction)))
    if likeness >= known.likeness:
        return ()
    return (
        f"foreign content: the features' likeness to the frames that the weights know is {likeness:.2f}, theirs at "
        f"least {known.likeness:.2f}; another organ, a drawing, or no endoscopy?",
    )
