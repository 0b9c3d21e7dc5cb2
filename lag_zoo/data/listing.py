"""Frames listed in a table, whatever is known of them: whose they are and of which site, without any label."""

import os
from collections.abc import Mapping
from pathlib import Path

from lag_zoo.data.identities import require_clear_ids
from lag_zoo.data.manifest import COLUMNS, Column, Manifest
from lag_zoo.data.rows import read_table
from lag_zoo.data.tables import manifest_of, require_images, say_what_is_not_read
from lag_zoo.errors import DataError

SUFFIXES = (".csv", ".parquet")
"""Endings of tables."""


def read_listing(
    path: str | os.PathLike[str], *, by: Column, columns: Mapping[str, Column] | None = None
) -> Manifest:
    """Read the frames of a CSV or Parquet file as a manifest without labels; those that are excluded are left out.

    Args:
        path: the file, with a column image and further columns of a manifest as in `read_manifest`; other columns, a
            label among them, are not read.
        by: a column that every frame must have something in, as patient.
        columns: which of the file's columns is which of a manifest's.

    Raises:
        DataError: no frame, no such column, an empty cell in it, or ids that cannot be right.
        MissingExtraError: a Parquet file needs the extra `data`.
    """
    path = Path(path)
    table = read_table(path, columns=columns)
    require_images(table)
    if by not in table.header:
        raise DataError(
            f"{table.source} has no column {by}; its columns are {', '.join(table.header)}. If another one is it, say "
            f"--column NAME={by}"
        )
    say_what_is_not_read(table, (), sure=True)
    table = table.without([name for name in table.header if name != "image" and name not in COLUMNS])
    manifest = manifest_of(table, (), root=path.parent)
    for frame in manifest.frames:
        if not getattr(frame, by) and not frame.excluded:
            raise table.error(frame.line, by, f"is empty: it says whose frame {frame.image} is")
    manifest = manifest.with_frames(frame for frame in manifest.frames if not frame.excluded)
    require_clear_ids(manifest)
    return manifest
