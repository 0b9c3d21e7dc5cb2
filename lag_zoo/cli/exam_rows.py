"""The output of `lag-zoo predict --by patient`: a row for each patient or examination, from the rows of its frames."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from lag_zoo.cli.prediction_table import label_of
from lag_zoo.cli.tables import plain_table
from lag_zoo.errors import PredictionError, UnreadableImageError, extra
from lag_zoo.inert import in_a_line

if TYPE_CHECKING:
    from lag_zoo.data import Manifest
    from lag_zoo.data.exam_table import ExamLevel
    from lag_zoo.predict.exam import ExamRule

Row = Mapping[str, Any]


class Exams:
    """The patients or examinations of a listing, and how their frames become answers.

    Args:
        manifest: as `read_listing` gives it; `by`: its column that says whose a frame is.
        rule: how frames become one answer.
        sites: those that each of them should have frames of.
    """

    def __init__(
        self, manifest: "Manifest", by: "ExamLevel", rule: "ExamRule", sites: Sequence[str] = ()
    ) -> None:
        from lag_zoo.data.exam_table import unit_names

        self.by, self.rule, self.sites = by, rule, tuple(sites)
        self.names = tuple(unit_names(manifest, by))
        self._sites = tuple(frame.anatomy for frame in manifest.frames)

    def __len__(self) -> int:
        return len(set(self.names))

    def rows(self, frames: Iterable[Row]) -> Iterator[dict[str, Any]]:
        """Yield the row of each as soon as its last frame is there.

        Args:
            frames: a row for each frame of the manifest, in its order, as `Prediction.to_dict` gives it.
        """
        from lag_zoo.predict.exam import FrameAnswer

        left = Counter(self.names)
        waiting: dict[str, list[FrameAnswer]] = {}
        count = 0
        for name, site, row in zip(self.names, self._sites, frames, strict=False):
            count += 1
            waiting.setdefault(name, []).append(
                FrameAnswer(
                    Path(row["path"]),
                    site,
                    row.get("probabilities"),
                    tuple(row.get("warnings") or ()),
                    row.get("error") or "",
                    None if row.get("features") is None else tuple(row["features"]),
                    bool(row.get("in_training_data")),
                )
            )
            left[name] -= 1
            if not left[name]:
                yield self._row(name, waiting.pop(name))
        if count != len(self.names):
            raise PredictionError(
                f"{count} of {len(self.names)} frames have an answer: some that were kept were damaged meanwhile. The "
                "others are kept: go on (--resume)"
            )

    def _row(self, name: str, frames: "Sequence[Any]") -> dict[str, Any]:
        try:
            found = self.rule(frames, sites=self.sites).to_dict()
        except UnreadableImageError as error:
            return {self.by: name, "error": str(error), "unreadable": {str(f.path): f.error for f in frames}}
        found["deciding"] = [str(frames[place].path) for place in found["deciding"]]
        return {self.by: name, **found}


class ExamRows:
    """Rows of frames as rows of examinations; they can be gone through again and again, as those of the frames can."""

    def __init__(self, frames: Iterable[Row], exams: Exams) -> None:
        self.frames, self.exams = frames, exams

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self.exams.rows(self.frames)


def flat_exam(row: Row, by: str, labels: Sequence[str]) -> dict[str, Any]:
    """Return a row as columns of text and numbers, for CSV and Parquet; `None` where there is nothing."""
    values = {key: row.get(key) or {} for key in ("probabilities", "low", "high")}
    return {
        by: in_a_line(row[by]),
        "model": row.get("model"),
        "label": label_of(row),
        **({"expected_grade": row["expected_grade"]} if "expected_grade" in row else {}),
        **{f"p_{label}": values["probabilities"].get(label) for label in labels},
        **{f"{end}_{label}": values[end].get(label) for label in labels for end in ("low", "high")},
        "pooling": row.get("pooling"),
        "frames": row.get("frames", 0),
        "unreadable": len(row["unreadable"]),
        "doubted": row.get("doubted"),
        "in_training_data": row.get("in_training_data"),
        "sites": _sites_of(row),
        "unseen": "; ".join(map(in_a_line, row.get("unseen", ()))),
        "deciding": "; ".join(map(in_a_line, row.get("deciding", ()))),
        "warnings": "; ".join(row.get("warnings", ())),
        "error": in_a_line(row.get("error") or ""),
    }


def write_exam_parquet(rows: Sequence[Row], exams: Exams, path: Path) -> None:
    """Write the columns of the CSV, with missing values where it has empty cells.

    Raises:
        MissingExtraError: the extra `data` is not installed.
    """
    with extra("data"):
        import pyarrow
        import pyarrow.parquet
    labels = exams.rule.label_names
    flat = [flat_exam(row, exams.by, labels) for row in rows]
    numbers = {f"{what}_{label}" for what in ("p", "low", "high") for label in labels}
    counts = {"frames", "unreadable", "doubted", "in_training_data"}
    names = flat_exam({exams.by: "", "unreadable": {}}, exams.by, labels)
    schema = pyarrow.schema(
        [
            (
                name,
                pyarrow.float64()
                if name in numbers
                else pyarrow.int64()
                if name in counts
                else pyarrow.string(),
            )
            for name in names
        ]
    )
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(flat, schema=schema), path)


def exam_table(rows: Sequence[Row], exams: Exams) -> Group:
    """Return a table of patients or examinations, with what a reader must know of them beneath."""
    labels = exams.rule.label_names
    table = plain_table()
    for name in (exams.by, "label"):
        table.add_column(name, overflow="fold")
    for label in labels:
        table.add_column(Text(label), justify="right", no_wrap=True)
    table.add_column("frames", justify="right")
    if any(row.get("sites") for row in rows):
        table.add_column("sites", overflow="fold")
    table.add_column("notes", overflow="fold")
    for row in rows:
        chances, low, high = (row.get(key) or {} for key in ("probabilities", "low", "high"))
        cells = [
            in_a_line(row[exams.by]),
            label_of(row),
            *(f"{chances[k]:.3f} ({low[k]:.3f} to {high[k]:.3f})" if chances else "" for k in labels),
            str(row.get("frames", 0)),
        ]
        if len(table.columns) == len(cells) + 2:
            cells.append(_sites_of(row))
        cells.append("; ".join(row.get("warnings", ())) or in_a_line(row.get("error") or ""))
        table.add_row(*map(Text, cells))
    return Group(
        Text(f"model: {exams.rule.model}; frames pooled by {exams.rule.pooling}"),
        table,
        Text(
            "In brackets: the central 95% when as many of the same frames are drawn anew: how far an answer hangs on "
            "single frames, and not the model's error."
        ),
        Text("A research demonstration, not a medical device."),
    )


def _sites_of(row: Row) -> str:
    return "; ".join(f"{in_a_line(site)} {count}" for site, count in (row.get("sites") or {}).items())
