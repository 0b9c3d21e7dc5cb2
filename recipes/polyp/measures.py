"""The numbers of the card, from the kept scores: out of fold, each hospital left out, and what needs no network."""

import datetime
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lag_zoo.evaluate import evaluate
from lag_zoo.metrics.clustered import auroc_interval, share_interval
from lag_zoo.metrics.intervals import Interval
from lag_zoo.specs import Measurement
from recipes.polyp.files import CENTRES, FOLD_MANIFESTS, SOURCES
from recipes.polyp.probes import PROBES, out_of_fold
from recipes.polyp.tables import Table, Tables
from recipes.polyp.windows import Frame, Window

COMMAND = "python -m recipes.polyp ../shared/kvasir_seg ../shared/polypgen"
NAMES = dict(zip(SOURCES, ("Kvasir-SEG", "PolypGen"), strict=True))
OUT_OF_FOLD = f"{' and '.join(NAMES.values())}, five grouped folds, out of fold"
LEFT_OUT = "PolypGen {}, left out: trained on Kvasir-SEG and the five other hospitals"
NO_SPECIFICITY = "all of them hold a polyp: specificity is unknown"
OWN_THRESHOLD = "each network's threshold from its validation windows"
CALIBRATION = {
    "brier": ("Brier score", "0.25 for a coin"),
    "slope": ("Calibration slope", "1 is ideal"),
    "intercept": ("Calibration intercept", "0 is ideal"),
}


@dataclass(frozen=True)
class Occasion:
    """When, and at which revision of the repository, numbers are made."""

    date: str
    revision: str

    @classmethod
    def now(cls) -> "Occasion":
        """Today, at the revision that is checked out."""
        asked = ["git", "rev-parse", "HEAD"]
        said = subprocess.run(asked, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
        return cls(datetime.date.today().isoformat(), said.stdout.strip())

    def measurement(
        self, metric: str, found: Interval, table: Table, *, data: str, note: str = "", unit: str = "windows"
    ) -> Measurement:
        """Put a number on record; `table`: the windows or frames that it stands on."""
        frames = len(set(table.frames.tolist()))
        what = f"windows of {frames} frames" if unit == "windows" else unit
        return self.record(metric, found, n=len(table), unit=what, data=data, command=COMMAND, note=note)

    def record(
        self, metric: str, found: Interval, *, n: int, unit: str, data: str, command: str, note: str = ""
    ) -> Measurement:
        """Put a number on record that stands on n of a unit, and was printed by a command."""
        return Measurement(
            metric=metric,
            value=round(found.value, 4),
            low=round(found.low, 4),
            high=round(found.high, 4),
            interval=found.method,
            n=n,
            unit=unit,
            groups=found.groups,
            data=data,
            date=self.date,
            command=command,
            revision=self.revision,
            note=note,
        )


def measured(tables: Tables, occasion: Occasion) -> list[Measurement]:
    """Every number that follows from the kept scores alone; the first is the AUROC out of fold."""
    return [
        *_out_of_fold(tables, occasion),
        *_on_whole_frames(tables.whole, occasion),
        *_left_out(tables, occasion),
    ]


def _out_of_fold(tables: Tables, occasion: Occasion) -> Iterator[Measurement]:
    windows = tables.windows
    (row,) = evaluate(windows.scores(), operating_point="stored", positive="polyp").rows

    def result(metric: str, found: Interval, table: Table = windows, note: str = "") -> Measurement:
        return occasion.measurement(metric, found, table, data=OUT_OF_FOLD, note=note)

    each = [_auroc(windows.where(windows.parts == part)).value for part in FOLD_MANIFESTS]
    note = "by fold: " + ", ".join(f"{value:.3f}" for value in each)
    yield result("AUROC", row.measures["auroc"], note=note)
    for source, name in NAMES.items():
        own = windows.where(_of(windows, source))
        yield result(f"AUROC, {name} alone", _auroc(own), own)
    polyps, clean = windows.where(windows.truth), windows.where(~windows.truth)
    yield result("Sensitivity", row.measures["sensitivity"], polyps, OWN_THRESHOLD)
    yield result("Specificity", row.measures["specificity"], clean, OWN_THRESHOLD)
    for key, (metric, note) in CALIBRATION.items():
        yield result(metric, row.calibration[key], note=note)


def _on_whole_frames(whole: Table, occasion: Occasion) -> Iterator[Measurement]:
    every = np.ones(len(whole), dtype=bool)
    parts = {"": every, **{f", {name} alone": _of(whole, source) for source, name in NAMES.items()}}
    for words, chosen in parts.items():
        own = whole.where(chosen)
        yield occasion.measurement(
            f"Sensitivity on whole frames{words}",
            _sensitivity(own),
            own,
            data=OUT_OF_FOLD,
            note=NO_SPECIFICITY if not words else "",
            unit="frames",
        )


def _left_out(tables: Tables, occasion: Occasion) -> Iterator[Measurement]:
    windows, whole = tables.left_out_windows, tables.left_out_whole
    for centre in CENTRES:
        own, frames = windows.where(windows.centres == centre), whole.where(whole.centres == centre)
        data = LEFT_OUT.format(centre)
        yield occasion.measurement(f"AUROC, hospital {centre} left out", _auroc(own), own, data=data)
        yield occasion.measurement(
            f"Sensitivity on whole frames, hospital {centre} left out",
            _sensitivity(frames),
            frames,
            data=data,
            unit="frames",
        )


def floors(tables: Tables, frames: Sequence[Frame], occasion: Occasion) -> list[Measurement]:
    """AUROC of what can be had without a network, on the windows of the folds.

    Args:
        frames: those of the tables' lines.
    """
    table, found = tables.windows, []
    folds = table.parts
    windows = [
        Window(frame, (box[0], box[1], box[2], box[3]), int(polyp))
        for frame, box, polyp in zip(
            table.frames.tolist(), table.boxes.tolist(), table.truth.tolist(), strict=True
        )
    ]
    for name, numbers, make, note in PROBES:
        features = np.array([numbers(frames[window.frame], window) for window in windows])
        answered = out_of_fold(features, table.truth.astype(float), folds, make)
        interval = auroc_interval(answered, table.truth, table.groups)
        found.append(occasion.measurement(name, interval, table, data=OUT_OF_FOLD, note=note))
    return found


def _of(table: Table, source: str) -> np.ndarray:
    return np.array([name.startswith(f"{source}/") for name in table.names])


def _auroc(table: Table) -> Interval:
    return auroc_interval(table.odds, table.truth, table.groups)


def _sensitivity(table: Table) -> Interval:
    return share_interval(table.called, table.truth, table.groups)
