"""How often intervals of the calibration slope hold the truth: `python -m benchmarks.calibration_intervals`.

Patients of one frame, or of several that are near-copies, have probabilities that are calibrated: the true slope is 1.
Three intervals are percentiles of the same resamples of patients: of the likeliest slopes, those of parted resamples
left out or counted as infinite, and of slopes with Firth's penalty.
"""

import argparse

import numpy as np
import scipy.special

from lag_zoo.metrics.calibration_line import slopes_and_intercepts

PATIENTS, FRAMES = (12, 20, 40, 100), (1, 8)
KINDS = ("left out", "infinite", "Firth")


def drawn(patients: int, frames: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities, truth and patients (n,) of frames; nine in ten share the patient's truth."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(patients), frames)
    odds = rng.normal(0, 2, patients)[groups] + rng.normal(0, 0.2, len(groups)) * (frames > 1)
    own, each = rng.uniform(size=patients)[groups], rng.uniform(size=len(groups))
    chosen = np.where(rng.uniform(size=len(groups)) < 0.9, own, each)
    probabilities = scipy.special.expit(odds)
    return probabilities, chosen < probabilities, groups


def interval(slopes: np.ndarray) -> tuple[float, float]:
    defined = slopes[~np.isnan(slopes)]
    ends = ((0.025, "lower"), (0.975, "higher"))
    low, high = (float(np.quantile(defined, at, method=method)) for at, method in ends)  # type: ignore[call-overload]
    return low, high


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="simulated sets of each size")
    parser.add_argument("--resamples", type=int, default=500)
    asked = parser.parse_args()
    print(f"{asked.runs} sets each, {asked.resamples} resamples: coverage of nominal 95%, median width\n")
    print(f"| patients | frames each | parted resamples | {' | '.join(KINDS)} |")
    print("| --- " * (3 + len(KINDS)) + "|")
    for frames in FRAMES:
        for patients in PATIENTS:
            held, widths, parted = np.zeros(len(KINDS)), [], []
            for seed in range(asked.runs):
                probabilities, truth, groups = drawn(patients, frames, seed)
                if truth.all() or not truth.any():
                    continue
                rng = np.random.default_rng(seed)
                chances = np.full(patients, 1 / patients)
                weights = rng.multinomial(patients, chances, size=asked.resamples)[:, groups]
                likeliest = slopes_and_intercepts(probabilities, truth, weights)[:, 0]
                firth = slopes_and_intercepts(probabilities, truth, weights, firth=True)[:, 0]
                finite = np.where(np.isinf(likeliest), np.nan, likeliest)
                if np.isnan(finite).all():  # the whole set is parted, and nothing would be left
                    finite = np.full(1, np.inf)
                ends = [interval(slopes) for slopes in (finite, likeliest, firth)]
                held += [low <= 1 <= high for low, high in ends]
                with np.errstate(invalid="ignore"):
                    widths.append([high - low if np.isfinite(high) else np.inf for low, high in ends])
                parted.append(np.isinf(likeliest).mean())
            cells = [
                f"{share:.3f}, {width:.2f}"
                for share, width in zip(held / len(parted), np.median(widths, axis=0), strict=True)
            ]
            print(f"| {patients} | {frames} | {np.mean(parted):.3f} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
