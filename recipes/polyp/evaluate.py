"""What the folds' answers are worth: AUROC with intervals by group, beside floors and probes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.metrics import roc_auc_score

from recipes.polyp.train import Trainee, scores
from recipes.polyp.windows import Frame, Window

Floats = npt.NDArray[np.float64]


def fold_scores(frames: Sequence[Frame], windows: Sequence[Window], weights: Path) -> dict[str, list[float]]:
    """The logit that each model of a fold gives each window; and LAG on its whole frames, which all hold a polyp."""
    found = {}
    for name, state in torch.load(weights, weights_only=True).items():
        trainee = Trainee().eval()
        trainee.load_state_dict(state)
        found[name] = scores(trainee, frames, windows, crops=name == "lag")
        if name == "lag":
            found["lag_global_path"] = scores(trainee, frames, windows, crops=False)
            whole = [Window(i, _whole(frames[i]), 1) for i in sorted({w.frame for w in windows})]
            found["whole_frames"] = scores(trainee, frames, whole, crops=True)
    return found


def _whole(frame: Frame) -> tuple[int, int, int, int]:
    return 0, 0, frame.pixels.shape[2], frame.pixels.shape[1]


def interval(
    labels: Floats, groups: npt.NDArray[np.str_], *answers: Floats, resamples: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """AUROC of the first answers (less that of the second, if any), and its 95% interval: whole groups resampled."""
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(groups == g) for g in np.unique(groups)]

    def statistic(rows: npt.NDArray[np.int64]) -> float:
        areas = [roc_auc_score(labels[rows], a[rows]) for a in answers]
        return float(areas[0] - (areas[1] if len(areas) > 1 else 0))

    drawn = []
    for _ in range(resamples):
        rows = np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
        drawn.append(statistic(rows))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return statistic(np.arange(len(labels))), float(low), float(high)


def out_of_fold(
    features: Floats, labels: Floats, folds: npt.NDArray[np.int64], make: Callable[[], Any]
) -> Floats:
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


_HALVES = (slice(None, 100), slice(-100, None))
