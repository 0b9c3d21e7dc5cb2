"""Frames of videos by their time stamps: as a plain decode by PyAV has them, at variable rates, and damaged."""

import math
import os
import resource
import sys
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lag_zoo.data.readers.video import Gap, VideoFrame, is_video, iter_video, video_facts
from lag_zoo.errors import InvalidConfigError, UnreadableImageError
from tests.data.readers import drawn_video as drawn
from tests.data.readers import written_dicom

STEADY = [number / 25 for number in range(100)]


def taken(path: Path, **options: float) -> list[tuple[int, float, int]]:
    """Of each frame that is given: the number of its time, its time, and the number that it shows."""
    found = []
    for item in iter_video(path, **options):  # type: ignore[arg-type]
        assert isinstance(item, VideoFrame), item
        found.append((item.number, round(item.time, 6), drawn.number_of(item.pixels.numpy())))
    return found


def expected(
    times: Sequence[float], every: float, start: float = 0.0, end: float = math.inf
) -> list[tuple[int, float, int]]:
    """The rule, said in another way: of each frame the last time before it; each time has the first such frame."""
    found: dict[int, tuple[int, float, int]] = {}
    for number, time in enumerate(times):
        if start - 1e-6 <= time < end - 1e-6:
            found.setdefault(math.floor((time - start) / every + 1e-6), (number, time, number))
    return [(asked, round(time, 6), number) for asked, (_, time, number) in found.items()]


class TestTimes:
    @pytest.mark.parametrize(
        ("every", "start", "end"), [(0.2, 0, None), (0.5, 1.3, 3.2), (0.04, 2, 2.5), (9, 0, None)]
    )
    def test_at_a_steady_rate(self, tmp_path: Path, every: float, start: float, end: float | None) -> None:
        path = drawn.write(tmp_path / "a.mp4", STEADY)
        options = {"every": every, "start": start} | ({} if end is None else {"end": end})
        assert taken(path, **options) == expected(STEADY, every, start, math.inf if end is None else end)

    @settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        gaps=st.lists(st.sampled_from([0.01, 0.04, 0.1, 0.5, 1.7]), min_size=3, max_size=30),
        every=st.sampled_from([0.05, 0.2, 1.0]),
        start=st.sampled_from([0.0, 0.33, 1.0]),
    )
    def test_at_a_variable_rate(self, tmp_path: Path, gaps: list[float], every: float, start: float) -> None:
        times = [round(float(time), 3) for time in np.cumsum([0.0, *gaps])]
        path = drawn.write(tmp_path / "a.mkv", times)
        assert taken(path, every=every, start=start) == expected(times, every, start)

    @pytest.mark.parametrize(
        ("name", "codec"), [("a.mp4", "mpeg4"), ("a.avi", "mpeg4"), ("a.ts", "libx264"), ("a.webm", "libvpx")]
    )
    def test_of_other_containers(self, tmp_path: Path, name: str, codec: str) -> None:
        path = drawn.write(
            tmp_path / name, STEADY[:50], codec=codec, **({"b": "2M"} if codec == "libvpx" else {})
        )
        found = taken(path, every=0.2)
        assert [round(time, 2) for _, time, _ in found] == pytest.approx(
            [0.2 * n for n in range(10)], abs=0.021
        )

    def test_gone_on_with_it_gives_the_same(self, tmp_path: Path) -> None:
        path = drawn.write(tmp_path / "a.mp4", STEADY)
        whole = taken(path, every=0.2)
        for first in (1, 7, 19):
            assert taken(path, every=0.2, first=first) == whole[first:]

    def test_of_the_real_video_as_a_plain_decode_has_them(self, shared: Path) -> None:
        path = shared / "video/lag_video_results.mp4"
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            plain = []
            for frame in container.decode(stream):
                plain.append((float(frame.pts * stream.time_base), frame.to_ndarray(format="rgb24")))
                if plain[-1][0] > 3:
                    break
        numbers = [asked for _, _, asked in expected([time for time, _ in plain], 0.7, 0.0, 3.0)]
        found = list(iter_video(path, every=0.7, end=3.0))
        assert len(found) == 5
        for item, number in zip(found, numbers, strict=True):
            assert isinstance(item, VideoFrame)
            assert item.time == plain[number][0]
            assert np.array_equal(item.pixels.permute(1, 2, 0).numpy(), plain[number][1])

    def test_what_the_header_says(self, tmp_path: Path) -> None:
        facts = video_facts(drawn.write(tmp_path / "a.mp4", STEADY))
        assert facts[:3] == (*drawn.SIZE, "h264")
        assert facts.duration == pytest.approx(4.0, abs=0.05)


class TestDamage:
    def test_in_the_middle_is_a_gap_up_to_the_next_key_frame(self, tmp_path: Path) -> None:
        path = drawn.write(tmp_path / "a.mp4", STEADY, fast_start=True)
        whole = taken(path, every=0.1)
        at, size, time = drawn.packets_of(path)[33]  # key frames are 30 and 40
        lost = [number for number, shown, _ in whole if time - 1e-6 <= shown < 1.6 - 1e-6]
        data = bytearray(path.read_bytes())
        data[at + 4 : at + size] = bytes(size - 4)
        path.write_bytes(data)
        found = list(iter_video(path, every=0.1))
        (gap,) = (item for item in found if isinstance(item, Gap))
        assert lost
        assert (gap.number, gap.until) == (lost[0], pytest.approx(1.6))
        assert "damaged" in gap.reason
        rest = [item for item in found if isinstance(item, VideoFrame)]
        assert [item.number for item in rest] == [number for number, _, _ in whole if number not in lost]
        assert all(drawn.number_of(item.pixels.numpy()) == round(item.time * 25) for item in rest)

    def test_an_end_that_comes_too_early(self, tmp_path: Path) -> None:
        path = drawn.write(tmp_path / "a.mp4", STEADY, fast_start=True)
        at, _, time = drawn.packets_of(path)[60]
        path.write_bytes(path.read_bytes()[:at])
        *frames, gap = iter_video(path, every=0.5)
        assert [item.number for item in frames] == list(range(5))
        assert isinstance(gap, Gap)
        assert (gap.number, gap.until) == (5, pytest.approx(4.0))
        assert gap.time <= time
        assert len(list(iter_video(path, every=0.5, end=2.0))) == 4

    def test_a_header_that_is_missing(self, tmp_path: Path) -> None:
        path = drawn.write(tmp_path / "a.mp4", STEADY)  # its header stands at the end
        path.write_bytes(path.read_bytes()[:-200])
        with pytest.raises(
            UnreadableImageError, match=r"a\.mp4: no video that can be opened, or one whose header"
        ):
            list(iter_video(path))


class TestIsRefused:
    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "no video that can be opened"),
            (b"not a video at all" * 99, "no video that can be opened"),
            (b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n/etc/passwd\n#EXT-X-ENDLIST\n", "no video"),
            (b"ffconcat version 1.0\nfile /etc/passwd\n", "no video"),
        ],
    )
    def test_what_is_no_video(self, tmp_path: Path, content: bytes, reason: str) -> None:
        (tmp_path / "a.mp4").write_bytes(content)
        with pytest.raises(UnreadableImageError, match=reason):
            list(iter_video(tmp_path / "a.mp4"))

    def test_what_is_no_file(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.mp4")
        for name, reason in (("none.mp4", "no such file"), ("pipe.mp4", "a pipe"), (".", "a folder")):
            with pytest.raises(UnreadableImageError, match=reason):
                list(iter_video(tmp_path / name))

    @pytest.mark.parametrize(
        "times", [{"every": 0}, {"every": math.nan}, {"start": -1}, {"start": 2, "end": 2}]
    )
    def test_times_that_cannot_be_right(self, tmp_path: Path, times: dict[str, float]) -> None:
        with pytest.raises(InvalidConfigError, match=r"seconds|begins"):
            list(iter_video(tmp_path / "a.mp4", **times))  # type: ignore[arg-type]

    def test_without_the_extra(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = drawn.write(tmp_path / "a.mp4", STEADY[:5])
        monkeypatch.setitem(sys.modules, "av", None)
        with pytest.raises(
            UnreadableImageError, match=r'av is not installed: pip install "lag_zoo\[video\]"'
        ):
            list(iter_video(path))


class TestInDicom:
    @pytest.mark.parametrize("pieces", [1, 5])
    def test_an_encapsulated_video(self, tmp_path: Path, pieces: int) -> None:
        video = drawn.write(tmp_path / "a.mp4", STEADY)
        path = written_dicom.write(
            tmp_path / "IM1",
            np.zeros((100, *drawn.SIZE, 3), np.uint8),
            written_dicom.MPEG_4,
            pixels=pydicom.encaps.encapsulate(
                [video.read_bytes()], fragments_per_frame=pieces, has_bot=False
            ),
            SOPClassUID=written_dicom.VIDEO_ENDOSCOPIC,
        )
        assert is_video(path)
        assert taken(path, every=0.3) == taken(video, every=0.3)
        assert taken(path, every=0.3, start=1.7) == taken(video, every=0.3, start=1.7)

    def test_images_are_no_video(self, tmp_path: Path) -> None:
        path = written_dicom.write(tmp_path / "IM1", np.zeros((1, 64, 64, 3), np.uint8))
        assert not is_video(path)
        with pytest.raises(UnreadableImageError, match="without a video in it"):
            list(iter_video(path))


@pytest.mark.slow
@pytest.mark.timeout(1800)  # seconds: an hour of video is decoded
def test_memory_is_constant_over_an_hour(shared: Path, tmp_path: Path) -> None:
    """The authors' video, its packets once more and once more for an hour: the last minutes need what the first did."""
    path = looped(shared / "video/lag_video_results.mp4", tmp_path / "hour.mkv", hours=1.0)
    peaks = []
    for number, item in enumerate(iter_video(path, every=30.0)):
        assert isinstance(item, VideoFrame)
        if number in (10, 119):
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    assert number >= 119
    assert peaks[1] - peaks[0] < 20_000  # KB


def looped(source: Path, target: Path, *, hours: float) -> Path:
    """The packets of a video again and again."""
    with av.open(str(source)) as read, av.open(str(target), "w") as written:
        stream = read.streams.video[0]
        copy = written.add_stream_from_template(stream)
        length = stream.duration
        for turn in range(math.ceil(hours * 3600 / float(length * stream.time_base))):
            read.seek(0)
            for packet in read.demux(stream):
                if packet.dts is not None:
                    packet.pts, packet.dts = packet.pts + turn * length, packet.dts + turn * length
                    packet.stream = copy
                    written.mux(packet)
    return target
