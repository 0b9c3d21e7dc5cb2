"""Videos: frames at regular times, by their presentation time stamps, in constant memory.

FFmpeg, inside PyAV's wheels, decodes. What is wanted is a frame every so many seconds; a frame is shown from its own
time stamp to the next one's, whatever rate the file claims to have. So the times that are given are those of the
frames, and at a variable rate there are fewer of them.

Damage stays in its place: after a packet that cannot be decoded nothing is given until the next key frame, because the
frames between are made from what is missing. Such a stretch, and an end that comes too early, are listed as gaps.
"""

import io
import math
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

from torch import Tensor

from lag_zoo.data.readers.dicom import DicomFile
from lag_zoo.data.readers.dicom_header import START, Piece, is_dicom
from lag_zoo.errors import (
    InvalidConfigError,
    InvalidImageError,
    MissingExtraError,
    UnreadableImageError,
    extra,
)
from lag_zoo.opening import open_regular
from lag_zoo.views import to_pixels

if TYPE_CHECKING:
    from av.video.stream import VideoStream

SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".asf"}
)
"""Endings of videos, in lower case."""

EVERY = 0.2
"""Seconds from one frame to the next, where nobody says."""

_SHORTEST = 0.001  # seconds
_LATE = 1.0  # seconds before the end that the header states: what ends there does not end early
_SAME = 1e-6  # seconds
# No playlist, no list of files: such a file would open others.
_FORMATS = "mov,mp4,m4a,3gp,matroska,webm,avi,mpeg,mpegts,asf,h264,hevc,mpegvideo,m4v"


class VideoFrame(NamedTuple):
    """A frame of a video; `time`: seconds from the beginning of the video; `number`: of the time that asked for it."""

    number: int
    time: float
    pixels: Tensor


class Gap(NamedTuple):
    """A stretch of a video of which no frame can be given, in seconds from its beginning."""

    number: int
    time: float
    until: float
    reason: str


class VideoFacts(NamedTuple):
    """The header of a video; `duration` in seconds, `None`: nothing."""

    height: int
    width: int
    codec: str
    duration: float | None


def is_video(path: Path) -> bool:
    """True of a file that is named like a video, or is a DICOM file with a video in it."""
    if path.suffix.lower() in SUFFIXES:
        return True
    try:
        with io.BufferedReader(open_regular(path)) as file:
            if not is_dicom(file.read(START)):
                return False
            return DicomFile(cast(BinaryIO, file), str(path)).pixels.moving
    except (OSError, ValueError):
        return False


def video_facts(path: Path) -> VideoFacts:
    """Read the header of a video.

    Raises:
        UnreadableImageError: see `iter_video`.
    """
    with _Video(path) as video:
        return video.facts


def iter_video(
    path: Path, *, every: float = EVERY, start: float = 0.0, end: float | None = None, first: int = 0
) -> Iterator[VideoFrame | Gap]:
    """Frames of a video: of each time `start`, `start + every`, `start + 2 * every`, ... the first frame from it on.

    A frame answers the last of the times before it, and is given once: no time has two frames, and where a frame stays
    longer than `every` the times meanwhile have none. Pixels are uint8 (3, H, W), in RGB as FFmpeg converts them.

    Args:
        path: a file such as MP4, MOV, Matroska, WebM, AVI or MPEG, or a DICOM file with a video in it.
        start: seconds from the beginning of the video.
        end: likewise, exclusive; `None`: to the end.
        first: number of the first of these times that is wanted; those before are passed over.

    Raises:
        InvalidConfigError: times that cannot be right.
        UnreadableImageError: no such file, no video, one whose header is missing, or one of more than 80 megapixels; or
            the extra `video` is missing. What is damaged further on is a `Gap`.
    """
    if not every >= _SHORTEST or not math.isfinite(every):
        raise InvalidConfigError(f"every is a number of seconds, {_SHORTEST} or more; got {every}")
    if not (math.isfinite(start) and start >= 0) or (end is not None and not end > start):
        raise InvalidConfigError(
            f"a part of a video begins at 0 s or later and ends after it began; got {start} to {end}"
        )
    with _Video(path) as video:
        yield from video.frames(every, start, math.inf if end is None else end, first)


class _Video:
    """An open video."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open = ExitStack()

    def __enter__(self) -> "_Video":
        from lag_zoo.data.images import LONGEST_SIDE, MAX_PIXELS

        try:
            with extra("video"):
                import av
        except MissingExtraError as error:
            raise UnreadableImageError(f"{self.path}: {error}") from error
        try:
            file = self._open.enter_context(io.BufferedReader(open_regular(self.path)))
        except OSError as error:
            reason = "no such file" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
            raise UnreadableImageError(f"{self.path}: {reason}") from error
        try:
            source = _stream_of(cast(BinaryIO, file), str(self.path))
            self._container: av.container.InputContainer = self._open.enter_context(
                av.open(source, "r", options={"format_whitelist": _FORMATS})
            )
            if not self._container.streams.video:
                raise UnreadableImageError(f"{self.path}: no video in it")
            self._stream: VideoStream = self._container.streams.video[0]
            height, width = self._stream.height, self._stream.width
            if height * width > MAX_PIXELS or max(height, width) > LONGEST_SIDE:
                raise UnreadableImageError(
                    f"{self.path}: frames of {width} x {height}, which no scope delivers; not decoded"
                )
            self._stream.codec_context.options = {"max_pixels": str(MAX_PIXELS), "err_detect": "explode"}
        except UnreadableImageError:
            self._open.close()
            raise
        except (OSError, ValueError, LookupError, RuntimeError, NotImplementedError) as error:
            self._open.close()
            raise UnreadableImageError(
                f"{self.path}: no video that can be opened, or one whose header is damaged or missing "
                f"({getattr(error, 'strerror', None) or type(error).__name__})"
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def facts(self) -> VideoFacts:
        stream = self._stream
        long = stream.duration if stream.duration and stream.duration > 0 else None
        duration = None if long is None else float(long * cast(Any, stream.time_base))
        return VideoFacts(stream.height, stream.width, stream.codec_context.name, duration)

    def frames(self, every: float, start: float, end: float, first: int) -> Iterator[VideoFrame | Gap]:
        """See `iter_video`."""
        last, before, damaged = first - 1, 0.0, ""
        begin, stopped = start + every * first, False
        for time, found in self._from(begin):
            if time >= end - _SAME:
                stopped = True
                break
            if time < begin - _SAME:
                continue
            if isinstance(found, str):
                damaged = damaged or found
                continue
            number = math.floor((time - start) / every + _SAME)
            if damaged and number > last + 1:
                yield Gap(last + 1, max(before, start + every * (last + 1)), time, damaged)
            damaged = ""
            if number > last:
                pixels = _pixels(found)
                if isinstance(pixels, str):
                    yield Gap(number, time, time, pixels)
                else:
                    yield VideoFrame(number, time, pixels)
                last = number
            before = time
        yield from self._end(every, start, end, last, max(before, begin), damaged, stopped)

    def _end(
        self, every: float, start: float, end: float, last: int, before: float, damaged: str, stopped: bool
    ) -> Iterator[Gap]:
        """The gap at the end, where times are left that no frame answers: of damage, or of a file that ends early."""
        stated = self.facts.duration
        until = end if stopped else min(end, before if stated is None else stated)
        number = max(last, math.floor((before - start) / every + _SAME)) + 1
        if start + every * number >= until - _SAME:
            return
        if damaged:
            yield Gap(number, before, until, damaged)
        elif not stopped and until - before > _LATE:
            said = f"the file ends at {before:.2f} s, and its header says that it ends at {stated:.2f} s"
            yield Gap(number, before, until, said)

    def _from(self, begin: float) -> Iterator[tuple[float, Any]]:
        """Times and decoded frames, from a key frame before `begin` on, and in the place of damaged ones the reason."""
        import av

        if begin > 0 and self._sought(begin):
            for number, (time, found) in enumerate(self._decoded()):
                if number == 0 and time > begin:  # past it: this file cannot be sought in
                    break
                yield time, found
            else:
                return
            self._container.seek(0)
        elif begin > 0:
            try:
                self._container.seek(0)
            except av.FFmpegError as error:
                raise UnreadableImageError(
                    f"{self.path}: it cannot be read from its beginning ({error})"
                ) from error
        yield from self._decoded()

    def _sought(self, begin: float) -> bool:
        import av

        origin, base = self._stream.start_time or 0, cast(Any, self._stream.time_base)
        try:
            self._container.seek(origin + int(begin / base), stream=self._stream, backward=True)
        except (av.FFmpegError, OSError):
            return False
        return True

    def _decoded(self) -> Iterator[tuple[float, Any]]:
        import av

        stream, waiting, last, count = self._stream, False, -math.inf, 0
        packets = self._container.demux(stream)
        while True:
            try:
                packet = next(packets)
                at = packet.pts if packet.pts is not None else packet.dts
            except StopIteration:
                return
            except (av.FFmpegError, OSError) as error:
                yield last, f"damaged ({_words(error)})"
                return
            if packet.is_corrupt:
                waiting = True
            if waiting and packet.is_keyframe and not packet.is_corrupt:
                waiting = False
                stream.codec_context.flush_buffers()
            try:
                found = packet.decode()
            except (av.FFmpegError, OSError, ValueError) as error:
                waiting = waiting or packet.size > 0
                yield self._time(at, count), f"damaged ({_words(error)})"
                continue
            for frame in found:
                time = self._time(frame.pts, count)
                count += 1
                if time <= last:
                    continue
                last = time
                yield time, "damaged" if waiting or frame.is_corrupt else frame

    def _time(self, stamp: int | None, count: int) -> float:
        """Seconds from the beginning of the video; frames without a stamp, as of a bare stream, come at its rate."""
        stream = self._stream
        if stamp is None:
            rate = stream.average_rate or stream.base_rate or stream.guessed_rate
            if not rate:
                raise UnreadableImageError(f"{self.path}: its frames have no times, and it states no rate")
            return float(count / rate)
        return float((stamp - (stream.start_time or 0)) * cast(Any, stream.time_base))


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__


def _pixels(frame: Any) -> Tensor | str:
    try:
        return to_pixels(frame.to_ndarray(format="rgb24"))
    except (InvalidImageError, ValueError, MemoryError) as error:
        return str(error)


def _stream_of(file: BinaryIO, name: str) -> BinaryIO:
    """The file itself; of a DICOM file the video in it."""
    found = is_dicom(file.read(START))
    file.seek(0)
    if not found:
        return file
    opened = DicomFile(file, name)
    if not opened.pixels.moving:
        raise UnreadableImageError(
            f"{name}: a DICOM file without a video in it; its images are read as images"
        )
    return cast(BinaryIO, io.BufferedReader(_Joined(file, opened.pixels.pieces[0])))


class _Joined(io.RawIOBase):
    """Pieces of a file as one file."""

    def __init__(self, file: BinaryIO, pieces: tuple[Piece, ...]) -> None:
        super().__init__()
        self._file, self._pieces, self._at = file, pieces, 0
        self._size = sum(length for _, length in pieces)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence])
        return self._at

    def readinto(self, buffer: Any) -> int:
        view, before = memoryview(buffer).cast("B"), 0
        for start, length in self._pieces:
            if self._at < before + length:
                within = self._at - before
                self._file.seek(start + within)
                data = self._file.read(min(len(view), length - within))
                view[: len(data)] = data
                self._at += len(data)
                return len(data)
            before += length
        return 0
