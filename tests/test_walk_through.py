"""The walk-through on the public sample frames: its every command runs, and finds what the page says that it finds."""

from pathlib import Path

import pytest

from lag_zoo.data import open_data, samples
from tests.guides import run_page

PAGE = "docs/guides/walk-through.md"
BASELINES = ("colour statistics", "metadata", "outside the field of view", "untrained backbone, linear probe")


@pytest.fixture
def frames(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The frames that are here, as if the download had been for these alone; their names."""
    here = shared / "samples"
    names = [name for name in samples.SHA256 if (here / name).is_file()]
    if not names:
        pytest.skip(f"none of the public LAG frames is in {here}")
    for name in names:
        link = tmp_path / "samples" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(here / name)
    monkeypatch.setattr(samples, "SHA256", {name: samples.SHA256[name] for name in names})
    monkeypatch.chdir(tmp_path)
    return names


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
@pytest.mark.slow
def test_the_way(frames: list[str], shared: Path, root: Path, tmp_path: Path) -> None:
    said = run_page(root / PAGE, namespace={"__name__": "__main__"})
    steps = [" ".join(line.split()[1:3]) for line in said]
    assert [step.split()[0] for step in steps] == ["data"] * 4 + ["train", "evaluate"]
    looked, _, _, again, _, _ = said.values()

    # What the check of the folder is to point out.
    assert f"{len(frames)} frames, 0 excluded; grouping: none" in looked
    assert "frames that look like LCI and are named another light: 2" in looked
    assert looked.count("wli, looks lci") == 2
    assert "WLI_IM/2.TIF" in looked
    assert "WLI_IM/3.TIF" in looked
    assert "errors: 0" in looked

    # The examinations are those that are known.
    told = open_data(shared / "samples" / "manifest.csv")
    found = open_data("exams.csv")
    known = {frame.image: frame.exam for frame in told.frames}
    pairs = {(known[frame.image.removeprefix("samples/")], frame.exam) for frame in found.frames}
    assert len(pairs) == len({one for one, _ in pairs}) == len({other for _, other in pairs}) == 16
    assert {(f.image.split("/")[1].split("_")[0].lower()) for f in found.frames if f.modality == "wli"} == {
        "wli"
    }

    # Two are left out, whole examinations are dealt, and each part has each class.
    parts = open_data("split.csv")
    left_out = sorted(frame.image for frame in parts.frames if frame.excluded)
    assert left_out == ["samples/WLI_IM/2.TIF", "samples/WLI_IM/3.TIF"]
    assert parts.splits == ("test", "train", "val")
    assert f"{len(frames)} frames, 2 excluded; grouping: exam" in again
    assert "errors: 0" in again

    report = (tmp_path / "runs" / "samples" / "test" / "report.md").read_text(encoding="utf-8")
    assert "> Warning. Too few examinations have, or lack, " in report
    assert "stored with the weights" in report
    assert "## modality: lci" in report
    assert all(f"| {baseline} |" in report for baseline in BASELINES)
    assert (tmp_path / "runs" / "samples" / "test" / "report.html").is_file()


def test_the_page_says_first_what_it_cannot_show(root: Path, shared: Path) -> None:
    text = (root / PAGE).read_text(encoding="utf-8")
    first = text.split("\n\n")[1]
    assert first.startswith("**These frames can show the way, and nothing else.**")
    told = open_data(shared / "samples" / "manifest.csv")
    assert f"{len(told)} of them, of {len(set(told.groups()))}\nexaminations" in first
    assert text.index("python\n") > text.index(first)
