"""Data by a path: a folder, or a file that says what is in it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from lag_zoo.data.folder import read_folder
from lag_zoo.data.identities import require_clear_ids
from lag_zoo.data.manifest import Column, Manifest
from lag_zoo.data.tables import read_manifest
from lag_zoo.errors import DataError
from lag_zoo.specs import Task

_MANIFESTS = (".csv", ".parquet")


def open_data(
    path: str | os.PathLike[str],
    *,
    columns: Mapping[str, Column] | None = None,
    labels: Sequence[str] | None = None,
    cohort: bool = False,
    task: Task | None = None,
) -> Manifest:
    """The frames of a data set: of a folder by label (`read_folder`), or of a manifest (`read_manifest`).

    Warns of ids and labels that may be one, in two spellings (`lag_zoo.data.identities`).

    Args:
        path: a folder, or a manifest.
        columns: which of a manifest's columns is which.
        labels: the labels, in their order.
        cohort: the data are to be evaluated, and may lack labels: one class alone, or labels that no frame has.
        task: `ordinal`: exclusive labels are grades, in the order of `labels`, the lowest first; `None`: as they are
            told in the data.

    Raises:
        DataError: neither, or something in it cannot be right.
        MissingExtraError: a Parquet file needs the extra `data`.
    """
    path = Path(path)
    if path.suffix.lower() in _MANIFESTS:
        manifest = read_manifest(path, columns=columns, labels=labels, cohort=cohort, task=task)
        require_clear_ids(manifest)
        return manifest
    if path.is_dir():
        if columns:
            raise DataError(f"{path} is a folder and has no columns to rename")
        return read_folder(path, labels=labels, cohort=cohort, task=task)
    raise DataError(f"{path} is neither a folder nor a manifest, .csv or .parquet")
