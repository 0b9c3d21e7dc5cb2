"""How many frames a temperature needs, with and without a prior: `python -m benchmarks.temperature`, two minutes.

Two labels whose scores are normal and stand d' = 3.5 apart (AUROC 0.993), so that twenty frames are often told apart
without a mistake. The logits are right but for the temperature of the network. Printed is the mean log loss over the
whole population of what was fitted on so many frames, by the width of the prior on log T; and for the intercepts of a
rare label, on networks that were trained as if both were equally frequent.
"""

import argparse

import numpy as np

from lag_zoo.metrics.scaling import TemperatureFit, fit_temperature

APART = 3.5
TEMPERATURES, FRAMES = (0.29, 0.5, 1.0, 2.0, 3.0), (20, 50, 100, 500)
WIDTHS = (np.inf, 2.0, 1.0, 0.5, 0.25)
PREVALENCES = (0.5, 0.1, 0.02)

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(80)
_WEIGHTS /= _WEIGHTS.sum()


def log_loss(own: float, prevalence: float, temperature: float, moved: float) -> float:
    """Of the population, by quadrature, of a network of its own temperature."""
    scores = APART * own / temperature
    positive = np.logaddexp(0, -(scores * (_NODES + APART / 2) + moved)) @ _WEIGHTS
    negative = np.logaddexp(0, scores * (_NODES - APART / 2) + moved) @ _WEIGHTS
    return float(prevalence * positive + (1 - prevalence) * negative)


def drawn(own: float, prevalence: float, frames: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits (n, 2) and labels (n,) of frames."""
    rng = np.random.default_rng(seed)
    truth = (rng.uniform(size=frames) < prevalence).astype(int)
    scores = APART * own * (rng.normal(size=frames) + APART * (truth - 0.5))
    return np.stack([-scores / 2, scores / 2], axis=1), truth


def fitted(own: float, prevalence: float, fit: TemperatureFit) -> float:
    return log_loss(own, prevalence, fit.temperature, float(fit.intercepts[1] - fit.intercepts[0]))


def temperatures(runs: int) -> None:
    print(f"Log loss at d' = {APART}, {runs} fits each, by the width of the prior on log T (inf: none)\n")
    print(f"| network's temperature | unscaled | frames | {' | '.join(map(str, WIDTHS))} |")
    print("| --- " * (3 + len(WIDTHS)) + "|")
    for own in TEMPERATURES:
        for frames in FRAMES:
            cells = []
            for width in WIDTHS:
                fits = [
                    fit_temperature(*drawn(own, 0.5, frames, seed), task="multiclass", prior=width)
                    for seed in range(runs)
                ]
                cells.append(f"{np.mean([fitted(own, 0.5, fit) for fit in fits]):.4f}")
            print(f"| {own} | {log_loss(own, 0.5, 1, 0):.4f} | {frames} | {' | '.join(cells)} |", flush=True)


def intercepts(runs: int) -> None:
    print(f"\nLog loss of networks that were trained on balanced batches, {runs} fits each\n")
    print("| prevalence | network's temperature | unscaled | at best | frames | temperature and intercepts |")
    print("| --- " * 6 + "|")
    for prevalence in PREVALENCES:
        for own in (1.0, 2.0):
            right = float(np.log(prevalence / (1 - prevalence)))
            known = f"{log_loss(own, prevalence, 1, 0):.4f} | {log_loss(own, prevalence, own, right):.4f}"
            for frames in FRAMES:
                fits = [
                    fit_temperature(*drawn(own, prevalence, frames, seed), task="multiclass", intercepts=True)
                    for seed in range(runs)
                ]
                mean = np.mean([fitted(own, prevalence, fit) for fit in fits])
                print(f"| {prevalence} | {own} | {known} | {frames} | {mean:.4f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="simulated sets of each kind")
    runs = parser.parse_args().runs
    temperatures(runs)
    intercepts(runs)


if __name__ == "__main__":
    main()
