"""The called label: the call that the Predictor makes for each unit, against the truth, for all labels at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lag_zoo.brief import brief
from lag_zoo.evaluate.units import Units
from lag_zoo.metrics import influence
from lag_zoo.metrics.agreement import confusion_matrix
from lag_zoo.metrics.clustered import group_interval
from lag_zoo.metrics.influence import Influence
from lag_zoo.metrics.intervals import Interval
from lag_zoo.tasks import UNKNOWN

CALLED_TITLES = {
    "accuracy": "accuracy",
    "adjacent_accuracy": "adjacent accuracy",
    "mean_absolute_error": "mean absolute error",
    "quadratic_weighted_kappa": "quadratic weighted kappa",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro-F1",
    "kappa": "Cohen's kappa",
}
"""The measures of the called label, and their titles."""


@dataclass(frozen=True, kw_only=True)
class CalledResult:
    """The calls against the truth.

    Attributes:
        label_names: of the C labels; `n`: units that were counted; `groups`: independent groups among them.
        left_out: units with several labels, as examinations that hold frames of both: no single call is right for them.
        measures: accuracy, balanced accuracy, macro-F1 and Cohen's kappa, each with its interval. Of labels that do not
            exclude each other: accuracy (all labels of a unit right) and macro-F1. Of grades also the share that is at
            most one grade off, the mean distance in grades, and quadratic weighted kappa in place of Cohen's.
        confusion: (C, C) counts: true labels down, called labels across; `None` where labels do not exclude each other.
        rule: how the label is called.
    """

    label_names: tuple[str, ...]
    n: int
    groups: int | None
    left_out: int
    measures: dict[str, Interval]
    confusion: tuple[tuple[int, ...], ...] | None
    rule: str

    __repr__ = brief

    @property
    def shares(self) -> tuple[tuple[float, ...], ...]:
        """The confusion matrix in shares of each true label (C, C); NaN in the row of a label that no unit has; empty
        without a matrix."""
        if self.confusion is None:
            return ()
        counts = np.array(self.confusion, dtype=float)
        with np.errstate(invalid="ignore", divide="ignore"):
            return tuple(map(tuple, (counts / counts.sum(axis=1, keepdims=True)).tolist()))


def called_result(units: Units, calls: np.ndarray, *, rule: str, failures: bool) -> CalledResult | None:
    """Measure calls against the truth; `None` where no unit has a truth that a call can be held against.

    Args:
        units: m units.
        calls: in the form of targets: (m,) numbers of labels, or (m, C) of 0 and 1.
        rule: how they were made.
        failures: count units that could not be read as called wrongly.
    """
    targets, groups, failed = units.targets, units.groups, np.zeros(len(units), bool)
    if failures and units.failed is not None:
        more = units.targets_from(units.failed.known, units.failed.truth)
        targets, groups = np.concatenate([targets, more]), np.concatenate([groups, units.failed.groups])
        calls = np.concatenate([calls, np.full_like(more, UNKNOWN)])
        failed = np.concatenate([failed, np.ones(len(more), bool)])
    rules = units.rules
    measure = _graded if rules.ordered else _exclusive if rules.exclusive else _each_for_itself
    kept = (targets != UNKNOWN).reshape(len(targets), -1).all(axis=1)
    if not kept.any():
        return None
    measured, confusion = measure(calls[kept], targets[kept], failed[kept], len(units.label_names))
    own = groups[kept] if units.grouped else None
    n = int(kept.sum())
    return CalledResult(
        label_names=units.label_names,
        n=n,
        groups=None if own is None else len(np.unique(own)),
        left_out=int((~kept).sum()),
        measures={
            name: group_interval(found, own, n, limits=_limits(name, len(units.label_names)))
            for name, found in measured.items()
        },
        confusion=confusion,
        rule=rule,
    )


def _limits(name: str, labels: int) -> tuple[float, float]:
    """The least and the largest value of a measure, of so many labels."""
    if name == "mean_absolute_error":
        return 0.0, labels - 1.0
    return (-1.0, 1.0) if name.endswith("kappa") else (0.0, 1.0)


_Measured = tuple[dict[str, Influence], tuple[tuple[int, ...], ...] | None]


def _exclusive(calls: np.ndarray, targets: np.ndarray, failed: np.ndarray, count: int) -> _Measured:
    found = {
        "accuracy": influence.share(calls == targets, np.ones(len(targets), bool)),
        "balanced_accuracy": influence.balanced_accuracy(calls, targets),
        "macro_f1": _macro_f1([(calls == label, targets == label) for label in range(count)]),
        "kappa": influence.kappa(calls, targets),
    }
    if len(np.unique(targets)) == 1:  # of one true label the others follow from that alone
        found |= dict.fromkeys(("balanced_accuracy", "macro_f1", "kappa"), influence.UNDEFINED)
    matrix = confusion_matrix(calls[~failed], targets[~failed], labels=count) if not failed.all() else None
    return found, None if matrix is None else tuple(map(tuple, matrix.tolist()))


def _graded(calls: np.ndarray, targets: np.ndarray, failed: np.ndarray, count: int) -> _Measured:
    """As `_exclusive`, with the measures of grades; a unit that could not be read counts as called furthest off."""
    found, confusion = _exclusive(calls, targets, failed, count)
    furthest = np.where(2 * targets < count - 1, count - 1, 0)
    given = np.where(failed, furthest, calls)
    distance, every = np.abs(given - targets), np.ones(len(targets))
    weighted = influence.quadratic_weighted_kappa(given, targets)
    of_grades = {
        "accuracy": found["accuracy"],
        "adjacent_accuracy": influence.share((distance <= 1) & ~failed, every),
        "mean_absolute_error": influence.ratio(distance, every),
        "quadratic_weighted_kappa": influence.UNDEFINED if len(np.unique(targets)) == 1 else weighted,
        "balanced_accuracy": found["balanced_accuracy"],
        "macro_f1": found["macro_f1"],
    }
    return of_grades, confusion


def _each_for_itself(calls: np.ndarray, targets: np.ndarray, failed: np.ndarray, count: int) -> _Measured:
    wrong = np.where(failed[:, None], 1 - targets, calls)
    found = {
        "accuracy": influence.share((wrong == targets).all(axis=1), np.ones(len(targets), bool)),
        "macro_f1": _macro_f1([(wrong[:, label] == 1, targets[:, label] == 1) for label in range(count)]),
    }
    return found, None


def _macro_f1(labels: Sequence[tuple[np.ndarray, np.ndarray]]) -> Influence:
    """The mean F1 over the labels that are called or true of any unit, from the calls and the truth of each."""
    return influence.mean([influence.f1(called, truth) for called, truth in labels if (called | truth).any()])
