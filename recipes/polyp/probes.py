"""What can be had without a network: colours, which are a baseline, and what must not give the answer away.

Windows are balanced so that frame, place, size and shape say nothing; a probe above chance would show that they do.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from recipes.polyp.windows import Frame, Window

Floats = npt.NDArray[np.float64]
_HALVES = (slice(None, 100), slice(-100, None))


def out_of_fold(features: Floats, labels: Floats, folds: npt.NDArray[Any], make: Callable[[], Any]) -> Floats:
    """The answers of a small classifier, each fold's by one that was fitted on the other folds."""
    answers = np.zeros(len(labels))
    for fold in np.unique(folds):
        test = folds == fold
        answers[test] = make().fit(features[~test], labels[~test]).predict_proba(features[test])[:, 1]
    return answers


def colour_statistics(frame: Frame, window: Window) -> list[float]:
    """24 numbers of a window: mean, deviation and five percentiles of each channel, and three ratios of means."""
    x1, y1, x2, y2 = window.box
    pixels = frame.pixels[:, y1:y2, x1:x2].reshape(3, -1).numpy().astype(np.float64)
    mean = pixels.mean(1)
    percentiles = np.percentile(pixels, [10, 25, 50, 75, 90], axis=1)
    ratios = [mean[0] / (mean[1] + 1), mean[1] / (mean[2] + 1), np.ptp(pixels, axis=0).mean()]
    return [*mean, *pixels.std(1), *percentiles.ravel(), *ratios]


def geometry(frame: Frame, window: Window) -> list[float]:
    """Where a window lies and what shape it has: what a model must not be able to use."""
    x1, y1, x2, y2 = window.box
    left, top, right, bottom = frame.field.bounds()[0].tolist()
    x, y = (x1 + x2 - 2 * left) / (right - left) / 2, (y1 + y2 - 2 * top) / (bottom - top) / 2
    far = float(np.hypot(x - 0.5, y - 0.5))
    return [x2 - x1, y2 - y1, (x2 - x1) / (y2 - y1), (y2 - y1) / (bottom - top), x, y, far]


def outside(frame: Frame, window: Window) -> list[float]:
    """All that lies outside the field of view of the window's frame, in numbers; nothing of the mucosa."""
    dark = ~frame.field.mask()[0]
    pixels = frame.pixels[:, dark].numpy().astype(np.float64)
    height, width = dark.shape
    cut = (frame.field.cutouts[0, :, 2:] - frame.field.cutouts[0, :, :2]).clamp(min=0).prod(1).sum().item()
    colours = [*pixels.mean(1), *pixels.std(1), (pixels.max(0) > 80).mean()] if dark.any() else [0.0] * 7
    corners = [dark[rows, columns].float().mean().item() for rows in _HALVES for columns in _HALVES]
    return [height, width, dark.float().mean().item(), cut / (height * width), *colours, *corners]


def _logistic() -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))


def _trees() -> Any:
    return HistGradientBoostingClassifier(random_state=0)


PROBES: tuple[tuple[str, Callable[[Frame, Window], list[float]], Callable[[], Any], str], ...] = (
    (
        "AUROC of colour statistics alone",
        colour_statistics,
        _logistic,
        "a baseline: 24 numbers, logistic regression",
    ),
    ("AUROC of place, size and shape alone", geometry, _trees, "a probe: should be at chance, 0.5"),
    ("AUROC of what lies outside the field", outside, _trees, "a probe: should be at chance, 0.5"),
)
"""What is measured: its name, the numbers of a window, the classifier, and a remark."""
