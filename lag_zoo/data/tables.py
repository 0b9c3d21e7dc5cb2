"""Manifests as files: CSV or Parquet, read line by line, written whole or not at all."""

import os
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from lag_zoo.data.cells import says_nothing
from lag_zoo.data.grades import as_asked
from lag_zoo.data.manifest import (
    COLUMNS,
    MODALITIES,
    PATHS,
    READERS,
    REFERENCES,
    SPLIT_NAMES,
    Column,
    Frame,
    Manifest,
)
from lag_zoo.data.rows import Table, is_parquet, read_table
from lag_zoo.errors import DataError, InvalidConfigError, MissingValueWarning, UnusedColumnWarning, extra
from lag_zoo.files import csv_writer, write_whole
from lag_zoo.inert import in_a_line
from lag_zoo.specs import Task
from lag_zoo.tasks import UNKNOWN, rules_of

_VALUES = {
    "": UNKNOWN,
    "0": 0,
    "1": 1,
    "0.0": 0,
    "1.0": 1,
}  # with a point: by spreadsheets, where others are empty
_SUFFIXES = (".csv", ".parquet")
_AT_ONCE = 1 << 16  # rows of Parquet
_SHOWN = 3
_SHORT = 3  # letters of a column's name that is looked for as a word
_ALLOWED = {"modality": MODALITIES, "reference": REFERENCES}


def read_manifest(
    path: str | os.PathLike[str],
    *,
    columns: Mapping[str, Column] | None = None,
    labels: Sequence[str] | None = None,
    cohort: bool = False,
    task: Task | None = None,
) -> Manifest:
    """A manifest from a CSV or Parquet file.

    Args:
        path: the file. `image` is a path from the file's folder, or an absolute one. With a column `label` each frame
            has one of exclusive labels; else each further column is a label of its own, 0, 1 or empty (unknown).
            What says that nothing is known, as "nan", "unknown", "N/A", "-" or "?", is taken as empty, with a
            `MissingValueWarning`, but for a label that `labels` names. `excluded` holds a reason, or only yes or no (1,
            0, true, false, y, n; in any case); `age` years, `sex` f, m, other or unknown; `mask` is a path like
            `image`; see `Frame`. Texts but paths are brought to one spelling: Unicode's composed form, without what
            cannot be seen.
        columns: which of the file's columns is which of a manifest's, for example `{"case_id": "patient"}`.
        labels: which columns are labels, where the file has others besides; or, of exclusive labels, their order.
        cohort: the data are to be evaluated, and may lack labels: one class alone, or labels that no frame has.
        task: `ordinal`: exclusive labels are grades, in the order of `labels`, the lowest first. `None`: as the columns
            have it, `multiclass` or `multilabel`.

    Raises:
        DataError: something cannot be right; the message names the file, the line and the column.
        MissingExtraError: a Parquet file needs the extra `data`.
    """
    path = Path(path)
    table = read_table(path, columns=columns)
    require_images(table)
    exclusive = "label" in table.header
    find = exclusive_labels if exclusive else label_columns
    names = find(table, labels, cohort=cohort)
    manifest = manifest_of(table, names, root=path.parent)
    say_what_is_not_read(table, () if exclusive else names, sure=labels is not None)
    return as_asked(manifest if labels is None else manifest.with_label_names(labels), task, labels)


def require_images(table: Table) -> None:
    """Refuse a table without a column image, or without rows.

    Raises:
        DataError: it is one.
    """
    if "image" not in table.header:
        raise DataError(
            f"{table.source} has no column image; its columns are {', '.join(table.header)}{_hint(table)}"
        )
    if not table.rows:
        raise DataError(f"{table.source} has a header and no frames")


def manifest_of(table: Table, label_names: Sequence[str], *, root: Path) -> Manifest:
    """The manifest of a table that has a column image: with a column `label` its labels exclude each other.

    Args:
        label_names: the labels. Those that do not exclude each other are columns of the table; of those that do, the
            table may lack some.
        root: the folder from which the images' paths lead.

    Raises:
        DataError: something cannot be right; the message names the file, the line and the column.
    """
    names = tuple(label_names)
    known = [name for name in COLUMNS if name in table.header]
    exclusive = "label" in table.header
    table = _without_words_for_nothing(table, known, names, exclusive=exclusive)
    numbers = {name: number for number, name in enumerate(names)}
    frames = []
    once: dict[tuple[int, ...], tuple[int, ...]] = {}
    for line, row in table.rows:
        cells = dict(zip(table.header, row, strict=True))
        if not cells["image"]:
            raise table.error(line, "image", "is empty")
        said = {name: _checked(table, line, name, cells[name]) for name in known}
        if exclusive:
            marks = _exclusive(table, line, cells["label"], numbers, said.get("excluded", ""))
        else:
            marks = _marks(table, line, cells, names)
        frames.append(Frame(image=cells["image"], labels=once.setdefault(marks, marks), line=line, **said))
    return Manifest(
        root=root,
        label_names=names,
        task="multiclass" if exclusive else "multilabel",
        frames=tuple(frames),
        source=table.source,
    )


def _without_words_for_nothing(
    table: Table, known: Sequence[str], labels: Sequence[str], *, exclusive: bool
) -> Table:
    """Empty the cells that say in words that nothing is known, and warn of them with their lines."""
    own = set(labels) if exclusive else set()  # a label may be called none
    columns = [name for name in known if name not in READERS] + (["label"] if exclusive else list(labels))
    places = {table.header.index(name): name for name in columns}
    found: dict[tuple[str, str], list[int]] = {}
    rows = []
    for line, row in table.rows:
        cells = row
        for place, name in places.items():
            if says_nothing(row[place]) and not (name == "label" and row[place] in own):
                found.setdefault((name, row[place]), []).append(line)
                cells = [*cells] if cells is row else cells
                cells[place] = ""
        rows.append((line, cells))
    for (name, text), lines in found.items():
        first = ", ".join(map(str, lines[:_SHOWN])) + (
            f" and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
        )
        warnings.warn(
            f"{table.source}: {text!r} in the column {name} is taken as missing (line {first})",
            MissingValueWarning,
            stacklevel=4,
        )
    return table._replace(rows=rows) if found else table


def write_manifest(manifest: Manifest, path: str | os.PathLike[str]) -> None:
    """Write a manifest as CSV or, by the ending `.parquet`, as Parquet; whole or not at all.

    Raises:
        InvalidConfigError: another ending.
        OSError: the file cannot be written; what was there is untouched.
        MissingExtraError: a Parquet file needs the extra `data`.
    """
    path = Path(path)
    folder = path.parent.absolute()
    if path.suffix.lower() not in _SUFFIXES:
        raise InvalidConfigError(f"a manifest is written as .csv or .parquet, not as {path.name}")
    used = [name for name in COLUMNS if any(manifest.column(name))]
    exclusive = rules_of(manifest.task).exclusive
    header = ["image", *(["label"] if exclusive else manifest.label_names), *used]

    def rows() -> Iterator[list[str]]:
        for frame in manifest.frames:
            if exclusive:
                marks = ["" if i == UNKNOWN else manifest.label_names[i] for i in frame.labels]
            else:
                marks = ["" if i == UNKNOWN else str(i) for i in frame.labels]
            cells = {name: getattr(frame, name) for name in ("image", *used)}
            cells |= {
                name: _path_from(manifest.root / cells[name], folder) for name in PATHS if cells.get(name)
            }
            yield [cells.pop("image"), *marks, *cells.values()]

    path.parent.mkdir(parents=True, exist_ok=True)
    write = _write_parquet if is_parquet(path) else _write_csv
    write_whole(path, lambda scratch: write(scratch, header, rows()))


def _hint(table: Table) -> str:
    """Guess the fault of a header that has no image."""
    for mark, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(table.header) == 1 and mark in table.header[0]:
            return f". The cells are parted by {name}; commas are expected"
    near = [name for name in table.header if name.lower() in ("image", "images", "file", "filename", "path")]
    return f". If {near[0]} is it, say --column {near[0]}=image" if near else ""


def _like(name: str) -> str | None:
    """The column of a manifest that a name may mean: `Patient_ID` is like patient, and `PatientAge` like age."""
    words = {word.lower() for word in re.findall("[A-Z]?[a-z]+|[A-Z]+", name)}
    letters = re.sub("[^a-z]", "", name.lower())
    short = (
        known for known in COLUMNS if len(known) <= _SHORT and known in words
    )  # image and stage hold "age"
    return next(short, next((known for known in COLUMNS if len(known) > _SHORT and known in letters), None))


def say_what_is_not_read(table: Table, labels: Iterable[str], *, sure: bool) -> None:
    """Warn of a column whose name looks like one of a manifest's: it is not read, or taken for a label.

    Args:
        labels: the columns that are; `sure`: the caller has named them.
    """
    taken, own = set(labels), {"image", "label", *COLUMNS}
    for name in table.header:
        like = _like(name)
        if name in own or not like or like in table.header or (sure and name in taken):
            continue
        how = "taken for a label (--labels says which are)" if name in taken else "not read"
        warnings.warn(
            f"{table.source}: the column {name} is {how}; if it is {like}, say --column {name}={like}",
            UnusedColumnWarning,
            stacklevel=4,
        )


def exclusive_labels(table: Table, labels: Sequence[str] | None, *, cohort: bool = False) -> tuple[str, ...]:
    """The labels in the column `label`, sorted; or those that are asked for, each of which some row has.

    Raises:
        DataError: none; or, but of a cohort, fewer than two, or one of `labels` that no row has.
    """
    place = table.header.index("label")
    found = {row[place] for _, row in table.rows if row[place]}
    if strange := {label for label in found if in_a_line(label) != label}:
        line, label = next((line, row[place]) for line, row in table.rows if row[place] in strange)
        raise table.error(line, "label", f"{label!r} is no label: it is more than one line of letters")
    if labels is None:
        found = {label for label in found if not says_nothing(label)}
        names = tuple(sorted(found))
    else:
        names = tuple(labels)
        unused = [name for name in names if name not in found]
        if unused and not cohort:
            raise DataError(
                f"{table.source} has no frame with the label {unused[0]!r}; it has {', '.join(sorted(found))}"
            )
    if len(names) < (1 if cohort else 2):
        raise DataError(
            f"{table.source}: {len(names)} labels ({', '.join(names)}), and at least 2 are needed"
        )
    return names


def label_columns(table: Table, labels: Sequence[str] | None, *, cohort: bool = False) -> tuple[str, ...]:
    """The columns that are labels of their own: those that are no manifest's, or those of them that are asked for.

    Raises:
        DataError: none; or, but of a cohort, one of `labels` that is no column.
    """
    others = dict.fromkeys(name for name in table.header if name != "image" and name not in COLUMNS)
    names = tuple(others if labels is None else labels)
    missing = [name for name in names if name not in others]
    if missing and not cohort:
        raise DataError(
            f"{table.source} has no label column {missing[0]!r}; it has {', '.join(others) or 'none'}"
        )
    names = tuple(name for name in names if name in others)
    if not names:
        raise DataError(
            f"{table.source} has no labels: a column label, or one column of 0, 1 and empty for each label"
        )
    return names


def _exclusive(
    table: Table, line: int, label: str, numbers: Mapping[str, int], excluded: str
) -> tuple[int, ...]:
    if label in numbers:
        return (numbers[label],)
    if not label and excluded:
        return (UNKNOWN,)
    said = (
        f"{label!r} is none of {', '.join(numbers)}" if label else "is empty, and nothing says why (excluded)"
    )
    raise table.error(line, "label", said)


def _marks(table: Table, line: int, cells: Mapping[str, str], names: Sequence[str]) -> tuple[int, ...]:
    for name in names:
        if cells[name] not in _VALUES:
            like = _like(name)
            what = f"--column {name}={like}, if it is that; else " if like else ""
            raise table.error(
                line,
                name,
                f"{cells[name]!r} is neither 0, 1 nor empty (unknown). If {name} is no label, say {what}which columns "
                "are labels: --labels IM,GA (in Python labels=[...])",
            )
    return tuple(_VALUES[cells[name]] for name in names)


def _checked(table: Table, line: int, column: Column, value: str) -> str:
    if column == "split":
        return SPLIT_NAMES.get(value.lower(), value)
    if column in READERS:
        try:
            return READERS[column](value)
        except DataError as error:
            raise table.error(line, column, str(error)) from error
    allowed = _ALLOWED.get(column)
    lowered = value.lower() if allowed else value
    if allowed and lowered and lowered not in allowed:
        raise table.error(line, column, f"{value!r} is none of {', '.join(allowed)}")
    return lowered


def _path_from(image: Path, folder: Path) -> str:
    """The path from the new manifest's folder where it lies below it, else the absolute one."""
    whole = image.absolute()
    try:
        return whole.relative_to(folder).as_posix()
    except ValueError:
        return str(whole)


def _write_csv(path: Path, header: Sequence[str], rows: Iterator[Sequence[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv_writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def _write_parquet(path: Path, header: Sequence[str], rows: Iterator[Sequence[str]]) -> None:
    with extra("data"):
        import pyarrow
        import pyarrow.parquet
    schema = pyarrow.schema([(name, pyarrow.string()) for name in header])
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        while some := list(islice(rows, _AT_ONCE)):
            columns = map(list, zip(*some, strict=True))
            writer.write_table(pyarrow.table(dict(zip(header, columns, strict=True)), schema=schema))
