"""Doubts: the frames that weights know, fitted on some of them, so that a foreign image raises a warning.

Colours and roughness have limits, and so has the distance (Mahalanobis, 1936) of the means of a layer's channels from
those of the frames. A limit lies well beyond the fitted frames, because the next hospital's differ from them.
docs/guides/foreign-input.md has the rates.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lag_zoo.data.images import read_image
from lag_zoo.errors import InvalidConfigError
from lag_zoo.nn import LAG
from lag_zoo.nn.watched import middle_layer
from lag_zoo.predict.engine import Engine
from lag_zoo.specs import Doubts, KnownFeatures
from lag_zoo.views import Views, to_pixels
from lag_zoo.views.appearance import Appearance, appearance_of
from lag_zoo.views.pixels import ImageLike

MIN_FRAMES = 40
"""Frames below which nothing is fitted: their quantiles say too little."""

_FOLD = 48  # numbers that channels are folded to
_SHRINK = 0.3  # of the correlations between them
_BEYOND, _BEYOND_DISTANCE = 3.0, 2.0  # times the distance from the median to the 5% or 95% quantile
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
    95% quantiles, that of the distance twice as far.

    Args:
        model: a network, in whatever mode.
        images: files, or images in memory, that the network was not trained on: else their features are closer together
            than those of new frames. An image without a lit field of view is left out.
        batch_size: frames that pass through the network at once.
        progress: called after each image.

    Returns:
        The doubts; `None` of fewer than `MIN_FRAMES` frames.

    Raises:
        UnreadableImageError: a file that cannot be read.
        InvalidImageError: something in memory that is not an image.
    """
    layer = middle_layer(model.backbone)
    engine = Engine(
        model,
        batch_size=batch_size,
        device=None,
        fuse=False,
        compile=False,
        precision="fp32",
        watch=layer,
    )
    appearances, means = [], []
    rest = iter(images)
    while some := list(islice(rest, batch_size)):
        seen = []
        for image in some:
            if (found := _seen(image, model)) is not None:
                appearances.append(found[0])
                seen.append(found[1])
            progress()
        if seen and layer is not None:
            output = engine(Views(*map(torch.cat, zip(*seen, strict=True))))
            means.append(cast(Tensor, output.means).numpy())
    known = (
        None if layer is None or len(appearances) < MIN_FRAMES else fit_features(layer, np.concatenate(means))
    )
    return fit_appearance(appearances, known)


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


def fit_appearance(appearances: Sequence[Appearance], features: KnownFeatures | None = None) -> Doubts | None:
    """Doubts with limits from the appearances of frames; `None` of fewer than `MIN_FRAMES`."""
    if len(appearances) < MIN_FRAMES:
        return None
    red, green, blue, roughness = np.array(appearances).T[:4]
    smooth, rough = _limits(np.log(roughness + 1e-6), _LEAST_LOG)
    return Doubts(
        frames=len(appearances),
        red=_limits(red, _LEAST),
        green=_limits(green, _LEAST),
        blue=_limits(blue, _LEAST),
        roughness=(_short(np.exp(smooth)), _short(np.exp(rough))),
        features=features,
    )


def fit_features(layer: str, means: Array) -> KnownFeatures:
    """The distribution of the means of a layer's channels (n, C), n of 4 and more, and the longest distance in it.

    Distances come from halves of the frames, each judged by the other: those of the fitted frames themselves are
    shorter than those of new ones.
    """
    folded = _folded(means)
    halves = folded[::2], folded[1::2]
    distances = [_distances(mine, *_normal(other)) for mine, other in (halves, halves[::-1])]
    middle, high = np.quantile(np.concatenate(distances), (0.5, 0.95))
    centre, whitening = _normal(folded)
    return KnownFeatures(
        layer=layer,
        centre=tuple(map(_short, centre)),
        whitening=tuple(map(_short, whitening[np.tril_indices(len(centre))])),
        distance=_short(middle + _BEYOND_DISTANCE * (high - middle)),
    )


def _limits(values: Array, least: float) -> tuple[float, float]:
    """Lowest and highest value that raises no doubt, at least so far from the median."""
    low, middle, high = np.quantile(values, (0.05, 0.5, 0.95))
    below, above = max(least, _BEYOND * (middle - low)), max(least, _BEYOND * (high - middle))
    return round(middle - below, 4), round(middle + above, 4)


def _folded(means: Array) -> Array:
    """Means of channels (n, C) -> (n, at most 48): channels with signs by a hash of their place, added up.

    Charikar et al., Finding Frequent Items in Data Streams, 2002.
    """
    count = means.shape[1]
    if count <= _FOLD:
        return means
    signs = 1 - 2 * ((np.arange(count) * 2654435761 % 2**32 >> 16) & 1)
    padded = np.pad(means * signs, ((0, 0), (0, -count % _FOLD)))
    total: Array = padded.reshape(len(means), -1, _FOLD).sum(1)
    return total


def _normal(values: Array) -> tuple[Array, Array]:
    """Centre (k,) and whitening matrix (k, k), lower triangular, of values (n, k); correlations are shrunken."""
    centre, spread = values.mean(0), values.std(0)
    spread = np.maximum(
        spread, max(1e-9, 1e-3 * float(spread.max()))
    )  # a channel that is always zero is no reason
    scaled = (values - centre) / spread
    correlations = (1 - _SHRINK) * scaled.T @ scaled / len(values) + _SHRINK * np.eye(len(spread))
    return centre, np.linalg.inv(np.linalg.cholesky(correlations)) / spread


@lru_cache(maxsize=16)
def _matrix(triangle: tuple[float, ...]) -> Array:
    """The lower triangular matrix with these entries, row by row."""
    side = math.isqrt(2 * len(triangle))
    matrix = np.zeros((side, side))
    matrix[np.tril_indices(side)] = triangle
    return matrix


def _distances(values: Array, centre: Array, whitening: Array) -> Array:
    """Distances (n,) of values (n, k) from a centre, by root mean square."""
    return np.sqrt((((values - centre) @ whitening.T) ** 2).mean(1))  # type: ignore[no-any-return]


def _short(number: float) -> float:
    """The number with four digits, as it stands in a file."""
    return float(f"{number:.4g}")


def require_fitting(known: Doubts, model: LAG) -> None:
    """Hold doubts to a network.

    Raises:
        InvalidConfigError: its backbone lacks the layer that they name.
    """
    if known.features is not None and known.features.layer not in dict(model.backbone.named_modules()):
        raise InvalidConfigError(
            f"the doubts of these weights watch the layer {known.features.layer!r}, which the backbone lacks: they "
            "were fitted on another network"
        )


def feature_doubts(means: Array, known: KnownFeatures) -> tuple[str, ...]:
    """Reasons to doubt the prediction for one frame by the means of the layer's channels (C,): one or none.

    Raises:
        InvalidConfigError: the layer has another number of channels than it had when the doubts were fitted.
    """
    folded, count = _folded(means[None]), len(known.centre)
    if folded.shape[1] != count:
        raise InvalidConfigError(
            f"the layer {known.layer!r} has {len(means)} channels, and the doubts of these weights know {count}: they "
            "were fitted on another network"
        )
    distance = float(_distances(folded, np.array(known.centre), _matrix(known.whitening))[0])
    if distance <= known.distance:
        return ()
    return (
        f"foreign content: the distance from the frames that the weights know is {distance:.1f}, theirs at most "
        f"{known.distance:.1f}; another organ, a drawing, or no endoscopy?",
    )
