"""What `lag-zoo predict` found, as a table, JSON or CSV: all from the same rows, `to_dict()` of each answer."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.text import Text

from lag_zoo.cli.tables import plain_table

Row = Mapping[str, Any]


def as_table(rows: Sequence[Row], model: str) -> Group:
    """A table of answers and failures of one model, with what a reader must know of them beneath."""
    labels, spread = _labels(rows), any(row.get("spread") for row in rows)
    table = plain_table()
    table.add_column("frame", overflow="fold")
    table.add_column("label", overflow="fold")
    for label in labels:
        table.add_column(Text(label), justify="right", no_wrap=True)
    table.add_column("crops saw", justify="right", no_wrap=True)
    table.add_column("notes", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in _cells(row, labels, spread)))
    return Group(Text(f"model: {model}"), table, *map(Text, _beneath(rows, spread)))


def as_json(rows: Sequence[Row]) -> str:
    """A JSON list of objects; boxes and weights of the crops are left out (Python has them: `Prediction`)."""
    short = [{key: value for key, value in row.items() if _wanted(key, value)} for row in rows]
    return json.dumps(short, indent=2) + "\n"


def as_csv(rows: Sequence[Row]) -> str:
    """One line a frame; `p_LABEL` is a probability, `sd_LABEL` its standard deviation over the draws."""
    labels, spread = _labels(rows), any(row.get("spread") for row in rows)
    header = ["path", "model", "label", *(f"p_{label}" for label in labels)]
    header += [*(f"sd_{label}" for label in labels if spread), "share", "apparent", "warnings", "error"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        chances, sd = row.get("probabilities") or {}, row.get("spread") or {}
        writer.writerow(
            [
                printable(row["path"]),
                row.get("model", ""),
                _label(row),
                *(chances.get(label, "") for label in labels),
                *(sd.get(label, "") for label in labels if spread),
                row.get("share", ""),
                str(row["apparent"]).lower() if "apparent" in row else "",
                "; ".join(row.get("warnings", ())),
                printable(row.get("error")),
            ]
        )
    return text.getvalue()


def printable(text: str | None) -> str:
    r"""Text, with what no terminal or file should be sent (control characters, broken encodings) escaped.

    >>> printable("a\nb")
    'a\\nb'
    """
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text or "")


def _labels(rows: Sequence[Row]) -> list[str]:
    return next((list(row["probabilities"]) for row in rows if "probabilities" in row), [])


def _label(row: Row) -> str:
    label = row.get("label", "")
    return label if isinstance(label, str) else " + ".join(label)


def _cells(row: Row, labels: Sequence[str], spread: bool) -> list[str]:
    path = printable(row["path"])
    if "error" in row:
        return [path, "", *("" for _ in labels), "", f"failed: {printable(row['error'])}"]
    chances = [f"{row['probabilities'][label]:.3f}" for label in labels]
    if spread:
        chances = [f"{p} ± {row['spread'][label]:.3f}" for p, label in zip(chances, labels, strict=True)]
    notes = "; ".join([*(["apparent"] if row["apparent"] else []), *row["warnings"]])
    return [path, _label(row), *chances, f"{row['share']:.1%}", notes]


def _beneath(rows: Sequence[Row], spread: bool) -> list[str]:
    apparent = sum(bool(row.get("apparent")) for row in rows)
    lines = []
    if spread:
        lines.append("± standard deviation over draws of the crops: not the model's error.")
    if apparent:
        lines.append(f"apparent: the model was trained on {apparent} of these frames")
    return [*lines, "A research demonstration, not a medical device."]


def _wanted(key: str, value: object) -> bool:
    return key not in ("boxes", "crop_weights") and not (key in ("spread", "apparent") and not value)
