"""Pixels: whatever holds an image, brought to a raw RGB tensor, or refused with the reason.

uint8 is 0..255 and float is 0..1, everywhere in lag_zoo; nothing is normalised here.
"""

import os
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from PIL import ExifTags, Image, ImageOps
from torch import Tensor

from lag_zoo.errors import InvalidImageError

ImageLike = Image.Image | npt.NDArray[np.generic] | Tensor
Frames = Tensor | Sequence[ImageLike]

MIN_SIDE = 32
"""Pixels on the short side below which nothing can be said of a frame."""

_LONGEST = 100  # characters of a path that a message shows

ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/|data:", re.IGNORECASE)
"""The beginning of an address, such as https://, s3:// or data:, also where a path has made one slash of two."""


def to_pixels(image: ImageLike) -> Tensor:
    """One image as a raw RGB tensor (3, H, W): uint8 in 0..255 or float32 in 0..1.

    Takes a PIL image of any mode but `F` (EXIF orientation is applied, palettes are resolved, transparency falls on
    black), an ndarray (H, W), (H, W, 3) or (H, W, 4), or a tensor (3, H, W) or (1, H, W). 16-bit values become 8-bit.
    Colours stay side by side in memory where they are so in the image, which resizing likes: the tensor may be a
    permuted one, as torchvision's are.

    Raises:
        InvalidImageError: another shape or type, NaN or values outside 0..1 in a float image, 16-bit values that fill
            only 12 bits or fewer, or fewer than 32 pixels on a side. Of a path or a file, which are read by
            `lag_zoo.data.read_image`.

    >>> to_pixels(np.zeros((40, 50), np.uint8)).shape
    torch.Size([3, 40, 50])
    """
    if isinstance(image, Image.Image):
        pixels = _from_array(_from_pil(image))
    elif isinstance(image, np.ndarray):
        pixels = _from_array(image)
    elif isinstance(image, Tensor):
        pixels = image
    else:
        raise not_pixels(image, "an image is a PIL image, an ndarray (H, W, 3) or a tensor (3, H, W)")
    if pixels.ndim != 3:
        raise InvalidImageError(f"one image has the shape (3, H, W); got {tuple(pixels.shape)}")
    return check_frames(pixels[None])[0]


def check_frames(frames: Tensor) -> Tensor:
    """A batch (B, 3, H, W) or (B, 1, H, W), checked and brought to (B, 3, H, W), uint8 or float32, dense in memory.

    Raises:
        InvalidImageError: as in `to_pixels`.
    """
    if frames.ndim != 4 or frames.shape[1] not in (1, 3):
        raise InvalidImageError(
            f"frames have the shape (B, 3, H, W), three channels before height and width; got {tuple(frames.shape)}"
        )
    height, width = frames.shape[-2:]
    if min(height, width) < MIN_SIDE:
        raise InvalidImageError(f"a frame needs {MIN_SIDE} pixels on its short side; got {width} x {height}")
    if frames.dtype == torch.uint16:
        frames = _eight_bit(frames)
    elif frames.is_floating_point():
        frames = frames.float()
        low, high = frames.aminmax() if frames.numel() else (frames.new_zeros(()), frames.new_zeros(()))
        if not (low >= 0 and high <= 1):  # NaN fails both
            raise InvalidImageError(
                f"a float image holds values from 0 to 1; got {low.item():.4g} to {high.item():.4g}. "
                "Divide by 255, or pass uint8; do not normalise: the network does"
            )
    elif frames.dtype != torch.uint8:
        raise InvalidImageError(f"pixels are uint8, uint16 or float; got {frames.dtype}")
    if frames.shape[1] == 3 and frames.is_contiguous(memory_format=torch.channels_last):
        return frames
    return frames.expand(-1, 3, -1, -1).contiguous()


def not_pixels(thing: object, expected: str) -> InvalidImageError:
    """The error for an object without pixels; the message names the function that reads it, such as `read_image`.

    >>> not_pixels("frame.png", "pixels are expected")
    InvalidImageError("pixels are expected; got the path 'frame.png': lag_zoo.data.read_image(path) reads it")
    """
    if isinstance(thing, str | os.PathLike):
        text = os.fsdecode(thing)
        shown = repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")
        if ADDRESS.match(text):
            came = f"the address {shown}: fetch it, and lag_zoo.data.read_image(data) reads its bytes"
        elif os.path.isdir(text):
            came = f"the folder {shown}: lag_zoo.data.find_images([folder]) lists its images, read_image reads each"
        else:
            came = f"the path {shown}: lag_zoo.data.read_image(path) reads it"
    elif isinstance(thing, bytes | bytearray | memoryview):
        came = "the bytes of a file: lag_zoo.data.read_image(data) reads them"
    elif hasattr(thing, "read"):
        came = "an open file: lag_zoo.data.read_image(file) reads it"
    else:
        came = type(thing).__name__
    return InvalidImageError(f"{expected}; got {came}")


def _from_pil(image: Image.Image) -> npt.NDArray[np.generic]:
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:  # else it would be a copy for nothing
        image = ImageOps.exif_transpose(image)
    if image.mode == "F":
        raise InvalidImageError(
            "a 32-bit float image (PIL mode F) has no known range; scale it to 0..1 yourself"
        )
    if image.mode.startswith("I"):  # 16-bit grey; PIL reads some of it as 32-bit
        grey = np.asarray(image)
        if grey.min() < 0 or grey.max() > 65535:
            raise InvalidImageError(f"a grey image of 16 bits is expected; got {grey.min()} to {grey.max()}")
        return grey.astype(np.uint16)
    if image.mode == "La":  # PIL takes alpha out of the luminance only on its own
        image = image.convert("LA")
    if image.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _from_array(array: npt.NDArray[np.generic]) -> Tensor:
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise InvalidImageError(f"an array has the shape (H, W), (H, W, 3) or (H, W, 4); got {array.shape}")
    if array.shape[2] == 4:
        if array.dtype != np.uint8:
            raise InvalidImageError(f"an array with alpha is uint8; got {array.dtype}")
        array = _from_pil(Image.fromarray(np.ascontiguousarray(array).view(np.uint8), "RGBA"))
    if array.dtype == np.dtype(np.uint16).newbyteorder():
        array = array.astype(np.uint16)
    if not (array.dtype in (np.uint8, np.uint16) or np.issubdtype(array.dtype, np.floating)):
        raise InvalidImageError(f"pixels are uint8, uint16 or float; got {array.dtype}")
    if np.issubdtype(array.dtype, np.floating):
        array = array.astype(np.float32)  # torch knows neither long doubles nor another byte order
    # A copy: a tensor must not share memory that its owner may change, nor a read-only buffer of PIL's.
    return torch.from_numpy(np.array(array, order="C")).permute(2, 0, 1)


def _eight_bit(frames: Tensor) -> Tensor:
    wide = frames.to(torch.int32)
    tops: list[int] = wide.flatten(1).amax(1).tolist() if wide.numel() else []
    if narrow := [top for top in tops if 0 < top < 4096]:
        raise InvalidImageError(
            f"16-bit pixels that reach only {narrow[0]} look like 12 bits or fewer in a wider container; "
            "scale them to their full range, or to uint8, yourself"
        )
    return ((wide + 128) // 257).to(torch.uint8)
