"""Image files: found in folders, and read whole or refused with the reason.

A file that cannot be read is an error that names it. It is never replaced, and never half a picture.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from PIL import Image, ImageFile, UnidentifiedImageError
from torch import Tensor

from lag_zoo.errors import InvalidImageError, UnreadableImageError
from lag_zoo.views import to_pixels

SUFFIXES = frozenset({".tif", ".tiff", ".jpg", ".jpeg", ".png", ".bmp", ".webp"})
"""How the names of image files end, in lower case."""

MAX_PIXELS = 80_000_000
"""Pixels of a file above which it is refused unread: no scope's frame, and below the size that PIL itself warns of."""

_FORMATS = ("TIFF", "JPEG", "PNG", "BMP", "WEBP")


def find_images(paths: Iterable[str | os.PathLike[str]]) -> Iterator[Path]:
    """The image files behind these paths: a file as it is given, a folder walked, its files in sorted order.

    In folders only names that end like an image's count (`SUFFIXES`), and hidden files and folders are left out. What
    does not exist, or a folder that cannot be opened, is given back as it is, so that reading it names the reason.

    >>> list(find_images(["frame.dat"]))
    [PosixPath('frame.dat')]
    """
    for given in paths:
        path = Path(given)
        if path.is_dir():
            yield from _walk(path)
        else:
            yield path


def _walk(folder: Path) -> Iterator[Path]:
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError:
        yield folder
        return
    for entry in entries:
        if entry.is_dir():
            if not entry.is_symlink():  # a link may lead back up
                yield from _walk(entry)
        elif entry.suffix.lower() in SUFFIXES:
            yield entry


def read_image(path: str | os.PathLike[str]) -> Tensor:
    """The raw pixels (3, H, W) of a TIFF, JPEG, PNG, BMP or WebP file; uint8. Of several pages, the first.

    Raises:
        UnreadableImageError: no such file, no image, a truncated one, one of more than 80 megapixels, or pixels that
            cannot become RGB (see `lag_zoo.views.to_pixels`). The message begins with the path.
    """
    path = Path(path)
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise UnreadableImageError(
            f"{path}: PIL.ImageFile.LOAD_TRUNCATED_IMAGES is set in this process, so half a picture would pass for a "
            "whole one; unset it"
        )
    try:
        return _read(path)
    except Exception as error:  # PIL's parsers raise whatever a damaged file leads them to
        raise UnreadableImageError(f"{path}: {_reason(path, error)}") from error


def _read(path: Path) -> Tensor:
    with Image.open(path, formats=_FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise Image.DecompressionBombError(f"{image.width} x {image.height}")
        image.load()
        return to_pixels(image)


def _reason(path: Path, error: Exception) -> str:
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"more than {MAX_PIXELS // 10**6} megapixels, which no scope delivers; not decoded ({error})"
    if isinstance(error, InvalidImageError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if path.is_dir():
        return f"a folder that cannot be read ({error})"
    if isinstance(error, OSError) and error.errno is not None:
        return error.strerror or str(error)
    if path.stat().st_size == 0:
        return "an empty file"
    if isinstance(error, UnidentifiedImageError):
        return "not a TIFF, JPEG, PNG, BMP or WebP image, or damaged at its beginning"
    return f"damaged or truncated ({error or type(error).__name__})"
