"""How long reports of prediction tables take: `python -m benchmarks.many_models`, about a minute on one thread.

Two tables are drawn: 16 models on 803 frames with 23 labels, which are read, evaluated and compared; and one model on
1,000 frames with 3 labels. Resamples: 2,000. Times are of the processor, so that other work on the machine matters
little; set OMP_NUM_THREADS=1. `--profile` prints where the time of the first table goes.
"""

import argparse
import cProfile
import pstats
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from lag_zoo.evaluate import evaluate_predictions
from lag_zoo.listener import Advance, Listener

FRAMES_A_PATIENT = 4


class Stopwatch(Listener):
    """Notes the seconds of processor time that each task took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def task(self, what: str, total: int | None = None, *, done: int = 0) -> Iterator[Advance]:
        begun = time.process_time()
        yield lambda count: None
        self.seconds[what] = time.process_time() - begun


def write_table(path: Path, *, frames: int, labels: int, models: int, seed: int = 0) -> Path:
    """Write predictions of exclusive labels, by models that see more and less."""
    rng = np.random.default_rng(seed)
    names = [f"label {number}" for number in range(labels)]
    patients = np.arange(frames) // FRAMES_A_PATIENT
    truth = rng.permutation(np.arange(frames) % labels)
    lines = [",".join(["image", "patient", "label", "model", *(f"p_{name}" for name in names)])]
    for model in range(models):
        scores = (1 + model / models) * np.eye(labels)[truth] * 2 + rng.normal(size=(frames, labels))
        chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        lines += [
            f"{i}.png,p{patients[i]},{names[truth[i]]},model {model},"
            + ",".join(map(repr, chances[i].tolist()))
            for i in range(frames)
        ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def measure(
    folder: Path, *, frames: int, labels: int, models: int, profile: bool = False
) -> dict[str, float]:
    """Return the seconds of processor time of each part."""
    table = write_table(folder / "predictions.csv", frames=frames, labels=labels, models=models)
    watch, profiler = Stopwatch(), cProfile.Profile()
    if profile:
        profiler.enable()
    evaluate_predictions(table, n_resamples=2000, listener=watch)
    if profile:
        profiler.disable()
        pstats.Stats(profiler).sort_stats("tottime").print_stats(20)
    return watch.seconds


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_models", description=__doc__)
    parser.add_argument("--profile", action="store_true", help="show where the time of the first table goes")
    asked = parser.parse_args(arguments)
    cases = [
        ({"frames": 803, "labels": 23, "models": 16}, 120),
        ({"frames": 1000, "labels": 3, "models": 1}, 5),
    ]
    for number, (case, goal) in enumerate(cases):
        with tempfile.TemporaryDirectory() as folder:
            seconds = measure(Path(folder), **case, profile=asked.profile and number == 0)
        told = ", ".join(f"{count} {what}" for what, count in case.items())
        print(f"{told}: {sum(seconds.values()):.1f} s of processor time, goal at most {goal} s")
        for what, spent in seconds.items():
            print(f"    {what}: {spent:.1f} s")


if __name__ == "__main__":
    main()
