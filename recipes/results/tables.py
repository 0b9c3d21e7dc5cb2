"""The result tables, kept in the repository as data: all that `docs/results.md` is made from.

`tables/<task>.csv` has a row a frame: image, group, fold, target (0 or 1), and a column a network,
`<contender>/<seed>`: the logit of the positive label less that of the other, at the temperature of the fold; empty
where the fold has not been run. So have `tables/readouts_<task>.csv`, of heads on frozen features. `tables/runs.csv`
has a row a run, `tables/costs.csv` a row a network: its cost at inference.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lag_zoo.errors import DataError
from lag_zoo.evaluate.scores import Scores
from lag_zoo.files import csv_writer, write_whole

FOLDER = Path(__file__).with_name("tables")
RUNS, COSTS, READOUTS = "runs", "costs", "readouts_{}"
FRAME = ("image", "group", "fold", "target")


@dataclass(frozen=True)
class Table:
    """The frames of a task and the logits of each network.

    Attributes:
        images, groups: (n,) names.
        folds: (n,) numbers, from 1 on.
        truth: (n,) bool.
        logits: (n,) each, by `<contender>/<seed>`; NaN where the fold has not been run.
    """

    images: np.ndarray
    groups: np.ndarray
    folds: np.ndarray
    truth: np.ndarray
    logits: Mapping[str, np.ndarray]

    def seeds(self, contender: str) -> dict[str, np.ndarray]:
        """Return the logits of each seed of a contender, by its seed."""
        found = (name.rpartition("/") for name in self.logits)
        return {seed: self.logits[f"{name}/{seed}"] for name, _, seed in found if name == contender}

    def contenders(self) -> list[str]:
        """Return the names of the contenders, in their order."""
        return list(dict.fromkeys(name.rpartition("/")[0] for name in self.logits))


def read_table(name: str, folder: Path = FOLDER) -> Table | None:
    """Read a table of frames; `None`: there is none."""
    return table_of(read_rows(name, folder))


def table_of(rows: Sequence[Mapping[str, str]]) -> Table | None:
    """Make a table of rows as they are read; `None`: of none."""
    if not rows:
        return None
    networks = dict.fromkeys(column for row in rows for column in row if column not in FRAME)
    return Table(
        images=np.array([row["image"] for row in rows]),
        groups=np.array([row["group"] for row in rows]),
        folds=np.array([int(row["fold"]) for row in rows]),
        truth=np.array([row["target"] == "1" for row in rows]),
        logits={n: np.array([float(row.get(n) or "nan") for row in rows]) for n in networks},
    )


def read_rows(name: str, folder: Path = FOLDER) -> list[dict[str, str]]:
    """Read a table as rows; none where there is no table."""
    path = folder / f"{name}.csv"
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_rows(name: str, rows: Sequence[Mapping[str, object]], folder: Path = FOLDER) -> None:
    """Write a table; its columns are the keys of all rows, in their order."""
    columns = list(dict.fromkeys(column for row in rows for column in row))

    def write(scratch: Path) -> None:
        with scratch.open("w", newline="", encoding="utf-8") as file:
            writer = csv_writer(file)
            writer.writerow(columns)
            writer.writerows([row.get(column, "") for column in columns] for row in rows)

    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / f"{name}.csv", write)


def frame_rows(found: Iterable[tuple[str, Scores]]) -> list[dict[str, str]]:
    """Put scores of folds together as rows of frames.

    Args:
        found: name of the network with its seed, and its scores of test frames, of one fold or several.
    """
    rows: dict[str, dict[str, str]] = {}
    for network, scores in found:
        logits = scores.logits / scores.calibration.temperature
        for number, image in enumerate(scores.frames.images):
            name = Path(image).stem
            about = {
                "image": name,
                "group": str(scores.frames.groups[number]),
                "fold": scores.frames.fold[number].removeprefix("fold"),
                "target": str(scores.frames.targets[number]),
            }
            row = rows.setdefault(name, about)
            if network in row or row | about != row:
                raise DataError(
                    f"{network} has scored {name} twice, or in another fold or group than others have"
                )
            row[network] = f"{logits[number, 1] - logits[number, 0]:.4f}"
    return sorted(rows.values(), key=lambda row: (row["fold"], row["image"]))
