"""Texts of strangers: inert on terminals, in spreadsheets, in Markdown and HTML, whatever they hold."""

import csv
import io
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lag_zoo
from lag_zoo.data import Frame, Manifest, read_manifest, write_manifest
from lag_zoo.errors import InvalidConfigError
from lag_zoo.evaluate.scores import Scores
from lag_zoo.files import csv_writer
from lag_zoo.inert import from_spreadsheet, in_a_line, in_markdown, printable, spreadsheet_cell
from lag_zoo.specs import DatasetRef
from tests.networks import small

TEXTS = st.text(max_size=10) | st.text("'=+-@\t\r1.5eE<|*a", max_size=6)
HOSTILE = (
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "'=x",
    "<script>alert(1)</script>",
    "-0.5",
    "'quoted'",
    "\uff1d1+1",
)


@given(TEXTS)
def test_terminals_get_letters(text: str) -> None:
    for shown, allowed in ((printable(text), "\n\t\u00a0\u3000"), (in_a_line(text), "\u00a0\u3000")):
        assert all(letter.isprintable() or letter in allowed for letter in shown)
        assert not {unicodedata.category(letter) for letter in shown.replace("\n", "").replace("\t", "")} & {
            "Cc",
            "Cs",
            "Cf",
        }
    assert printable(text) == text or not text.isprintable()


@given(TEXTS)
def test_spreadsheets_run_nothing_and_give_the_text_back(text: str) -> None:
    cell = spreadsheet_cell(text)
    assert from_spreadsheet(cell) == text
    if cell[:1] in set("=+-@\t\r"):
        float(cell)


@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_every_table_is_written_so(row: list[str]) -> None:
    file = io.StringIO(newline="")
    csv_writer(file).writerow(row)
    (read,) = csv.reader(io.StringIO(file.getvalue(), newline=""), strict=True)
    assert list(map(from_spreadsheet, read)) == row


@given(TEXTS)
def test_markdown_has_no_markup_of_others(text: str) -> None:
    shown = in_markdown(text)
    assert "<" not in shown
    assert "\n" not in shown
    assert not re.search(r"(?<!\\)(\\\\)*[|*`]", shown)


@pytest.mark.parametrize("name", HOSTILE)
def test_manifests_and_scores_come_back_as_they_were(tmp_path: Path, name: str) -> None:
    frames = tuple(Frame(image=f"{n}.png", labels=(n % 2,), patient=f"{name}{n}") for n in range(4))
    write_manifest(Manifest(root=tmp_path, label_names=("a", "b"), frames=frames), tmp_path / "m.csv")
    assert [f.patient for f in read_manifest(tmp_path / "m.csv").frames] == [f.patient for f in frames]
    scores = Scores.from_arrays(
        [[0.0, 1.0]] * 4,
        [0, 1, 0, 1],
        label_names=("a", "b"),
        images=[f"{name}{n}" for n in range(4)],
        groups=[f"{name}{n}" for n in range(4)],
        grouping="patient",
    )
    scores.write(tmp_path / "scores.csv")
    read = Scores.read(tmp_path / "scores.csv")
    assert (list(read.frames.images), list(read.frames.groups)) == (
        list(scores.frames.images),
        list(scores.frames.groups),
    )


@pytest.mark.parametrize("label", ["a\x1b[2J", "a\nb", "\x9bm", "a\u202eb", "\ud800", " ", ""])
def test_a_label_is_of_letters(label: str) -> None:
    with pytest.raises(InvalidConfigError, match="letters that can be seen"):
        lag_zoo.create_model("lag_mobilenetv3_small_050", label_names=["normal", label])


def test_a_card_has_no_html_of_others(tmp_path: Path) -> None:
    evil = "<img src=x onerror=alert(1)>"
    about = lag_zoo.About(
        training_data=(DatasetRef("drawn-frames", evil, evil),),
        licence="MIT",
        intended_use=evil,
        limits=(evil,),
    )
    folder = lag_zoo.save_pretrained(small(), tmp_path / "a", about=about)
    text = (folder / "README.md").read_text()
    body = text.split("---\n", 2)[2]
    assert "<img" not in body
    assert body.count("&lt;img") == 4


def test_one_sink(root: Path) -> None:
    """What the commands print goes through one place; but for dots, and for tables that are asked for as data."""
    for file in (root / "lag_zoo" / "cli").glob("*.py"):
        if file.name not in ("sink.py", "__init__.py"):
            text = file.read_text()
            assert not re.search(r"typer\.echo|click\.echo|(?<!Plain)Console\(", text), file
