"""Cells: what looks the same is the same, what says nothing is missing, and what cannot be shown is refused."""

import csv
import unicodedata
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lag_zoo.data.cells import plain_text, says_nothing, strange_letter
from lag_zoo.data.tables import read_manifest
from lag_zoo.errors import DataError, MissingValueWarning

UNSEEN = ["\u200b", "\ufeff", "\u2060", "\u00ad", "\u200e", "\u202e", "\u00a0", " ", "\u3000", "\u200d"]
WORDS = ["nan", "NaN", "unknown", "Unknown", "N/A", "n/a", "NA", "-", "?", "null", "None", "#N/A", "<NA>"]


@given(st.text(max_size=12))
def test_once_is_enough(text: str) -> None:
    plain = plain_text(text)
    assert plain_text(plain) == plain == unicodedata.normalize("NFC", plain)
    assert plain == plain.strip()


@given(st.text("abÄé1 -", min_size=1, max_size=6), st.sampled_from(UNSEEN), st.sampled_from(UNSEEN))
def test_what_cannot_be_seen_makes_no_other_text(text: str, before: str, after: str) -> None:
    assert plain_text(before + text + after) == plain_text(text)
    assert plain_text(unicodedata.normalize("NFD", text)) == plain_text(text)


VISIBLE = {
    *range(0x600, 0x606),
    0x6DD,
    0x70F,
    0x890,
    0x891,
    0x8E2,
    0x110BD,
    0x110CD,
    *range(0x13430, 0x13440),
}


def test_every_letter_that_cannot_be_seen() -> None:
    """All of Unicode's marks of format but those that have a shape."""
    marks = [chr(n) for n in range(0x110000) if unicodedata.category(chr(n)) == "Cf" and n not in VISIBLE]
    assert len(marks) > 100
    others = ["\u034f", "\u115f", "\u3164", "\ufe00", "\ufe0f", "\uffa0", "\U000e0101"]
    assert {plain_text(f"P1{mark}") for mark in [*marks, *others]} == {"P1"}


def read(folder: Path, rows: list[list[str]], **options: list[str]) -> tuple[list[str], object]:
    with (folder / "data.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        manifest = read_manifest(folder / "data.csv", **options)
    assert all(w.category is MissingValueWarning for w in caught)
    return [str(w.message) for w in caught], manifest


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("column", ["anatomy", "centre", "device", "modality", "reference", "mask"])
def test_words_for_nothing(tmp_path: Path, word: str, column: str) -> None:
    rows = [["image", "label", column], ["a", "x", word], ["b", "y", ""], ["c", "y", word]]
    said, manifest = read(tmp_path, rows)
    assert said == [
        f"{tmp_path / 'data.csv'}: {word!r} in the column {column} is taken as missing (line 2, 4)"
    ]
    assert [getattr(frame, column) for frame in manifest.frames] == ["", "", ""]


@pytest.mark.parametrize("word", WORDS)
def test_nobody_is_no_patient(tmp_path: Path, word: str) -> None:
    """Else all frames of nobody would be one giant patient."""
    rows = [["image", "label", "patient"], ["a", "x", word], ["b", "y", "p1"], ["c", "y", word]]
    with pytest.raises(DataError, match=r"patient is empty on line 2 \(and 1 more\) and filled on others"):
        read(tmp_path, rows)


@pytest.mark.parametrize("word", WORDS)
def test_a_label_that_says_nothing_is_none(tmp_path: Path, word: str) -> None:
    rows = [["image", "label", "excluded"], ["a", "x", ""], ["b", "y", ""], ["c", word, "blurred"]]
    _, manifest = read(tmp_path, rows)
    assert manifest.label_names == ("x", "y")
    with pytest.raises(DataError, match="line 4, column label: is empty, and nothing says why"):
        read(tmp_path, [*rows[:3], ["c", word, ""]])
    said, manifest = read(tmp_path, [*rows[:3], ["c", word, ""]], labels=["x", "y", word])
    assert (said, manifest.label_names) == ([], ("x", "y", word))


@pytest.mark.parametrize("word", WORDS)
def test_a_mark_that_says_nothing_is_unknown(tmp_path: Path, word: str) -> None:
    _, manifest = read(tmp_path, [["image", "IM", "GA"], ["a", "0", "1"], ["b", "1", word]])
    assert [frame.labels for frame in manifest.frames] == [(0, 1), (1, -1)]


@pytest.mark.parametrize("letter", ["\x1b", "\x07", "\x00", "\x7f", "\x9b"])
@pytest.mark.parametrize("column", ["label", "patient", "centre", "excluded"])
def test_letters_that_are_none(tmp_path: Path, letter: str, column: str) -> None:
    """They would reach the terminal, and could change what it shows."""
    header = list(dict.fromkeys(["image", "label", column]))
    rows = [header, ["a", "x", "p1"][: len(header)], ["b", "y", "p2"][: len(header)]]
    rows[2][header.index(column)] = f"a{letter}[2Jb"
    with pytest.raises(DataError, match=rf"U\+{ord(letter):04X}|cannot be read|null byte|NUL"):
        read(tmp_path, rows)


def test_what_they_are() -> None:
    assert [strange_letter(text) for text in ("é\n\t漢", "\ud800", "a\x9b")] == [None, "U+D800", "U+009B"]
    assert not any(map(says_nothing, ["", "0", "normal", "IM", "nana", "p?"]))
