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

_SHOWN = {"sensitivity": "sensitivity", "specificity": "specificity", "auroc": "AUROC"}


def results_table(report: "Report") -> Table:
    """Make the table of a report, for 80 columns: the main measures of each label, then other models and baselines."""
    table = plain_table()
    several = bool(report.comparisons or report.baselines)
    groups = (
        "" if report.grouping is None else "\n(patients)" if report.grouping == "patient" else "\n(exams)"
    )
    if several:
        table.add_column("model", overflow="fold")
    table.add_column("label", overflow="fold")
    for title in ("with it", "without it")[: 1 if several else 2]:
        table.add_column(f"{title}{groups}", justify="right")
    for title in _SHOWN.values():
        table.add_column(f"{title}\n(95%)", no_wrap=True)
    if not report.calls_only:
        table.add_column("threshold")
    for name, rows in _models(report):
        for row in rows:
            threshold = [] if report.calls_only else [Text(_threshold(row))]
            table.add_row(*([Text(name)] if several else []), *_cells(row, several), *threshold)
    return table


def called_table(called: "CalledResult") -> Table:
    """Make the table of the called label: accuracy, kappa and so on, for 80 columns."""
    from lag_zoo.evaluate.called import CALLED_TITLES

    table = plain_table()
    table.add_column("the called label", overflow="fold")
    for name in called.measures:
        title = CALLED_TITLES[name].replace(" ", "\n")
        table.add_column(f"{title}\n(95%)", no_wrap=True)
    cells = [Text(_with_interval(interval)) for interval in called.measures.values()]
    table.add_row(Text(f"{called.n} counted"), *cells)
    return table


def raters_table(raters: "Raters") -> Table:
    """Make the table of each two raters: the frames of both, the share of the same label, Cohen's kappa."""
    table = plain_table()
    for title in ("rater", "rater", "n", "the same label\n(95%)", "Cohen's kappa\n(95%)"):
        table.add_column(title, overflow="fold")
    for pair in raters.pairs:
        cells = (pair.one, pair.other, str(pair.kappa.n), *map(_with_interval, (pair.agreed, pair.kappa)))
        table.add_row(*map(Text, cells))
    return table


def _models(report: "Report") -> Iterator[tuple[str, tuple["LabelResult", ...]]]:
    yield "the reported one", report.rows
    for other in report.comparisons:
        yield other.name, other.rows
    for name, rows in report.baselines:
        yield f"baseline: {name}", rows


def _cells(row: "LabelResult", several: bool) -> list[Text]:
    doubt = ["(intervals not reliable)"] if row.unreliable else []
    counts: tuple[tuple[int, int | None], ...] = (
        (row.positives, row.groups_with),
        (row.n - row.positives, row.groups_without),
    )
    counts = counts[:1] if several else counts
    sizes = [[str(count), *([] if groups is None else [f"({groups})"])] for count, groups in counts]
    lines = [[row.label, *doubt], *sizes, *([_with_interval(row.measures[key])] for key in _SHOWN)]
    return [Text("\n".join(cell)) for cell in lines]


def _threshold(row: "LabelResult") -> str:
    return f"{row.threshold:.3f}" + ("\napparent" if row.apparent else "")


def _with_interval(interval: "Interval") -> str:
    if not math.isfinite(interval.value):
        return "-"
    limits = f"{interval.low:.2f}-{interval.high:.2f}" if math.isfinite(interval.low) else "no interval"
    return f"{interval.value:.3f}\n{limits}"
