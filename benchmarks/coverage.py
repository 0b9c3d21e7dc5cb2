"""How often intervals by patient hold the truth: `python -m benchmarks.coverage`, some minutes on one core.

Patients are drawn as a reviewer would fear them: their frames are near-copies (a correlation of 0.8), half have the
label, a good network (AUROC 0.92) calls at the threshold of equal rates; the truth is known. Beside each interval by
patient stands the one that takes frames as independent.
"""

import argparse

import numpy as np
import scipy.stats

from lag_zoo.evaluate import Scores, evaluate

PATIENTS, FRAMES, APART, ALIKE = (6, 12, 20, 40, 80), 5, 2.0, 0.8
MEASURES = ("sensitivity", "auroc")


def drawn(patients: int, seed: int, *, grouped: bool) -> Scores:
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(patients) % 2, FRAMES)
    own, each = rng.normal(size=patients).repeat(FRAMES), rng.normal(size=patients * FRAMES)
    margins = APART * (truth - 0.5) + np.sqrt(ALIKE) * own + np.sqrt(1 - ALIKE) * each
    groups = np.arange(patients).repeat(FRAMES) if grouped else np.arange(len(truth))
    return Scores(
        label_names=("normal", "IM"),
        task="multiclass",
        images=tuple(map(str, range(len(truth)))),
        logits=np.stack([-margins, margins], axis=1),
        targets=truth,
        groups=groups.astype(str),
        grouping="patient" if grouped else None,
    )


def share(patients: int, runs: int, n_resamples: int, *, grouped: bool) -> dict[str, float]:
    """Of how many simulated sets the 95% interval holds the truth."""
    true = {"sensitivity": scipy.stats.norm.cdf(APART / 2), "auroc": scipy.stats.norm.cdf(APART / np.sqrt(2))}
    held = dict.fromkeys(MEASURES, 0)
    for seed in range(runs):
        row = evaluate(drawn(patients, seed, grouped=grouped), n_resamples=n_resamples, seed=seed).rows[1]
        for name in MEASURES:
            interval = row.measures[name]
            held[name] += interval.low <= true[name] <= interval.high
    return {name: count / runs for name, count in held.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="simulated sets of each size")
    parser.add_argument("--n_resamples", type=int, default=500, help="resamples of each interval")
    asked = parser.parse_args()
    print(f"{asked.runs} sets each, {FRAMES} frames a patient, {asked.n_resamples} resamples\n")
    print("| patients | sensitivity, by patient | as frames | AUROC, by patient | as frames |")
    print("| --- | --- | --- | --- | --- |")
    for patients in PATIENTS:
        grouped, alone = (share(patients, asked.runs, asked.n_resamples, grouped=by) for by in (True, False))
        cells = [f"{part[name]:.3f}" for name in MEASURES for part in (grouped, alone)]
        print(f"| {patients} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
