"""Windows of native pixels cut from frames with polyp masks: a polyp is in view, or only mucosa is.

A frame always holds a polyp, so frames cannot be classified; parts of them can. A window lies wholly in the field of
view. It is **positive** where polyp pixels make up a tenth of it or more, or 2% and at least half of the frame's polyp;
it is **negative** where there is no polyp pixel in it, nor within 8 pixels of it; what lies between is not used.

Nothing but the pixels may give the answer away. Windows for training come in pairs, one of each label:

- mirrored: a window and its mirror image about the middle of the field, in the same frame. Frame, size, shape and
  distance from the middle are equal;
- matched: the same place, size and shape, relative to the field, in two frames. This gives the large windows, which no
  frame can offer twice. Each frame gives about as many positive as negative windows.

Windows for testing come in crossed fours, which balance frame, place, size and shape exactly.
"""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from lag_zoo.likeness import Hashes, frame_hashes
from lag_zoo.views import FieldOfView, find_field_of_view, to_pixels

SMALLEST = 192  # pixels on the short side
LARGEST = 0.95  # of the field's short side
MARGIN = 8
ALIKE = 0.05  # how far the fields of two frames may differ, relatively
POSITIVE_SHARE, SMALL_SHARE, MOST_OF_POLYP = 0.1, 0.02, 0.5

Array = npt.NDArray[np.signedinteger[Any]]


class Frame(NamedTuple):
    """A frame, its polyp mask and its field of view.

    Attributes:
        source: the data set, a key of the folders that `load_frames` took; `root`: its folder.
        name: path of the image from there.
        centre: the hospital; of a data set of one place the data set's name.
        group: near-copies by the data's own account; begins with the source, so that no two sources share one.
        pixels: (3, H, W) uint8.
        integral: (H + 1, W + 1): polyp pixels above and left.
    """

    source: str
    root: Path
    name: str
    centre: str
    group: str
    pixels: torch.Tensor
    integral: Array
    field: FieldOfView
    hashes: Hashes

    def mask(self) -> npt.NDArray[np.bool_]:
        """The polyp's pixels, (H, W)."""
        return np.diff(np.diff(self.integral, axis=0), axis=1) > 0

    def polyp_pixels(self, boxes: Array) -> Array:
        """Polyp pixels in boxes (..., 4), clipped to the frame."""
        height, width = (side - 1 for side in self.integral.shape)
        x1, y1, x2, y2 = np.moveaxis(boxes, -1, 0)
        x1, x2, y1, y2 = x1.clip(0, width), x2.clip(0, width), y1.clip(0, height), y2.clip(0, height)
        table = self.integral
        return table[y2, x2] - table[y1, x2] - table[y2, x1] + table[y1, x1]


class Window(NamedTuple):
    """A box (x1, y1, x2, y2) of the frame with this number, and whether a polyp is in view (1) or not (0)."""

    frame: int
    box: tuple[int, int, int, int]
    label: int


def load_frames(folders: Mapping[str, Path]) -> list[Frame]:
    """Every frame of these data sets, in their manifests' order.

    Args:
        folders: of each source; each holds manifest.csv (image, group and, of several hospitals, centre), images/ and
            masks/.
    """
    frames = []
    for source, root in folders.items():
        with (root / "manifest.csv").open(newline="") as file:
            frames += [_loaded(source, root, row) for row in csv.DictReader(file)]
    return frames


def _loaded(source: str, root: Path, row: Mapping[str, str]) -> Frame:
    with Image.open(root / row["image"]) as image:
        pixels = to_pixels(image)
    with Image.open(mask_file(root, row["image"])) as image:
        mask = np.asarray(image.convert("L")) > 127
    field = find_field_of_view(pixels[None])
    return Frame(
        source=source,
        root=root,
        name=row["image"],
        centre=row.get("centre", source),
        group=f"{source}/{row['group']}",
        pixels=pixels,
        integral=integral_of(mask),
        field=field,
        hashes=frame_hashes(pixels, field=field),
    )


def mask_file(root: Path, image: str) -> Path:
    """The mask of a frame: masks/ holds it under the image's name, as PNG or in the image's own format."""
    drawn = (root / "masks" / Path(image).name).with_suffix(".png")
    return drawn if drawn.is_file() else drawn.with_suffix(Path(image).suffix)


def integral_of(mask: npt.NDArray[np.bool_]) -> Array:
    """Of a mask (H, W): pixels above and left of each corner, (H + 1, W + 1)."""
    return np.pad(mask.cumsum(0, dtype=np.int32).cumsum(1, dtype=np.int32), ((1, 0), (1, 0)))


def label_of(frame: Frame, boxes: Array) -> Array:
    """1 where a polyp is in view, 0 where none is, -1 between: (...,) for boxes (..., 4)."""
    pixels = frame.polyp_pixels(boxes)
    area = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    share, part = pixels / area, pixels / max(1, frame.integral[-1, -1])
    positive = (share >= POSITIVE_SHARE) | ((share >= SMALL_SHARE) & (part >= MOST_OF_POLYP))
    clean = frame.polyp_pixels(boxes + np.array([-MARGIN, -MARGIN, MARGIN, MARGIN])) == 0
    return np.where(positive, 1, np.where(clean, 0, -1))


def boxes_of(frame: Frame, shapes: npt.NDArray[np.float64]) -> Array:
    """Boxes (M, 4) from rows of height, width over height, x and y, all relative to the field (its short side)."""
    left, top, right, bottom = frame.field.bounds()[0].tolist()
    short = min(right - left, bottom - top)
    height = (shapes[:, 0] * short).round()
    width = (height * shapes[:, 1]).round()
    x = left + (shapes[:, 2] * (right - left - width)).round()
    y = top + (shapes[:, 3] * (bottom - top - height)).round()
    return np.stack([x, y, x + width, y + height], axis=1).astype(np.int64)


def fitting(frame: Frame, boxes: Array) -> npt.NDArray[np.bool_]:
    """Which boxes lie wholly in the field and are large enough."""
    sides = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    inside: npt.NDArray[np.bool_] = frame.field.contains(torch.from_numpy(boxes)[None])[0].numpy()
    return inside & (sides >= SMALLEST)


def draw_shapes(count: int, smallest: float, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Rows of height, aspect, x, y as `boxes_of` takes them; height and aspect are even on a logarithmic scale."""
    height = np.exp(rng.uniform(np.log(smallest), np.log(LARGEST), count))
    aspect = np.exp(rng.uniform(np.log(0.75), np.log(1.33), count))
    return np.stack([height, aspect, rng.random(count), rng.random(count)], axis=1)


def mirrored_pairs(frames: list[Frame], *, pairs: int, seed: int) -> list[tuple[Window, Window]]:
    """Up to so many (positive, negative) pairs a frame."""
    found = []
    for number, frame in enumerate(frames):
        rng = np.random.default_rng([seed, number])
        shapes = draw_shapes(600, 0.3, rng)
        turned = shapes.copy()
        across, down = rng.integers(1, 4, len(shapes)) & 1 > 0, rng.integers(0, 2, len(shapes)) > 0
        down |= ~across
        turned[across, 2], turned[down, 3] = 1 - turned[across, 2], 1 - turned[down, 3]
        ones, others = boxes_of(frame, shapes), boxes_of(frame, turned)
        good = fitting(frame, ones) & fitting(frame, others)
        good &= (label_of(frame, ones) == 1) & (label_of(frame, others) == 0)
        for i in np.flatnonzero(good)[:pairs]:
            found.append((_window(number, ones[i], 1), _window(number, others[i], 0)))
    return found


def matched_pairs(
    frames: list[Frame], *, smallest: float = 0.45, shapes: int, per_shape: int, lean: int, seed: int
) -> list[tuple[Window, Window]]:
    """(positive, negative) pairs of windows that are alike relative to the field, from two frames each.

    `smallest` is relative to the field's short side. No frame gives over `lean` windows of one label more than of the
    other.
    """
    rng = np.random.default_rng([seed, len(frames)])
    drawn = draw_shapes(shapes, smallest, rng)
    labels = _labels(frames, drawn)
    balance, uses = np.zeros(len(frames), dtype=np.int64), np.zeros(len(frames), dtype=np.int64)
    found = []
    for shape in range(shapes):
        for _ in range(per_shape):
            jitter = rng.random(len(frames))
            positive = np.flatnonzero((labels[:, shape] == 1) & (balance < lean))
            negative = np.flatnonzero((labels[:, shape] == 0) & (balance > -lean))
            if not (len(positive) and len(negative)):
                break
            # The frames least used so far, so that as many as can be take part.
            one = positive[np.lexsort((jitter[positive], uses[positive]))[0]]
            other = negative[np.lexsort((jitter[negative], uses[negative]))[0]]
            uses[[one, other]] += 1
            balance[one] += 1
            balance[other] -= 1
            labels[one, shape] = labels[other, shape] = -1
            pair = drawn[shape : shape + 1]
            found.append(
                (
                    _window(int(one), boxes_of(frames[one], pair)[0], 1),
                    _window(int(other), boxes_of(frames[other], pair)[0], 0),
                )
            )
    return found


def crossed_quads(frames: list[Frame], *, shapes: int, quads: int, seed: int) -> list[Window]:
    """Windows in fours: in frame A place s holds a polyp and place t does not, in frame B the other way round.

    So each frame, place, size and shape has as many windows of one label as of the other, exactly. No frame is in more
    than `quads` of them. Fields of the two differ by 5% at most.
    """
    rng = np.random.default_rng([seed, len(frames)])
    drawn = draw_shapes(shapes, 0.3, rng)
    labels = _labels(frames, drawn)
    uses = np.zeros(len(frames), dtype=np.int64)
    bounds = np.concatenate([frame.field.bounds().numpy() for frame in frames])
    sides = np.log(bounds[:, 2:] - bounds[:, :2])
    found = []
    for a in np.tile(rng.permutation(len(frames)), quads).tolist():
        ours, theirs = (
            (labels[a] == 1) & (labels == 0),
            (labels[a] == 0) & (labels == 1),
        )  # of each frame, place by place
        alike = np.abs(sides - sides[a]).max(1) < ALIKE  # or pixels would tell what relative places do not
        partners = np.flatnonzero(ours.any(1) & theirs.any(1) & alike & (uses < quads))
        if uses[a] >= quads or not len(partners):
            continue
        b = int(partners[np.lexsort((rng.random(len(partners)), uses[partners]))[0]])
        # A size is drawn first, and the place nearest to it taken: small places would crowd out the large.
        sizes = np.exp(rng.uniform(np.log(0.3), np.log(LARGEST), 2))
        places = [
            _nearest(drawn[:, 0], fits, size) for fits, size in zip((ours[b], theirs[b]), sizes, strict=True)
        ]
        for place, (positive, negative) in zip(places, ((a, b), (b, a)), strict=True):
            for frame, label in ((positive, 1), (negative, 0)):
                found.append(_window(frame, boxes_of(frames[frame], drawn[place : place + 1])[0], label))
        uses[[a, b]] += 1
    return found


def _labels(frames: list[Frame], shapes: npt.NDArray[np.float64]) -> Array:
    """The label of each shape in each frame, (frames, shapes); -1 also where it does not fit."""
    labels = np.full((len(frames), len(shapes)), -1)
    for number, frame in enumerate(frames):
        boxes = boxes_of(frame, shapes)
        labels[number] = np.where(fitting(frame, boxes), label_of(frame, boxes), -1)
    return labels


def _nearest(heights: npt.NDArray[np.float64], fits: npt.NDArray[np.bool_], height: float) -> int:
    return int(np.where(fits, np.abs(heights - height), np.inf).argmin())


def _window(frame: int, box: Array, label: int) -> Window:
    x1, y1, x2, y2 = box.tolist()
    return Window(frame, (x1, y1, x2, y2), label)
