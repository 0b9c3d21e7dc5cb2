"""Rows: a CSV or Parquet file, or columns in memory, as text, each row with its line."""

import csv
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lag_zoo.data.cells import plain_text, strange_letter
from lag_zoo.data.manifest import COLUMNS, PATHS, Column
from lag_zoo.errors import DataError, extra
from lag_zoo.inert import from_spreadsheet, in_a_line

_MOST = 1 << 18  # texts that are held once, about 30 MB
_LONGEST = 40  # letters


class Table(NamedTuple):
    """A header and its rows of text, each with its line; `source`: the name that messages call it by."""

    source: str
    header: list[str]
    rows: list[tuple[int, list[str]]]

    def error(self, line: int, column: str, message: str) -> DataError:
        """Return an error about one cell."""
        return DataError(f"{self.source}, line {line}, column {column}: {message}")

    def column(self, name: str) -> list[str]:
        """Return the cells of a column, one a row."""
        place = self.header.index(name)
        return [row[place] for _, row in self.rows]

    def without(self, names: Iterable[str]) -> "Table":
        """Return the table without some columns."""
        kept = [place for place, name in enumerate(self.header) if name not in set(names)]
        rows = [(line, [row[place] for place in kept]) for line, row in self.rows]
        return Table(self.source, [self.header[place] for place in kept], rows)

    def with_column(self, name: str, cells: Iterable[str]) -> "Table":
        """Return the table with one more column, or with other cells in a column that it has."""
        rest = self.without([name])
        rows = [(line, [*row, cell]) for (line, row), cell in zip(rest.rows, cells, strict=True)]
        return Table(self.source, [*rest.header, name], rows)


def read_table(path: str | os.PathLike[str], *, columns: Mapping[str, Column] | None = None) -> Table:
    """Read a CSV or, by the ending `.parquet`, a Parquet file.

    Args:
        path: the file.
        columns: which of the file's columns is which of a manifest's, for example `{"case_id": "patient"}`.

    Raises:
        DataError: no such file, rows of another length than the header, or a column that stands there twice.
        MissingExtraError: a Parquet file needs the extra `data`.
    """
    path = Path(path)
    return _plain(_renamed(_parquet(path) if is_parquet(path) else _csv(path), columns or {}))


def table_of(data: Any, *, source: str, columns: Mapping[str, Column] | None = None) -> Table:
    """Return columns in memory as a table, the first row as line 1.

    Args:
        data: a mapping of columns, as a dict of lists or arrays, or a DataFrame of pandas; or a table of pyarrow.
        source: the name that messages call it by.
        columns: as in `read_table`.

    Raises:
        DataError: no columns, or columns of different lengths.

    >>> table_of({"label": ["IM", None], "p_IM": [0.5, 1.0]}, source="the table").rows
    [(1, ['IM', '0.5']), (2, ['', '1'])]
    """
    if hasattr(data, "to_pydict"):
        data = data.to_pydict()
    if not hasattr(data, "keys"):
        raise DataError(f"{source} is a {type(data).__name__}; a path or a mapping of columns is expected")
    cells = {str(name): [_text(value) for value in _listed(data[name])] for name in data.keys()}  # noqa: SIM118
    lengths = {name: len(values) for name, values in cells.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"{source}: columns are equally long; got {lengths}")
    rows = [(number, list(row)) for number, row in enumerate(zip(*cells.values(), strict=True), start=1)]
    return _plain(_renamed(Table(source, list(cells), rows), columns or {}))


class _Once:
    """Texts that are held once, as patients and labels are, which stand there again and again.

    Of those that come last there may be too many: a path stands there once, and holding it costs more than it saves.
    """

    def __init__(self) -> None:
        self._held: dict[str, str] = {}

    def text(self, text: str) -> str:
        """Return the text, as the object that came first where it is held."""
        if len(text) > _LONGEST:
            return text
        if len(self._held) < _MOST:
            return self._held.setdefault(text, text)
        return self._held.get(text, text)


def is_parquet(path: Path) -> bool:
    """Tell by its ending whether a file is Parquet."""
    return path.suffix.lower() == ".parquet"


def _csv(path: Path) -> Table:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            held = _Once()
            rows = [
                (reader.line_num, [held.text(from_spreadsheet(cell.strip())) for cell in row])
                for row in reader
                if row
            ]
    except FileNotFoundError as error:
        raise DataError(f"no file {path}") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no CSV file in UTF-8 that can be read: {error}") from error
    for line, row in rows:
        if len(row) != len(header):
            raise DataError(f"{path}, line {line}: {len(row)} cells, and the header has {len(header)}")
    return Table(str(path), header, rows)


def _parquet(path: Path) -> Table:
    with extra("data"):
        import pyarrow
        import pyarrow.parquet
    try:
        table = pyarrow.parquet.read_table(path)
    except FileNotFoundError as error:
        raise DataError(f"no file {path}") from error
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path} is no Parquet file that can be read: {error}") from error
    header = list(table.column_names)
    held = _Once()
    columns = [[held.text(_text(value)) for value in column.to_pylist()] for column in table.columns]
    return Table(
        str(path), header, [(n, list(row)) for n, row in enumerate(zip(*columns, strict=True), start=1)]
    )


def _listed(values: Any) -> list[Any]:
    """A column of Python's own values: of NumPy, pandas and torch they are made so, that a float32 stays exact."""
    found: list[Any] = values.tolist() if hasattr(values, "tolist") else list(values)
    return [value.item() if hasattr(value, "item") else value for value in found]


def _text(value: object) -> str:
    """A cell as CSV would have it: a missing one empty, a whole number or a truth value without a point."""
    if value is None or value != value:
        return ""
    if isinstance(value, bool) or (isinstance(value, float) and value.is_integer()):
        return str(int(value))
    return str(value).strip()


def _renamed(table: Table, columns: Mapping[str, Column]) -> Table:
    for old, new in columns.items():
        if old not in table.header:
            raise DataError(
                f"{table.source} has no column {old!r}; its columns are {', '.join(table.header)}"
            )
        if new not in COLUMNS and new not in ("image", "label"):
            raise DataError(f"a manifest has no column {new!r}; it has image, label, {', '.join(COLUMNS)}")
    header = [columns.get(name, name) for name in table.header]
    twice = sorted(name for name, count in Counter(header).items() if count > 1)
    if twice:
        raise DataError(f"{table.source}, line 1: the column {twice[0]!r} stands there twice")
    if "" in header:
        raise DataError(f"{table.source}, line 1: column {header.index('') + 1} has no name")
    return table._replace(header=header)


def _plain(table: Table) -> Table:
    """The same texts in one spelling, so that an id with an accent is one; of files the bytes count."""
    header = [plain_text(name) for name in table.header]
    held = _Once()
    for place, (line, row) in enumerate(table.rows):
        cells = [text if name in PATHS else plain_text(text) for name, text in zip(header, row, strict=True)]
        for name, text in zip(header, cells, strict=True):
            if not text.isascii() or not text.isprintable():
                _require_letters(table, line, name, text)
        # In the place of the row as it was, which only this function's caller has: there is no second table.
        if cells != row:
            table.rows[place] = (line, [held.text(text) for text in cells])
    for number, name in enumerate(header, start=1):
        if in_a_line(name) != name:
            raise DataError(
                f"{table.source}, line 1: the name of column {number} is no line of letters: {name!r}"
            )
    return table._replace(header=header)


def _require_letters(table: Table, line: int, name: str, text: str) -> None:
    letter = ("U+0000" if "\0" in text else None) if name in PATHS else strange_letter(text)
    if letter is not None:
        raise table.error(line, name, f"{text!r} has {letter} in it, which is no letter: take it out")
