"""Baselines: what can be had without looking at the mucosa as a network does.

A network that is no better than colour statistics has learnt colours. One that is matched by the files' metadata, or by
what lies outside the field of view, may have learnt the hospital. Each baseline is a logistic regression, fitted on the
training frames, or on the other folds, and scored on the very frames that the network is scored on.
"""

import dataclasses
import hashlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import ExifTags
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from lag_zoo.data.images import is_dicom_file, open_image, read_image
from lag_zoo.data.manifest import Manifest
from lag_zoo.errors import DataError, FieldOfViewWarning, InvalidConfigError, UnreadableImageError
from lag_zoo.evaluate.analysis import Analysis
from lag_zoo.evaluate.options import EvaluationOptions
from lag_zoo.evaluate.report import Report
from lag_zoo.evaluate.scores import Calibration, Scores
from lag_zoo.nn import LAG
from lag_zoo.nn.backbones import backbone_features
from lag_zoo.specs import LAGConfig, Task
from lag_zoo.views import find_field_of_view
from lag_zoo.views.extract import global_views

LEAKS = ("metadata", "outside the field of view")
"""The baselines that should be at chance: what they know is not in the mucosa."""

_STRENGTH = 0.1  # of the regression, scikit-learn's C: few frames, many numbers
_CERTAIN = 30.0  # the logit of what the training frames say nothing against
_GRID = 12  # cells a side of what lies outside


def baselines(
    manifest: Manifest,
    scores: Scores,
    config: LAGConfig,
    *,
    train: str = "train",
    skip_unreadable: bool = False,
    progress: Callable[[], None] = lambda: None,
) -> dict[str, Scores]:
    """The scores of each baseline on the frames of `scores`, by name.

    Args:
        manifest: has the frames of `scores`, and training frames.
        config: of the network; the linear probe is on its backbone, untrained.
        train: the split that the regressions are fitted on.
        skip_unreadable: leave out training frames that cannot be read.
        progress: called after each frame that was read.

    Raises:
        DataError: no training frames besides those that are scored, or none that can be read.
        UnreadableImageError: a frame that cannot be read.
    """
    scored = set(scores.frames.images)
    fitted = [f for f in manifest.frames if f.split == train and not f.excluded and f.image not in scored]
    if not fitted:
        raise DataError(
            f"baselines are fitted on training frames, and {manifest.source} has none in a split {train!r} besides "
            "those that are scored"
        )
    manifest = manifest.with_frames([*fitted, *(f for f in manifest.frames if f.image in scored)])
    seen = _seen(manifest, config, skip_unreadable, progress)
    return _fitted(manifest, seen, {frame.image for frame in fitted} & set(seen), scores)


def baselines_out_of_fold(
    manifest: Manifest, scores: Scores, config: LAGConfig, *, progress: Callable[[], None] = lambda: None
) -> dict[str, Scores]:
    """As `baselines`, of the scores of a cross-validation: each fold's are fitted on the frames of all other folds.

    Args:
        manifest: has the frames of `scores`; its own splits are not used.
        scores: the column `fold` of their frames says the folds, as `lag_zoo.training.cross_validate` gives them.

    Raises:
        InvalidConfigError: the scores are not of several folds.
        UnreadableImageError: a frame that cannot be read.
    """
    parts = np.array(scores.frames.fold)
    if len(set(scores.frames.fold)) < 2:
        raise InvalidConfigError(
            f"scores of several folds are needed; these are of {sorted(set(scores.frames.fold))}"
        )
    scored = set(scores.frames.images)
    manifest = manifest.with_frames(frame for frame in manifest.frames if frame.image in scored)
    seen = _seen(manifest, config, False, progress)
    of_folds = []
    for fold in sorted(set(scores.frames.fold)):
        one = scores.take(np.flatnonzero(parts == fold))
        of_folds.append(_fitted(manifest, seen, scored - set(one.frames.images), one))
    first, *others = of_folds
    return {name: of_first.join([other[name] for other in others]) for name, of_first in first.items()}


def with_baselines(
    report: Report,
    found: Mapping[str, Scores],
    options: EvaluationOptions,
    *,
    progress: Callable[[], None] = lambda: None,
) -> Report:
    """Return the report with the rows of each baseline, at 0.5, and a warning first for each leak.

    A leak is a baseline that is above chance by its interval, and should not be.

    Args:
        report: of the network.
        found: the scores of each baseline, by name.
        options: those of the report; the threshold is 0.5.
        progress: called after each row: once a label of each baseline.
    """
    alike = dataclasses.replace(options, operating_point="0.5", apparent=False, pairs=False)
    rows = {
        name: tuple(Analysis(scores, alike).rows(full=False, progress=progress))
        for name, scores in found.items()
    }
    warned = [
        f"Leak: {name} alone ranks {row.label} with an AUROC of {row.measures['auroc'].value:.3f} "
        f"({row.measures['auroc'].low:.3f} to {row.measures['auroc'].high:.3f}); a network may have learnt that too."
        for name in LEAKS
        for row in rows.get(name, ())
        if row.measures["auroc"].low > 0.5
    ]
    return dataclasses.replace(report, baselines=tuple(rows.items()), warnings=(*warned, *report.warnings))


def _seen(
    manifest: Manifest, config: LAGConfig, skip_unreadable: bool, progress: Callable[[], None]
) -> dict[str, dict[str, np.ndarray]]:
    """Features of each image, by image, then by baseline."""
    probe = _untrained(config)
    seen = {}
    for frame in manifest.frames:
        try:
            seen[frame.image] = _looked_at(manifest.path(frame), frame.device, probe)
        except UnreadableImageError:
            if not skip_unreadable:
                raise
        finally:
            progress()
    return seen


def _fitted(
    manifest: Manifest, seen: Mapping[str, Mapping[str, np.ndarray]], known: AbstractSet[str], scores: Scores
) -> dict[str, Scores]:
    """Scores of each baseline, fitted on the known images."""
    if not known:
        raise DataError(f"none of the training frames of {manifest.source} can be read: no baseline")
    of_known = manifest.with_label_names(scores.label_names).with_frames(
        frame for frame in manifest.frames if frame.image in known
    )
    found = {}
    for name in seen[scores.frames.images[0]]:
        features = np.stack([seen[frame.image][name] for frame in of_known.frames])
        asked = np.stack([seen[image][name] for image in scores.frames.images])
        # Of matrices this small, several threads make much work and no haste.
        with threadpool_limits(1, user_api="blas"):
            logits = _regressed(features, of_known.targets(), asked, scores)
        found[name] = dataclasses.replace(
            scores,
            logits=logits,
            frames=dataclasses.replace(
                scores.frames, columns={k: v for k, v in scores.frames.columns.items() if k == "exam"}
            ),
            calibration=Calibration(),
        )
    return found


def _looked_at(path: Path, device: str, probe: LAG) -> dict[str, np.ndarray]:
    pixels = read_image(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FieldOfViewWarning)  # such a frame is all outside
        field = find_field_of_view(pixels[None])
    lit = field.mask((pixels.shape[1], pixels.shape[2]))[0]
    view = global_views(pixels[None], probe.config.global_size or 0)
    with torch.inference_mode():
        features = backbone_features(probe.backbone, probe._normalised(view))[0]
    return {
        "colour statistics": _colours(pixels[:, lit] if lit.any() else pixels.flatten(1)),
        "metadata": _metadata(path, device, pixels.shape[2], pixels.shape[1]),
        "outside the field of view": _outside(pixels, lit),
        "untrained backbone, linear probe": features.double().numpy(),
    }


def _colours(pixels: torch.Tensor) -> np.ndarray:
    """Mean, spread and five quantiles of each colour, and the ratios of their means: 24 numbers."""
    values = pixels.double().numpy()
    quantiles = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95], axis=1).T
    means = values.mean(axis=1)
    ratios = means / np.roll(means, 1).clip(1)
    return np.concatenate([means, values.std(axis=1), quantiles.ravel(), ratios])


def _metadata(path: Path, device: str, width: int, height: int) -> np.ndarray:
    """Width, height, bytes, bytes a pixel, how hard a JPEG was compressed; and the device, as the manifest tells it and
    as the file does, as 32 marks each: those of a digest, so that any two names differ in about half of them."""
    size = path.stat().st_size
    tables: Mapping[int, Any] = {}
    exif: Mapping[int, Any] = {}  # a DICOM file has neither
    if not is_dicom_file(path):
        with open_image(path) as image:
            tables = getattr(image, "quantization", None) or {}
            exif = dict(image.getexif())
    compression = float(np.mean([np.mean(table) for table in tables.values()])) if tables else 0.0
    own = f"{exif.get(ExifTags.Base.Make, '')} {exif.get(ExifTags.Base.Model, '')}"
    numbers = [width, height, width / height, size, size / (width * height), compression]
    return np.array([*numbers, *_marks(device), *_marks(own)])


def _marks(name: str) -> np.ndarray:
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return np.unpackbits(np.frombuffer(digest[:4], np.uint8)).astype(float)


def _outside(pixels: torch.Tensor, lit: torch.Tensor) -> np.ndarray:
    """The frame with its field of view blanked, coarse, and where that field is."""
    outside = pixels.float().mean(0) * ~lit
    cells = torch.stack([outside, lit.float() * 255])[None]
    return F.adaptive_avg_pool2d(cells, _GRID)[0].flatten().double().numpy()


def _untrained(config: LAGConfig) -> LAG:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return LAG.from_config(config).eval()


def _regressed(known: np.ndarray, targets: np.ndarray, asked: np.ndarray, scores: Scores) -> np.ndarray:
    """Logits (n, C) of the asked frames, from a regression on the known ones."""
    return _REGRESSIONS[scores.task](known, targets, asked, scores.label_names)


def _one_for_all_labels(
    known: np.ndarray, targets: np.ndarray, asked: np.ndarray, label_names: Sequence[str]
) -> np.ndarray:
    if len(set(targets)) < 2:
        raise DataError(f"the training frames are all {label_names[targets[0]]}: no baseline")
    fitted = _fit(known, targets)
    decision = fitted.decision_function(asked)
    if len(fitted.classes_) == 2:  # one number for two labels
        decision = np.stack([-decision / 2, decision / 2], axis=1)
    logits = np.full((len(asked), len(label_names)), -_CERTAIN)
    logits[:, fitted.classes_] = decision
    return logits


def _one_a_label(
    known: np.ndarray, targets: np.ndarray, asked: np.ndarray, label_names: Sequence[str]
) -> np.ndarray:
    columns = []
    for number, name in enumerate(label_names):
        there = targets[:, number] >= 0
        if len(set(targets[there, number])) < 2:
            raise DataError(f"no training frame with, or none without, {name}: no baseline")
        columns.append(_fit(known[there], targets[there, number]).decision_function(asked))
    return np.stack(columns, axis=1)


def _one_a_step(
    known: np.ndarray, targets: np.ndarray, asked: np.ndarray, label_names: Sequence[str]
) -> np.ndarray:
    """A regression of each grade but the lowest on the frames that have at least the one below."""
    if len(set(targets)) < 2:
        raise DataError(f"the training frames are all {label_names[targets[0]]}: no baseline")
    logits = np.zeros((len(asked), len(label_names)))
    for grade in range(1, len(label_names)):
        there = targets >= grade - 1
        reached = targets[there] >= grade
        if reached.any() and not reached.all():
            logits[:, grade] = _fit(known[there], reached).decision_function(asked)
        else:  # a grade that no training frame has, or none above it
            logits[:, grade] = _CERTAIN if reached.any() else -_CERTAIN
    return logits


_REGRESSIONS: Mapping[Task, Callable[..., np.ndarray]] = {
    "multiclass": _one_for_all_labels,
    "multilabel": _one_a_label,
    "ordinal": _one_a_step,
}


def _fit(features: np.ndarray, targets: np.ndarray):  # type: ignore[no-untyped-def]
    return make_pipeline(StandardScaler(), LogisticRegression(C=_STRENGTH, max_iter=5000)).fit(
        features, targets
    )
