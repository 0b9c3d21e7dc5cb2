"""Pictures of an answer: the frame, its field of view, where the crops lay, and the answer beneath.

Crops lie where the policy puts them, by default spread evenly over the field: a box says where the network looked by
design, and never what it found there. What lies outside the field of view is blanked, for a name and a date may stand
in it; text that was burnt in inside the field stays. Evidence lies over the frame in viridis, whose steps are
even to the eye and which the colour-blind can read (van der Walt and Smith, 2015), the more opaque the likelier the
label is by it.
"""

import bisect
import warnings
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from lag_zoo.errors import FieldOfViewWarning, InvalidConfigError
from lag_zoo.views import find_field_of_view, to_pixels
from lag_zoo.views.extract import over_frame
from lag_zoo.views.pixels import ImageLike

FIELD, CROPS, OUTSIDE, INK, PAPER = (90, 220, 255), (255, 225, 90), (28, 28, 28), (255, 255, 255), (0, 0, 0)
_VIRIDIS = (
    (68, 1, 84), (71, 45, 123), (59, 82, 139), (44, 114, 142), (33, 145, 140), (40, 174, 128), (94, 201, 98),
    (173, 220, 48), (253, 231, 37),
)  # fmt: skip
_OPACITY = 0.45  # where evidence makes a label certain
_MARGIN, _LEADING = 0.5, 1.35  # of the size of the letters


def outlined(
    image: ImageLike,
    boxes: Sequence[Sequence[int]] = (),
    *,
    width: int | None = None,
    evidence: Sequence[Sequence[float]] | None = None,
) -> Image.Image:
    """Draws a frame with its field of view outlined, what lies outside it blanked, evidence over it, and boxes in it.

    Args:
        image: as `lag_zoo.views.to_pixels` takes it.
        boxes: x1 y1 x2 y2 each, in pixels of the frame, right and bottom exclusive; yellow, on evidence white.
        width: of the picture, in pixels; by default the frame's.
        evidence: log-odds (h, w) over the whole frame, as in `lag_zoo.Prediction.evidence`.

    Raises:
        InvalidImageError: no image.
        InvalidConfigError: a width of no pixels.

    >>> from lag_zoo.data.phantom import draw_frame
    >>> outlined(draw_frame((300, 400)), [(100, 100, 164, 164)], width=200).size
    (200, 150)
    """
    pixels = to_pixels(image).cpu()
    scale = 1.0 if width is None else width / pixels.shape[2]
    if scale <= 0:
        raise InvalidConfigError(f"a picture is at least 1 pixel wide; got width={width}")
    size = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[2] * scale))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FieldOfViewWarning)  # a picture without an outline says it
        lit = find_field_of_view(pixels[None]).mask(size)[0]
    line = max(2, size[1] // 400)
    eight_bit = pixels if pixels.dtype == torch.uint8 else (pixels * 255).round().to(torch.uint8)
    frame = Image.fromarray(eight_bit.permute(1, 2, 0).contiguous().numpy())
    array = torch.from_numpy(_resized(frame, size)).clone()
    if evidence is not None:
        array = _coloured(array, torch.tensor(evidence, dtype=torch.float32))
    array[~lit] = torch.tensor(OUTSIDE, dtype=torch.uint8)
    array[lit & ~_shrunken(lit, line)] = torch.tensor(FIELD, dtype=torch.uint8)
    picture = Image.fromarray(array.numpy())
    pen = ImageDraw.Draw(picture)
    for box in boxes:
        x1, y1, x2, y2 = (round(edge * scale) for edge in box)
        pen.rectangle(
            (x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)), outline=CROPS if evidence is None else INK, width=line
        )
    return picture


def legend(boxes: Sequence[Sequence[int]], *, evidence_for: str = "", coloured: bool = True) -> str:
    """Explains the lines and colours of `outlined`, with evidence for the label of this name.

    Args:
        boxes: those that are drawn.
        coloured: there is evidence that is coloured: log-odds above 0.

    >>> legend([])
    'blue: the field of view'
    >>> legend([], evidence_for="polyp", coloured=False)
    'faint colours or none: nowhere is polyp likelier than not; blue: the field of view'
    """
    said = []
    if evidence_for and not coloured:
        said.append(f"faint colours or none: nowhere is {evidence_for} likelier than not")
    elif evidence_for:
        said.append(
            f"green to yellow: evidence for {evidence_for}, where the scores are that made the answer"
        )
        said.append("no segmentation, and no proof")
    if boxes:
        colour = "white boxes" if evidence_for else "yellow"
        said.append(f"{colour}: where it looked closely, by design and not by finding")
    return "; ".join([*said, "blue: the field of view"])


def captioned(
    picture: Image.Image,
    heading: Sequence[str],
    lines: Sequence[str] = (),
    *,
    colour: tuple[int, int, int] = INK,
) -> Image.Image:
    """Puts text beneath a picture: a heading in large letters of its own colour, then lines in smaller ones.

    Lines that are too wide are broken, so that none is cut.

    >>> captioned(Image.new("RGB", (300, 200)), ["polyp   0.97"], ["not a medical device"]).size
    (300, 229)
    """
    large = max(10.0, picture.width / 28)
    small, wide = 0.62 * large, picture.width - large
    written = [(part, large, colour) for line in heading for part in _broken(line, large, wide)]
    written += [(part, small, INK) for line in lines for part in _broken(line, small, wide)]
    strip = round(_LEADING * sum(size for _, size, _ in written) + _MARGIN * large)
    canvas = Image.new("RGB", (picture.width, picture.height + strip), PAPER)
    canvas.paste(picture)
    pen = ImageDraw.Draw(canvas)
    top = picture.height + _MARGIN * large / 2
    for part, size, ink in written:
        pen.text((large / 2, top), part, ink, ImageFont.load_default(size))
        top += _LEADING * size
    return canvas


def side_by_side(pictures: Sequence[Image.Image], *, columns: int = 2, gap: int = 8) -> Image.Image:
    """Joins pictures of one width into one, row by row; each row is as high as its highest.

    >>> side_by_side([Image.new("RGB", (90, 50))] * 3).size
    (188, 108)
    """
    rows = [pictures[start : start + columns] for start in range(0, len(pictures), columns)]
    heights = [max(picture.height for picture in row) for row in rows]
    wide = max(sum(picture.width for picture in row) + gap * (len(row) - 1) for row in rows)
    canvas = Image.new("RGB", (wide, sum(heights) + gap * (len(rows) - 1)), (255, 255, 255))
    top = 0
    for row, height in zip(rows, heights, strict=True):
        left = 0
        for picture in row:
            canvas.paste(PAPER, (left, top, left + picture.width, top + height))
            canvas.paste(picture, (left, top))
            left += picture.width + gap
        top += height + gap
    return canvas


def _resized(frame: Image.Image, size: tuple[int, int]) -> np.ndarray:
    height, width = size
    if frame.size != (width, height):
        frame = frame.resize((width, height), Image.Resampling.LANCZOS)
    return np.array(frame)


def _coloured(frame: Tensor, evidence: Tensor) -> Tensor:
    """The frame (H, W, 3) uint8 with log-odds (h, w) over it: colour and opacity by the probability that they mean."""
    height, width = frame.shape[:2]
    likely = over_frame(evidence[None], (height, width))[0].sigmoid()[..., None]
    place = likely * (len(_VIRIDIS) - 1)
    below = place.floor().clamp(max=len(_VIRIDIS) - 2)
    colours = torch.tensor(_VIRIDIS, dtype=torch.float32)
    at = below[..., 0].long()
    colour = colours[at].lerp(colours[at + 1], place - below)
    return frame.float().lerp(colour, _OPACITY * likely).round().to(torch.uint8)


def _shrunken(mask: Tensor, pixels: int) -> Tensor:
    """The mask (H, W) without its rim of so many pixels; beyond the frame all is dark."""
    dark = (~mask).float()[None, None]
    padded = torch.nn.functional.pad(dark, (pixels,) * 4, value=1.0)
    return torch.nn.functional.max_pool2d(padded, 2 * pixels + 1, stride=1)[0, 0] == 0


def _broken(line: str, size: float, width: float) -> list[str]:
    """The line in parts that fit the width when set in the default font at this size; at blanks, where there are."""
    font, rest, parts = ImageFont.load_default(size), " ".join(line.split()), []
    while font.getlength(rest) > width:
        fitting = bisect.bisect_right(range(1, len(rest)), width, key=lambda n: font.getlength(rest[:n]))
        end = rest.rfind(" ", 0, fitting + 1)
        end = end if end > 0 else max(1, fitting)
        parts.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    return [*parts, rest]
