"""How long a report takes: `python -m benchmarks.report`, a minute or two.

Statistics (`evaluate`, 2000 resamples) and writing (`Report.save`, each figure as SVG and PDF), for few labels and
many, with one thread of BLAS and with two, which must not make it slower. Printed are seconds on the clock and seconds
of the processor: on a machine that does something else too, only the second holds.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from lag_zoo.evaluate import Scores, evaluate
from lag_zoo.evaluate.figures import count_figures

EACH = 4  # frames a patient


class Spent(NamedTuple):
    """Seconds on the clock and of the processor."""

    clock: float
    processor: float

    def __str__(self) -> str:
        return f"{self.clock:.1f} ({self.processor:.1f})"


def drawn(labels: int, patients: int) -> Scores:
    """Scores of patients whose frames are like each other."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(patients), EACH)
    own = groups % labels
    noise = rng.normal(size=(patients, labels))[groups] + rng.normal(0, 0.5, (len(groups), labels))
    names = tuple(f"label {number}" for number in range(labels))
    return Scores.from_arrays(2 * np.eye(labels)[own] + noise, own, label_names=names, groups=groups)


def timed(work: Callable[[], object]) -> Spent:
    """Time it once."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return Spent(time.perf_counter() - clock, time.process_time() - processor)


def main() -> None:
    """Print a line for each number of labels and threads."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n-resamples", type=int, default=2000)
    resamples = parser.parse_args().n_resamples
    evaluate(drawn(2, 40), n_resamples=10).save(tempfile.mkdtemp())  # imports and fonts
    print("| labels | frames | figures | threads | statistics, s (processor) | writing, s (processor) |")
    print("| --- | --- | --- | --- | --- | --- |")
    for labels, patients in ((3, 60), (23, 230)):
        for threads in (1, 2):
            scores = drawn(labels, patients)
            with threadpool_limits(threads, user_api="blas"), tempfile.TemporaryDirectory() as folder:
                statistics = timed(lambda scores=scores: evaluate(scores, n_resamples=resamples))
                report = evaluate(scores, n_resamples=20)
                writing = timed(lambda report=report, folder=folder: report.save(folder))
            print(
                f"| {labels} | {len(scores)} | {count_figures(report)} | {threads} | {statistics} | {writing} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
