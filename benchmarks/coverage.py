"""How often 95% intervals by patient hold the truth: `python -m benchmarks.coverage`, some minutes on one core.

Studies are drawn of which the truth is known: scores are normal, `icc` of their variance is the patient's own, 2 to 8
frames a patient, labels by patient or by frame; a frame above 0 is called. In each study the intervals of the library
(the first column) are computed, and beside them the best others that were tried. `--carriers` prints how the intervals
do where exactly so many patients have the label: the numbers in `lag_zoo.metrics.clustered.RELIANCE`.
"""

import argparse
import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import scipy.stats
from scipy.special import expit, logit

from lag_zoo.metrics import clustered, influence
from lag_zoo.metrics.influence import Influence

RESAMPLES, BOOTSTRAPPED = 400, 100  # resamples of a bootstrap, studies of a cell in which it is tried
ROUNDING = 1e-9  # the true AUROC of perfect separation is 1 but for that
DIFFERENCE = "difference of "
Ends = tuple[float, float]


@dataclass(frozen=True)
class Design:
    """A kind of study. `apart`: standard deviations between the labels, of the network and of another one; `alike`:
    their correlation; `giant`: one patient has half of the frames; `rounded`: scores are whole numbers."""

    name: str
    patients: int
    prevalence: float
    icc: float
    mixed: bool = False
    with_label: int | None = None
    apart: tuple[float, float] = (2.0, 1.8)
    alike: float = 0.8
    giant: bool = False
    rounded: bool = False


@dataclass(frozen=True, eq=False)
class Study:
    """Scores of two networks, truth and patient of each frame (n,)."""

    scores: np.ndarray
    other: np.ndarray
    truth: np.ndarray
    groups: np.ndarray


GRID = [
    Design(
        f"{prevalence:.0%}, ICC {icc}, {'mixed' if mixed else 'by patient'}, {n}", n, prevalence, icc, mixed
    )
    for mixed, prevalence, icc, n in itertools.product(
        (False, True), (0.1, 0.5), (0.1, 0.5), (10, 20, 50, 200)
    )
]
OWN = [
    Design("5%, ICC 0.5, by patient, 50", 50, 0.05, 0.5),
    Design("4 patients with the label, 36 without, ICC 0.5", 40, 0.1, 0.5, with_label=4),
    Design("one giant patient, 50%, ICC 0.5, 20", 20, 0.5, 0.5, giant=True),
    Design("perfect separation (AUROC 1.000), 50%, ICC 0.5, 20", 20, 0.5, 0.5, apart=(6.0, 6.0)),
    Design("ties (whole numbers), 50%, ICC 0.5, 20", 20, 0.5, 0.5, rounded=True),
    Design("two close networks, 50%, ICC 0.5, 20", 20, 0.5, 0.5, apart=(2.0, 1.95), alike=0.97),
    Design(
        "two close networks near 1 (AUROC 0.983), 50%, ICC 0.5, 20",
        20,
        0.5,
        0.5,
        apart=(3.0, 2.9),
        alike=0.97,
    ),
]


def drawn(design: Design, rng: np.random.Generator) -> Study:
    """A study; at least two patients have the label, and two lack it."""
    count = design.patients
    sizes = rng.integers(2, 9, count)
    if design.giant:
        sizes[0] = sizes[1:].sum()
    groups = np.arange(count).repeat(sizes)
    n = len(groups)
    if design.mixed:
        truth = np.zeros(n, bool)
        while min(len(np.unique(groups[truth])), len(np.unique(groups[~truth]))) < 2:
            truth = rng.random(n) < design.prevalence
    else:
        with_label = design.with_label or np.clip(rng.binomial(count, design.prevalence), 2, count - 2)
        truth = groups < with_label

    def noise() -> np.ndarray:
        return np.sqrt(design.icc) * rng.normal(size=count)[groups] + np.sqrt(1 - design.icc) * rng.normal(
            size=n
        )

    one = noise()
    both = (one, design.alike * one + np.sqrt(1 - design.alike**2) * noise())
    scores = [apart * (truth - 0.5) + own for apart, own in zip(design.apart, both, strict=True)]
    return Study(*(np.round(scores) if design.rounded else scores), truth, groups)


def truths(design: Design, prevalence: float) -> dict[str, float]:
    """The true values, from the distributions of the scores on a fine grid."""
    step = 1.0 if design.rounded else 0.002
    at = np.arange(-12, 12 + step / 2, step)
    found = []
    for apart in design.apart:
        positive, negative = (
            np.diff(scipy.stats.norm.cdf(np.append(at, at[-1] + step) - step / 2 - shift))
            for shift in (apart / 2, -apart / 2)
        )
        hits, alarms = prevalence * positive[::-1].cumsum(), (1 - prevalence) * negative[::-1].cumsum()
        line = 0.5 if design.rounded else 0.0
        rate = float(scipy.stats.norm.cdf(apart / 2 - line)), float(scipy.stats.norm.cdf(apart / 2 + line))
        called = prevalence * rate[0] + (1 - prevalence) * (1 - rate[1])
        found.append(
            {
                "AUROC": float(positive @ (negative.cumsum() - negative / 2)),
                "sensitivity": rate[0],
                "specificity": rate[1],
                "AUPRC": float((positive[::-1] * hits / np.maximum(hits + alarms, 1e-300)).sum()),
                "F1": 2 * prevalence * rate[0] / (called + prevalence),
            }
        )
    differences = {f"{DIFFERENCE}{name}": found[0][name] - found[1][name] for name in PAIRED}
    return {**found[0], **differences}


def expected_prevalence(design: Design) -> float:
    if design.mixed:
        return design.prevalence
    if design.with_label:
        return design.with_label / design.patients
    count = np.arange(design.patients + 1)
    chances = scipy.stats.binom.pmf(count, design.patients, design.prevalence)
    return float(chances @ np.clip(count, 2, design.patients - 2)) / design.patients


# The library's own statistics, and the same under weights of the groups (k, g), as resamples drew them.

PAIRED = ("AUROC", "sensitivity", "specificity")
MEASURES: dict[str, Callable[[np.ndarray, np.ndarray], Influence]] = {
    "AUROC": influence.auroc,
    "sensitivity": lambda scores, truth: influence.share(scores > 0, truth),
    "specificity": lambda scores, truth: influence.share(scores <= 0, ~truth),
    "AUPRC": influence.auprc,
    "F1": lambda scores, truth: influence.f1(scores > 0, truth),
}


@lru_cache(maxsize=16)
def measured(study: Study, name: str, *, other: bool = False) -> Influence:
    """A measure of the network, or of the other."""
    return MEASURES[name](study.other if other else study.scores, study.truth)


def weighted(
    name: str, scores: np.ndarray, truth: np.ndarray, groups: np.ndarray, drawn: np.ndarray
) -> np.ndarray:
    """A measure (k,) of the resamples (k, g)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        if name == "AUROC":
            above = (scores[truth][:, None] > scores[~truth]) + 0.5 * (
                scores[truth][:, None] == scores[~truth]
            )
            ours, theirs = drawn[:, groups[truth]], drawn[:, groups[~truth]]
            return ((ours @ above) * theirs).sum(1) / (ours.sum(1) * theirs.sum(1))
        if name == "AUPRC":
            order = np.argsort(-scores, kind="stable")
            last = np.flatnonzero(np.diff(scores[order], append=-np.inf))
            run = np.searchsorted(last, np.arange(len(order)))
            weights = drawn[:, groups[order]]
            hits = weights * truth[order]
            precision = (hits.cumsum(1)[:, last] / weights.cumsum(1)[:, last])[:, run]
            return np.nansum(precision * hits, axis=1) / hits.sum(1)
        called = scores > 0
        parts = {
            "sensitivity": (called & truth, truth),
            "specificity": (~called & ~truth, ~truth),
            "F1": (2.0 * (called & truth), called.astype(float) + truth),
        }[name]
        above, below = (np.bincount(groups, part, drawn.shape[1]) for part in parts)
        return (drawn @ above) / (drawn @ below)


# Other intervals.


def fewer(study: Study) -> int:
    return min(len(np.unique(study.groups[part])) for part in (study.truth, ~study.truth))


def count_of(name: str, study: Study) -> int:
    if name == "sensitivity":
        return len(np.unique(study.groups[study.truth]))
    return len(np.unique(study.groups[~study.truth])) if name == "specificity" else fewer(study)


def bootstraps(name: str, study: Study, *, paired: bool) -> dict[str, Ends]:
    """The cluster bootstrap with percentiles expanded by Student's t, of the carrying groups and of all."""
    count = int(study.groups.max()) + 1
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), RESAMPLES).astype(float)
    values = weighted(name, study.scores, study.truth, study.groups, drawn)
    if paired:
        values = values - weighted(name, study.other, study.truth, study.groups, drawn)
    values = values[np.isfinite(values)]
    found = {}
    for by, groups in (("carriers", count_of(name, study)), ("all groups", count)):
        tail = scipy.stats.norm.sf(np.sqrt(groups / (groups - 1)) * scipy.stats.t.ppf(0.975, groups - 1))
        low, high = np.quantile(values, [tail, 1 - tail])
        found[f"bootstrap, {by}"] = (float(low), float(high))
    return found


def at_the_ends(value: float, groups: int) -> Ends:
    found = scipy.stats.binomtest(round(value * groups), groups).proportion_ci(method="wilson")
    return found.low, found.high


@lru_cache(maxsize=4)
def linearised(name: str, study: Study) -> tuple[float, float, float]:
    """Value, variance and degrees of freedom, for an AUROC Obuchowski's and Satterthwaite's, else of the carriers."""
    found = measured(study, name)
    sums = [np.bincount(study.groups, part.effect) for part in found.parts]
    counts = [len(np.unique(study.groups[part.weight > 0])) for part in found.parts]
    sums = [one * np.sqrt(count / (count - 1)) for one, count in zip(sums, counts, strict=True)]
    variance = float((np.sum(sums, axis=0) ** 2).sum())
    freedom = float(count_of(name, study) - 1)
    if name == "AUROC" and variance > 0:
        together = float(sums[0] @ sums[1])
        each = [float(one @ one) + together for one in sums]
        spread = sum(part**2 / (count - 1) for part, count in zip(each, counts, strict=True))
        freedom = max(variance**2 / spread, freedom) if spread > 0 else freedom
    return found.value, variance, min(freedom, study.groups.max())


def by_logit(name: str, study: Study) -> Ends:
    value, variance, freedom = linearised(name, study)
    if not 0 < value < 1 or variance <= 0:
        return at_the_ends(value, count_of(name, study))
    reach = scipy.stats.t.ppf(0.975, freedom) * np.sqrt(variance) / (value * (1 - value))
    return float(expit(logit(value) - reach)), float(expit(logit(value) + reach))


def korn_graubard(name: str, study: Study) -> Ends:
    """The exact interval of the effective number of frames: Korn and Graubard, Survey Methodology 1998."""
    value, variance, freedom = linearised(name, study)
    among = study.truth if name == "sensitivity" else ~study.truth
    n, groups = int(among.sum()), int(freedom) + 1
    if not 0 < value < 1 or variance <= 0:
        found = scipy.stats.binomtest(round(value * groups), groups).proportion_ci()
        return found.low, found.high
    scale = scipy.stats.t.ppf(0.975, n - 1) / scipy.stats.t.ppf(0.975, freedom)
    effective = min(n, value * (1 - value) / variance * scale**2)
    hits = effective * value
    low = scipy.stats.beta.ppf(0.025, hits, effective - hits + 1)
    return float(low), float(scipy.stats.beta.ppf(0.975, hits + 1, effective - hits))


def square_and_add(name: str, study: Study) -> Ends:
    """A difference from the intervals of both and their correlation: Zou and Donner, Statistics in Medicine 2008."""
    one, other = measured(study, name), measured(study, name, other=True)
    first, second = (
        clustered.group_interval(found, study.groups, len(study.truth)) for found in (one, other)
    )
    sums = [np.bincount(study.groups, found.effect) for found in (one, other)]
    scale = np.sqrt((sums[0] @ sums[0]) * (sums[1] @ sums[1]))
    alike = sums[0] @ sums[1] / scale if scale > 0 else float(np.array_equal(*sums))
    difference = first.value - second.value

    def reach(a: float, b: float) -> float:
        return float(np.sqrt(max(0.0, a**2 - 2 * alike * a * b + b**2)))

    down = reach(first.value - first.low, second.high - second.value)
    return difference - down, difference + reach(first.high - first.value, second.value - second.low)


def here(name: str, study: Study, *, paired: bool = False) -> Ends:
    """The interval of the library."""
    one, of = measured(study, name), (study.groups, len(study.truth))
    if not paired:
        return clustered.group_interval(one, *of)[1:3]
    return clustered.group_difference(one, measured(study, name, other=True), *of)[1:3]


def intervals(measure: str, study: Study, *, resampled: bool) -> dict[str, Ends]:
    """The intervals of a measure by method, the library's own first."""
    name, paired = measure.removeprefix(DIFFERENCE), measure.startswith(DIFFERENCE)
    found = {"library": here(name, study, paired=paired)}
    if paired:
        found["square-and-add"] = square_and_add(name, study)
    else:
        found["logit, t"] = by_logit(name, study)
    if measure in ("sensitivity", "specificity"):
        found["Korn-Graubard"] = korn_graubard(name, study)
    return found | (bootstraps(name, study, paired=paired) if resampled else {})


class Cell(NamedTuple):
    coverage: float
    width: float


def simulated(design: Design, measures: list[str], runs: int) -> dict[str, dict[str, Cell]]:
    """Coverage and median width, by measure and method."""
    rng = np.random.default_rng(2024)
    held: dict[str, dict[str, list[tuple[bool, float]]]] = {measure: {} for measure in measures}
    true = truths(design, expected_prevalence(design))
    for run in range(runs):
        study = drawn(design, rng)
        if (
            design.giant
        ):  # the share of frames with the label hangs on one patient: truth at the share of the study
            true = truths(design, float(study.truth.mean()))
        for measure, of_measure in held.items():
            for name, (low, high) in intervals(measure, study, resampled=run < BOOTSTRAPPED).items():
                holds = low - ROUNDING <= true[measure] <= high + ROUNDING
                of_measure.setdefault(name, []).append((holds, high - low))
    return {
        measure: {name: _cell(np.array(found, float)) for name, found in of_measure.items()}
        for measure, of_measure in held.items()
    }


def _cell(found: np.ndarray) -> Cell:
    return Cell(float(found[:, 0].mean()), float(np.median(found[:, 1])))


def tables(designs: list[Design], measures: list[str], runs: int, processes: int) -> Iterator[str]:
    """Markdown, a table a measure: coverage / median width."""
    with ProcessPoolExecutor(processes) as pool:
        found = pool.map(simulated, designs, itertools.repeat(measures), itertools.repeat(runs))
        cells = dict(zip((design.name for design in designs), found, strict=True))
    few = min(runs, BOOTSTRAPPED)
    yield (
        f"{runs} studies a cell (standard error of a coverage of 0.95: {np.sqrt(0.95 * 0.05 / runs):.3f}), "
        f"bootstraps in {few} of them with {RESAMPLES} resamples (standard error {np.sqrt(0.95 * 0.05 / few):.3f}). "
        "An entry: coverage / median width. `logit, t` of an AUROC is Obuchowski's variance with Satterthwaite's t."
    )
    for measure in measures:
        names = list(cells[designs[0].name][measure])
        yield f"\n### {measure[0].upper()}{measure[1:]}\n"
        yield f"| prevalence, ICC, labels, patients | {' | '.join(names)} |"
        yield f"| --- |{' --- |' * len(names)}"
        for design in designs:
            found = cells[design.name][measure]
            row = [f"{found[name].coverage:.3f} / {found[name].width:.3f}" for name in names]
            yield f"| {design.name} | {' | '.join(row)} |"
        within = [
            sum(0.93 <= cells[design.name][measure][name].coverage <= 0.98 for design in designs)
            for name in names
        ]
        off = [
            np.mean([_off(cells[design.name][measure][name].coverage) for design in designs])
            for name in names
        ]
        yield f"| cells from 0.93 to 0.98, of {len(designs)} | {' | '.join(map(str, within))} |"
        yield f"| mean distance from there | {' | '.join(f'{one:.4f}' for one in off)} |"


def _off(coverage: float) -> float:
    return max(0.93 - coverage, coverage - 0.98, 0.0)


CARRIERS = (1, 2, 3, 4, 5, 6, 8, 10, 15, 20)


def carrier_designs(carriers: int) -> list[Design]:
    """Studies of so many patients with the label and 40 without, from poor networks to very good ones."""
    return [
        Design(f"{icc}, {apart}", carriers + 40, 0.5, icc, with_label=carriers, apart=(apart, apart - 0.2))
        for icc in (0.1, 0.5, 0.9)
        for apart in (1.2, 2.0, 3.3)
    ]


def by_carriers(runs: int) -> Iterator[str]:
    """Markdown: the least and the largest coverage over the designs, by patients with the label."""
    measures = ["sensitivity", "AUROC"]
    yield f"{runs} studies a design; the least and the largest coverage over {len(carrier_designs(2))} designs\n"
    yield "| patients with the label | sensitivity | width | AUROC | width |"
    yield "| --- | --- | --- | --- | --- |"
    for carriers in CARRIERS:
        found: dict[str, list[Cell]] = {measure: [] for measure in measures}
        for design in carrier_designs(carriers):
            for measure, cell in coverage_here(design, measures, runs).items():
                found[measure].append(cell)
        row = []
        for of_measure in found.values():
            held = [cell.coverage for cell in of_measure]
            row += [
                f"{min(held):.3f} to {max(held):.3f}",
                f"{np.median([cell.width for cell in of_measure]):.2f}",
            ]
        yield f"| {carriers} | {' | '.join(row)} |"


def coverage_here(design: Design, measures: list[str], runs: int) -> dict[str, Cell]:
    """Coverage and median width of the library's own intervals."""
    rng, true = np.random.default_rng(2024), truths(design, expected_prevalence(design))
    studies = [drawn(design, rng) for _ in range(runs)]
    found = {}
    for name in measures:
        ends = np.array([here(name, study) for study in studies])
        held = (ends[:, 0] <= true[name] + ROUNDING) & (true[name] - ROUNDING <= ends[:, 1])
        found[name] = _cell(np.stack([held, ends[:, 1] - ends[:, 0]], axis=1))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage", description=__doc__)
    parser.add_argument(
        "--runs", type=int, default=1000, help="simulated studies of each cell (default: 1000)"
    )
    parser.add_argument("--processes", type=int, default=1, help="cells simulated at a time (default: 1)")
    parser.add_argument("--carriers", action="store_true", help="by the number of patients with the label")
    asked = parser.parse_args()
    measures = [*MEASURES, *(f"{DIFFERENCE}{name}" for name in PAIRED)]
    lines = (
        by_carriers(asked.runs)
        if asked.carriers
        else tables([*GRID, *OWN], measures, asked.runs, asked.processes)
    )
    for line in lines:
        print(line, flush=True)


if __name__ == "__main__":
    main()
