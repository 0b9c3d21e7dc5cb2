"""`lag-zoo predict VIDEO`: rows by time, an interruption, a timeline, events, a truth."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import lag_zoo.predict.predictor as predict_module
from lag_zoo.cli.app import app
from lag_zoo.errors import InvalidConfigError, UnreadableImageError
from tests.data.readers import drawn_video as drawn

pytestmark = pytest.mark.usefixtures("untrained")
STEADY = [number / 25 for number in range(100)]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return drawn.write(tmp_path / "clip.mp4", STEADY, fast_start=True)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["predict", *map(str, arguments)])


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_rows_by_time_in_each_form(video: Path, tmp_path: Path) -> None:
    import pyarrow.parquet

    for form in ("csv", "jsonl", "parquet"):
        ran = run(video, "--every", "0.5", "-o", tmp_path / f"out.{form}")
        assert ran.exit_code == 0, ran.output
    times = [0.0, 0.52, 1.0, 1.52, 2.0, 2.52, 3.0, 3.52]
    assert [float(row["time"]) for row in rows(tmp_path / "out.csv")] == times
    assert [json.loads(line)["time"] for line in (tmp_path / "out.jsonl").read_text().splitlines()] == times
    table = pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert [row["time"] for row in table] == times
    assert all(row["path"] == str(video) for row in rows(tmp_path / "out.csv"))


def test_on_the_screen(video: Path) -> None:
    ran = run(video, "--every", "1", "--start", "1", "--end", "3.5")
    assert ran.exit_code == 0
    assert "at 1.00 s" in " ".join(ran.stdout.split())
    assert "not a medical device" in ran.stdout
    assert "frames doubted" in ran.stderr


def test_gone_on_with_it_is_the_same_file(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--every", "0.1", "--batch-size", "4")
    assert run(video, *options, "-o", tmp_path / "whole.csv").exit_code == 0
    video_answers, seen = predict_module.Predictor.video, []

    def stopped(self: Any, *arguments: Any, **named: Any) -> Any:
        for number, answer in enumerate(video_answers(self, *arguments, **named)):
            if number == 17:
                raise KeyboardInterrupt
            yield answer

    def watched(self: Any, *arguments: Any, **named: Any) -> Any:
        for answer in video_answers(self, *arguments, **named):
            seen.append(answer.number)
            yield answer

    monkeypatch.setattr(predict_module.Predictor, "video", stopped)
    assert run(video, *options, "-o", tmp_path / "out.csv").exit_code != 0
    assert not (tmp_path / "out.csv").exists()
    monkeypatch.setattr(predict_module.Predictor, "video", watched)
    refused = run(video, *options, "-o", tmp_path / "out.csv")
    assert isinstance(refused.exception, InvalidConfigError)
    other = run(video, "--every", "0.2", "--batch-size", "4", "-o", tmp_path / "out.csv", "--resume")
    assert isinstance(other.exception, InvalidConfigError)
    ran = run(video, *options, "-o", tmp_path / "out.csv", "--resume")
    assert ran.exit_code == 0, ran.output
    assert seen[0] == 16
    assert (tmp_path / "out.csv").read_text() == (tmp_path / "whole.csv").read_text()
    assert not (tmp_path / "out.csv.parts").exists()


def test_a_damaged_stretch_is_a_row_and_the_rest_are_done(video: Path, tmp_path: Path) -> None:
    at, size, _ = drawn.packets_of(video)[33]
    data = bytearray(video.read_bytes())
    data[at + 4 : at + size] = bytes(size - 4)
    video.write_bytes(data)
    ran = run(video, "--every", "0.1", "-o", tmp_path / "out.csv")
    assert ran.exit_code == 1
    found = rows(tmp_path / "out.csv")
    (gap,) = (row for row in found if row["error"])
    assert "damaged" in gap["error"]
    assert len(found) > 35
    assert "1 stretches" in ran.stderr


def test_events_a_picture_and_a_truth(video: Path, tmp_path: Path) -> None:
    (tmp_path / "truth.csv").write_text("start,end,label\n0,2,polyp\n")
    ran = run(
        video, "--every", "0.2", "-o", tmp_path / "out.csv", "--timeline", tmp_path / "t.png", "--events",
        tmp_path / "e.csv", "--truth", tmp_path / "truth.csv", "--smooth", "0.6", "--at-least", "0.4",
    )  # fmt: skip
    assert ran.exit_code == 0, ran.output
    assert (tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")
    assert list(rows(tmp_path / "e.csv")[0] if rows(tmp_path / "e.csv") else ["label", "start", "end", "peak"]) == [
        "label", "start", "end", "peak",
    ]  # fmt: skip
    said = " ".join(ran.stderr.split())
    assert "polyp: " in said
    assert "of 1 findings found" in said
    assert "events of 0.4 s or more (median of 0.6 s)" in said


class TestIsRefused:
    def test_what_only_a_video_has(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").touch()
        ran = run(tmp_path, "--every", "1")
        assert ran.exit_code == 2
        assert "for a video" in ran.stderr

    def test_a_video_beside_others_or_with_pictures(self, video: Path, tmp_path: Path) -> None:
        assert "one video at a time" in run(video, tmp_path).stderr
        assert "is for images" in run(video, "--pictures", tmp_path / "p").stderr

    def test_a_truth_of_other_labels_before_anything_is_answered(self, video: Path, tmp_path: Path) -> None:
        (tmp_path / "truth.csv").write_text("start,end,label\n0,2,IM\n")
        ran = run(video, "-o", tmp_path / "out.csv", "--truth", tmp_path / "truth.csv")
        assert "'IM' is none of mucosa, polyp" in str(ran.exception)
        assert not (tmp_path / "out.csv.parts").exists()

    def test_no_video(self, tmp_path: Path) -> None:
        (tmp_path / "a.mp4").write_text("no video")
        assert isinstance(run(tmp_path / "a.mp4").exception, UnreadableImageError)
