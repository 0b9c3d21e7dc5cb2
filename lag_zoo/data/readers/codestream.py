"""Codestreams: what a compressed frame says of its own size, bits and colours, read before it is decoded.

A decoder makes room for what the codestream says, and not for what the file around it says: a few bytes may ask for
gigabytes. JPEG and JPEG-LS say it in their frame header (ITU-T T.81, B.2.2; T.87, C.2.2), JPEG 2000 in its marker SIZ
(ITU-T T.800, A.5.1).
"""

from typing import Literal, NamedTuple

_JPEG, _JPEG_2000 = b"\xff\xd8\xff", b"\xff\x4f\xff\x51"
_FRAMES = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}  # markers of a frame; 0xF7: of JPEG-LS
_LONE = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without a length
_SCAN, _END, _JFIF = 0xDA, 0xD9, 0xE0
_RGB_NAMES = (b"RGB", b"rgb")


class Codestream(NamedTuple):
    """The header of a codestream; `colours`: its own word on them, empty where it has none."""

    height: int
    width: int
    samples: int
    bits: int
    colours: Literal["", "RGB", "YBR"] = ""


def codestream_of(data: bytes) -> Codestream | None:
    """Read the header of a JPEG, JPEG-LS or JPEG 2000 codestream; `None`: it is none, or has no header.

    >>> codestream_of(b"GIF89a") is None
    True
    """
    if data.startswith(_JPEG):
        return _of_jpeg(data)
    start = data.find(_JPEG_2000, 0, 1 << 16)  # past the boxes of a JP2 file, where somebody has left them
    return None if start < 0 else _of_jpeg_2000(data[start:])


def _of_jpeg(data: bytes) -> Codestream | None:
    at, jfif = 2, False
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF or marker in _LONE:  # padding
            at += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4])
        body = data[at + 4 : at + 2 + length]
        if marker in _FRAMES:
            return _frame(body, jfif)
        if marker in (_SCAN, _END):
            return None
        jfif = jfif or (marker == _JFIF and body.startswith(b"JFIF"))
        at += 2 + length
    return None


def _frame(body: bytes, jfif: bool) -> Codestream | None:
    if len(body) < 6 or len(body) < 6 + 3 * body[5]:
        return None
    names = body[6 : 6 + 3 * body[5] : 3]
    colours: Literal["", "RGB", "YBR"] = "RGB" if names in _RGB_NAMES else "YBR" if jfif else ""
    return Codestream(
        int.from_bytes(body[1:3]),
        int.from_bytes(body[3:5]),
        body[5],
        body[0],
        colours if body[5] == 3 else "",
    )


def _of_jpeg_2000(data: bytes) -> Codestream | None:
    if len(data) < 43:
        return None
    right, bottom, left, top = (int.from_bytes(data[at : at + 4]) for at in (8, 12, 16, 20))
    return Codestream(bottom - top, right - left, int.from_bytes(data[40:42]), (data[42] & 0x7F) + 1)
