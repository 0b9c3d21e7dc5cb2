"""`Predictor.video`: the same answers as of the frames by themselves, in order of time, and gaps as failures."""

import dataclasses
import threading
from pathlib import Path

import pytest

import lag_zoo
from lag_zoo.data.readers.video import VideoFrame, iter_video
from lag_zoo.errors import InvalidConfigError, UnreadableImageError
from lag_zoo.predict import Failure, Prediction
from lag_zoo.predict.prefetch import ahead
from tests.data.readers import drawn_video as drawn
from tests.networks import small

STEADY = [number / 25 for number in range(60)]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return drawn.write(tmp_path / "a.mp4", STEADY, fast_start=True)


class TestVideo:
    @pytest.mark.parametrize("workers", [0, 2])
    def test_as_of_the_frames_by_themselves(self, video: Path, workers: int) -> None:
        predictor = lag_zoo.Predictor(small(), batch_size=4, workers=workers)
        frames = [item for item in iter_video(video, every=0.3) if isinstance(item, VideoFrame)]
        alone = predictor([frame.pixels for frame in frames])
        found = list(predictor.video(video, every=0.3))
        assert [(one.number, one.time) for one in found] == [(frame.number, frame.time) for frame in frames]
        assert [one.answer for one in found] == [dataclasses.replace(one, path=video) for one in alone]
        assert list(found[0].to_dict())[:3] == ["path", "time", "model"]

    def test_several_looks_and_a_part(self, video: Path) -> None:
        found = list(lag_zoo.Predictor(small()).video(video, every=0.5, start=1.0, end=2.0, tta=2))
        assert [one.time for one in found] == [1.0, 1.52]
        assert all(isinstance(one.answer, Prediction) and one.answer.spread for one in found)
        with pytest.raises(InvalidConfigError, match="tta"):
            list(lag_zoo.Predictor(small()).video(video, tta=1))

    def test_a_gap_is_a_failure_and_the_rest_are_answered(self, video: Path) -> None:
        at, _, _ = drawn.packets_of(video)[25]
        video.write_bytes(video.read_bytes()[:at])
        *rest, last = lag_zoo.Predictor(small(), batch_size=4).video(video, every=0.2)
        assert all(isinstance(one.answer, Prediction) for one in rest)
        assert isinstance(last.answer, Failure)
        assert last.to_dict()["error"].endswith("until 2.40 s")

    def test_no_video(self, tmp_path: Path) -> None:
        with pytest.raises(UnreadableImageError, match="no such file"):
            list(lag_zoo.Predictor(small()).video(tmp_path / "none.mp4"))

    def test_stopped_early_it_leaves_no_thread(self, video: Path) -> None:
        before = threading.active_count()
        answers = lag_zoo.Predictor(small(), workers=2).video(video, every=0.04)
        next(answers)
        answers.close()  # type: ignore[attr-defined]
        assert threading.active_count() == before


class TestAhead:
    def test_what_is_raised_comes_in_its_turn(self) -> None:
        def items() -> object:
            yield from range(3)
            raise OSError("the disk")

        found = ahead(items(), depth=2)  # type: ignore[arg-type]
        assert [next(found) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(OSError, match="the disk"):
            next(found)

    def test_it_is_no_further_ahead_than_it_may_be(self) -> None:
        taken = []
        found = ahead((taken.append(number) or number for number in range(99)), depth=3)  # type: ignore[func-returns-value]
        next(found)
        found.close()
        assert len(taken) <= 6
