"""Tasks: the meaning of a network's outputs. One object a task; no other room asks which task it is.

A task turns logits into probabilities, and these into what is claimed of each label; it says of which frames a claim is
known and true, which contrasts are evaluated, and which label is called. To add one: a class here, an entry in `TASKS`,
its name in `lag_zoo.specs.Task`, a loss in `lag_zoo.training.losses`.
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
"""The probability from which a label that excludes no other, or a grade, is called, where no operating point is set."""

_SMALL, _DIGITS = 1e-3, 14  # sums of probabilities from the one on are rounded to so many decimals

_HAIR = 2.0**-51  # as far as two probabilities that add up to 1 may be off by rounding


class TaskRules(ABC):
    """The rules of one task, on arrays: logits and probabilities (n, C), and targets as `targets_shape` says."""

    name: ClassVar[Task]
    exclusive: ClassVar[bool]
    """True where a frame has exactly one of the labels."""

    ordered: ClassVar[bool] = False
    """True where the labels are grades, from the lowest to the highest."""

    zero_output: ClassVar[int | None] = None
    """The number of the output that is 0 for every frame, as the others are evidence against it; `None`: none is."""

    in_words: ClassVar[str]
    """The kind of labels, and how a table has them, for messages."""

    call_in_words: ClassVar[str]
    """The rule by which a label is called, for reports."""

    rest: ClassVar[str] = "rest"
    """The other side of a claim, for reports."""

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

    def claims(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the probability of what is claimed of each label (n, C), from those of the labels (n, C).

        It is what rows of reports, thresholds and calls are about: that a frame has the label.
        """
        return probabilities

    def of_claims(self, claims: np.ndarray) -> np.ndarray:
        """Return the probabilities (..., C) of labels of which these are the claims (..., C)."""
        return claims

    def claim(self, label: str) -> str:
        """Return the claim of a label in words."""
        return label

    def expected(self, probabilities: np.ndarray) -> np.ndarray | None:
        """Return the expected grade (n,) of probabilities (n, C), the lowest being 0; `None` where there are none."""
        return None

    @abstractmethod
    def known(self, targets: np.ndarray, number: int) -> np.ndarray:
        """Return of which frames the claim of the label `number` is known, (n,) bool."""

    @abstractmethod
    def truth(self, targets: np.ndarray, number: int) -> np.ndarray:
        """Return of which frames the claim of the label `number` is known to be true, (n,) bool."""

    @abstractmethod
    def targets_from(self, known: np.ndarray, truth: np.ndarray) -> np.ndarray:
        """Return the targets that claims of which it is known (n, C), and which are true (n, C), come to."""

    @abstractmethod
    def decide(self, claims: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
        """Return the call for claims (n, C) at thresholds (C,) or (n, C), in the form of targets.

        A threshold is NaN where the label has no operating point.
        """

    @abstractmethod
    def contrasts(self, count: int) -> list[tuple[int, int | None]]:
        """Return the contrasts of `count` labels by number: a label against another, or its claim alone (`None`)."""

    def numbers(self, count: int) -> list[int]:
        """Return of which of `count` labels the claims are evaluated, by number."""
        return [number for number, other in self.contrasts(count) if other is None]

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


class Exclusive(TaskRules):
    """Labels of which a frame has exactly one: targets (n,) are numbers of labels, -1 where unknown."""

    exclusive = True

    def known(self, targets: np.ndarray, number: int) -> np.ndarray:
        return np.asarray(targets >= 0)

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


class Multiclass(Exclusive):
    """Labels that exclude each other and have no order."""

    name = "multiclass"
    in_words = "exclusive (one column `label`, or folders by class)"
    call_in_words = "the likeliest of the labels that reach their threshold, else the likeliest"

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

    def truth(self, targets: np.ndarray, number: int) -> np.ndarray:
        return np.asarray(targets == number)

    def targets_from(self, known: np.ndarray, truth: np.ndarray) -> np.ndarray:
        single = known.all(axis=1) & (truth.sum(axis=1) == 1)
        return np.where(single, truth.argmax(axis=1), UNKNOWN)

    def decide(self, claims: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
        """Return the number of the label that is called (n,).

        A label with an operating point is called from there on, the likeliest of several; where none is, the likeliest
        of the labels without one, or of all.
        """
        limits = np.broadcast_to(thresholds, claims.shape)
        unset = np.isnan(limits)
        reached = ~unset & (claims >= np.where(unset, np.inf, limits))
        candidates = np.where(reached.any(axis=1, keepdims=True), reached, unset)
        candidates |= ~candidates.any(axis=1, keepdims=True)
        return np.asarray(np.where(candidates, claims, -np.inf).argmax(axis=1))

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


class Ordinal(Exclusive):
    """Grades: labels that exclude each other, from the lowest to the highest.

    The claim of a grade is that the frame has at least this one. A logit is the log odds of that among the frames that
    have at least the grade below (CORN: Shi, Cao and Raschka, Pattern Analysis and Applications 2023,
    https://arxiv.org/abs/2111.08851). The probability of at least a grade is a product of these, so that it never
    rises with the grade. The lowest grade, which every frame has at least, has the logit 0, which nothing looks at.
    """

    name = "ordinal"
    ordered = True
    zero_output = 0
    in_words = "grades (one column `label`, or folders by class, with the labels in their order)"
    call_in_words = "the highest grade of which the probability of at least this one reaches its threshold"
    rest = "below"

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        return np.asarray(np.exp(_log_grades(logits)))

    def logits(self, probabilities: np.ndarray) -> np.ndarray:
        reached, below = _at_least(probabilities)[:, 1:], probabilities[:, :-1]
        found = np.zeros(probabilities.shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            # Of a grade that no frame comes near, no odds are known: it is not reached.
            found[:, 1:] = np.where(reached > 0, np.log(reached) - np.log(below), -np.inf)
        return found

    def evidence(self, scores: np.ndarray) -> np.ndarray:
        """The log odds of at least each grade; of the lowest, which is the absence of the others, of this one alone."""
        each = _log_grades(scores)
        reached = _log_sigmoid(scores[..., 1:]).cumsum(axis=-1)
        odds = reached - np.logaddexp.accumulate(each[..., :-1], axis=-1)
        return np.concatenate([-odds[..., :1], odds], axis=-1)

    def log_likelihoods(self, logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
        known = np.flatnonzero(targets >= 0)
        return np.asarray(_log_grades(logits[known])[np.arange(len(known)), targets[known]])

    def claims(self, probabilities: np.ndarray) -> np.ndarray:
        # 0.1 + 0.2 is no other claim than 0.3. Small ones keep their digits, which rank them.
        found = np.minimum(_at_least(probabilities), 1.0)
        return np.asarray(np.where(found < _SMALL, found, found.round(_DIGITS)))

    def claim(self, label: str) -> str:
        return f"at least {label}"

    def of_claims(self, claims: np.ndarray) -> np.ndarray:
        above = np.concatenate([claims[..., 1:], np.zeros_like(claims[..., :1])], axis=-1)
        return np.asarray(claims - above)

    def of_whole(self, targets: np.ndarray, label_names: Sequence[str]) -> np.ndarray:
        settled = (targets != UNKNOWN).all() or (targets == len(label_names) - 1).any()
        return np.asarray(targets.max() if settled else UNKNOWN)

    def expected(self, probabilities: np.ndarray) -> np.ndarray:
        return np.asarray(probabilities @ np.arange(probabilities.shape[1]))

    def truth(self, targets: np.ndarray, number: int) -> np.ndarray:
        return np.asarray((targets >= number) & (targets >= 0))

    def targets_from(self, known: np.ndarray, truth: np.ndarray) -> np.ndarray:
        return np.where(known.all(axis=1), truth.sum(axis=1) - 1, UNKNOWN)

    def decide(self, claims: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
        """Return the highest grade whose threshold is reached (n,); where none is set at 0.5, so the median grade."""
        reached = _reached(claims, thresholds)
        reached[:, 0] = True
        return np.asarray(reached.shape[1] - 1 - reached[:, ::-1].argmax(axis=1))

    def contrasts(self, count: int) -> list[tuple[int, int | None]]:
        return [(number, None) for number in range(1, count)]


class Multilabel(TaskRules):
    """Labels that exclude no other: targets (n, C) are 1, 0 and -1 (unknown)."""

    name = "multilabel"
    exclusive = False
    in_words = "each for itself (one column a label, with 0 and 1)"
    call_in_words = "each label that reaches its threshold"

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

    def targets_from(self, known: np.ndarray, truth: np.ndarray) -> np.ndarray:
        return np.where(known, truth.astype(int), UNKNOWN)

    def decide(self, claims: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
        """Return which labels are called (n, C) 0 or 1: each from its operating point on, without one from 0.5 on."""
        return _reached(claims, thresholds).astype(int)

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


TASKS: Mapping[str, TaskRules] = {rules.name: rules for rules in (Multiclass(), Multilabel(), Ordinal())}


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


def readable_as(own: str, wanted: str) -> bool:
    """Tell whether data of one task can be read as another's: exclusive labels have an order if somebody says so.

    Raises:
        InvalidConfigError: no such task.

    >>> readable_as("multiclass", "ordinal"), readable_as("ordinal", "multiclass")
    (True, False)
    """
    one, other = rules_of(own), rules_of(wanted)
    return one.exclusive == other.exclusive and (other.ordered or not one.ordered)


def decide(claims: np.ndarray, operating_points: np.ndarray, task: str) -> np.ndarray:
    """Return the call for each frame, as the Predictor makes it and the evaluation counts it.

    Args:
        claims: (n, C) `TaskRules.claims` of the probabilities: these themselves, but of grades.
        operating_points: the threshold of each label (C,), or of each label and frame (n, C); NaN: none.
        task: its rules say the form of the call: numbers of labels (n,), or 0 and 1 of each label (n, C).

    Raises:
        InvalidConfigError: no such task, or arrays that do not fit each other.

    >>> chances = np.array([[0.5, 0.3, 0.2], [0.6, 0.1, 0.3]])
    >>> decide(chances, np.array([np.nan, 0.3, np.nan]), "multiclass")
    array([1, 0])
    """
    points = np.asarray(operating_points, dtype=float)
    if claims.ndim != 2 or points.shape not in (claims.shape, claims.shape[1:]):
        raise InvalidConfigError(
            f"probabilities (n, C) and an operating point of each label are needed; got the shapes "
            f"{claims.shape} and {points.shape}"
        )
    return rules_of(task).decide(claims, points)


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


def _reached(claims: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Tell which claims (n, C) reach their threshold, or 0.5 where they have none."""
    return np.asarray(claims >= np.where(np.isnan(thresholds), DEFAULT_THRESHOLD, thresholds))


def _at_least(probabilities: np.ndarray) -> np.ndarray:
    """The probability of at least each grade (n, C), from those of the grades (n, C)."""
    return np.asarray(probabilities[:, ::-1].cumsum(axis=1)[:, ::-1])


def _log_sigmoid(logits: np.ndarray) -> np.ndarray:
    return np.asarray(np.minimum(logits, 0) - np.log1p(np.exp(-np.abs(logits))))


def _log_grades(logits: np.ndarray) -> np.ndarray:
    """The log probability of each grade (..., C) by conditional logits (..., C): reached, and the next one not."""
    of_next, zero = logits[..., 1:], np.zeros((*logits.shape[:-1], 1))
    reached = np.concatenate([zero, _log_sigmoid(of_next).cumsum(axis=-1)], axis=-1)
    return np.asarray(reached + np.concatenate([_log_sigmoid(-of_next), zero], axis=-1))
