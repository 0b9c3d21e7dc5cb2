"""Prediction tables: anybody's predictions beside the truth, as scores; no network is needed.

A table has the columns of a manifest, with the truth as there; and of each label a column `p_LABEL`, its probability,
or `logit_LABEL`; or one column `called`, the label that a reader called, or a system that gives no probabilities. Of
labels that do not exclude each other, `called` names all that hold, parted by semicolons. A column `model` says whose
a line is. The column `image` names the frame; where there is one model, it may be missing.
"""

import warnings
from collections.abc import Sequence

import numpy as np

from lag_zoo.data.grades import as_asked
from lag_zoo.data.identities import require_clear_ids
from lag_zoo.data.manifest import COLUMNS, Manifest
from lag_zoo.data.rows import Table
from lag_zoo.data.tables import manifest_of, say_what_is_not_read
from lag_zoo.errors import DataError, UnusedColumnWarning, did_you_mean
from lag_zoo.evaluate.prediction_columns import (
    CALL_LOGIT,
    CALLED,
    LOGIT,
    MODEL,
    PROBABILITY,
    Part,
    Predictions,
    Reading,
    excluded_rows,
    label_names_of,
    predictions_of,
    with_images,
)
from lag_zoo.evaluate.scores import Scores
from lag_zoo.evaluate.scoring import flow_of, frame_table
from lag_zoo.specs import Task
from lag_zoo.tasks import rules_of

BETWEEN = ";"
"""Separator of the labels in a cell of `called`."""

WITHIN = 1e-3
"""Largest distance of the sum of a line's probabilities from 1."""


class Predicted:
    """The predictions of one model, with the manifest of its frames.

    Args:
        part: its lines.
        predictions: their columns.
        label_names: the labels.
        reading: how they are read.

    Raises:
        DataError: a truth or a prediction that cannot be right; the message names the line and the column.
    """

    def __init__(
        self, part: Part, predictions: Predictions, label_names: Sequence[str], reading: Reading
    ) -> None:
        self.name, self.table = part.name, part.table
        self._predictions, self._names, self._reading = predictions, tuple(label_names), reading
        self.manifest = _manifest(part, predictions, self._names, reading)
        self._rows = {line: dict(zip(self.table.header, row, strict=True)) for line, row in self.table.rows}

    def scores(self, split: str | None) -> Scores:
        """Return the scores of a split, `None`: of all frames.

        Raises:
            DataError: no such split, or predictions that cannot be right.
        """
        chosen = self.manifest.where(split=split)
        answered = self._answered(chosen)
        kept = chosen.with_frames(f for f, ok in zip(chosen.frames, answered, strict=True) if ok)
        logits, given = self._logits(kept)
        return Scores(
            label_names=self._names,
            task=self.manifest.task,
            logits=logits,
            given=given,
            frames=frame_table(kept),
            flow=flow_of(self.manifest, chosen, split, answered),
            calls_only=self._predictions.prefix == CALLED,
        )

    def _answered(self, chosen: Manifest) -> np.ndarray:
        """Mark the frames with a prediction (n,) bool; of labels each for itself, an empty call is one: none holds."""
        columns = self._predictions.columns
        if columns == [CALLED] and not rules_of(self.manifest.task).exclusive:
            return np.ones(len(chosen), bool)
        found = np.array([any(self._rows[f.line][name] for name in columns) for f in chosen.frames])
        empty = np.flatnonzero(~found)
        if len(empty) and (not self._reading.skip_unreadable or not found.any()):
            first = chosen.frames[empty[0]]
            raise self.table.error(
                first.line,
                columns[0],
                f"is empty, and so is all that {self.name} says of {first.image} (and of {len(empty) - 1} more): give "
                "predictions, or a reason in a column excluded; --skip-unreadable lists such frames and leaves them "
                "out, --unreadable-as-failures counts them as called wrongly",
            )
        return found

    def _logits(self, kept: Manifest) -> tuple[np.ndarray, np.ndarray | None]:
        """Logits (n, C), and the probabilities (n, C) where these came."""
        if self._predictions.prefix == CALLED:
            return self._calls(kept), None
        numbers = self._numbers(kept)
        exclusive = rules_of(kept.task).exclusive
        alone = exclusive and len(self._predictions.labels) == 1
        place = self._names.index(self._predictions.labels[0])
        if self._predictions.prefix == LOGIT:
            # One logit of two exclusive labels is their log odds.
            logits = np.insert(numbers, 1 - place, 0, axis=1) if alone else numbers
            return logits, None
        given = np.insert(numbers, 1 - place, 1 - numbers[:, 0], axis=1) if alone else numbers
        if exclusive:
            self._require_sums(kept, given)
        return logits_of(given, kept.task), given

    def _numbers(self, kept: Manifest) -> np.ndarray:
        columns = self._predictions.columns
        cells = [[self._rows[frame.line][name] for name in columns] for frame in kept.frames]
        try:
            numbers = np.array(cells, dtype=np.float64)
        except ValueError:
            numbers = np.array([[_number(cell) for cell in row] for row in cells])
        probable = self._predictions.prefix == PROBABILITY
        with np.errstate(invalid="ignore"):
            right = (numbers >= 0) & (numbers <= 1) if probable else np.isfinite(numbers)
        if not right.all():
            row, column = np.argwhere(~right)[0]
            raise self.table.error(
                kept.frames[row].line, columns[column], _what_is_wrong(cells[row][column], probable)
            )
        return numbers

    def _require_sums(self, kept: Manifest, given: np.ndarray) -> None:
        sums = given.sum(axis=1)
        wrong = np.flatnonzero(np.abs(sums - 1) > WITHIN + 1e-9)
        if not len(wrong):
            return
        first = wrong[0]
        said = " + ".join(f"{value:g}" for value in given[first])
        raise DataError(
            f"{self.table.source}: the probabilities of {len(wrong)} of {len(kept)} rows do not sum to 1 within "
            f"{WITHIN:g}; the first, line {kept.frames[first].line} ({', '.join(self._predictions.columns)}): "
            f"{said} = {sums[first]:g}. Where a frame may have several labels, the truth is one column of 0 and 1 a "
            f"label, not `label`; what is no probability stands in columns {LOGIT}LABEL"
        )

    def _calls(self, kept: Manifest) -> np.ndarray:
        marks = np.zeros((len(kept), len(self._names)))
        exclusive = rules_of(kept.task).exclusive
        for row, frame in zip(marks, kept.frames, strict=True):
            cell = self._rows[frame.line][CALLED]
            for name in [cell] if exclusive else filter(None, map(str.strip, cell.split(BETWEEN))):
                if name not in self._names:
                    raise self.table.error(frame.line, CALLED, _no_label(name, self._names))
                row[self._names.index(name)] = 1
        return logits_of(marks, kept.task)


def read_predictions(parts: Sequence[Part], reading: Reading) -> list[Predicted]:
    """Read the predictions of each model, in the order of the parts.

    Raises:
        DataError: tables that cannot be right, or that have no predictions.
    """
    if len(parts) > 1:
        for part in parts:
            if "image" not in part.table.header:
                names = ", ".join(each.name for each in parts)
                raise DataError(
                    f"{part.table.source} has no column image: {len(parts)} models ({names}) are compared on the same "
                    "frames, and image says which line is which frame"
                )
    found = [predictions_of(part.table, reading) for part in parts]
    labels = label_names_of(parts, found, reading)
    read = [Predicted(*each, reading) for each in zip(parts, found, labels, strict=True)]
    require_clear_ids(read[0].manifest)
    return read


def logits_of(probabilities: np.ndarray, task: Task) -> np.ndarray:
    """Return logits (n, C) of probabilities (n, C), as the task has them, from -800 to 800.

    >>> logits_of(np.array([[0.5, 0.0, 1.0]]), "multilabel")
    array([[   0., -800.,  800.]])
    """
    return np.asarray(rules_of(task).logits(probabilities).clip(-CALL_LOGIT, CALL_LOGIT))


def _manifest(part: Part, predictions: Predictions, names: tuple[str, ...], reading: Reading) -> Manifest:
    """The frames, without what is predicted of them; a cohort may lack some of the labels."""
    table = part.table.without([*predictions.columns, *reading.raters, MODEL])
    exclusive = "label" in table.header
    if exclusive:
        table = _with_known_labels(table, names, predictions)
        there = names
    else:
        there = tuple(name for name in names if name in table.header)
        if not there:
            raise DataError(
                f"{table.source} has no truth: a column label with one of {', '.join(names)}, or a column of 0 and 1 "
                f"for each that is called like it; its columns are {', '.join(part.table.header)}"
            )
        _say_what_is_not_predicted(table, names)
    say_what_is_not_read(table, there, sure=True)
    manifest = manifest_of(with_images(table), there, root=part.root).with_label_names(names)
    return as_asked(manifest, reading.task, names)


def _with_known_labels(table: Table, names: tuple[str, ...], predictions: Predictions) -> Table:
    """The table with empty labels where a frame is excluded and its label is no one's."""
    cells = []
    for (line, _), label, excluded in zip(
        table.rows, table.column("label"), excluded_rows(table), strict=True
    ):
        if label and label not in names and not excluded:
            columns = f"has no column {predictions.prefix}{label}" if predictions.labels else "is no label"
            raise table.error(
                line,
                "label",
                f"{label!r} {columns}; the labels are {', '.join(names)}.{did_you_mean(label, names)} Say them by "
                "--labels, or why the frame is left out in a column excluded",
            )
        cells.append(label if label in names else "")
    return table.with_column("label", cells)


def _say_what_is_not_predicted(table: Table, names: Sequence[str]) -> None:
    """Warn of columns that look like a truth, and of which nothing is predicted."""
    known = {"image", *COLUMNS, *names}
    lost = [
        name
        for name in table.header
        if name not in known and {"0", "1"} <= set(table.column(name)) <= {"", "0", "1"}
    ]
    if lost:
        warnings.warn(
            f"{table.source}: {', '.join(lost)} (0 and 1) {'has' if len(lost) == 1 else 'have'} no predictions, and "
            f"only {', '.join(names)} are evaluated",
            UnusedColumnWarning,
            stacklevel=2,
        )


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")


def _what_is_wrong(cell: str, probable: bool) -> str:
    if not cell:
        return "is empty, and other labels of the line have predictions: give one for each"
    if not probable:
        return f"{cell!r} is no finite number"
    return f"{cell!r} is no probability from 0 to 1; logits stand in columns {LOGIT}LABEL"


def _no_label(name: str, names: Sequence[str]) -> str:
    return (
        f"{name!r} is none of the labels {', '.join(names)}.{did_you_mean(name, names)} If it is a label that no "
        "frame has, name all labels by --labels"
    )
