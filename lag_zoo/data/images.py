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
        if _is_folder(path):
            yield from _walk(path)
        else:
            yield path


def _walk(folder: Path) -> Iterator[Path]:
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError:
        yield folder
        return
    for name in names:
        entry = folder / name
        if _is_folder(entry):
            if not entry.is_symlink():  # a link may lead back up
                yield from _walk(entry)
        elif entry.suffix.lower() in SUFFIXES:
            yield entry


def _is_folder(path: Path) -> bool:
    """Whether it is one; of what cannot be looked at nobody knows, and reading it names the reason."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def read_image(path: str | os.PathLike[str]) -> Tensor:
    """The raw pixels (3, H, W) of a TIFF, JPEG, PNG, BMP or WebP file; uint8. Of several pages, the first.

    Of 16-bit colours PIL gives the upper eight bits.

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
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError("a device or a pipe, and no file")  # reading it might never end
    with Image.open(path, formats=_FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise Image.DecompressionBombError(f"{image.width} x {image.height}")
        wide = image.mode == "RGB" and any(";16" in str(tile.args) for tile in image.tile)
        image.load()
        pixels = to_pixels(image)
    if wide and 0 < (top := int(pixels.max())) < 16:
        raise InvalidImageError(
            f"16-bit colours that reach only {top} of 255 look like 12 bits or fewer in a wider container; scale them "
            "to their full range, or to uint8, yourself"
        )
    return pixels


def _reason(path: Path, error: Exception) -> str:
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"more than {MAX_PIXELS // 10**6} megapixels, which no scope delivers; not decoded ({error})"
    if isinstance(error, InvalidImageError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if _is_folder(path):
        return f"a folder that cannot be read ({error})"
    if isinstance(error, OSError) and error.errno is not None:
        return error.strerror or str(error)
    if path.is_file() and path.stat().st_size == 0:
        return "an empty file"
    if isinstance(error, UnidentifiedImageError):
        return "not a TIFF, JPEG, PNG, BMP or WebP image, or damaged where it says so"
    return f"damaged or truncated ({error or type(error).__name__})"
