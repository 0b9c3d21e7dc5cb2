"""Damage that decoders pass over: JPEG files with holes in them or that end too early, PNG files with other pixels.

A JPEG has no checksum. Where its data cannot be right libjpeg guesses, and leaves a warning that PIL does not hand on:
half a frame passes for a whole one. The package simplejpeg, of the extra `data`, hands it on, and decodes at an eighth
of the size, which takes a third of the time. A single flipped bit is mostly not noticed, for much that it changes could
be right; nor is anything in a WebP, BMP or uncompressed TIFF, whose decoders have nothing to notice it by. A PNG has a
checksum for each of its parts, which PIL leaves aside where the pixels lie.
`python -m benchmarks.damage` counts what is found.
"""

import importlib.util
import zlib

_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_SAYS = ("Corrupt JPEG data", "Premature end of JPEG file", "Inconsistent progression sequence")

FINDS_DAMAGE = importlib.util.find_spec("simplejpeg") is not None
"""True where the package that finds damage of JPEG files is installed."""


def damage_of(data: bytes) -> str | None:
    """Say what is wrong with the bytes of a JPEG or PNG file; `None`: nothing that shows, or another format.

    >>> damage_of(b"GIF89a") is None
    True
    """
    if data.startswith(_PNG):
        return _damage_of_png(data)
    if not FINDS_DAMAGE or not data.startswith(_JPEG):
        return None
    import simplejpeg

    try:
        simplejpeg.decode_jpeg(data, colorspace="GRAY", min_height=1, min_width=1, strict=True)
    except ValueError as error:  # also of kinds that this decoder cannot decode, and PIL can
        return str(error) if str(error).startswith(_SAYS) else None
    return None


def _damage_of_png(data: bytes) -> str | None:
    """The checksum of each part, up to the last: PIL decodes the pixels without looking at theirs."""
    view, at = memoryview(data), len(_PNG)
    while at + 12 <= len(view):
        length = int.from_bytes(view[at : at + 4], "big")
        kind, end = bytes(view[at + 4 : at + 8]), at + 8 + length
        if zlib.crc32(view[at + 4 : end]).to_bytes(4, "big") != view[end : end + 4]:
            return f"the checksum of its part {kind.decode('ascii', 'replace')} is another"
        if kind == b"IEND":
            return None
        at = end + 4
    return "it ends without an end"
