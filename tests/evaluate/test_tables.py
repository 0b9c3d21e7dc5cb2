"""Tables of a report: every number in tables.csv, and tables.tex as LaTeX takes it."""

import csv
import dataclasses
import io
import math
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lag_zoo.evaluate.latex import escape, tex
from lag_zoo.evaluate.report import Report
from lag_zoo.evaluate.tables import confusion_table, label_table
from lag_zoo.evaluate.tidy import numbers, tidy_csv
from tests.evaluate.report_shapes import SHAPES, SPECIAL, report

DOCUMENT = r"""\documentclass{article}
\usepackage[T1]{fontenc}\usepackage{textcomp,booktabs,rotating}
\begin{document}\input{tables}\end{document}
"""


def rows_of(shape: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(tidy_csv(report(shape)))))


@pytest.mark.parametrize("shape", SHAPES)
class TestEveryShape:
    def test_a_row_a_number(self, shape: str) -> None:
        rows = rows_of(shape)
        keys = [tuple(row[name] for name in ("part", "name", "label", "against", "measure")) for row in rows]
        assert len(set(keys)) == len(keys), "no number stands twice"
        found: Report = report(shape)
        for part, results in (("label", found.rows), ("pair", found.pairs)):
            for result in results:
                for measure, interval in {**result.measures, **result.calibration}.items():
                    (row,) = [r for r in rows if (r["part"], r["label"], r["against"], r["measure"]) == (
                        part, result.label, result.against, measure,
                    )]  # fmt: skip
                    for name in ("value", "low", "high"):
                        number = getattr(interval, name)
                        assert row[name] == ("" if math.isnan(number) else repr(number))
                    assert (row["n"], row["positives"]) == (str(interval.n), str(result.positives))
                    assert row["unreliable"] == result.unreliable
                    assert row["method"] == interval.method

    def test_latex_is_whole(self, shape: str) -> None:
        """Environments are balanced, rows have as many cells as there are columns, and nothing is left unescaped."""
        text = tex(report(shape))
        opened: list[str] = []
        for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
            if kind == "begin":
                opened.append(name)
            else:
                assert opened.pop() == name
        assert not opened
        tables = re.findall(r"\\begin\{tabular\}\{(l+r*)\}\n(.*?)\\end\{tabular\}", text, re.S)
        assert len(tables) == text.count(r"\begin{tabular}") == text.count(r"\toprule") > 0
        for columns, body in tables:
            lines = [line for line in body.splitlines() if "&" in line]
            assert {len(re.findall(r"(?<!\\)&", line)) for line in lines} == {len(columns) - 1}
            assert all(re.search(r"\\\\(\[2pt\])?$", line) for line in lines)
        plain = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
        assert not re.search(r"(?<!\\)[%#_^~]", plain)
        assert balanced(plain)

    @pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex")
    def test_latex_compiles(self, shape: str, tmp_path: Path) -> None:
        (tmp_path / "tables.tex").write_text(tex(report(shape)), encoding="utf-8")
        (tmp_path / "paper.tex").write_text(DOCUMENT, encoding="utf-8")
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:]


def balanced(text: str) -> bool:
    """Whether braces and dollar signs that are not escaped come in pairs."""
    text = re.sub(r"\\.", "", text)
    depth = 0
    for character in text:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    return depth == 0 and text.count("$") % 2 == 0


@given(st.text(max_size=30))
def test_any_name_is_escaped(name: str) -> None:
    found = escape(name)
    assert balanced(found)
    assert not re.search(r"(?<!\\)[%#_&]", found)
    assert "\n" not in found
    assert "\n" not in f"x{found}"


def test_parts_of_a_comparison() -> None:
    rows = rows_of("special")
    assert {row["part"] for row in rows} == {
        "label",
        "pair",
        "called",
        "confusion",
        "comparison",
        "difference",
    }
    differences = [row for row in rows if row["part"] == "difference"]
    assert [row["measure"] for row in differences] == ["auroc", "sensitivity", "specificity"] * 3 + [
        "accuracy"
    ]
    assert all(row["name"] == SPECIAL[2] and 0 <= float(row["p"]) <= 1 for row in differences)
    matrix = [row for row in rows if row["part"] == "confusion" and row["measure"] == "count"]
    assert sum(int(row["value"]) for row in matrix) == report("special").analysed
    assert "ppv at 0.1" in {row["measure"] for row in rows}


def test_what_is_infinite_and_what_is_unreliable() -> None:
    measured = {row["measure"]: row for row in rows_of("few patients")}
    slope = measured["slope"]
    assert float(slope["value"]) < float("inf"), "Firth's, where a threshold parts the labels"
    assert measured["offset_intercept"]["low"] == "-inf"
    assert slope["unreliable"].startswith("only 3 patients with it")
    assert slope["apparent"] == "no"


def test_the_main_table() -> None:
    one = report("few patients")
    table = label_table(one, one.rows)
    assert table.header[:5] == ("label", "n", "with it", "without it", "threshold")
    name, n, having, lacking, threshold = table.rows[0][:5]
    assert (name.text, name.remark) == ("IM against normal", one.rows[0].unreliable)
    assert n[:2] == ("18", "(6 patients)")
    assert having[:2] == ("9, 50.0%", "(3 patients)")
    assert lacking[:2] == ("9", "(3 patients)")
    assert threshold.text == "0.500"
    assert label_table(report("calls"), report("calls").rows).rows[0][4].text == "as called"
    apparent = dataclasses.replace(one.rows[0], apparent=True)
    assert label_table(one, [apparent]).rows[0][4].more == "apparent"


def test_thresholds_of_several_rules_stand_in_each_row() -> None:
    one = report("special")
    other = dataclasses.replace(one.rows[0], rule="as asked for")
    rules = [row[4].rule for row in label_table(one, [*one.rows, other]).rows]
    assert rules == [one.rows[0].rule] * 3 + ["as asked for"]


def test_shares_stand_beside_what_is_there() -> None:
    called = report("two labels").called
    assert called is not None
    for line, counts, shares in zip(
        confusion_table(called).rows, called.confusion or (), called.shares, strict=True
    ):
        assert [cell.text for cell in line[1:]] == [str(count) for count in counts]
        assert [cell.more for cell in line[1:]] == [
            f"({share:.0%})" if count else "" for count, share in zip(counts, shares, strict=True)
        ]


def test_numbers_are_the_same_whoever_asks() -> None:
    assert list(map(repr, numbers(report("special")))) == list(map(repr, numbers(report("special"))))
