"""Image files: found in folders, and read whole or refused with the reason.

A file that cannot be read is an error that names it. It is never replaced, and never half a picture. What a folder
holds besides is counted, so that nothing is left out unsaid.
"""

import errno
import io
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError
from torch import Tensor

from lag_zoo.data.damage import damage_of
from lag_zoo.data.encoded import MAX_BYTES, Encoded, Held, held
from lag_zoo.data.readers import dicom
from lag_zoo.data.readers.dicom_header import START, is_dicom
from lag_zoo.errors import InvalidImageError, UnreadableImageError
from lag_zoo.opening import open_regular, read_regular
from lag_zoo.views import to_pixels
from lag_zoo.views.pixels import ADDRESS

SUFFIXES = frozenset(
    {".tif", ".tiff", ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".png", ".bmp", ".webp", ".dcm"}
)
"""Endings of image files, in lower case."""

MAX_PIXELS = 80_000_000
"""Pixels of a file above which it is refused unread: no scope's frame, and below the size that PIL itself warns of."""

LONGEST_SIDE = 20_000
"""Pixels of a side above which a file is refused unread."""

_FORMATS = ("TIFF", "JPEG", "PNG", "BMP", "WEBP")
_LYING = 5  # EXIF's orientations from here on exchange height and width
_NO_ENDING, _HIDDEN, _LINK_ABOVE = "no ending", "hidden", "link to a folder above"
_SPECIAL = {
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}
_LONGEST = (
    8  # letters of an ending: what is longer is part of a name, and would be a kind of its own each time
)
_SHOWN = 8

_Identity = tuple[int, int]  # device and inode: the same folder, by whatever name


def find_images(
    paths: Iterable[str | os.PathLike[str]], left_out: Counter[str] | None = None
) -> Iterator[Path]:
    """The image files behind these paths: a file as it is given, a folder walked, its files in sorted order.

    In folders only files whose names end like an image's count (`SUFFIXES`); hidden files and folders are left out, and
    so are pipes, sockets and devices, whatever their names. Linked folders are walked too, but for a link to a folder
    that it lies in itself. What does not exist, or a folder that cannot be opened, is given back as it is, so that
    reading it names the reason.

    Args:
        left_out: counts what is left out in folders while they are walked, by kind: its ending in small letters
            (".mp4"), "no ending", "hidden", "link to a folder above", "pipe", "socket", "device".

    >>> list(find_images(["frame.dat"]))
    [PosixPath('frame.dat')]
    """
    left_out = Counter() if left_out is None else left_out
    for given in paths:
        path = Path(given)
        if _is_folder(path):
            yield from _walk(path, left_out, _around(path))
        else:
            yield path


def _walk(folder: Path, left_out: Counter[str], above: frozenset[_Identity]) -> Iterator[Path]:
    """The images of a folder; `above` are the folders that it lies in, and those that it was reached through."""
    try:
        identity = _identity(folder)
        if identity in above:
            left_out[_LINK_ABOVE] += 1
            return
        with os.scandir(folder) as entries:
            found = {entry.name: (_is_folder(entry), special_kind(entry)) for entry in entries}
    except OSError:
        yield folder
        return
    for name in sorted(found):
        if name.startswith("."):
            left_out[_HIDDEN] += 1
            continue
        is_folder, special = found[name]
        if is_folder:
            yield from _walk(folder / name, left_out, above | {identity})
        elif special is not None:
            left_out[special] += 1
        elif is_image_name(name):
            yield folder / name
        else:
            left_out[kind_of(name)] += 1


def _identity(folder: Path) -> _Identity:
    found = folder.stat()
    return found.st_dev, found.st_ino


def _around(folder: Path) -> frozenset[_Identity]:
    """The folders around a folder."""
    try:
        return frozenset(map(_identity, folder.resolve().parents))
    except OSError:  # one that cannot be looked at; a link to it cannot be followed either
        return frozenset()


def is_image_name(name: str) -> bool:
    """True for a file's name that ends like an image's (`SUFFIXES`)."""
    return os.path.splitext(name)[1].lower() in SUFFIXES


def special_kind(entry: Path | os.DirEntry[str]) -> str | None:
    """The kind of a pipe, a socket or a device, or of a link to one; `None`: it is none, or cannot be looked at."""
    try:
        return None if entry.is_file() else _SPECIAL.get(stat.S_IFMT(entry.stat().st_mode))
    except (OSError, ValueError):
        return None


def kind_of(name: str) -> str:
    """The kind by which a file that is no image is counted.

    >>> [kind_of(name) for name in ("Clip.MP4", "IM000123", "1.2.840.113619", ".DS_Store")]
    ['.mp4', 'no ending', 'no ending', 'hidden']
    """
    if name.startswith("."):
        return _HIDDEN
    ending = os.path.splitext(name)[1].lower()
    letters = ending[1:]
    is_ending = letters.isalnum() and not letters.isdecimal() and len(letters) <= _LONGEST
    return ending if is_ending else _NO_ENDING


def describe_left_out(left_out: Mapping[str, int]) -> str:
    """One line on what `find_images` has left out, the most frequent kinds first; empty where it is nothing.

    >>> describe_left_out({".mp4": 3, "no ending": 1, "hidden": 2})
    'left out: 3 .mp4, 2 hidden, 1 without an ending'
    """
    kinds = count_kinds(left_out)
    return f"left out: {kinds}" if kinds else ""


def count_kinds(left_out: Mapping[str, int]) -> str:
    """The counts of `describe_left_out` alone.

    >>> count_kinds({".mp4": 3, "pipe": 2, "device": 1})
    '3 .mp4, 2 pipes, 1 device'
    """
    words = {_NO_ENDING: "without an ending", _LINK_ABOVE: "linked to a folder above"}
    words |= {kind: f"{kind}s" for kind in _SPECIAL.values() if left_out.get(kind, 0) > 1}
    kinds = sorted((-count, kind) for kind, count in left_out.items() if count)
    counted = [f"{-count} {words.get(kind, kind)}" for count, kind in kinds[:_SHOWN]]
    if rest := sum(-count for count, _ in kinds[_SHOWN:]):
        counted.append(f"{rest} of other kinds")
    return ", ".join(counted)


def _is_folder(path: Path | os.DirEntry[str]) -> bool:
    """True for a folder; of what cannot be looked at nobody knows, and reading it names the reason."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def read_image(file: str | os.PathLike[str] | Held) -> Tensor:
    """The raw pixels (3, H, W) of a TIFF, JPEG, PNG, BMP, WebP or DICOM file; uint8. Of several pages, the first.

    DICOM files need the extra `dicom`, and those of several frames are refused; see `lag_zoo.data.readers.dicom`. Of
    16-bit colours PIL gives the upper eight bits. JPEG files with holes, or that end too early, are refused where the
    extra `data` is installed; see `lag_zoo.data.damage`.

    Args:
        file: its path; its bytes; or a file open in binary mode, such as `open(path, "rb")`, `io.BytesIO` or an
            upload, which is read from its beginning.

    Raises:
        UnreadableImageError: no such file, no image, a truncated one, one of more than 80 megapixels, or pixels that
            cannot become RGB (see `lag_zoo.views.to_pixels`). The message begins with the path, or says "bytes in
            memory".

    >>> read_image(b"GIF89a")
    Traceback (most recent call last):
    lag_zoo.errors.UnreadableImageError: bytes in memory: not a TIFF, JPEG, PNG, BMP, WebP or DICOM image, or \
damaged where it says so
    """
    source = _source(file)
    if is_dicom_file(source):
        return dicom.read_dicom(source)
    with open_image(source, whole=True) as image:
        wide = image.mode == "RGB" and any(";16" in str(tile.args) for tile in image.tile)  # type: ignore[attr-defined]
        image.load()
        pixels = to_pixels(image)
        if wide and 0 < (top := int(pixels.max())) < 16:
            raise InvalidImageError(
                f"16-bit colours that reach only {top} of 255 look like 12 bits or fewer in a wider container; scale "
                "them to their full range, or to uint8, yourself"
            )
    return pixels


def read_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Height and width of an image as `read_image` gives it; of the file, only the header is read.

    Raises:
        UnreadableImageError: no such file, or no image.
    """
    if is_dicom_file(source := Path(path)):
        with dicom.open_dicom(source) as opened:
            return opened.pixels.height, opened.pixels.width
    with open_image(path) as image:
        lies = image.getexif().get(ExifTags.Base.Orientation, 1) >= _LYING
        return image.size if lies else image.size[::-1]


@contextmanager
def open_image(file: str | os.PathLike[str] | Held, *, whole: bool = False) -> Iterator[Image.Image]:
    """Open an image file: a regular file, of one of PIL's formats, bounded in size. It is not decoded yet.

    Args:
        whole: read all of it, and look for damage (`lag_zoo.data.damage`); else only its header is read.

    Raises:
        UnreadableImageError: it cannot be opened; also in place of what goes wrong in the block, as in decoding.
    """
    source = _source(file)
    name = source.name if isinstance(source, Encoded) else _shown(source)
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise UnreadableImageError(
            f"{name}: PIL.ImageFile.LOAD_TRUNCATED_IMAGES is set in this process, so half a picture would pass for a "
            "whole one; unset it"
        )
    try:
        with _bytes_of(source, whole=whole) as stored, Image.open(stored, formats=_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS or max(image.size) > LONGEST_SIDE:
                raise Image.DecompressionBombError(f"{image.width} x {image.height}")
            if isinstance(stored, io.BytesIO) and (damage := damage_of(stored.getvalue())) is not None:
                raise ValueError(damage)
            yield image
    except Exception as error:  # PIL's parsers raise whatever a damaged file leads them to
        raise UnreadableImageError(f"{name}: {_reason(source, error)}") from error


def _source(file: str | os.PathLike[str] | Held) -> Path | Encoded:
    return Path(file) if isinstance(file, str | os.PathLike) else held(file)


def is_dicom_file(source: Path | Encoded) -> bool:
    """True for a file that is DICOM by its content; False of one that cannot be opened."""
    if isinstance(source, Encoded):
        return is_dicom(source.data)
    try:
        with open_regular(source) as file:
            return is_dicom(file.read(START))
    except (OSError, ValueError):  # reading it as an image names the reason
        return False


def _bytes_of(source: Path | Encoded, *, whole: bool) -> io.BytesIO | io.BufferedReader:
    if isinstance(source, Path) and not whole:
        return io.BufferedReader(open_regular(source, most=MAX_BYTES))
    return io.BytesIO(source.data if isinstance(source, Encoded) else read_regular(source, most=MAX_BYTES))


def _shown(path: Path) -> str:
    """A path as it was given: an address has lost a slash on the way."""
    return str(path).replace(":/", "://", 1) if ADDRESS.match(str(path)) else str(path)


def _reason(source: Path | Encoded, error: Exception) -> str:
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return (
            f"more than {MAX_PIXELS // 10**6} megapixels, or a side of more than {LONGEST_SIDE:,}, which no scope "
            f"delivers; not decoded ({error})"
        )
    if isinstance(error, InvalidImageError):
        return str(error)
    if isinstance(source, Path):
        if ADDRESS.match(str(source)):
            return "an address, and no file; fetch it, and pass its bytes"
        if isinstance(error, FileNotFoundError):
            pattern = set("*?[") & set(str(source))
            return (
                "no such file; of a pattern, glob.glob(pattern) lists the files"
                if pattern
                else "no such file"
            )
        if isinstance(error, OSError) and error.errno == errno.EISDIR:
            return "a folder; lag_zoo.data.find_images([folder]) lists its images"
        if _is_folder(source):
            return f"a folder that cannot be read ({error})"
    if isinstance(error, OSError) and error.errno is not None:
        return error.strerror or str(error)
    if isinstance(source, Encoded) and not source.data:
        return "an empty file"
    if isinstance(source, Path) and source.is_file() and source.stat().st_size == 0:
        return "an empty file"
    if isinstance(error, UnidentifiedImageError):
        if is_dicom_file(source):
            return "a DICOM file, which has pixels and no EXIF data"
        return "not a TIFF, JPEG, PNG, BMP, WebP or DICOM image, or damaged where it says so"
    return f"damaged or truncated ({error or type(error).__name__})"
