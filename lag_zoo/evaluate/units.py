"""Units: the frames, examinations or patients that are counted, with their probabilities and their truth."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from lag_zoo.brief import brief
from lag_zoo.errors import InvalidConfigError
from lag_zoo.metrics.levels import pool
from lag_zoo.metrics.pooling import Pooling
from lag_zoo.tasks import UNKNOWN, TaskRules

if TYPE_CHECKING:
    from lag_zoo.evaluate.scores import FrameTable, Scores

Level = Literal["frame", "exam", "patient"]
Grouping = Literal["patient", "exam"]


@dataclass(frozen=True, kw_only=True)
class Units:
    """m frames, examinations or patients.

    Attributes:
        level: the unit; `pooling`: how the probabilities of its frames became one, `None` for frames.
        rules: those of the task; `label_names`: of the C labels.
        probabilities: (m, C) of the claims of the labels (`lag_zoo.tasks`), as that a unit has at least a grade.
        known: (m, C) bool, where it is known whether the claim is true of the unit; `truth`: (m, C) bool, where it is.
        groups: (m,) the patient or examination of each; `grouping`: which of them, `None` where not known.
        thresholds: (m, C) the network's own, of each unit; NaN where a label has none.
        frames: (m,) frames of each.
        positive: of two exclusive labels the number of the one that is reported, and that a unit has if any of its
            frames has it; `None`: each label stands for itself.
        failed: units none of whose frames could be read, without probabilities, or `None`.
    """

    level: Level
    pooling: Pooling | None
    rules: TaskRules
    label_names: tuple[str, ...]
    probabilities: np.ndarray
    known: np.ndarray
    truth: np.ndarray
    groups: np.ndarray
    grouping: Grouping | None
    thresholds: np.ndarray
    frames: np.ndarray
    positive: int | None
    failed: "Failed | None" = None

    __repr__ = brief

    def __len__(self) -> int:
        return len(self.probabilities)

    @property
    def grouped(self) -> bool:
        """True where the data name patients or examinations; else units are taken as independent."""
        return self.grouping is not None

    @property
    def targets(self) -> np.ndarray:
        """The truth in the form that calls have: numbers of labels (m,), -1 of a unit with several; or (m, C)."""
        return self.targets_from(self.known, self.truth)

    def targets_from(self, known: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Return known labels and true labels (k, C) of some units in the form that calls have."""
        if self.positive is not None:
            found = np.where(truth[:, self.positive], self.positive, 1 - self.positive)
            return np.where(known[:, self.positive], found, UNKNOWN)
        return self.rules.targets_from(known, truth)


@dataclass(frozen=True)
class Failed:
    """Units that nothing was said of: known (k, C), truth (k, C), groups (k,)."""

    known: np.ndarray
    truth: np.ndarray
    groups: np.ndarray


def frames_as_units(scores: "Scores", positive: str | None = None) -> Units:
    """Return each frame as a unit of its own; `positive` as in `Scores.at`."""
    known, truth = _known_and_truth(scores.rules, scores.frames, len(scores.label_names))
    skipped = scores.flow.skipped
    failed = None
    if skipped is not None and len(skipped):
        failed = Failed(*_known_and_truth(scores.rules, skipped, len(scores.label_names)), skipped.groups)
    return Units(
        level="frame",
        pooling=None,
        rules=scores.rules,
        label_names=scores.label_names,
        probabilities=scores.rules.claims(scores.probabilities),
        known=known,
        truth=truth,
        groups=scores.frames.groups,
        grouping=scores.frames.grouping,
        thresholds=_thresholds(scores),
        frames=np.ones(len(scores), dtype=int),
        positive=_positive(scores, positive),
        failed=failed,
    )


def pooled_units(scores: "Scores", level: Level, pooling: Pooling, positive: str | None = None) -> Units:
    """Return examinations or patients: one has a label if any frame has it, and lacks it if every frame lacks it.

    So the grade of the whole is the highest of its frames.

    Where some frames are not known to lack it and none has it, nothing is known of the whole: a single negative frame
    does not make a negative examination.
    """
    names = scores.frames.units(level)
    each = frames_as_units(scores, positive)
    places, first = np.unique(names, return_index=True)
    inverse = np.searchsorted(places, names)
    columns = [
        pool(each.probabilities[:, c], each.truth[:, c], names, by=pooling)
        for c in range(len(scores.label_names))
    ]
    counts = np.bincount(inverse, minlength=len(places))
    known, truth = _whole(each.known, each.truth, inverse, len(places))
    return Units(
        level=level,
        pooling=pooling,
        rules=scores.rules,
        label_names=scores.label_names,
        probabilities=np.stack([column.probabilities for column in columns], axis=1),
        known=known,
        truth=truth,
        groups=each.groups[first],
        grouping=each.grouping,
        # A group is in one fold as a whole, so the thresholds of its frames are the same.
        thresholds=each.thresholds[first],
        frames=counts,
        positive=each.positive,
        failed=_failed_units(scores, level, set(places.tolist())),
    )


def _positive(scores: "Scores", asked: str | None) -> int | None:
    names = scores.label_names
    usual = scores.rules.positive(names)
    if asked is None:
        return usual
    if asked not in names:
        raise InvalidConfigError(f"no label {asked!r} to be the positive one; there are {', '.join(names)}")
    if usual is None:
        raise InvalidConfigError(
            f"a positive label is for two labels that exclude each other; here are {len(names)} labels "
            f"({scores.task}), and each has a row of its own"
        )
    return names.index(asked)


def _known_and_truth(rules: TaskRules, frames: "FrameTable", count: int) -> tuple[np.ndarray, np.ndarray]:
    known = np.stack([rules.known(frames.targets, c) for c in range(count)], axis=1)
    truth = np.stack([rules.truth(frames.targets, c) for c in range(count)], axis=1)
    return known, truth & known


def _whole(
    known: np.ndarray, truth: np.ndarray, inverse: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Of `count` units, given the unit of each frame (n,): what is known (count, C) and true (count, C)."""
    unknown, has = (np.zeros((count, known.shape[1]), dtype=int) for _ in range(2))
    np.add.at(unknown, inverse, ~known)
    np.add.at(has, inverse, truth)
    return (has > 0) | (unknown == 0), has > 0


def _failed_units(scores: "Scores", level: Level, seen: set[str]) -> Failed | None:
    """Units none of whose frames could be read."""
    skipped = scores.flow.skipped
    if skipped is None or not len(skipped):
        return None
    names = skipped.units(level)
    left = np.array([name not in seen for name in names])
    if not left.any():
        return None
    table = skipped.take(np.flatnonzero(left))
    places, first, inverse = np.unique(names[left], return_index=True, return_inverse=True)
    known, truth = _known_and_truth(scores.rules, table, len(scores.label_names))
    return Failed(*_whole(known, truth, inverse, len(places)), table.groups[first])


def _thresholds(scores: "Scores") -> np.ndarray:
    from lag_zoo.tasks import thresholds_of

    own = scores.calibration.thresholds
    if own is not None:
        return own
    names = scores.label_names
    return np.tile(thresholds_of(scores.calibration.operating_points, names), (len(scores), 1))
