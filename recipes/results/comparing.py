"""Comparing the networks of a table: each over the folds and seeds that it has, two over the folds that both have."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lag_zoo.metrics.intervals import Difference, Interval
from recipes.results import areas, plan
from recipes.results.tables import Table


class Measured(NamedTuple):
    """The AUROC of a network, the mean over its seeds and folds; the AUROC of each seed; and which folds it has."""

    auroc: Interval
    by_seed: tuple[float, ...]
    folds: tuple[int, ...]


def folds_of(table: Table, name: str) -> tuple[int, ...]:
    """Return the folds that every seed of a network has; none where the table has no such network."""
    seeds = table.seeds(name).values()
    if not seeds:
        return ()
    missing = np.any([np.isnan(logits) for logits in seeds], axis=0)
    return tuple(int(fold) for fold in np.unique(table.folds) if not missing[table.folds == fold].any())


def measure(table: Table, name: str) -> Measured | None:
    """Measure a network; `None`: no fold of it is there."""
    folds = folds_of(table, name)
    if not folds:
        return None
    each = [areas.auroc([one], *_truth(table, folds)).value for one in _logits(table, name, folds)]
    return Measured(areas.auroc(_logits(table, name, folds), *_truth(table, folds)), tuple(each), folds)


def difference(table: Table, one: str, other: str) -> Difference | None:
    """Measure the AUROC of one network less that of another, paired; `None`: they have no fold in common."""
    folds = tuple(fold for fold in folds_of(table, one) if fold in folds_of(table, other))
    if not folds:
        return None
    return areas.difference(_logits(table, one, folds), _logits(table, other, folds), *_truth(table, folds))


def winners(table: Table, task: plan.Task) -> list[str]:
    """Return the contenders better than the plain backbone at the small size, by their interval over all folds."""
    plain = plan.plain(task)[0]
    found = []
    for name in plan.contenders(task):
        if name != plain and len(folds_of(table, name)) == len(folds_of(table, plain)) == plan.FOLDS:
            less = difference(table, name, plain)
            if less is not None and less.low > 0:
                found.append(name)
    return found


def _inside(table: Table, folds: Sequence[int]) -> np.ndarray:
    return np.isin(table.folds, folds)


def _logits(table: Table, name: str, folds: Sequence[int]) -> list[np.ndarray]:
    return [logits[_inside(table, folds)] for logits in table.seeds(name).values()]


def _truth(table: Table, folds: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    inside = _inside(table, folds)
    return table.truth[inside], table.groups[inside], table.folds[inside]
