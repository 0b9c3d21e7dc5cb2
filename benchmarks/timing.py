"""Ratios that hold better than times: every case in turn, again and again, in one process."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple


class Row(NamedTuple):
    """One line of a benchmark: ours against a peer, seconds, or megabytes where `unit` is MB."""

    what: str
    ours: float
    peer: float
    spread: float  # interquartile range of the ratio over the rounds
    goal: str = ""
    unit: str = "ms"

    @property
    def ratio(self) -> float:
        """Ours over the peer's."""
        return self.ours / self.peer

    def shown(self, value: float) -> str:
        """A value with its unit."""
        return f"{value * 1e3:.2f} ms" if self.unit == "ms" else f"{value:.0f} {self.unit}"


def interleaved(
    cases: Mapping[str, Callable[[], object]], *, rounds: int, warm_up: int = 2
) -> dict[str, list[float]]:
    """Seconds of each case in each round; the cases take turns, so that a slow moment of the machine meets all."""
    for _ in range(warm_up):
        for case in cases.values():
            case()
    times: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            begun = time.perf_counter()
            case()
            times[name].append(time.perf_counter() - begun)
    return times


def row(what: str, ours: list[float], peer: list[float], *, goal: str = "", unit: str = "ms") -> Row:
    """Medians of both, and how far the ratio of a round strays."""
    ratios = [a / b for a, b in zip(ours, peer, strict=True)]
    low, _, high = statistics.quantiles(ratios, n=4)
    return Row(what, statistics.median(ours), statistics.median(peer), high - low, goal, unit)


def markdown(title: str, rows: list[Row]) -> str:
    """The rows as a table of docs/performance.md."""
    lines = [
        f"## {title}",
        "",
        "| what | ours | peer | ratio | spread | goal |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    lines += [
        f"| {r.what} | {r.shown(r.ours)} | {r.shown(r.peer)} | {r.ratio:.2f} | {r.spread:.2f} | {r.goal} |"
        for r in rows
    ]
    return "\n".join(lines) + "\n"
