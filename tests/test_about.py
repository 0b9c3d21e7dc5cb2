"""About: what is said is strict, in a file as in Python, and takes the place of nothing that it does not speak of."""

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lag_zoo
from lag_zoo import About, DatasetRef
from lag_zoo.errors import InvalidConfigError
from lag_zoo.specs import WeightSpec

IDS = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)
# No lone surrogates, which no file holds, and no signs that YAML takes for the end of a line.
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=40),
    st.sampled_from(["a: b # c", "1e3", "yes", "null", "2026-01-01", "a\nb\n", "- a", " a ", "'", "{", "%"]),
)
SENTENCES = st.lists(TEXTS, max_size=3).map(tuple)
WORDS = st.builds(
    About,
    training_data=st.lists(st.builds(DatasetRef, IDS, TEXTS, TEXTS), max_size=3).map(tuple),
    licence=TEXTS,
    backbone_licence=TEXTS,
    modality=TEXTS,
    intended_use=TEXTS,
    limits=SENTENCES,
)


def weights(**fields: object) -> WeightSpec:
    built_in = lag_zoo.model_info("lag_tf_efficientnet_lite0_polyp").weights[0]
    return dataclasses.replace(built_in, **fields)  # type: ignore[arg-type]


def written(folder: Path, text: str) -> Path:
    (folder / "about.yaml").write_text(text, encoding="utf-8")
    return folder / "about.yaml"


@settings(max_examples=40)
@given(about=WORDS)
def test_a_file_and_back(about: About, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = written(tmp_path_factory.mktemp("about"), about.to_yaml())
    assert About.from_yaml(file) == about


@given(about=WORDS)
def test_what_is_said_takes_the_place_of_what_was(about: About) -> None:
    before = weights()
    after = about.onto(before)
    for field in dataclasses.fields(WeightSpec):
        said = about.said.get(field.name)
        assert getattr(after, field.name) == (getattr(before, field.name) if said is None else said)
    assert About.of(after).over(about) == About.of(after)
    assert about.over(About()) == about


def test_thresholds_and_temperature_go_together() -> None:
    before = weights(operating_points={"polyp": 0.3}, temperature=2.0)
    assert About(licence="MIT").onto(before).temperature == 2.0
    after = About(operating_points={"polyp": 0.4}).onto(before)
    assert (after.operating_points, after.temperature) == ({"polyp": 0.4}, 1.0)
    after = About(temperature=3.0).onto(before)
    assert (after.operating_points, after.temperature) == ({}, 3.0)


def test_a_template_that_nobody_filled_in_says_nothing(tmp_path: Path) -> None:
    assert About.from_yaml(written(tmp_path, About().to_yaml())).said == {}
    keys = "licence:\ntraining_data:\nintended_use:\nlimits:\nmodality:\nbackbone_licence:\n"
    assert About.from_yaml(written(tmp_path, keys)).said == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("license: MIT", r"about\.yaml: About: unknown fields \['license'\]\. Did you mean licence"),
        ("license:", "unknown fields"),
        ("1: MIT", r"unknown fields \['1'\]"),
        ("limits: One centre.", r"limits: a list is expected, got one text: say a list, \['One centre\.'\]"),
        ("licence: 4.0", "licence: str is expected, got 4.0"),
        ("training_data: [Our frames]", "a data set is named by an id"),
        ("training_data: [{id: Our Hospital}]", "such as our-hospital; got 'Our Hospital'"),
        ("training_data: [{id: ours, citatoin: x}]", "Did you mean citation"),
        ("licence: MIT\nlicence: CC0-1.0", "'licence' stands there twice"),
        ("licence: [", "is no YAML"),
        ("- licence", "keys such as `licence: CC-BY-4.0` are expected"),
        ("", "got None"),
    ],
)
def test_what_cannot_be(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfigError, match=said):
        About.from_yaml(written(tmp_path, text))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfigError, match="cannot be read"):
        About.from_yaml(tmp_path / "none.yaml")
    (tmp_path / "about.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidConfigError, match="cannot be read"):
        About.from_yaml(tmp_path / "about.yaml")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("ours", ("ours", "", "")),
        ("ours: 2310 frames", ("ours", "2310 frames", "")),
        ("ours: 2310 frames; CC-BY-4.0", ("ours", "2310 frames", "CC-BY-4.0")),
        ("ours: Jha et al.; doi:10.1007/x; CC-BY-4.0", ("ours", "Jha et al.; doi:10.1007/x", "CC-BY-4.0")),
        ("ours: Jha et al.; MMM 2020;", ("ours", "Jha et al.; MMM 2020", "")),
        ('{"id": "ours", "licence": "MIT"}', ("ours", "", "MIT")),
    ],
)
def test_a_data_set_in_a_text(text: str, parts: tuple[str, str, str]) -> None:
    assert DatasetRef.from_text(text) == DatasetRef(*parts)


@pytest.mark.parametrize(
    "text", ["", ": x", "Our Hospital: x", "{", '{"name": "ours"}', "2310 frames, Our Hospital"]
)
def test_a_text_that_names_no_data_set(text: str) -> None:
    with pytest.raises(InvalidConfigError):
        DatasetRef.from_text(text)
