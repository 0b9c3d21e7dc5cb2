"""Answers on their way into one file: nothing is lost, nothing is done twice, and other runs' are not mixed in."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lag_zoo.errors import InvalidConfigError, PredictionError
from lag_zoo.predict.resumable import ResumableOutput, survey


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(11):
        (folder / f"{number:02}.png").touch()
    return folder


def parts(frames: Path, **about: str) -> ResumableOutput:
    return ResumableOutput(frames.parent / "out.jsonl", {"model": "m", **about, **survey([frames])})


def fill(
    some: ResumableOutput, frames: Path, *, stop_after: int = 99, share: tuple[int, int] = (0, 1)
) -> list[int]:
    done = []
    for number, path in some.wanted([frames], batch=4, share=share):
        if len(done) == stop_after:
            break
        some.write(number, {"path": path.name})
        done.append(number)
    return done


def names(some: ResumableOutput) -> list[str]:
    return [row["path"] for row in some.rows()]


WHOLE = [f"{number:02}.png" for number in range(11)]


def test_survey_counts_and_tells_lists_apart(frames: Path) -> None:
    before = survey([frames])
    left_out: Counter[str] = Counter()
    (frames / "clip.mp4").touch()
    assert survey([frames], left_out) == before
    assert left_out == {".mp4": 1}
    assert before["images"] == 11
    assert survey([frames]) == before
    os.replace(frames / "03.png", frames / "03b.png")
    assert survey([frames])["names"] != before["names"]
    assert survey([frames])["images"] == 11


@pytest.mark.parametrize("change", ["more", "fewer", "others"])
def test_a_folder_that_changes_stops_the_run(frames: Path, change: str) -> None:
    some = parts(frames)
    some.begin(resume=False)
    if change == "more":
        (frames / "00a.png").touch()
    elif change == "fewer":
        (frames / "10.png").unlink()
    else:
        os.replace(frames / "10.png", frames / "11.png")
    with pytest.raises(PredictionError, match="the images changed while they were read: there were 11"):
        fill(some, frames)


def test_parts_that_somebody_removed(frames: Path) -> None:
    some = parts(frames)
    some.begin(resume=False)
    some.remove()
    with pytest.raises(PredictionError, match="is gone: somebody removed it"):
        some.write(0, {})


def test_from_beginning_to_end(frames: Path) -> None:
    some = parts(frames)
    some.begin(resume=False)
    assert fill(some, frames) == list(range(11))
    assert names(some) == names(some) == WHOLE, "again and again"
    some.remove()
    assert [path.name for path in frames.parent.iterdir()] == ["frames"]


def test_a_broken_batch_is_done_again_and_stands_once(frames: Path) -> None:
    first = parts(frames)
    first.begin(resume=False)
    fill(first, frames, stop_after=6)
    again = parts(frames)
    again.begin(resume=True)
    assert sum(again.done()) == 6
    assert fill(again, frames) == list(range(4, 11))
    assert names(again) == WHOLE


def test_half_a_line_is_no_answer(frames: Path) -> None:
    some = parts(frames)
    some.begin(resume=False)
    fill(some, frames, stop_after=4)
    (file,) = some.folder.glob("*.part")
    file.write_text(file.read_text()[:-5])
    assert bytes(some.done()) == bytes([1, 1, 1] + 8 * [0])
    again = parts(frames)
    again.begin(resume=True)
    assert fill(again, frames) == list(range(11))
    assert names(again) == WHOLE


@given(stops=st.lists(st.integers(0, 11), max_size=4), of=st.lists(st.integers(1, 4), min_size=5, max_size=5))
def test_any_processes_and_any_interruptions_give_the_same(
    tmp_path_factory: pytest.TempPathFactory, stops: list[int], of: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("any") / "frames"
    folder.mkdir()
    for name in WHOLE:
        (folder / name).touch()
    for attempt, stop in enumerate([*stops, 99]):
        for number in range(of[attempt]):
            one = parts(folder)
            if not number:
                one.begin(resume=True)
            fill(one, folder, stop_after=stop, share=(number, of[attempt]))
    assert names(parts(folder)) == WHOLE


def test_nobody_asked_to_resume(frames: Path) -> None:
    some = parts(frames)
    some.begin(resume=False)
    fill(some, frames, stop_after=4)
    with pytest.raises(InvalidConfigError, match=r"out\.jsonl\.parts holds 4 answers to 11 images.*--resume"):
        parts(frames).begin(resume=False)
    assert sum(some.done()) == 4, "nothing is lost"


def test_another_run(frames: Path) -> None:
    parts(frames).begin(resume=False)
    with pytest.raises(InvalidConfigError, match="tta was None, and is 5"):
        parts(frames, tta="5").begin(resume=True)
    (frames / "11.png").touch()
    with pytest.raises(InvalidConfigError, match="images was 11, and is 12"):
        parts(frames).begin(resume=True)


def test_what_a_run_is_of_can_be_read(frames: Path) -> None:
    some = parts(frames)
    some.begin(resume=False)
    assert json.loads((some.folder / "run.json").read_text())["images"] == 11
