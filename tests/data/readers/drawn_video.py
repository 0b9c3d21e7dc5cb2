"""Videos drawn frame by frame: each frame shows its number in its colours, at times that are given."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BASE = Fraction(1, 1000)
SIZE = (96, 128)


def picture(number: int) -> np.ndarray:
    """A lit disc of a texture, whose brightness tells the number."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    lit = (x - 64) ** 2 + (y - 48) ** 2 < 44**2
    stripes = 8 * ((x // 8 + y // 8) % 2)
    frame = np.stack(
        [120 + stripes, 60 + (number % 16) * 8 + stripes // 2, 40 + (number // 16) * 8 + 0 * x], -1
    )
    return np.where(lit[..., None], frame, 2).astype(np.uint8)


def number_of(pixels: np.ndarray) -> int:
    """The number of the frame that pixels (3, H, W) show."""
    middle = pixels[:, 30:66, 46:82].reshape(3, -1).mean(1)
    return round((middle[1] - 62) / 8) + 16 * round((middle[2] - 40) / 8)


def write(
    path: Path,
    times: Sequence[float],
    *,
    codec: str = "libx264",
    gop: int = 10,
    fast_start: bool = False,
    **options: str,
) -> Path:
    """Write a video with a frame at each of these times, in seconds."""
    with av.open(str(path), "w", options={"movflags": "faststart"} if fast_start else {}) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = SIZE[1], SIZE[0], "yuv420p"
        stream.time_base = stream.codec_context.time_base = BASE
        stream.codec_context.gop_size = gop
        stream.options = {"crf": "10", "preset": "ultrafast", **options} if codec == "libx264" else options
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            frame.pts, frame.time_base = round(time / BASE), BASE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def packets_of(path: Path) -> list[tuple[int, int, float]]:
    """Of each packet where it lies in the file, its bytes, and its time."""
    with av.open(str(path)) as container:
        return [
            (packet.pos, packet.size, float(packet.pts * packet.time_base))
            for packet in container.demux(video=0)
            if packet.pos is not None and packet.size
        ]
