"""Other words about saved weights: whole or not at all, never the bytes, and never what somebody wrote by hand."""

import dataclasses
import json
from pathlib import Path

import pytest
from huggingface_hub import RepoCard
from hypothesis import given
from hypothesis import strategies as st

import lag_zoo
from lag_zoo.errors import InvalidConfigError
from lag_zoo.specs import Measurement, WeightSpec
from lag_zoo.weights.card import card
from lag_zoo.weights.repository import read_config
from lag_zoo.weights.rewriting import changed_card, rewrite
from tests.networks import equal, small

RESULT = Measurement(
    metric="AUROC of a|b", value=0.9, n=40, unit="frames", groups=12, data="d", date="2026-01-01", command="c",
    note="apparent: it\nis | known; more",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return lag_zoo.save_pretrained(small(), tmp_path / "mine", about=lag_zoo.About(limits=("One.",)))


def measured(weights: WeightSpec) -> WeightSpec:
    return dataclasses.replace(weights, results=(RESULT,))


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_words_change_and_bytes_do_not(folder: Path) -> None:
    before = content(folder)
    config = rewrite(folder, measured)
    after = content(folder)
    assert {name for name in after if after[name] != before[name]} == {"README.md", "config.json"}
    assert read_config(folder / "config.json", source="here") == config
    assert config.weights.results == (RESULT,)
    old, new = (json.loads(each["config.json"]) for each in (before, after))
    assert {key for key in new if new[key] != old[key]} == {"lag_zoo"}
    assert equal(lag_zoo.create_model(f"local-dir:{folder}", pretrained=True), small())
    assert lag_zoo.verify(f"local-dir:{folder}") < 1e-5


def test_an_unedited_card_is_as_if_written_now(folder: Path) -> None:
    config = rewrite(folder, measured)
    there, fresh = RepoCard.load(folder / "README.md"), RepoCard(card(config, name="mine"))
    assert there.text == fresh.text
    assert vars(there.data) == vars(fresh.data)
    assert "None were measured" not in there.text
    (row,) = (line for line in there.text.splitlines() if line.startswith("| AUROC"))
    assert row.replace("\\|", "").count("|") == 8
    assert "40 frames in 12 groups" in row
    assert "n 40 frames); apparent: it is | known" in " ".join(str(there.data).split())


def test_what_was_edited_stays(folder: Path) -> None:
    (folder / "notes").mkdir()
    (folder / "notes" / "todo.txt").write_text("later")
    readme = folder / "README.md"
    edited = readme.read_text().replace("- One.", "- One.\n- Two, said by hand.")
    edited = edited.replace("---\n\n# mine", "language: en\n---\n\n# Ours\n\nWith *thanks*.")
    readme.write_text(f"{edited}\n## Thanks\n\nTo all.\n")
    rewrite(folder, measured, name="other")
    text = readme.read_text()
    for said in ("Two, said by hand.", "language: en", "# Ours", "With *thanks*.", "## Thanks", "AUROC of a"):
        assert said in text
    assert "None were measured" not in text
    assert "- name: Ours" in text
    assert (folder / "notes" / "todo.txt").read_text() == "later"


def test_a_title_that_is_the_folder_s_becomes_the_repository_s(folder: Path) -> None:
    rewrite(folder, measured, name="published")
    assert "# published\n" in (folder / "README.md").read_text()
    rewrite(folder, measured, name="elsewhere")
    assert "# published\n" in (folder / "README.md").read_text()


def test_a_card_that_is_gone_is_written(folder: Path) -> None:
    (folder / "README.md").unlink()
    rewrite(folder, measured)
    assert "# mine\n" in (folder / "README.md").read_text()


def test_a_section_that_was_taken_out_comes_back_with_its_change(folder: Path) -> None:
    readme = folder / "README.md"
    head, _, tail = readme.read_text().partition("## Results")
    readme.write_text(head + tail[tail.index("## Limits") :])
    rewrite(folder, measured)
    assert readme.read_text().count("## Results\n") == 1


def test_a_header_that_cannot_be_read(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    (folder / "README.md").write_text(text.replace("---\n", "---\ntags: [\n", 1))
    before = content(folder)
    with pytest.raises(InvalidConfigError, match=r"the header of README\.md"):
        rewrite(folder, measured)
    assert content(folder) == before


def test_through_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    rewrite(tmp_path / "link", measured)
    assert (tmp_path / "link").is_symlink()
    assert read_config(folder / "config.json", source="here").weights.results == (RESULT,)


def test_what_fails_midway_leaves_all_as_it_was(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content(folder)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lag_zoo.files._replace_folder", full)
    with pytest.raises(OSError, match="No space"):
        rewrite(folder, measured)
    assert content(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


LINES = st.text(st.sampled_from("ab#- \n|"), max_size=30)


@given(ours=st.lists(LINES, min_size=3, max_size=3), theirs=st.lists(LINES, min_size=2, max_size=2))
def test_only_what_differs_is_written(ours: list[str], theirs: list[str]) -> None:
    def made(one: str, two: str) -> str:
        return f"---\na: 1\n---\n# x\n\n## One\n\n{one}.\n## Two\n\n{two}.\n"

    quiet = [line.replace("#", "") for line in ours]
    before, after = made(quiet[0], quiet[1]), made(quiet[0], quiet[2])
    edited = made(theirs[0], quiet[1]) + theirs[1]
    changed = changed_card(edited, before, after)
    assert changed_card(before, before, after) == after
    assert changed_card(edited, before, before) == edited
    assert made(theirs[0], "").partition("## Two")[0] in changed
    assert f"## Two\n\n{quiet[2]}.\n" in changed
