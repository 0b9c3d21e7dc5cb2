"""Pages and files of a report: Markdown that renders, HTML that needs nothing else, every file that is listed."""

import csv
import dataclasses
import html as html_module
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lag_zoo.errors import LagZooWarning
from lag_zoo.evaluate import evaluate
from lag_zoo.evaluate.pages import html, markdown
from lag_zoo.evaluate.sections import sections
from lag_zoo.evaluate.tables import name_of
from lag_zoo.listener import Advance, Listener
from tests.evaluate.drawn_scores import drawn
from tests.evaluate.report_shapes import SHAPES, SPECIAL, of_several_labels, report

PICTURE = b"<svg/>"


class Cells(HTMLParser):
    """The texts of each table's rows."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self._open = True

    def handle_endtag(self, tag: str) -> None:
        self._open = self._open and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._open:
            self.tables[-1][-1][-1] += data


def tables_of(page: str) -> list[list[list[str]]]:
    parser = Cells()
    parser.feed(page)
    return [[[" ".join(cell.split()) for cell in row] for row in table] for table in parser.tables]


@pytest.mark.parametrize("shape", SHAPES)
class TestEveryShape:
    def test_markdown_renders(self, shape: str) -> None:
        """Each table is a table to a parser, with the cells that HTML has."""
        rendered = pytest.importorskip("markdown").markdown(markdown(report(shape)), extensions=["tables"])
        found = tables_of(rendered)
        expected = [table for section in sections(report(shape)) for table in section.tables]
        assert len(found) == 1 + len(expected), "the flow of frames, and all others"
        for table, one in zip(found[1:], expected, strict=True):
            assert table[0] == [" ".join(title.split()) for title in one.header]
            assert len(table) == 1 + len(one.rows)
            assert {len(row) for row in table} == {len(one.header)}
            for row, cells in zip(table[1:], one.rows, strict=True):
                for text, cell in zip(row, cells, strict=True):
                    assert text.startswith(" ".join(f"{cell.text} {cell.more}".split()))
                    assert cell.remark in text

    def test_html(self, shape: str) -> None:
        pictures = {"confusion matrix": PICTURE, "a": PICTURE}
        page = html(report(shape), pictures=pictures)
        assert not re.search(r'(src|href)="(?!data:)', page)
        shown = re.findall(r'src="data:image/svg\+xml;base64,', page)
        assert len(shown) == 1 + ('alt="confusion matrix"' in page)
        found, expected = tables_of(page), [t for s in sections(report(shape)) for t in s.tables]
        assert [table[0] for table in found] == [
            [" ".join(t.split()) for t in table.header] for table in expected
        ]
        assert {len(row) for table in found for row in table if len(row) != len(table[0])} == set()
        assert report(shape).summary in " ".join(html_module.unescape(page).split())

    def test_no_number_is_nan(self, shape: str) -> None:
        for page in (markdown(report(shape)), html(report(shape), pictures={})):
            assert not re.search(r"\b(nan|inf|None)\b", page)


def test_infinite_numbers_are_explained_where_there_is_one() -> None:
    explained = "∞: no finite number fits best"
    assert explained in markdown(report("few patients"))
    assert "(-∞ to " in markdown(report("few patients"))
    assert "∞" not in markdown(report("two labels"))


def test_a_row_says_that_it_is_not_to_be_relied_on() -> None:
    found = report("few patients")
    (row,) = found.rows
    (line,) = [
        line
        for line in markdown(found).splitlines()
        if line.startswith(f"| {name_of(row)} **{row.unreliable}**")
    ]
    assert line.count("|") == 14
    assert f'<small class="remark">{row.unreliable}</small>' in html(found, pictures={})


def test_what_is_not_there_has_no_section() -> None:
    titles = [section.title for section in sections(report("calls"))]
    assert titles == [
        "The called label",
        "Each label at its threshold",
        "Label against label",
        "Counts at the threshold",
    ]
    assert "Threshold:" not in markdown(report("calls"))
    assert [s.title for s in sections(report("one class"))] == [
        "The called label", "Each label at its threshold", "Counts at the threshold",
    ]  # fmt: skip


class TestSaving:
    def test_every_file_is_listed_and_no_other(self, tmp_path: Path) -> None:
        heard: list[tuple[str, int | None]] = []

        class Ear(Listener):
            @contextmanager
            def task(self, what: str, total: int | None = None, *, done: int = 0) -> Iterator[Advance]:
                steps: list[int] = []
                yield steps.append
                heard.append((what, sum(steps)))
                assert sum(steps) == total

        names = report("special").save(tmp_path / "new" / "report", listener=Ear())
        assert heard == [("drawing", 4)]
        there = {path.name for path in (tmp_path / "new" / "report").iterdir()}
        assert there == {*names, "scores.csv.json"}
        assert names[0] == "report.json", "the numbers first"
        drawn_files = sorted(path.name for path in (tmp_path / "new" / "report" / "figures").iterdir())
        assert len(drawn_files) == 2 * 4
        assert {name.rsplit(".", 1)[1] for name in drawn_files} == {"svg", "pdf"}
        page = (tmp_path / "new" / "report" / "report.html").read_text()
        assert page.count("data:image/svg+xml;base64,") == 4
        assert html_module.escape(SPECIAL[2]) in page.replace("&#34;", "&quot;").replace("&#39;", "&#x27;")
        with (tmp_path / "new" / "report" / "tables.csv").open(newline="") as file:
            assert SPECIAL[0] in {row["label"] for row in csv.DictReader(file)}

    @pytest.mark.usefixtures("no_pictures")
    def test_the_same_report_gives_the_same_files(self, tmp_path: Path) -> None:
        for folder in ("one", "two"):
            report("two labels").save(tmp_path / folder)
        for file in (tmp_path / "one").iterdir():
            if file.is_file():
                assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes(), file.name

    @pytest.mark.usefixtures("no_pictures")
    def test_several_labels_a_frame(self, tmp_path: Path) -> None:
        """They have no confusion matrix."""
        evaluate(of_several_labels(2), n_resamples=5).save(tmp_path)
        assert json.loads((tmp_path / "report.json").read_text())["called"]["shares"] == []

    def test_a_figure_that_cannot_be_drawn_costs_only_the_rest(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object) -> None:
            raise RuntimeError("no font")

        monkeypatch.setattr("lag_zoo.evaluate.figures.contrast_figure", broken)
        with pytest.warns(LagZooWarning, match=r"figures are not complete \(RuntimeError: no font\)"):
            names = report("two labels").save(tmp_path)
        assert "figures" not in names
        assert {"report.json", "tables.csv", "tables.tex", "report.md", "scores.csv", "report.html"} == set(
            names
        )
        assert (tmp_path / "report.html").read_text().count("data:image/svg+xml") == 1, (
            "what was drawn before"
        )

    def test_a_page_that_cannot_be_made_costs_no_number(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_pictures: None
    ) -> None:
        def broken(*_: object, **__: object) -> None:
            raise RuntimeError("no template")

        monkeypatch.setattr("lag_zoo.evaluate.saving.html", broken)
        with pytest.warns(LagZooWarning, match="report.html could not be made"):
            names = report("two labels").save(tmp_path)
        assert "report.html" not in names
        assert (tmp_path / "report.json").exists()


def test_frames_that_were_excluded(no_pictures: None) -> None:
    scores = drawn()
    flow = dataclasses.replace(scores.flow, found=243, excluded=3, reasons={"<blurred>": 2, "a|b": 1})
    found = evaluate(dataclasses.replace(scores, flow=flow), n_resamples=5)
    assert r"Excluded: 2 &lt;blurred>, 1 a\|b." in markdown(found)
    assert "3 excluded (2 &lt;blurred&gt;, 1 a|b)" in html(found)
