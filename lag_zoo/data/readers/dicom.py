"""DICOM files: endoscopic images and secondary captures, of one frame or many, as pixels.

pydicom reads the header and decodes; this module decides what is taken, finds a frame without reading the others, and
holds sizes to the bounds of every other image. No message repeats a value of the header but those that describe
pixels: a name, a date or an identifier may stand in any other.

DICOM PS3.3, C.7.6.3 (Image Pixel Module); PS3.5, 8 and annex A (transfer syntaxes).
"""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from torch import Tensor

from lag_zoo.data.damage import damage_of
from lag_zoo.data.encoded import Encoded
from lag_zoo.data.readers.codestream import codestream_of
from lag_zoo.data.readers.dicom_header import MOVING, NATIVE, SYNTAXES, Pixels, Unfit, pixels_of
from lag_zoo.errors import InvalidImageError, MissingExtraError, UnreadableImageError
from lag_zoo.opening import UnfitFileError, open_regular
from lag_zoo.views import to_pixels

_RLE = "1.2.840.10008.1.2.5"
_JPEG, _END = b"\xff\xd8", b"\xff\xd9"


class DicomFile:
    """An open DICOM file with pixels, whose frames are read one by one; from `open_dicom`.

    Attributes:
        missing: frames of which the header speaks, and that do not lie in the file: it was cut off.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.file, self.name = file, name
        with _as_unreadable(name):
            self.pixels = pixels_of(file)
        self.missing = 0 if self.pixels.moving else self.pixels.values["NumberOfFrames"] - len(self)

    def __len__(self) -> int:
        """Number of frames in the file; of a video, what its header says."""
        return int(self.pixels.values["NumberOfFrames"]) if self.pixels.moving else len(self.pixels.pieces)

    def read(self, index: int = 0) -> Tensor:
        """The raw pixels (3, H, W) of a frame, uint8, as `lag_zoo.data.read_image` gives them.

        Raises:
            UnreadableImageError: there is no such frame, or it is damaged; the others can still be read.
        """
        with _as_unreadable(self.name):
            if self.pixels.moving:
                raise Unfit(
                    f"a video ({MOVING[self.pixels.syntax]}) in a DICOM file, and no image: lag-zoo predict takes it, "
                    "and lag_zoo.data.readers.video reads its frames"
                )
            if not 0 <= index < len(self):
                raise Unfit(f"it has the frames 0 to {len(self) - 1}, and no frame {index}")
            where = "" if len(self) == 1 else f"frame {index}: "
            with _with_place(where):
                return _decoded(self._bytes(index), self.pixels)

    def _bytes(self, index: int) -> bytes:
        pieces = self.pixels.pieces[index]
        most = 2 * self.pixels.height * self.pixels.width * 3 + (1 << 20)
        if (size := sum(length for _, length in pieces)) > most:
            raise Unfit(f"{size:,} bytes, and {most:,} are more than such a frame has")
        parts = []
        for start, length in pieces:
            self.file.seek(start)
            parts.append(self.file.read(length))
        data = b"".join(parts)
        if len(data) < size:
            raise Unfit(f"the file ends before it: {len(data):,} of its {size:,} bytes are there")
        return data


@contextlib.contextmanager
def open_dicom(file: Path | Encoded) -> Iterator[DicomFile]:
    """Open a DICOM file; its header is read, and of the pixels nothing yet.

    Raises:
        UnreadableImageError: no such file, no DICOM file, one without pixels, with 16 bits, in a transfer syntax or of
            colours that are not read, or larger than `lag_zoo.data.images.MAX_PIXELS`; or the extra `dicom` is missing.
    """
    name = file.name if isinstance(file, Encoded) else str(file)
    if isinstance(file, Encoded):
        opened: BinaryIO = io.BytesIO(file.data)
    else:
        try:
            opened = cast(BinaryIO, io.BufferedReader(open_regular(file)))
        except OSError as error:
            reason = "no such file" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
            raise UnreadableImageError(f"{name}: {reason}") from error
    with opened:
        yield DicomFile(opened, name)


def read_dicom(file: Path | Encoded, index: int | None = None) -> Tensor:
    """The raw pixels (3, H, W) of a frame of a DICOM file; uint8.

    Colours are RGB whatever the file has them in; grey values (`MONOCHROME2`) stand in all three, and those of
    `MONOCHROME1`, where 0 is white, are inverted. No window or look-up table is applied.

    Args:
        index: which frame; `None`: the only one.

    Raises:
        UnreadableImageError: see `open_dicom`; or there are several frames, and nobody said which.
    """
    with open_dicom(file) as opened:
        if index is None and len(opened) > 1 and not opened.pixels.moving:
            raise UnreadableImageError(
                f"{opened.name}: it has {len(opened)} frames, and one is wanted: lag-zoo data import writes them as "
                "files, and lag_zoo.data.readers.dicom.read_dicom(path, index) reads one"
            )
        return opened.read(index or 0)


@contextlib.contextmanager
def _as_unreadable(name: str) -> Iterator[None]:
    """Raise whatever goes wrong as `UnreadableImageError`, without the words of others, which may repeat a header."""
    try:
        yield
    except UnreadableImageError:
        raise
    except (Unfit, MissingExtraError) as error:
        reason = str(error)
    except UnfitFileError as error:
        reason = error.strerror or str(error)
    except Exception as error:  # pydicom and its decoders raise whatever a damaged file leads them to
        reason = f"damaged, or in a form that its decoder does not take ({type(error).__name__})"
    else:
        return
    raise UnreadableImageError(f"{name}: {reason}") from None


@contextlib.contextmanager
def _with_place(where: str) -> Iterator[None]:
    try:
        yield
    except (Unfit, InvalidImageError) as error:
        raise Unfit(f"{where}{error}") from None
    except Exception as error:
        raise Unfit(
            f"{where}damaged, or in a form that its decoder does not take ({type(error).__name__})"
        ) from None


def _decoded(data: bytes, pixels: Pixels) -> Tensor:
    from pydicom.encaps import encapsulate
    from pydicom.pixels.decoders.base import get_decoder

    photometric, encapsulated = pixels.photometric, pixels.syntax not in NATIVE
    if encapsulated and pixels.syntax != _RLE:
        photometric = _held_to_codestream(data, pixels)
        if (damage := damage_of(data)) is not None:
            raise Unfit(f"damaged or truncated ({damage})")
    if encapsulated:
        data = encapsulate([data], has_bot=False)
    else:
        data += b"\0" * (len(data) % 2)
    decoder = get_decoder(pixels.syntax)
    if not decoder.is_available:
        raise Unfit(
            f'the decoder of {SYNTAXES[pixels.syntax]} is not installed: pip install "lag_zoo[dicom]"'
        )
    options: dict[str, Any] = {
        "rows": pixels.height,
        "columns": pixels.width,
        "samples_per_pixel": int(pixels.values["SamplesPerPixel"]),
        "photometric_interpretation": photometric,
        "planar_configuration": int(pixels.values["PlanarConfiguration"] or 0),
        "bits_allocated": 8,
        "bits_stored": 8,
        "pixel_representation": 0,
        "number_of_frames": 1,
        "pixel_keyword": "PixelData",
    }
    array, _ = decoder.as_array(data, **options)
    found = to_pixels(array)
    return 255 - found if photometric == "MONOCHROME1" else found


def _held_to_codestream(data: bytes, pixels: Pixels) -> str:
    """The photometric interpretation that holds: a codestream's own word on its colours goes before the header's."""
    found, samples = codestream_of(data), int(pixels.values["SamplesPerPixel"])
    if found is None:
        raise Unfit(f"damaged: no {SYNTAXES[pixels.syntax]} begins where the frame does")
    if data.startswith(_JPEG) and not data.rstrip(b"\0").endswith(_END):  # the decoder would guess the rest
        raise Unfit("damaged or truncated (it has no end)")
    said, asked = (found.width, found.height, found.samples), (pixels.width, pixels.height, samples)
    if said != asked or found.bits != 8:
        raise Unfit(
            f"the header speaks of {asked[0]} x {asked[1]} pixels of {asked[2]} samples and 8 bits, and the frame of "
            f"{said[0]} x {said[1]} of {said[2]} and {found.bits}"
        )
    if found.colours == "RGB":
        return "RGB"
    return "YBR_FULL" if found.colours == "YBR" and pixels.photometric == "RGB" else pixels.photometric
