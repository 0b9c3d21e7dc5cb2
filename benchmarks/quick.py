"""From a manifest to a report by the recipe `quick`: how long each command takes, and what comes out.

    python -m benchmarks.quick

150 frames of NeoPolyp (neoplastic or not), whole days of examination, dealt by day into train, val and test. The frames
are no part of the repository: LAG_ZOO_SHARED, or `shared` beside the checkout. Processor time is said beside the
clock's, for other work on the machine lengthens only the latter.
"""

import argparse
import csv
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple


class Command(NamedTuple):
    """A command, and the seconds it took: by the clock, and of processors."""

    words: list[str]
    wall: float
    processors: float


def whole_days(source: Path, target: Path, *, frames: int, seed: int) -> None:
    """Write a manifest of so many frames, of whole days drawn at random."""
    with source.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    days = sorted({row["group"] for row in rows})
    random.Random(seed).shuffle(days)
    chosen: list[dict[str, str]] = []
    for day in days:
        found = [row for row in rows if row["group"] == day]
        if len(chosen) + len(found) <= frames:
            chosen += found
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "label", "group"])
        writer.writerows([source.parent / row["image"], row["label"], row["group"]] for row in chosen)


def timed(*words: str) -> Command:
    """Run a command of lag_zoo, and wait for it.

    Raises:
        subprocess.CalledProcessError: it fails.
    """
    begun, before = time.perf_counter(), _processors()
    subprocess.run([sys.executable, "-m", "lag_zoo.cli", *words], check=True)
    return Command(list(words), time.perf_counter() - begun, _processors() - before)


def _processors() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Run the three commands, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0, help="which days are drawn")
    parser.add_argument("--folder", type=Path, help="where the run is kept; by default it is thrown away")
    parser.add_argument("more", nargs="*", help="further arguments of lag-zoo train, after --")
    given = parser.parse_args()
    shared = Path(os.environ.get("LAG_ZOO_SHARED") or Path(__file__).resolve().parents[2] / "shared")
    if not (shared / "neopolyp").is_dir():
        sys.exit(f"needs the shared material: {shared}/neopolyp is no folder (set LAG_ZOO_SHARED)")
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        frames, split, run = folder / "frames.csv", folder / "split.csv", folder / "run"
        whole_days(shared / "neopolyp" / "manifest.csv", frames, frames=given.frames, seed=given.seed)
        shares = ["--val", "0.2", "--test", "0.3"]
        done = [
            timed("data", "split", str(frames), "--column", "group=exam", *shares, "-o", str(split)),
            timed("train", "quick", str(split), "-o", str(run), *given.more),
            timed("evaluate", str(run / "best"), str(split), "-o", str(run / "test")),
        ]
        _print(done, run)


def _print(done: list[Command], run: Path) -> None:
    rows = json.loads((run / "test" / "report.json").read_text(encoding="utf-8"))["rows"]
    print("\n| command | seconds | processor seconds |\n| --- | ---: | ---: |")
    for command in done:
        print(f"| `lag-zoo {command.words[0]} ...` | {command.wall:.0f} | {command.processors:.0f} |")
    print(f"| together | {sum(c.wall for c in done):.0f} | {sum(c.processors for c in done):.0f} |")
    for row in rows:
        area, counted = row["measures"]["auroc"], f"{row['n']} test frames of {row['groups']} days"
        print(
            f"\nAUROC of {row['label']}: {area['value']:.3f} ({area['low']:.3f} to {area['high']:.3f}), {counted}"
        )


if __name__ == "__main__":
    main()
