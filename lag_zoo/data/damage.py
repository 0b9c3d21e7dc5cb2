"""Damage that decoders pass over: JPEG files with holes in them, or that end too early.

A JPEG has no checksum. Where its data cannot be right libjpeg guesses, and leaves a warning that PIL does not hand on:
half a frame passes for a whole one. The package simplejpeg, of the extra `data`, hands it on, and decodes at an eighth
of the size, which takes a third of the time. A single flipped bit is mostly not noticed, for much that it changes could
be right; nor is anything in a WebP, BMP or uncompressed TIFF, whose decoders have nothing to notice it by.
`python -m benchmarks.damage` counts what is found.
"""

import importlib.util

_JPEG = b"\xff\xd8\xff"
_SAYS = ("Corrupt JPEG data", "Premature end of JPEG file", "Inconsistent progression sequence")

FINDS_DAMAGE = importlib.util.find_spec("simplejpeg") is not None
"""Whether the package that finds damage is there."""


def damage_of(data: bytes) -> str | None:
    """Say what is wrong with the bytes of a JPEG file; `None`: nothing that shows, or the file is of another format.

    >>> damage_of(b"GIF89a") is None
    True
    """
    if not FINDS_DAMAGE or not data.startswith(_JPEG):
        return None
    import simplejpeg

    try:
        simplejpeg.decode_jpeg(data, colorspace="GRAY", min_height=1, min_width=1, strict=True)
    except ValueError as error:  # also of kinds that this decoder cannot decode, and PIL can
        return str(error) if str(error).startswith(_SAYS) else None
    return None
