"""The output of `lag-zoo predict` as a table, JSON, CSV or Parquet, all from `to_dict()` of each prediction.

All but the table are written row by row, so that a million of them need no memory; they go through the rows twice.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from rich.console import Group
from rich.text import Text

from lag_zoo.cli.tables import plain_table
from lag_zoo.errors import extra
from lag_zoo.files import csv_writer
from lag_zoo.inert import in_a_line

Row = Mapping[str, Any]
BULKY = ("boxes", "crop_weights")
"""Fields that files leave out; `Prediction` has them."""
EXPECTED = "expected_grade"
_AT_ONCE = 10_000  # rows of a Parquet file


def as_table(rows: Sequence[Row], model: str, points: Mapping[str, float]) -> Group:
    """A table of answers and failures of one model, with what a reader must know of them beneath.

    Args:
        points: the operating points by which labels are called.
    """
    labels, spread = _labels(rows)
    graded = _graded(rows)
    crops = any(row.get("coverage") is not None for row in rows)
    table = plain_table()
    table.add_column("frame", overflow="fold")
    table.add_column("label", overflow="fold")
    for label in labels:
        table.add_column(Text(label), justify="right", no_wrap=True)
    if graded:
        table.add_column("expected", justify="right", no_wrap=True)
    if crops:
        table.add_column("crops saw", justify="right", no_wrap=True)
    table.add_column("notes", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in _cells(row, labels, spread, crops, graded=graded)))
    return Group(Text(f"model: {model}"), table, *map(Text, _beneath(rows, spread, points)))


def write_json(rows: Iterable[Row], file: TextIO) -> None:
    """A JSON list of objects, without what says nothing in them."""
    between = "[\n"
    for row in rows:
        text = json.dumps(_shown(row), indent=2).replace("\n", "\n  ")
        file.write(f"{between}  {text}")
        between = ",\n"
    file.write("\n]\n")


def write_jsonl(rows: Iterable[Row], file: TextIO) -> None:
    """The same objects, one a line."""
    for row in rows:
        file.write(json.dumps(_shown(row)) + "\n")
        file.flush()  # whoever reads along sees it, and nothing is lost with the process


class CsvLines:
    """Rows as lines of CSV, written as they come: of `p_LABEL` a probability, of `sd_LABEL` its standard deviation.

    Args:
        labels: of the model; `spread`: whether there are standard deviations, over the looks of `--tta`; `graded`:
            whether the labels are grades, and one is expected.
    """

    def __init__(self, file: TextIO, labels: Sequence[str], *, spread: bool, graded: bool = False) -> None:
        self.file, self.labels, self.spread, self.graded = file, labels, spread, graded
        self._writer = csv_writer(file)
        self._begun = False

    def write(self, row: Row) -> None:
        """Write a row; the first has the header above it."""
        flat = _flat(row, self.labels, self.spread, self.graded)
        if not self._begun:
            self._writer.writerow(flat)
            self._begun = True
        in_training_data = flat["in_training_data"]
        cells = {
            **flat,
            "in_training_data": "" if in_training_data is None else str(in_training_data).lower(),
        }
        self._writer.writerow("" if cell is None else cell for cell in cells.values())
        self.file.flush()


def write_csv(rows: Iterable[Row], file: TextIO) -> None:
    """One line a frame, as `CsvLines` writes them."""
    labels, spread = _labels(rows)
    lines = CsvLines(file, labels, spread=spread, graded=_graded(rows))
    for row in rows:
        lines.write(row)


def write_parquet(rows: Iterable[Row], path: Path) -> None:
    """The columns of the CSV, with missing values where it has empty cells.

    Raises:
        MissingExtraError: the extra `data` is not installed.
    """
    with extra("data"):
        import pyarrow
        import pyarrow.parquet
    labels, spread = _labels(rows)
    graded = _graded(rows)
    timed = {"time": 0.0} if any("time" in row for row in islice(iter(rows), 1)) else {}
    numbers = ("coverage", "time", EXPECTED)
    kinds = {**dict.fromkeys(numbers, pyarrow.float64()), "in_training_data": pyarrow.bool_()}
    names = _flat({"path": "", **timed}, labels, spread, graded)
    of_labels = {name for name in names if name.startswith(("p_", "sd_"))}
    schema = pyarrow.schema(
        [
            (name, pyarrow.float64() if name in of_labels else kinds.get(name, pyarrow.string()))
            for name in names
        ]
    )
    flat = (_flat(row, labels, spread, graded) for row in rows)
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        while some := list(islice(flat, _AT_ONCE)):
            writer.write_table(pyarrow.Table.from_pylist(some, schema=schema))


def label_of(row: Row) -> str:
    """The label called, in words; several of a multilabel model are joined.

    >>> label_of({"label": ["GA", "IM"]})
    'GA + IM'
    """
    label = row.get("label", "")
    return label if isinstance(label, str) else " + ".join(label)


def in_words(points: Mapping[str, float]) -> str:
    """The operating points by which labels are called.

    >>> in_words({"polyp": 0.5, "ulcer": 0.25})
    'polyp from 0.500, ulcer from 0.250'
    """
    return ", ".join(f"{label} from {point:.3f}" for label, point in points.items())


def _labels(rows: Iterable[Row]) -> tuple[list[str], bool]:
    """The labels, and whether there is a spread, by the first row that is no failure."""
    first: Row = next((row for row in rows if "probabilities" in row), {})
    return list(first.get("probabilities", ())), bool(first.get("spread"))


def _graded(rows: Iterable[Row]) -> bool:
    """Tell whether the labels are grades, by the first row that is no failure."""
    return EXPECTED in next((row for row in rows if "probabilities" in row), {})


def _flat(row: Row, labels: Sequence[str], spread: bool, graded: bool) -> dict[str, Any]:
    """A row as columns of text, numbers and truth values; `None` where there is nothing."""
    chances, sd = row.get("probabilities") or {}, row.get("spread") or {}
    return {
        "path": in_a_line(row["path"]),
        **({"time": row["time"]} if "time" in row else {}),
        "model": row.get("model"),
        "label": label_of(row),
        **({EXPECTED: row.get(EXPECTED)} if graded else {}),
        **{f"p_{label}": chances.get(label) for label in labels},
        **{f"sd_{label}": sd.get(label) for label in labels if spread},
        "coverage": row.get("coverage"),
        "in_training_data": row.get("in_training_data"),
        "warnings": "; ".join(row.get("warnings", ())),
        "error": in_a_line(row.get("error") or ""),
    }


def _cells(row: Row, labels: Sequence[str], spread: bool, crops: bool, *, graded: bool = False) -> list[str]:
    path = in_a_line(row["path"]) + (f" at {row['time']:.2f} s" if "time" in row else "")
    if "error" in row:
        return [
            path,
            "",
            *("" for _ in labels),
            *([""] if graded else []),
            *([""] if crops else []),
            f"failed: {in_a_line(row['error'])}",
        ]
    chances = [f"{row['probabilities'][label]:.3f}" for label in labels]
    if spread:
        chances = [f"{p} ± {row['spread'][label]:.3f}" for p, label in zip(chances, labels, strict=True)]
    notes = "; ".join([*(["in_training_data"] if row["in_training_data"] else []), *row["warnings"]])
    saw = [f"{row['coverage']:.1%}"] if crops else []
    expected = [f"{row[EXPECTED]:.2f}"] if graded else []
    return [path, label_of(row), *chances, *expected, *saw, notes]


def _beneath(rows: Sequence[Row], spread: bool, points: Mapping[str, float]) -> list[str]:
    in_training_data = sum(bool(row.get("in_training_data")) for row in rows)
    lines = []
    if any(EXPECTED in row for row in rows):
        lines.append(
            "The label is the highest grade of which the probability of at least this one reaches "
            f"{f'its operating point ({in_words(points)})' if points else '0.5'}; expected: the mean grade, from 0."
        )
    elif any(point != 0.5 for point in points.values()):
        lines.append(
            f"Called at the weights' operating points ({in_words(points)}), so not always the likeliest label."
        )
    if spread:
        lines.append("± standard deviation over looks with other crops: not the model's error.")
    if in_training_data:
        lines.append(
            f"in_training_data: the weights, or those they were made from, were trained on {in_training_data} of "
            "these frames, or chosen by them"
        )
    return [*lines, "A research demonstration, not a medical device."]


def _shown(row: Row) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value is not None and value is not False}
