"""Columns of prediction tables: whose predictions a line holds, in which columns, and of which labels."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from lag_zoo.data.manifest import Column, reason_of
from lag_zoo.data.rows import Table, read_table, table_of
from lag_zoo.data.tables import exclusive_labels, label_columns
from lag_zoo.errors import DataError
from lag_zoo.specs import Task
from lag_zoo.tasks import rules_of

PROBABILITY, LOGIT, CALLED, MODEL = "p_", "logit_", "called", "model"

CALL_LOGIT = 800.0
"""The logit of a certain thing: its probability is 1 in float64, and that of its contrary 0, which at 700 it is not."""

Data = str | os.PathLike[str] | Any
"""A path, a mapping of columns (as a dict of lists, or a DataFrame), or a table of pyarrow."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Options of reading tables of predictions.

    Attributes:
        columns: which of a table's columns is which of a manifest's.
        labels: the labels, in their order; by default those with predictions, else those of the truth.
        task: `ordinal`: the labels are grades, the lowest first; `None`: as the truth has it.
        raters: columns with ratings, which are neither truth nor predictions.
        skip_unreadable: list frames without a prediction, and leave them out; by default they are an error.
    """

    columns: Mapping[str, Column] = field(default_factory=dict)
    labels: tuple[str, ...] | None = None
    task: Task | None = None
    raters: tuple[str, ...] = ()
    skip_unreadable: bool = False

    @property
    def ordered(self) -> bool:
        """True where the labels are grades."""
        return self.task is not None and rules_of(self.task).ordered


class Part(NamedTuple):
    """The lines of one model, with the folder from which its images' paths lead."""

    name: str
    table: Table
    root: Path


class Predictions(NamedTuple):
    """The columns of a model's predictions: `prefix` with each of the labels, or `called` alone, without labels."""

    prefix: str
    labels: tuple[str, ...]

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return [self.prefix + label for label in self.labels] or [self.prefix]


def parts_of(sources: Sequence[Data], reading: Reading) -> list[Part]:
    """Return the lines of each model: of a table with a column `model`, else the whole table, called by its file.

    Raises:
        DataError: a table without lines, a line without a model, or a model in two tables.
    """
    parts: list[Part] = []
    for number, source in enumerate(sources, start=1):
        parts += _split_by_model(*_opened(source, number, len(sources), reading))
    names = [part.name for part in parts]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is None:
        return parts
    if all(MODEL not in part.table.header for part in parts if part.name == twice):
        return [part._replace(name=part.table.source) if part.name == twice else part for part in parts]
    raise DataError(f"the model {twice} stands in two tables: join them, or rename one in the column model")


def has_predictions(table: Table, raters: Sequence[str]) -> bool:
    """Tell whether a table has any column of predictions besides those of the raters."""
    return any(
        name == CALLED or name.startswith((PROBABILITY, LOGIT)) for name in table.header if name not in raters
    )


def _opened(source: Data, number: int, count: int, reading: Reading) -> tuple[str, Table, Path]:
    """A table, what it is called if it names no model, and its folder."""
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        name, table, root = path.stem, read_table(path, columns=reading.columns), path.parent
    else:
        name = "predictions" if count == 1 else f"predictions {number}"
        table, root = table_of(source, source=f"the table {name}", columns=reading.columns), Path()
    if not table.rows:
        raise DataError(f"{table.source} has a header and no lines")
    return name, table, root


def _split_by_model(name: str, table: Table, root: Path) -> list[Part]:
    if MODEL not in table.header:
        return [Part(name, table, root)]
    rows: dict[str, list[tuple[int, list[str]]]] = {}
    for (line, row), model in zip(table.rows, table.column(MODEL), strict=True):
        if not model:
            raise table.error(line, MODEL, "is empty: it says whose prediction the line is")
        rows.setdefault(model, []).append((line, row))
    return [Part(model, table._replace(rows=own), root) for model, own in rows.items()]


def predictions_of(table: Table, reading: Reading) -> Predictions:
    """Return the columns of predictions; `labels`, where asked for, says which of them are meant.

    Raises:
        DataError: none, or of more than one kind.
    """
    others = [name for name in table.header if name not in reading.raters]
    found = [Predictions(CALLED, ())] if CALLED in others else []
    for prefix in (PROBABILITY, LOGIT):
        labels = [name.removeprefix(prefix) for name in others if name.startswith(prefix) and name != prefix]
        if reading.labels is not None:
            labels = [label for label in reading.labels if label in labels]
        if labels:
            found.append(Predictions(prefix, tuple(labels)))
    if not found:
        asked = "" if reading.labels is None else f" of {', '.join(reading.labels)}"
        raise DataError(
            f"{table.source} has no predictions{asked}: a column {PROBABILITY}LABEL or {LOGIT}LABEL for each label, or "
            f"a column {CALLED} with the label that is called; its columns are {', '.join(table.header)}"
        )
    if reading.ordered and found[0].prefix == LOGIT:
        raise DataError(
            f"{table.source} has {found[0].columns[0]}: what a logit says of a grade differs from model to model; give "
            f"probabilities in columns {PROBABILITY}GRADE"
        )
    if len(found) > 1:
        first, second = (each.columns[0] for each in found[:2])
        raise DataError(
            f"{table.source} has {first} and {second}, which are two predictions of one thing: leave one of them out"
        )
    return found[0]


def label_names_of(
    parts: Sequence[Part], predictions: Sequence[Predictions], reading: Reading
) -> list[tuple[str, ...]]:
    """Return the labels of each model: those with predictions; of calls, those of the others, else of the truth.

    Raises:
        DataError: tables that write their truth otherwise, or a single column of which the other label is not known.
    """
    with_label = ["label" in part.table.header for part in parts]
    if len(set(with_label)) > 1:
        one, other = (parts[with_label.index(there)].table.source for there in (True, False))
        raise DataError(
            f"{one} has a column label and {other} has none: the truth is written alike in all tables"
        )
    found: list[tuple[str, ...]] = []
    truth = _true_labels(parts) if with_label[0] else set()
    for part, own in zip(parts, predictions, strict=True):
        if own.prefix == CALLED:
            found.append(())
        elif with_label[0] and len(own.labels) == 1:
            found.append(_with_the_other(part, own, truth, reading))
        else:
            found.append(own.labels)
    shared = reading.labels or next(filter(None, found), None)
    if shared is None:
        if reading.ordered:
            raise _no_order(parts[0].table, f"a column {CALLED}")
        shared = _of_truth(parts[0], reading)
    return [names or tuple(shared) for names in found]


def _no_order(table: Table, column: str) -> DataError:
    return DataError(
        f"{table.source}: {column} alone does not say the order of the grades: give a column {PROBABILITY}GRADE for "
        "each, the lowest first, or name them in order by --labels"
    )


def with_images(table: Table) -> Table:
    """Return the table with its rows numbered in a column image, where it has none."""
    if "image" in table.header:
        return table
    return table.with_column("image", (f"row {number}" for number in range(1, len(table.rows) + 1)))


def excluded_rows(table: Table) -> list[bool]:
    """Tell of each row whether it is excluded."""
    if "excluded" not in table.header:
        return [False] * len(table.rows)
    return [bool(reason_of(cell)) for cell in table.column("excluded")]


def _true_labels(parts: Iterable[Part]) -> set[str]:
    """The labels of all frames that are not excluded."""
    return {
        label
        for part in parts
        for label, excluded in zip(part.table.column("label"), excluded_rows(part.table), strict=True)
        if label and not excluded
    }


def _of_truth(part: Part, reading: Reading) -> tuple[str, ...]:
    table = part.table.without([CALLED, MODEL, *reading.raters])
    return exclusive_labels(table, None) if "label" in table.header else label_columns(table, None)


def _with_the_other(part: Part, own: Predictions, truth: set[str], reading: Reading) -> tuple[str, ...]:
    """Of two exclusive labels one has a column: that one is the second, so that the report is about it."""
    if reading.labels is not None and len(reading.labels) == 2:
        return reading.labels
    if reading.ordered:
        raise _no_order(part.table, own.columns[0])
    others = sorted(truth - set(own.labels))
    if len(others) == 1:
        return (others[0], *own.labels)
    raise DataError(
        f"{part.table.source}: {own.columns[0]} alone is enough where there are two labels; "
        + (
            f"here are {', '.join(sorted(truth | set(own.labels)))}: give a column for each"
            if others
            else f"every frame is {own.labels[0]}: say what the other is called, --labels OTHER,{own.labels[0]}"
        )
    )
