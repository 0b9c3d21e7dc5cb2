r"""The main tables of a report in LaTeX, for `\input` into a paper; they need the packages booktabs and rotating.

A value stands over its interval, so that each label takes two lines; a table of many columns stands on a page of
its own, turned.
"""

import math
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from lag_zoo.evaluate import tables
from lag_zoo.evaluate.called import CALLED_TITLES
from lag_zoo.evaluate.results import METRICS, LabelResult, Metric
from lag_zoo.evaluate.tables import Cell, Table

if TYPE_CHECKING:
    from lag_zoo.evaluate.report import Report

_HEAD = r"""% In the preamble: \usepackage[T1]{fontenc} \usepackage{textcomp,booktabs,rotating}
% Names in a script that pdflatex does not know need XeLaTeX or LuaLaTeX, and a font that has it.
"""
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
    "∞": r"$\infty$",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{character: f"{{{character}}}" for character in "[]*"},  # after a row's end they would be its argument
}
_MANY = 4  # columns of a confusion matrix from which on its names stand upright
_TURNED = 8  # columns that fit the width of an upright page
_TINY = 14  # columns from which on even a turned page needs small print


def tex(report: "Report") -> str:
    """Return the tables of labels, the called label, its confusion matrix and the comparison with other models."""
    return "\n".join([_HEAD, *_floats(report)])


def escape(text: str) -> str:
    r"""Return text that LaTeX sets as it is.

    >>> escape("50% of a_b & <c>")
    '50\\% of a\\_b \\& \\textless{}c\\textgreater{}'
    """
    plain = " ".join(text.split()).replace("--", "-\0-")
    return "".join(_SPECIAL.get(character, character) for character in plain).replace("\0", "{}")


def _floats(report: "Report") -> Iterator[str]:
    if report.rows:
        rates = [metric for metric in METRICS if not metric.needs_probabilities]
        yield _label_float(report, rates)
    if any(math.isfinite(row.measures["auroc"].value) for row in report.rows):
        yield _float("Ranking and calibration of each label.", _ranking(report.rows))
    if report.called is not None:
        titles = ", ".join(CALLED_TITLES[key] for key in report.called.measures)
        yield _float(
            f"The called label, {report.called.n} counted: {titles}.", tables.called_table(report.called)
        )
        if report.called.confusion is not None:
            yield _float(
                "Confusion matrix of the called label: true labels down, called labels across, with the share of the "
                "true label.",
                tables.confusion_table(report.called),
                upright=True,
            )
    if report.comparisons:
        yield _float("Models on the same frames.", tables.networks_table(report))
        yield _float(
            "The reported model less others on the same frames, paired.", tables.differences_table(report)
        )
        if (accuracies := tables.accuracies_table(report)).rows:
            yield _float("Accuracy of the called label.", accuracies)


def _label_float(report: "Report", rates: Sequence[Metric]) -> str:
    rule = tables.rule_of_all(report.rows)
    said = f" Threshold: {rule}." if rule and not report.calls_only else ""
    return _float(
        f"Each label at its threshold, with 95% intervals.{said}",
        tables.label_table(report, report.rows, rates),
    )


def _ranking(rows: Sequence[LabelResult]) -> Table:
    """The table of AUROC, AUPRC and calibration."""
    ranked = [metric for metric in METRICS if metric.needs_probabilities]
    calibration = tables.calibration_table(rows)
    return Table(
        ("label", *(metric.title for metric in ranked), *calibration.header[1:]),
        tuple(
            (found[0], *(tables.with_interval(row.measures[metric.key]) for metric in ranked), *found[1:])
            for row, found in zip(rows, calibration.rows, strict=True)
        ),
    )


def _float(caption: str, table: Table, *, upright: bool = False) -> str:
    count = len(table.header)
    titles = [escape(title) for title in table.header]
    if upright and count > _MANY:
        titles = [titles[0], *(rf"\rotatebox{{90}}{{{title}}}" for title in titles[1:])]
    notes: list[str] = []
    lines = [line for row in table.rows for line in _lines(row, notes)]
    size = r"\tiny" if count > _TINY else r"\scriptsize"
    place = "sidewaystable" if count > _TURNED else "table"
    return "\n".join([
        rf"\begin{{{place}}}",
        r"\centering",
        rf"\caption{{{escape(caption)}}}",
        rf"{size}\setlength{{\tabcolsep}}{{2pt}}",
        rf"\begin{{tabular}}{{l{'r' * (count - 1)}}}",
        r"\toprule",
        f"{' & '.join(titles)} \\\\",
        r"\midrule",
        *lines,
        r"\bottomrule",
        r"\end{tabular}",
        *(rf"\par\raggedright\textsuperscript{{{_mark(n)}}} {escape(note)}" for n, note in enumerate(notes)),
        rf"\end{{{place}}}",
        "",
    ])  # fmt: skip


def _lines(row: Sequence[Cell], notes: list[str]) -> Iterator[str]:
    """The line of the values, and that of what stands below them; remarks join the notes under the table."""
    over = []
    for cell in row:
        text = escape(cell.text) if cell is row[0] else _minus(escape(cell.text))
        for note in (cell.remark, cell.rule):
            if note:
                if note not in notes:
                    notes.append(note)
                text += rf"\textsuperscript{{{_mark(notes.index(note))}}}"
        over.append(text)
    yield f"{' & '.join(over)} \\\\"
    if any(cell.more for cell in row):
        yield f"{' & '.join(_minus(escape(cell.more)) for cell in row)} \\\\[2pt]"


def _minus(text: str) -> str:
    """Set the hyphens before numbers as minus signs."""
    return re.sub(r"(?<!\w)-(?=[\d$])", "$-$", text)


def _mark(place: int) -> str:
    """The mark of a note: a to z, then aa.

    >>> _mark(0), _mark(26)
    ('a', 'aa')
    """
    return chr(ord("a") + place % 26) * (1 + place // 26)
