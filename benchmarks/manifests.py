"""Reading, splitting and writing manifests of up to 100,000 rows: `python -m benchmarks.manifests`.

Rows have a label, a patient of five frames and a split. The peers do less: `csv.DictReader` and pyarrow's `read_csv`
check nothing of what they read, and scikit-learn's `StratifiedGroupKFold` deals the same groups into the same twenty
piles. How each grows with the rows is told by the exponent of a power law, from the fewest rows to the most: 1 is
linear.

Memory is measured in fresh processes, of 100,000 and of 1,000,000 rows: what each step adds to the process's peak, less
what everything imported takes. `python -m benchmarks --section Manifests` measures it alone.
"""

import argparse
import csv
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pyarrow.csv
from sklearn.model_selection import StratifiedGroupKFold

from benchmarks.memory import peak
from benchmarks.timing import Row, interleaved, markdown, row
from lag_zoo.data import Manifest, read_manifest, split, write_manifest

ROWS = (10_000, 30_000, 100_000)
_MEASURED = (100_000, 1_000_000)
_FRAMES = 5  # of a patient
_PILES = 20


def write_rows(path: Path, rows: int, labels: int) -> None:
    """A manifest of so many rows and labels."""
    with path.open("w", encoding="utf-8") as file:
        file.write("image,label,patient,split\n")
        for number in range(rows):
            patient = number // _FRAMES
            part = ("train", "val", "test")[patient % 3]
            file.write(f"frames/{number:06}.jpg,label{number * 7919 % labels},p{patient},{part}\n")


def read_by_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def dealt_by_sklearn(manifest: Manifest) -> list[object]:
    targets, dealer = manifest.targets(), StratifiedGroupKFold(_PILES, shuffle=True, random_state=0)
    return list(dealer.split(targets, targets, manifest.groups()))


def measure(rows: int, *, rounds: int) -> dict[str, list[float]]:
    """Seconds of each case in each round."""
    with tempfile.TemporaryDirectory() as scratch:
        path, many = Path(scratch) / "few_labels.csv", Path(scratch) / "many_labels.csv"
        write_rows(path, rows, labels=3)
        write_rows(many, rows, labels=rows * 3 // 10)
        manifest = read_manifest(path)
        cases: dict[str, Callable[[], object]] = {
            "read": partial(read_manifest, path),
            "read, many labels": partial(read_manifest, many),
            "split": partial(split, manifest),
            "write": partial(write_manifest, manifest, Path(scratch) / "written.csv"),
            "csv.DictReader": partial(read_by_csv, path),
            "pyarrow": partial(pyarrow.csv.read_csv, path),
            "scikit-learn": partial(dealt_by_sklearn, manifest),
        }
        return interleaved(cases, rounds=rounds, warm_up=1)


def rows_of(rows: int, times: dict[str, list[float]]) -> list[Row]:
    pairs = [
        ("read", "csv.DictReader"),
        ("read", "pyarrow"),
        ("read, many labels", "csv.DictReader"),
        ("write", "csv.DictReader"),
        ("split", "csv.DictReader"),
        ("split", "scikit-learn"),
    ]
    return [row(f"{rows:,} rows: {ours} / {peer}", times[ours], times[peer]) for ours, peer in pairs]


def rows(*, rounds: int = 1) -> list[Row]:
    """The peak of memory in bytes a row, and processor time; once, since memory hardly strays."""
    del rounds
    found = []
    for count in _MEASURED:
        ours, (peer,) = (_measured(what, count) for what in ("ours", "csv.DictReader"))
        for step, (memory, seconds) in zip(
            ("read", "read and split", "read, split and write"), ours, strict=True
        ):
            title = f"{count:,} rows: {step} / csv.DictReader"
            found.append(row(f"{title}: peak of memory", [memory] * 2, [peer[0]] * 2, unit="bytes a row"))
            found.append(row(f"{title}: time", [seconds] * 2, [peer[1]] * 2, unit="s"))
    return found


def _measured(what: str, count: int) -> list[tuple[float, float]]:
    """Bytes a row and seconds up to each step, in a fresh process."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.manifests", "--case", what, str(count)]
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=root)
    return [(float(memory), float(seconds)) for memory, seconds in json.loads(done.stdout)]


def _case(what: str, count: int) -> list[tuple[float, float]]:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "rows.csv"
        write_rows(path, count, labels=3)
        before, begun, found = peak(), time.process_time(), []

        def note() -> None:
            found.append(((peak() - before) * (1 << 20) / count, time.process_time() - begun))

        if what != "ours":
            held = read_by_csv(path)
            note()
            del held
            return found
        manifest = read_manifest(path)
        note()
        parts = split(manifest)
        note()
        write_manifest(parts, Path(scratch) / "written.csv")
        note()
    return found


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.manifests", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="runs of each case, at least 2")
    parser.add_argument("--case", nargs=2, metavar=("WHAT", "ROWS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(_case(arguments.case[0], int(arguments.case[1]))))
        return
    rounds = max(2, arguments.rounds)
    times = {rows: measure(rows, rounds=rounds) for rows in ROWS}
    print(markdown("Manifests", [line for rows in ROWS for line in rows_of(rows, times[rows])]))
    fewest, most = ROWS[0], ROWS[-1]
    for case in times[most]:
        few, many = (statistics.median(times[rows][case]) for rows in (fewest, most))
        print(f"{case}: {many:.2f} s of {most:,} rows, exponent {math.log(many / few, most / fewest):.2f}")


if __name__ == "__main__":
    main()
