"""Grades: exclusive labels of which somebody says that they have an order, and what that order is."""

import dataclasses
from collections.abc import Sequence

from lag_zoo.data.manifest import Manifest
from lag_zoo.errors import DataError
from lag_zoo.specs import Task
from lag_zoo.tasks import readable_as, rules_of


def as_asked(manifest: Manifest, task: Task | None, labels: Sequence[str] | None) -> Manifest:
    """Return the frames with their labels read as those of a task: exclusive labels as grades, if that is asked for.

    Args:
        manifest: its labels stand in the order of `labels`, where these are given.
        task: `None`: as the data have it.
        labels: as the caller named them; no file says which grade is the lowest.

    Raises:
        DataError: labels of another kind, or grades whose order nobody says.
        InvalidConfigError: no such task.
    """
    if task is None:
        return manifest
    rules = rules_of(task)
    if not readable_as(manifest.task, task):
        raise DataError(
            f"task={task!r} is for labels that are {rules.in_words}; those of {manifest.source} are "
            f"{rules_of(manifest.task).in_words}"
        )
    if rules.ordered and labels is None:
        raise DataError(
            f"{manifest.source}: grades need their order, from the lowest on: --labels with "
            f"{', '.join(manifest.label_names)} in that order (in Python labels=[...])"
        )
    return manifest if manifest.task == task else dataclasses.replace(manifest, task=task)


def as_told_by(manifest: Manifest, label_names: Sequence[str], task: Task) -> Manifest:
    """Return the frames with a network's labels, in its order, and read as its task; a cohort may lack some labels.

    Raises:
        DataError: labels that the network does not have, of another kind, or grades in another order.
    """
    return as_asked(manifest.with_label_names(label_names), task, label_names)
