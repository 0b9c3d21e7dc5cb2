"""The header of a DICOM file, as far as it describes pixels, and the places in the file where each frame lies.

DICOM PS3.3, C.7.6.3 (Image Pixel Module); PS3.5, 8 and annex A (transfer syntaxes); PS3.10, 7 (the file's own header).
"""

import bisect
import itertools
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

from lag_zoo.errors import extra

if TYPE_CHECKING:
    from pydicom import Dataset

START = 132
"""Bytes of a file's beginning that `is_dicom` looks at."""

_PREFIX = slice(128, START)
NATIVE = {
    "1.2.840.10008.1.2": "Implicit VR Little Endian",
    "1.2.840.10008.1.2.1": "Explicit VR Little Endian",
}
_STILL = {
    "1.2.840.10008.1.2.5": "RLE Lossless",
    "1.2.840.10008.1.2.4.50": "JPEG Baseline",
    "1.2.840.10008.1.2.4.51": "JPEG Extended",
    "1.2.840.10008.1.2.4.57": "JPEG Lossless",
    "1.2.840.10008.1.2.4.70": "JPEG Lossless, first-order prediction",
    "1.2.840.10008.1.2.4.80": "JPEG-LS Lossless",
    "1.2.840.10008.1.2.4.81": "JPEG-LS Near-lossless",
    "1.2.840.10008.1.2.4.90": "JPEG 2000 Lossless",
    "1.2.840.10008.1.2.4.91": "JPEG 2000",
}
MOVING = {
    f"1.2.840.10008.1.2.4.{number}{part}": name
    for number, name in (
        *((n, "MPEG-2") for n in (100, 101)),
        *((n, "MPEG-4 (H.264)") for n in range(102, 107)),
        *((n, "HEVC (H.265)") for n in (107, 108)),
    )
    for part in ("", ".1")
}
SYNTAXES: Mapping[str, str] = {**NATIVE, **_STILL, **MOVING}
"""The transfer syntaxes that are read, and their names."""

_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
WANTED = [
    "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns",
    "BitsAllocated", "BitsStored", "PixelRepresentation", "FrameTime", "CineRate",
]  # fmt: skip
_MOST_META = 1 << 16  # bytes of the file's own header
_MOST_HEADER = 1 << 26  # bytes of all that stands before the pixels
_PIXEL_DATA, _ITEM = b"\xe0\x7f\x10\x00", b"\xfe\xff\x00\xe0"
_UNDEFINED = 0xFFFFFFFF
_LONG_FORM = (b"OB", b"OW", b"UN")

Piece = tuple[int, int]  # where bytes begin in the file, and how many there are


class Unfit(Exception):
    """A reason that may be told: made here, of what describes pixels."""


def is_dicom(start: bytes) -> bool:
    """True of the first `START` bytes of a DICOM file.

    >>> is_dicom(bytes(128) + b"DICM"), is_dicom(b"GIF89a")
    (True, False)
    """
    return start[_PREFIX] == b"DICM"


class Pixels(NamedTuple):
    """The header's description of the pixels, and the places where they lie.

    Attributes:
        syntax: UID of the transfer syntax; `moving`: it is a video.
        frame_time: milliseconds from frame to frame; `None`: not said.
        values: the attributes that describe pixels, by keyword.
        pieces: of each frame the pieces of the file that it is made of.
    """

    syntax: str
    height: int
    width: int
    photometric: str
    frame_time: float | None
    values: Mapping[str, Any]
    pieces: tuple[tuple[Piece, ...], ...]

    @property
    def moving(self) -> bool:
        """True where the pixels are the stream of a video, which `lag_zoo.data.readers.video` decodes."""
        return self.syntax in MOVING


class _Header:
    """The beginning of a file, of which so many bytes are read at most."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self._file, self._left = file, most

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(self._left + 1 if size < 0 else min(size, self._left + 1))
        if len(data) > self._left:
            raise Unfit(f"more than {_MOST_HEADER >> 20} MB stand before its pixels")
        self._left -= len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def read_header(file: BinaryIO, keywords: list[str] | None = None) -> "Dataset":
    """Read what stands before the pixels, unparsed until it is asked for; the file is then at the pixels.

    Args:
        keywords: of the attributes that are wanted; `None`: all.

    Raises:
        MissingExtraError: the extra `dicom` is not installed.
        Exception: whatever pydicom raises; its words may repeat the header's.
    """
    with extra("dicom"):
        import pydicom
    file.seek(0)
    bounded = cast(BinaryIO, _Header(file, _MOST_HEADER))
    return pydicom.dcmread(bounded, stop_before_pixels=True, specific_tags=keywords)


def syntax_of(file: BinaryIO) -> str:
    """UID of the transfer syntax, from the file's own header (PS3.10, 7.1); empty where there is none.

    pydicom would unpack a deflated file at once, to whatever size.
    """
    file.seek(0)
    head = file.read(_MOST_META)
    at = START
    while head[at : at + 2] == b"\x02\x00" and at + 12 <= len(head):
        wide = head[at + 4 : at + 6] in _LONG_FORM
        start = at + (12 if wide else 8)
        length = int.from_bytes(head[start - (4 if wide else 2) : start], "little")
        if head[at + 2 : at + 4] == b"\x10\x00":
            return head[start : start + length].decode("ascii", "replace").rstrip("\0 ")
        at = start + length
    return ""


def pixels_of(file: BinaryIO) -> Pixels:
    """Read what an open DICOM file says of its pixels.

    Raises:
        Unfit: they are not such as are read.
        MissingExtraError: the extra `dicom` is not installed.
        Exception: whatever pydicom raises of a damaged file.
    """
    file.seek(0)
    if not is_dicom(file.read(START)):
        raise Unfit("no DICOM file: DICM does not stand at its byte 128")
    syntax = syntax_of(file)
    if syntax not in SYNTAXES:
        known = ", ".join(sorted(set(SYNTAXES.values())))
        said = f"the transfer syntax {syntax}" if _is_uid(syntax) else "no transfer syntax"
        raise Unfit(f"{said}, and those that are read are {known}")
    header = read_header(file, WANTED)
    at = file.tell()
    values = {keyword: header.get(keyword) for keyword in WANTED}
    values["NumberOfFrames"] = max(1, int(values["NumberOfFrames"] or 1))
    if _element(file, at) is None:
        raise Unfit("a DICOM file without pixels")
    photometric = _checked(values, syntax)
    height, width = int(values["Rows"]), int(values["Columns"])
    time = values["FrameTime"] or (values["CineRate"] and 1000 / float(values["CineRate"]))
    return Pixels(
        syntax=syntax,
        height=height,
        width=width,
        photometric=photometric,
        frame_time=float(time) if time else None,
        values=values,
        pieces=_pieces(file, at, values, syntax),
    )


def _is_uid(text: str) -> bool:
    """True of a transfer syntax that the standard has named: another may be anybody's."""
    return text.startswith("1.2.840.10008.") and len(text) <= 64 and text.replace(".", "").isdecimal()


def _checked(values: Mapping[str, Any], syntax: str) -> str:
    """The photometric interpretation, where the pixels are such as are taken."""
    from lag_zoo.data.images import LONGEST_SIDE, MAX_PIXELS

    height, width = int(values["Rows"] or 0), int(values["Columns"] or 0)
    if not height or not width:
        raise Unfit("it does not say how large its frames are")
    if height * width > MAX_PIXELS or max(height, width) > LONGEST_SIDE:
        raise Unfit(
            f"more than {MAX_PIXELS // 10**6} megapixels, or a side of more than {LONGEST_SIDE:,}, which no scope "
            f"delivers; not decoded ({width} x {height})"
        )
    bits = int(values["BitsAllocated"] or 0), int(values["BitsStored"] or 0)
    if bits != (8, 8) or values["PixelRepresentation"]:
        signed = "signed " if values["PixelRepresentation"] else ""
        raise Unfit(
            f"{signed}values of {bits[1]} bits in {bits[0]}, and 8 in 8 are read: no scope delivers others; bring them "
            "to 8 bits yourself, for only you know which range they fill"
        )
    photometric, samples = str(values["PhotometricInterpretation"] or "").strip(), values["SamplesPerPixel"]
    if photometric not in (_COLOURS if samples == 3 else _GREY):
        said = (
            photometric
            if photometric in (*_COLOURS, *_GREY, "PALETTE COLOR", "ARGB", "CMYK", "HSV")
            else "other"
        )
        raise Unfit(
            f"{said} colours of {samples} samples a pixel; {', '.join(_COLOURS)} of 3 are read, and "
            f"{', '.join(_GREY)} of 1"
        )
    return photometric


def _element(file: BinaryIO, at: int) -> tuple[int, int] | None:
    """Find where the value of the pixel data begins, and its length; `None`: there are no pixels here."""
    file.seek(at)
    head = file.read(12)
    if head[:4] != _PIXEL_DATA or len(head) < 8:
        return None
    if head[4:6] in _LONG_FORM:
        return at + 12, int.from_bytes(head[8:12], "little")
    return at + 8, int.from_bytes(head[4:8], "little")


def _pieces(file: BinaryIO, at: int, values: Mapping[str, Any], syntax: str) -> tuple[tuple[Piece, ...], ...]:
    """Of each frame the pieces of the file that it is made of."""
    start, length = _element(file, at) or (at, 0)
    frames = int(values["NumberOfFrames"])
    if syntax in NATIVE:
        subsampled = values["PhotometricInterpretation"] == "YBR_FULL_422"
        size = (
            int(values["Rows"])
            * int(values["Columns"])
            * (2 if subsampled else int(values["SamplesPerPixel"]))
        )
        there = min(length, file.seek(0, os.SEEK_END) - start)
        whole = min(frames, -(-there // size))  # the last may be cut off, and is then one that cannot be read
        if not whole:
            raise Unfit("a DICOM file without pixels")
        return tuple(((start + size * index, size),) for index in range(whole))
    if length != _UNDEFINED:
        raise Unfit("its pixels are compressed, and do not lie in items as compressed ones do")
    table, fragments = _fragments(file, start)
    if not fragments:
        raise Unfit("a DICOM file without pixels")
    if syntax in MOVING or frames == 1:
        return (tuple(fragments),)
    if len(fragments) <= frames:  # fewer: the file was cut off, and what is there can be read
        return tuple((fragment,) for fragment in fragments)
    if len(table) == frames:
        first = fragments[0][0] - 8
        bounds = [first + offset for offset in table]
        edges = [*bounds[1:], fragments[-1][0] + 1]
        places = [piece[0] - 8 for piece in fragments]  # in the order of the file
        found = tuple(
            tuple(fragments[bisect.bisect_left(places, low) : bisect.bisect_left(places, high)])
            for low, high in zip(bounds, edges, strict=True)
        )
        if all(found):
            return found
    raise Unfit(
        f"{len(fragments)} fragments for {frames} frames, and no table that says which belongs to which"
    )


def _fragments(file: BinaryIO, start: int) -> tuple[list[int], list[Piece]]:
    """The table of offsets, which may be empty, and the fragments; a file that is cut off has those that it has."""
    end, at = file.seek(0, os.SEEK_END), start
    table: list[int] = []
    fragments: list[Piece] = []
    for number in itertools.count():
        file.seek(at)
        head = file.read(8)
        if len(head) < 8 or head[:4] != _ITEM:
            break
        length = int.from_bytes(head[4:], "little")
        if number == 0:
            raw = file.read(min(length, _MOST_HEADER))
            table = [int.from_bytes(raw[i : i + 4], "little") for i in range(0, len(raw) - 3, 4)]
        elif at + 8 < end:
            fragments.append((at + 8, length))
        at += 8 + length
    return table, fragments
