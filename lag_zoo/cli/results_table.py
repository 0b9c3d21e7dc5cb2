"""The table of results that `lag-zoo evaluate` ends with on the screen; the whole report is in its files."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from lag_zoo.cli.tables import plain_table

if TYPE_CHECKING:
    from lag_zoo.evaluate import LabelResult, Report
    from lag_zoo.evaluate.called import CalledResult
    from lag_zoo.evaluate.raters import Raters
    from lag_zoo.metrics.intervals import Interval

_SHOWN = {"auroc": "AUROC", "sensitivity": "sensitivity", "specificity": "specificity"}


def results_table(report: "Report") -> Table:
    """Makes the table of a report: the main measures of each label; other networks and baselines below them."""
    table = plain_table()
    several = bool(report.comparisons or report.baselines)
    if several:
        table.add_column("network", overflow="fold")
    table.add_column("label", overflow="fold")
    table.add_column("n", justify="right")
    table.add_column("with it", justify="right")
    for title in _SHOWN.values():
        table.add_column(f"{title} (95%)", no_wrap=True)
    table.add_column("threshold", overflow="fold")
    for name, rows in _networks(report):
        for row in rows:
            table.add_row(*([Text(name)] if several else []), *_cells(row))
    return table


def called_table(called: "CalledResult") -> Table:
    """Make the table of the called label: accuracy, balanced accuracy, macro-F1 and kappa."""
    from lag_zoo.evaluate.called import CALLED_TITLES

    table = plain_table()
    table.add_column("the called label", overflow="fold")
    for name in called.measures:
        table.add_column(f"{CALLED_TITLES[name]} (95%)", no_wrap=True)
    cells = [Text(_with_interval(interval)) for interval in called.measures.values()]
    table.add_row(Text(f"{called.n} counted"), *cells)
    return table


def raters_table(raters: "Raters") -> Table:
    """Make the table of each two raters: the frames of both, the share of the same label, Cohen's kappa."""
    table = plain_table()
    for title in ("rater", "rater", "n", "the same label (95%)", "Cohen's kappa (95%)"):
        table.add_column(title, overflow="fold")
    for pair in raters.pairs:
        cells = (pair.one, pair.other, str(pair.kappa.n), *map(_with_interval, (pair.agreed, pair.kappa)))
        table.add_row(*map(Text, cells))
    return table


def _networks(report: "Report") -> Iterator[tuple[str, tuple["LabelResult", ...]]]:
    yield "the reported one", report.rows
    for other in report.comparisons:
        yield other.name, other.rows
    for name, rows in report.baselines:
        yield f"baseline: {name}", rows


def _cells(row: "LabelResult") -> list[Text]:
    groups = f"\n{row.groups} groups" if row.groups is not None else ""
    measures = [_with_interval(row.measures[name]) for name in _SHOWN]
    rule = f"{row.threshold:.3f}\n{row.rule}{', apparent' if row.apparent and 'apparent' not in row.rule else ''}"
    return [Text(cell) for cell in (row.label, f"{row.n}{groups}", str(row.positives), *measures, rule)]


def _with_interval(interval: "Interval") -> str:
    if not math.isfinite(interval.value):
        return "-"
    limits = f"{interval.low:.3f} to {interval.high:.3f}" if math.isfinite(interval.low) else "no interval"
    return f"{interval.value:.3f}\n{limits}"
