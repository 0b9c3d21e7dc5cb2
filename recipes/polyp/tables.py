"""The scores behind every number of the card, as small tables in the repository: `recipes/polyp/scores`.

`frames.csv` has a line a frame: where it belongs, and the log odds of a polyp in the whole frame, by the network of its
fold and by that of its hospital left out. `windows.csv` has a line a window: its frame's line (from 0), its box,
whether a polyp is in view, the run whose network scored it (a fold, or a hospital left out), and the log odds.
`parts.csv` has the threshold of each run, from its validation windows.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lag_zoo.evaluate import Calibration, Scores
from lag_zoo.files import csv_writer, write_whole
from lag_zoo.training.cross_validation import SCORES
from recipes.polyp.files import CENTRE_MANIFESTS, FOLD_MANIFESTS, Listed, box_of, frame_of, listed_frames
from recipes.polyp.runs import WHOLE, folder_of, tested_frames

FOLDER = Path(__file__).with_name("scores")
FRAMES, WINDOWS, PARTS = "frames.csv", "windows.csv", "parts.csv"
LABELS = ("mucosa", "polyp")
_DECIMALS = 4  # of log odds
_EMPTY = ""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Table:
    """n windows or whole frames, and what was said of them.

    Attributes:
        names: source/stem, of windows with the box.
        frames: (n,) the lines of their frames.
        boxes: (n, 4); of whole frames none, (n, 0).
        truth: (n,) bool, whether a polyp is in view.
        odds: (n,) log odds of a polyp.
        thresholds: (n,) probability from which a polyp is called.
        groups: (n,) near-copies share one.
        centres: (n,) hospital, or the source's name.
        parts: (n,) the run.
    """

    names: tuple[str, ...]
    frames: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.int64]
    truth: npt.NDArray[np.bool_]
    odds: Floats
    thresholds: Floats
    groups: npt.NDArray[np.str_]
    centres: npt.NDArray[np.str_]
    parts: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def probabilities(self) -> Floats:
        """Of a polyp, (n,)."""
        return np.asarray(1 / (1 + np.exp(-self.odds)))

    @property
    def called(self) -> npt.NDArray[np.bool_]:
        """Whether a polyp is called, (n,)."""
        return np.asarray(self.probabilities >= self.thresholds)

    def where(self, chosen: npt.NDArray[np.bool_]) -> "Table":
        """Some of the lines, (n,) bool."""
        places = np.flatnonzero(chosen)
        arrays = {name: value[places] for name, value in vars(self).items() if name != "names"}
        return Table(names=tuple(self.names[i] for i in places), **arrays)

    def scores(self) -> Scores:
        """The same for `lag_zoo.evaluate`."""
        limits = np.stack([np.full(len(self), np.nan), self.thresholds], axis=1)
        return Scores.from_arrays(
            np.stack([np.zeros(len(self)), self.odds], axis=1),
            self.truth.astype(int),
            label_names=LABELS,
            images=self.names,
            groups=self.groups,
            grouping="exam",
            fold=self.parts.tolist(),
            calibration=Calibration(thresholds=limits),
        )


@dataclass(frozen=True, kw_only=True)
class Tables:
    """The windows and whole frames of the folds, and those of the hospitals left out."""

    windows: Table
    whole: Table
    left_out_windows: Table
    left_out_whole: Table


def keep(out: Path, folder: Path = FOLDER) -> None:
    """Write the tables from the runs in `out`.

    Raises:
        FileNotFoundError: a run has not been scored.
    """
    frames = listed_frames(out)
    line_of = {one.frame: line for line, one in enumerate(frames)}
    windows, parts, whole = [], [], {part: {} for part in ("fold", "centre")}
    for part in (*FOLD_MANIFESTS, *CENTRE_MANIFESTS):
        scores, of_frames = (Scores.read(folder_of(part, out) / file) for file in (SCORES, WHOLE))
        parts.append((part, repr(float(_limit(scores)))))
        windows += [
            (str(line_of[frame_of(image)]), *map(str, box_of(image)), str(int(polyp)), part, odds)
            for image, polyp, odds in zip(
                scores.frames.images, scores.frames.targets, _odds(scores), strict=True
            )
        ]
        assert of_frames.frames.images == tuple(one.frame for one in tested_frames(part, out)), part
        whole["fold" if part in FOLD_MANIFESTS else "centre"] |= dict(
            zip(of_frames.frames.images, _odds(of_frames), strict=True)
        )
    lines = [
        (
            one.frame,
            one.centre,
            one.group,
            one.fold,
            whole["fold"][one.frame],
            whole["centre"].get(one.frame, _EMPTY),
        )
        for one in frames
    ]
    _write(folder / FRAMES, ("frame", "centre", "group", "fold", "odds", "odds_left_out"), lines)
    _write(folder / WINDOWS, ("frame", "x1", "y1", "x2", "y2", "polyp", "part", "odds"), windows)
    _write(folder / PARTS, ("part", "threshold"), parts)


def kept(folder: Path = FOLDER) -> Tables:
    """Read the tables."""
    limits = {row["part"]: float(row["threshold"]) for row in _rows(folder / PARTS)}
    frames = list(_rows(folder / FRAMES))
    listed = [Listed(row["frame"], "", row["centre"], row["group"], row["fold"]) for row in frames]
    rows = list(_rows(folder / WINDOWS))
    windows = _table(
        listed,
        limits,
        [int(row["frame"]) for row in rows],
        [row["part"] for row in rows],
        [row["odds"] for row in rows],
        truth=[row["polyp"] == "1" for row in rows],
        boxes=[[int(row[name]) for name in ("x1", "y1", "x2", "y2")] for row in rows],
    )
    of_folds = np.isin(windows.parts, FOLD_MANIFESTS)
    left_out = [line for line, row in enumerate(frames) if row["odds_left_out"]]
    return Tables(
        windows=windows.where(of_folds),
        left_out_windows=windows.where(~of_folds),
        whole=_table(
            listed,
            limits,
            list(range(len(frames))),
            [one.fold for one in listed],
            [row["odds"] for row in frames],
        ),
        left_out_whole=_table(
            listed,
            limits,
            left_out,
            [f"centre_{listed[line].centre}" for line in left_out],
            [frames[line]["odds_left_out"] for line in left_out],
        ),
    )


def _table(
    listed: Sequence[Listed],
    limits: dict[str, float],
    lines: Sequence[int],
    parts: Sequence[str],
    odds: Sequence[str],
    *,
    truth: Sequence[bool] | None = None,
    boxes: Sequence[Sequence[int]] | None = None,
) -> Table:
    places = [""] * len(lines) if boxes is None else ["_" + "_".join(map(str, box)) for box in boxes]
    return Table(
        names=tuple(f"{listed[line].frame}{place}" for line, place in zip(lines, places, strict=True)),
        frames=np.array(lines, dtype=np.int64),
        boxes=np.zeros((len(lines), 0), dtype=np.int64) if boxes is None else np.array(boxes, dtype=np.int64),
        truth=np.ones(len(lines), dtype=bool) if truth is None else np.array(truth),
        odds=np.array(odds, dtype=np.float64),
        thresholds=np.array([limits[part] for part in parts]),
        groups=np.array([listed[line].group for line in lines]),
        centres=np.array([listed[line].centre for line in lines]),
        parts=np.array(parts),
    )


def _odds(scores: Scores) -> list[str]:
    """Log odds of a polyp, at the network's temperature."""
    logits = scores.logits / scores.calibration.temperature
    return [f"{value:.{_DECIMALS}f}" for value in logits[:, 1] - logits[:, 0]]


def _limit(scores: Scores) -> float:
    limits = scores.calibration.thresholds
    assert limits is not None, "a fold's scores carry its thresholds"
    return float(limits[0, 1])


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    def write(scratch: Path) -> None:
        with scratch.open("w", newline="", encoding="utf-8") as file:
            csv_writer(file).writerows([header, *rows])

    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, write)
