"""How often the rule on colours (`lag_zoo.views.colours`) is wrong, and how often it is unsure.

Thresholds are fitted anew with each examination of the sample frames left out, and tried on the frames of that one;
then the shipped rule is tried on all of them, and on white-light colonoscopy frames, on which every `lci` is a false
warning. The real frames are no part of the repository: LAG_ZOO_SHARED, or `shared` beside the checkout.
"""

import csv
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image
from scipy.stats import binomtest  # type: ignore[import-untyped]

from lag_zoo.views import find_field_of_view, to_pixels
from lag_zoo.views.colours import modality_of, red_over_green

MARGIN = 0.08  # how far beyond the extreme of the other light a threshold is set


class Frame(NamedTuple):
    """One frame: the light seen in its pixels, its examination, its ratio, and what the shipped rule says."""

    name: str
    light: str
    exam: str
    ratio: float
    says: str | None


def read(path: Path, *, light: str, exam: str) -> Frame:
    with Image.open(path) as image:
        pixels = to_pixels(image)[None]
    field = find_field_of_view(pixels)
    ratio = red_over_green(pixels, field)
    return Frame(
        f"{path.parent.name}/{path.name}",
        light,
        exam,
        float("nan") if ratio is None else ratio,
        modality_of(pixels, field),
    )


def fitted(frames: Sequence[Frame]) -> tuple[float, float]:
    """Below the first: LCI, for no white light comes near. Above the second: white light, for no LCI does."""
    least_white = min(f.ratio for f in frames if f.light == "wli")
    most_linked = max(f.ratio for f in frames if f.light == "lci")
    return least_white * (1 - MARGIN), most_linked * (1 + MARGIN)


def left_out(frames: Sequence[Frame]) -> list[tuple[Frame, str | None]]:
    """What thresholds fitted on the other examinations say of each frame."""
    said: list[tuple[Frame, str | None]] = []
    for frame in frames:
        below, above = fitted([f for f in frames if f.exam != frame.exam])
        said.append((frame, "lci" if frame.ratio < below else "wli" if frame.ratio > above else None))
    return said


def share(count: int, total: int) -> str:
    """A rate with its 95% Wilson interval."""
    interval = binomtest(count, total).proportion_ci(method="wilson")
    return f"{count} of {total} ({count / total:.1%}; 95% {interval.low:.1%} to {interval.high:.1%})"


def table(said: Sequence[tuple[Frame, str | None]]) -> str:
    """Errors, unsure and right, by the light that the pixels show."""
    lines = ["| light | wrong | unsure | right |", "| --- | --- | --- | --- |"]
    for light in ("wli", "lci"):
        answers = [says for frame, says in said if frame.light == light]
        unsure, right = answers.count(None), answers.count(light)
        counts = (len(answers) - unsure - right, unsure, right)
        lines.append(f"| {light.upper()} | " + " | ".join(share(c, len(answers)) for c in counts) + " |")
    return "\n".join(lines)


def main() -> None:
    shared = Path(os.environ.get("LAG_ZOO_SHARED") or Path(__file__).resolve().parents[2] / "shared")
    if not shared.is_dir():
        sys.exit(f"needs the shared material: {shared} is no folder (set LAG_ZOO_SHARED)")
    torch.set_num_threads(1)
    with open(shared / "samples" / "manifest.csv", newline="") as file:
        samples = [
            read(shared / "samples" / row["image"], light=row["modality_seen"], exam=row["exam"])
            for row in csv.DictReader(file)
        ]
    said = left_out(samples)
    print(
        "Red over green, the light seen, what is said with the examination left out, and by the shipped rule\n"
    )
    for frame, says in sorted(said, key=lambda pair: pair[0].ratio):
        print(f"{frame.ratio:.2f} {frame.light} {says} {frame.says} {frame.exam} {frame.name}")
    exams = len({f.exam for f in samples})
    below, above = fitted(samples)
    print(f"\nTwo thresholds, fitted with each of {exams} examinations left out\n")
    print(table(said))
    print(f"\nfitted on all: LCI below {below:.2f}, white light above {above:.2f}")
    print("\nThe shipped rule on the frames it was fitted on (apparent)\n")
    print(table([(f, f.says) for f in samples]))
    print("\nThe shipped rule on colonoscopy frames, most of them in white light: warnings\n")
    for name in ("kvasir_seg", "polypgen", "neopolyp"):
        paths = sorted((shared / name / "images").iterdir())
        colon = [read(path, light="wli", exam="") for path in paths]
        print(name, share(sum(f.says == "lci" for f in colon), len(colon)), end="; ")
        print(share(sum(f.ratio > above for f in colon), len(colon)), f"have a ratio above {above:.2f}")


if __name__ == "__main__":
    main()
