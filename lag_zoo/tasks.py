"""Tasks: the meaning of a network's outputs. One object a task; no other room asks which task it is.

A task turns logits into probabilities, says of which frames a label is known and true, which contrasts are evaluated,
and which label is called. To add one: a class here, an entry in `TASKS`, its name in `lag_zoo.specs.Task`, a loss in
`lag_zoo.training.losses`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from lag_zoo.errors import InvalidConfigError
from lag_zoo.specs import Task

UNKNOWN = -1
"""The target of a label that nobody gave."""

NORMAL = "normal"
"""The name, in any case, of the label that is no finding."""

DEFAULT_THRESHOLD = 0.5
"""The probability from which a label that excludes no other is called, where no operating point is set."""

_HAIR = 2.0**-51  # as far as two probabilities that add up to 1 may be off by rounding


class TaskRules(ABC):
    """The rules of one task, on arrays: logits and probabilities (n, C), and targets as `targets_shape` says."""

    name: ClassVar[Task]
    exclusive: ClassVar[bool]
    """True where a frame has exactly one of the labels."""

    in_words: ClassVar[str]
    """The kind of labels, and how a table has them, for messages."""

    @abstractmethod
    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return the probabilities (n, C) of logits (n, C), in float64."""

    @abstractmethod
    def logits(self, probabilities: np.ndarray) -> np.ndarray:
        """Return logits (n, C) that have these probabilities (n, C); they are infinite where one is 0 or 1."""

    @abstractmethod
    def evidence(self, scores: np.ndarray) -> np.ndarray:
        """Return the log-odds of each label that scores (..., C) mean, such as those at the positions of a map."""

    @abstractmethod
    def log_likelihoods(self, logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the log probability that logits (n, C) give to each known target, (k,)."""

    @abstractmethod
    def known(self, targets: np.ndarray, number: int) -> np.ndarray:
        """Return of which frames the label `number` is known, (n,) bool."""

    @abstractmethod
    def truth(self, targets: np.ndarray, number: int) -> np.ndarray:
        """Return which frames are known to have the label `number`, (n,) bool."""

    @abstractmethod
    def decide(self, probabilities: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
        """Return the call for probabilities (n, C) at thresholds (C,) or (n, C), in the form of targets.

        A threshold is NaN where the label has no operating point.
        """

    @abstractmethod
    def contrasts(self, count: int) -> list[tuple[int, int | None]]:
        """Return the contrasts of `count` labels by number: a label against another, or against the rest (`None`)."""

    def positive(self, label_names: Sequence[str]) -> int | None:
        """Return the number of the label that an examination has if any frame has it; `None`: each label is so."""
        return None

    @abstractmethod
    def of_whole(self, targets: np.ndarray, label_names: Sequence[str]) -> np.ndarray:
        """Return the target of an examination whose frames have these targets: it has a label if any of them has it.

        Raises:
            InvalidConfigError: labels of which that cannot be said.
        """

    @abstractmethod
    def of_manifest(self, labels: np.ndarray) -> np.ndarray:
        """Return the targets of a manifest's labels, (n, 1) or (n, C)."""

    @abstractmethod
    def marks(self, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the labels that hold, pair by pair (m,): the place of the frame, and the number of the label."""

    @abstractmethod
    def strata(self, targets: np.ndarray) -> np.ndarray:
        """Return a number for each frame (n,), the same for frames of the same labels, for stratified splits."""

    @abstractmethod
    def among(self, labels: Sequence[int], places: Sequence[int], count: int) -> tuple[int, ...]:
        """Return a frame's labels as a manifest has them among `count` labels, where label i becomes `places[i]`."""

    @abstractmethod
    def reordered(self, targets: np.ndarray, places: Sequence[int]) -> np.ndarray:
        """Return targets with the labels in another order: the new label i is the old label `places[i]`."""

    @abstractmethod
    def as_called(self, call: np.ndarray | np.generic, label_names: Sequence[str]) -> str | tuple[str, ...]:
        """Return the call of one frame by name: a label, or all labels that are called."""

    @abstractmethod
    def target_columns(self, label_names: Sequence[str]) -> list[str]:
        """Return the columns that hold targets in a table of scores."""


class Multiclass(TaskRules):
    """Labels that exclude each other: targets (n,) are numbers of labels, -1 where unknown."""

    name = "multiclass"
    exclusive = True
    in_words = "exclusive (one column `label`, or folders by class)"

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))

    def logits(self, probabilities: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(probabilities))

    def evidence(self, scores: np.ndarray) -> np.ndarray:
        own = np.eye(scores.shape[-1], dtype=bool)
        others = np.where(own, -np.inf, scores[..., None, :])
        return np.asarray(scores - np.logaddexp.reduce(others, axis=-1))

    def log_likelihoods(self, logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
        known = np.flatnonzero(targets >= 0)
        shifted = logits[known] - logits[known].max(axis=1, keepdims=True)
        own = shifted[np.arange(len(known)), targets[known]]
        return np.asarray(own - np.log(np.exp(shifted).sum(axis=1)))

    def known(self, targets: np.ndarray, number: int) -> np.ndarray:
        return np.asarray(targets >= 0)

    def truth(self, targets: np.ndarray, number: int) -> np.ndarray:
        return np.asarray(targets == number)

    def decide(self, probabilities: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
        """Return the number of the label that is called (n,).

        A label with an operating point is called from there on, the likeliest of several; where none is, the likeliest
        of the labels without one, or of all.
        """
        limits = np.broadcast_to(thresholds, probabilities.shape)
        unset = np.isnan(limits)
        reached = ~unset & (probabilities >= np.where(unset, np.inf, limits))
        candidates = np.where(reached.any(axis=1, keepdims=True), reached, unset)
        candidates |= ~candidates.any(axis=1, keepdims=True)
        return np.asarray(np.where(candidates, probabilities, -np.inf).argmax(axis=1))

    def contrasts(self, count: int) -> list[tuple[int, int | None]]:
        rest: list[tuple[int, int | None]] = [(number, None) for number in range(count)]
        if count == 2:  # one against the other is one against the rest
            return rest
        return rest + [(one, other) for one in range(count) for other in range(one + 1, count)]

    def positive(self, label_names: Sequence[str]) -> int | None:
        # Tables name labels in alphabetical order: normal is never what two labels are about.
        return int(label_names[1].lower() != NORMAL) if len(label_names) == 2 else None

    def of_whole(self, targets: np.ndarray, label_names: Sequence[str]) -> np.ndarray:
        positive = self.positive(label_names)
        if positive is None:
            raise InvalidConfigError(
                f"{len(label_names)} labels that exclude each other ({', '.join(label_names)}): an examination with "
                "frames of several has no single one"
            )
        known = targets[targets != UNKNOWN]
        if (known == positive).any():
            return np.asarray(positive)
        return np.asarray(1 - positive if len(known) == len(targets) else UNKNOWN)

    def of_manifest(self, labels: np.ndarray) -> np.ndarray:
        return np.asarray(labels[:, 0])

    def marks(self, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        places = np.flatnonzero(targets != UNKNOWN)
        return places, targets[places]

    def strata(self, targets: np.ndarray) -> np.ndarray:
        return targets

    def among(self, labels: Sequence[int], places: Sequence[int], count: int) -> tuple[int, ...]:
        return tuple(places[label] if label != UNKNOWN else UNKNOWN for label in labels)

    def reordered(self, targets: np.ndarray, places: Sequence[int]) -> np.ndarray:
        number = {old: new for new, old in enumerate(places)}
        return np.array([number.get(int(target), UNKNOWN) for target in targets], dtype=int)

    def as_called(self, call: np.ndarray | np.generic, label_names: Sequence[str]) -> str:
        return label_names[int(call)]

    def target_columns(self, label_names: Sequence[str]) -> list[str]:
        return ["target"]


class Multilabel(TaskRules):
    """Labels that exclude no other: targets (n, C) are 1, 0 and -1 (unknown)."""

    name = "multilabel"
    exclusive = False
    in_words = "each for itself (one column a label, with 0 and 1)"

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        small = np.exp(-np.abs(logits))
        return np.asarray(np.where(logits >= 0, 1.0, small) / (1 + small))

    def logits(self, probabilities: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(probabilities) - np.log1p(-probabilities))

    def evidence(self, scores: np.ndarray) -> np.ndarray:
        return scores

    def log_likelihoods(self, logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
        signed = np.where(targets == 1, logits, -logits)[targets >= 0]
        return np.asarray(np.minimum(signed, 0) - np.log1p(np.exp(-np.abs(signed))))

    def known(self, targets: np.ndarray, number: int) -> np.ndarray:
        return np.asarray(targets[:, number] >= 0)

    def truth(self, targets: np.ndarray, number: int) -> np.ndarray:
        return np.asarray(targets[:, number] == 1)

    def decide(self, probabilities: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
        """Return which labels are called (n, C) 0 or 1: each from its operating point on, without one from 0.5 on."""
        limits = np.where(np.isnan(thresholds), DEFAULT_THRESHOLD, thresholds)
        return np.asarray(probabilities >= limits).astype(int)

    def contrasts(self, count: int) -> list[tuple[int, int | None]]:
        return [(number, None) for number in range(count)]

    def of_whole(self, targets: np.ndarray, label_names: Sequence[str]) -> np.ndarray:
        none = np.where((targets == 0).all(axis=0), 0, UNKNOWN)
        return np.asarray(np.where((targets == 1).any(axis=0), 1, none))

    def of_manifest(self, labels: np.ndarray) -> np.ndarray:
        return labels

    def marks(self, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        places, numbers = np.nonzero(targets == 1)
        return places, numbers

    def strata(self, targets: np.ndarray) -> np.ndarray:
        return np.unique(targets, axis=0, return_inverse=True)[1].reshape(-1)

    def among(self, labels: Sequence[int], places: Sequence[int], count: int) -> tuple[int, ...]:
        found = [UNKNOWN] * count
        for place, label in zip(places, labels, strict=True):
            found[place] = label
        return tuple(found)

    def reordered(self, targets: np.ndarray, places: Sequence[int]) -> np.ndarray:
        return np.asarray(targets[:, list(places)])

    def as_called(self, call: np.ndarray | np.generic, label_names: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name, called in zip(label_names, np.asarray(call), strict=True) if called)

    def target_columns(self, label_names: Sequence[str]) -> list[str]:
        return [f"target:{name}" for name in label_names]


TASKS: Mapping[str, TaskRules] = {rules.name: rules for rules in (Multiclass(), Multilabel())}


def rules_of(task: str) -> TaskRules:
    """Return the rules of a task.

    Raises:
        InvalidConfigError: no such task.

    >>> rules_of("multiclass").exclusive
    True
    """
    if task not in TASKS:
        raise InvalidConfigError(f"no task {task!r}; there are {', '.join(TASKS)}")
    return TASKS[task]


def decide(probabilities: np.ndarray, operating_points: np.ndarray, task: str) -> np.ndarray:
    """Return the call for each frame, as the Predictor makes it and the evaluation counts it.

    Args:
        probabilities: (n, C).
        operating_points: the threshold of each label (C,), or of each label and frame (n, C); NaN: none.
        task: its rules say the form of the call: numbers of labels (n,), or 0 and 1 of each label (n, C).

    Raises:
        InvalidConfigError: no such task, or arrays that do not fit each other.

    >>> chances = np.array([[0.5, 0.3, 0.2], [0.6, 0.1, 0.3]])
    >>> decide(chances, np.array([np.nan, 0.3, np.nan]), "multiclass")
    array([1, 0])
    """
    points = np.asarray(operating_points, dtype=float)
    if probabilities.ndim != 2 or points.shape not in (probabilities.shape, probabilities.shape[1:]):
        raise InvalidConfigError(
            f"probabilities (n, C) and an operating point of each label are needed; got the shapes "
            f"{probabilities.shape} and {points.shape}"
        )
    return rules_of(task).decide(probabilities, points)


def whole_thresholds(thresholds: np.ndarray, positive: int | None) -> np.ndarray:
    """Return the thresholds (..., C) by which whole examinations are called, of those for frames.

    Where one of two exclusive labels is positive, that label's alone: its own, else where the other is not called, else
    0.5. A frame on the line of the other is the other's, so the positive one's line is a hair above it.

    >>> whole_thresholds(np.array([0.3, np.nan]), positive=1).round(2)
    array([nan, 0.7])
    """
    if positive is None:
        return thresholds
    own, other = thresholds[..., positive], thresholds[..., 1 - positive]
    found = np.where(np.isnan(own), np.where(np.isnan(other), DEFAULT_THRESHOLD, 1 - other + _HAIR), own)
    whole = np.full_like(thresholds, np.nan)
    whole[..., positive] = found
    return whole


def thresholds_of(operating_points: Mapping[str, float], label_names: Sequence[str]) -> np.ndarray:
    """Return operating points by name as thresholds (C,), NaN where a label has none.

    >>> thresholds_of({"IM": 0.3}, ["normal", "IM"])
    array([nan, 0.3])
    """
    return np.array([operating_points.get(name, np.nan) for name in label_names], dtype=float)
