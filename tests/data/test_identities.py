"""Patients under two ids, examinations under two patients: found where only spellings differ, else left alone."""

import unicodedata
import warnings
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lag_zoo.data.identities import doubtful_ids, spelling_of
from lag_zoo.data.manifest import Frame, Manifest
from lag_zoo.data.sources import open_data
from lag_zoo.errors import DataError, DoubtfulIdsWarning

SPELLINGS = {
    "case": str.swapcase,
    "leading zeros": lambda text: "0" + text if text[:1].isdigit() else text,
    "zeros within": lambda text: text.replace("-1", "-001"),
    "spaces": lambda text: f"  {text} ",
    "composed": lambda text: unicodedata.normalize("NFC", text),
    "decomposed": lambda text: unicodedata.normalize("NFD", text),
    "full width": lambda text: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text),
}


def manifest(ids: Sequence[tuple[str, str]]) -> Manifest:
    frames = [
        Frame(image=f"{n}.png", labels=(n % 2,), patient=patient, exam=exam)
        for n, (patient, exam) in enumerate(ids)
    ]
    return Manifest(root=Path("."), label_names=("normal", "IM"), frames=tuple(frames))


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("id", ["P-1a", "12", "Jäger-10", "\u00e9cole"])
def test_spellings_of_one_id(id: str, spelling: str) -> None:
    assert spelling_of(SPELLINGS[spelling](id)) == spelling_of(id)


@given(st.lists(st.text("abP019 -é", min_size=1, max_size=5), min_size=2, max_size=12, unique=True))
def test_against_pairs(names: list[str]) -> None:
    found = doubtful_ids(manifest([(name, "") for name in names])).patients
    alike = {(a, b) for a in names for b in names if a < b and spelling_of(a) == spelling_of(b)}
    assert alike == {(a, b) for group in found for a in group for b in group if a < b}


@pytest.mark.parametrize(
    ("one", "other"), [("P1", "P10"), ("10", "1"), ("0", "00a"), ("a b", "ab"), ("1.0", "1"), ("1.05", "1.5")]
)
def test_other_ids_are_not_doubted(one: str, other: str) -> None:
    assert doubtful_ids(manifest([(one, ""), (other, "")])).patients == []


def test_examinations_within_their_patient() -> None:
    found = doubtful_ids(manifest([("p1", "E1"), ("p1", "e01"), ("p2", "x"), ("p3", "E2"), ("p4", "e2")]))
    assert found.exams == [("E1", "e01")]
    assert not found.shared_exams


def test_an_examination_of_two_patients() -> None:
    given = [("p1", "e1"), ("p2", "e1"), ("p3", "e3"), ("p4", "e4")]
    assert doubtful_ids(manifest(given)).shared_exams == {"e1": ("p1", "p2")}


def test_examinations_that_are_numbered_anew_for_each_patient() -> None:
    given = [(f"p{n}", str(exam)) for n in range(5) for exam in range(1, 3)]
    assert doubtful_ids(manifest(given)) == ([], [], {}, [], [])


class TestOpened:
    def opened(self, folder: Path, text: str) -> list[str]:
        (folder / "data.csv").write_text(text, encoding="utf-8")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            open_data(folder / "data.csv")
        assert all(w.category is DoubtfulIdsWarning for w in caught)
        return [str(w.message) for w in caught]

    def test_says_what_is_doubtful(self, tmp_path: Path) -> None:
        says = self.opened(tmp_path, "image,label,patient\na,x,P01\nb,y,p01\nc,X,p2\nd,y,p3\n")
        assert says == [
            f"{tmp_path / 'data.csv'}: 1 ids of patients differ only in their spelling ('P01' = 'p01'): write one that "
            "is one in one way",
            f"{tmp_path / 'data.csv'}: 1 labels differ only in their spelling ('X' = 'x'): write one that is one in "
            "one way",
        ]

    def test_refuses_an_examination_of_two_patients(self, tmp_path: Path) -> None:
        (tmp_path / "data.csv").write_text(
            "image,label,patient,exam\na,x,p1,1\nb,y,p1,2\nc,x,p2,2\nd,y,p3,3\ne,y,p4,4\n"
        )
        with pytest.raises(DataError, match=r"1 examinations stand under more .* \('2' of 'p1', 'p2'\)"):
            open_data(tmp_path / "data.csv")

    @pytest.mark.parametrize("column", ["patient", "exam"])
    @pytest.mark.parametrize("spelling", SPELLINGS)
    def test_refuses_one_id_in_two_splits(self, tmp_path: Path, column: str, spelling: str) -> None:
        """Under another spelling a patient would be trained on and tested on."""
        other = SPELLINGS[spelling]("12-1a")
        (tmp_path / "data.csv").write_text(
            f"image,label,{column},split\na,x,12-1a,train\nb,y,{other},test\n", encoding="utf-8"
        )
        with pytest.raises(DataError, match="in more than one split"):
            open_data(tmp_path / "data.csv")

    def test_accents_are_the_same_id_at_once(self, tmp_path: Path) -> None:
        """A decomposed and a composed accent are one text by Unicode's own rule: nothing is left to doubt."""
        (tmp_path / "data.csv").write_text(
            "image,label,patient\na,x,J\u00e4ger\nb,y,Ja\u0308ger\n", encoding="utf-8"
        )
        assert set(open_data(tmp_path / "data.csv").groups()) == {"J\u00e4ger"}

    def test_is_silent_otherwise(self, tmp_path: Path) -> None:
        assert self.opened(tmp_path, "image,label,patient,exam\na,x,p1,1\nb,y,p2,2\n") == []
