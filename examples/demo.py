"""The built-in model at work: `make demo`.

It answers on the frames in the folder that LAG_ZOO_SAMPLES names, else on drawn ones; prints the table that
`lag-zoo predict` prints; and writes demo.png: the first frame with its field of view, the crops and the answer.
"""

import os
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

import lag_zoo
from lag_zoo.cli.prediction_table import as_table
from lag_zoo.cli.tables import console
from lag_zoo.data import find_images, read_image
from lag_zoo.data.phantom import draw_frame
from lag_zoo.predict import Failure

MODEL = "lag_mobilenetv3_small_100_polyp"
PICTURE = Path("demo.png")
FIELD, OUTSIDE, CROPS, INK = (90, 220, 255), (28, 28, 28), (255, 225, 90), (255, 255, 255)


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        samples = os.environ.get("LAG_ZOO_SAMPLES")
        if samples:
            folder = Path(samples)
            print(f"Frames: those in {folder} (LAG_ZOO_SAMPLES).")
        else:
            folder = Path(scratch)
            draw_frames(folder)
            print("Frames: drawn by lag_zoo.data.phantom, so the answers mean nothing;")
            print("LAG_ZOO_SAMPLES=FOLDER make demo takes real ones.")
        show(folder)


def draw_frames(folder: Path) -> None:
    for seed, polyp in enumerate((True, False)):
        frame = draw_frame(seed=seed, polyp=polyp)
        name = f"drawn_{seed + 1}_{'polyp' if polyp else 'mucosa'}.png"
        Image.fromarray(frame.permute(1, 2, 0).numpy()).save(folder / name)


def show(folder: Path) -> None:
    answers = list(lag_zoo.Predictor(MODEL).iter(find_images([folder])))
    if not answers:
        raise SystemExit(f"no image found in {folder}")
    rows = [{**answer.to_dict(), "path": _within(answer.path, folder)} for answer in answers]
    console().print(as_table(rows, MODEL))
    first = next((answer for answer in answers if not isinstance(answer, Failure)), None)
    if first is None:
        raise SystemExit("none of the files could be read")
    draw_answer(first).save(PICTURE)
    print(f"Picture: {PICTURE.resolve()}")


def _within(path: Path | None, folder: Path) -> str | None:
    return None if path is None else str(path.relative_to(folder))


def draw_answer(prediction: lag_zoo.Prediction) -> Image.Image:
    """The frame, its field of view, the boxes of the crops, and beneath them the answer.

    What lies outside the field is blanked, for it may hold a name and a date.
    """
    pixels = read_image(prediction.path or "")
    height, width = pixels.shape[1:]
    lit = lag_zoo.find_field_of_view(pixels[None]).mask()[0]
    edge = lit & ~_shrunken(lit, max(2, width // 400))
    array = pixels.permute(1, 2, 0).numpy().copy()
    array[~lit.numpy()] = OUTSIDE
    array[edge.numpy()] = FIELD
    strip = max(40, height // 12)
    canvas = Image.new("RGB", (width, height + strip))
    canvas.paste(Image.fromarray(array))
    pen = ImageDraw.Draw(canvas)
    for x1, y1, x2, y2 in prediction.boxes:
        pen.rectangle((x1, y1, x2 - 1, y2 - 1), outline=CROPS, width=max(1, width // 500))
    chances = ", ".join(f"{label} {p:.2f}" for label, p in prediction.probabilities.items())
    lines = [
        f"{prediction.label}   ({chances})",
        f"{prediction.model}: a research demonstration, not a medical device",
    ]
    for number, line in enumerate(lines):
        pen.text((strip // 5, height + strip * (0.08 + 0.48 * number)), line, INK, _font(lines, strip, width))
    return canvas


def _shrunken(mask, pixels: int):  # type: ignore[no-untyped-def]
    """The mask without the rim of so many pixels; what lies outside the frame counts as dark."""
    for axis in (0, 1):
        for shift in (-pixels, pixels):
            moved = mask.roll(shift, axis)
            lost = slice(0, shift) if shift > 0 else slice(shift, None)
            moved.narrow(axis, 0, moved.shape[axis])[(lost,) if axis == 0 else (slice(None), lost)] = False
            mask = mask & moved
    return mask


def _font(lines: list[str], strip: int, width: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The largest font with which every line fits into the strip."""
    size = strip * 0.4
    widest = max(ImageFont.load_default(size).getlength(line) for line in lines)
    return ImageFont.load_default(min(size, size * 0.95 * (width - strip // 2) / widest))


if __name__ == "__main__":
    main()
