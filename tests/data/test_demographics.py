"""Age and sex: read in the usual spellings, refused where a guess would be needed."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lag_zoo.data.demographics import age_band, age_of, sex_of
from lag_zoo.data.manifest import Frame
from lag_zoo.data.tables import read_manifest, write_manifest
from lag_zoo.errors import DataError


@given(st.integers(0, 120))
def test_an_age_is_itself_however_a_table_has_it(age: int) -> None:
    assert {age_of(cell) for cell in (age, float(age), str(age), f" {age}.0 ", f"{age:03d}")} == {str(age)}


@pytest.mark.parametrize(
    "cell", ["old", "063Y", "-1", "121", "1e1", "6,5", "nan", "inf", "40-50", "\u0663", True]
)
def test_no_ages(cell: object) -> None:
    with pytest.raises(DataError, match="is no age: a number of years, 0 to 120"):
        age_of(cell)


@given(st.floats(0, 120), st.lists(st.integers(1, 119), min_size=1, max_size=4, unique=True).map(sorted))
def test_each_age_is_in_one_band(age: float, edges: list[int]) -> None:
    age = round(age, 3)
    band = age_band(age, bands=tuple(edges))
    if band.startswith("<"):
        assert age < int(band[1:]) == edges[0]
    elif band.startswith(">="):
        assert age >= int(band[2:]) == edges[-1]
    else:
        low, high = map(int, band.split("-"))
        assert low <= age < high + 1


@pytest.mark.parametrize(
    ("words", "sex"),
    [("F female W", "f"), ("m Male", "m"), ("O other diverse", "other"), ("U unknown", "unknown")],
)
def test_sexes(words: str, sex: str) -> None:
    assert {sex_of(word) for word in words.split()} == {sex}


@pytest.mark.parametrize("cell", ["1", 0, "feminine", "?"])
def test_no_sexes(cell: object) -> None:
    with pytest.raises(DataError, match="is none of f, m, other and unknown"):
        sex_of(cell)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_in_a_manifest(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "data.csv").write_text("image,label,age,sex\na,x,63.0,F\nb,y,,male\nc,y,90+,\n")
    manifest = read_manifest(tmp_path / "data.csv")
    assert (manifest.column("age"), manifest.column("sex")) == (["63", "", "90"], ["f", "m", ""])
    write_manifest(manifest, tmp_path / f"again{suffix}")
    again = read_manifest(tmp_path / f"again{suffix}")
    assert (again.column("age"), again.column("sex")) == (["63", "", "90"], ["f", "m", ""])


@pytest.mark.parametrize(("column", "cell"), [("age", "sixty"), ("sex", "1")])
def test_the_line_is_named(tmp_path: Path, column: str, cell: str) -> None:
    (tmp_path / "data.csv").write_text(f"image,label,{column}\na,x,\nb,y,{cell}\n")
    with pytest.raises(DataError, match=rf"data\.csv, line 3, column {column}: '{cell}' is no"):
        read_manifest(tmp_path / "data.csv")


def test_of_a_frame_made_in_python() -> None:
    assert Frame(image="a.png", labels=(0,), age=63, sex="Female").age == "63"  # type: ignore[arg-type]
    with pytest.raises(DataError):
        Frame(image="a.png", labels=(0,), age="old")
