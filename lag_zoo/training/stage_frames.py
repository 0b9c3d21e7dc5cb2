"""The frames of a stage: by split and modality, with all labels that it is to learn."""

import numpy as np

from lag_zoo.data.manifest import Manifest
from lag_zoo.errors import DataError
from lag_zoo.tasks import rules_of
from lag_zoo.training.recipe import Stage


def stage_frames(manifest: Manifest, split: str, stage: Stage) -> np.ndarray:
    """Return the numbers of a split's frames that a stage uses (n,), without excluded ones.

    Raises:
        DataError: no frames; a label that none of them has, or that none is known to lack; or one modality alone,
            where the stage aligns several.
    """
    numbers = np.array(
        [
            number
            for number, frame in enumerate(manifest.frames)
            if frame.split == split and not frame.excluded and stage.modality in ("", frame.modality)
        ],
        dtype=np.int64,
    )
    frames = f"{split} frames{f' in {stage.modality}' if stage.modality else ''}"
    if not len(numbers):
        raise DataError(
            f"{manifest.source} has no {frames}; its splits are {', '.join(manifest.splits) or 'none'}"
            f"{manifest.describe_excluded()} (lag-zoo data split makes train, val and test)"
        )
    if stage.alignment and split == "train":
        _require_modalities(manifest, numbers, stage)
    _require_labels(manifest, numbers, f"none of the {len(numbers)} {frames}")
    return numbers


def _require_modalities(manifest: Manifest, numbers: np.ndarray, stage: Stage) -> None:
    found = {manifest.frames[number].modality for number in numbers} - {""}
    if len(found) < 2:
        raise DataError(
            f"{manifest.source}: the stage {stage.name} aligns modalities, and its frames are of "
            f"{f'one: {found.pop()}' if found else 'none that is given (column modality)'}"
        )


def _require_labels(manifest: Manifest, numbers: np.ndarray, none: str) -> None:
    rules, targets, names = rules_of(manifest.task), manifest.targets()[numbers], manifest.label_names
    there = set(rules.marks(targets)[1].tolist())
    for label, name in enumerate(names):
        if label not in there:
            raise DataError(f"{manifest.source}: {none} has the label {name}")
    for label in rules.numbers(len(names)):
        if not (rules.known(targets, label) & ~rules.truth(targets, label)).any():
            raise DataError(
                f"{manifest.source}: {none} is known to be without {names[label]}, so it cannot be told apart; mark "
                "frames that lack it with 0"
            )
