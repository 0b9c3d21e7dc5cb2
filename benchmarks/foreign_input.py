"""How often `Prediction.warnings` calls a real frame foreign, and how often a foreign image.

    python -m benchmarks.foreign_input [MODEL] [--refit] [--every N]

MODEL is a name or a place with weights, by default the built-in one. Where its weights bring doubts, they are tried as
they are; a column counts the frames that the weights were trained on, or near-copies of these. With `--refit`, or where
they bring none, doubts are fitted on every other group of Kvasir-SEG and PolypGen, and tried on the other groups;
`--backbone-weights FILE` does that for an untrained network on a pretrained backbone. The real frames are no part of
the repository: LAG_ZOO_SHARED, or `shared` beside the checkout.
"""

import argparse
import csv
import dataclasses
import os
import sys
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import binomtest  # type: ignore[import-untyped]
from torch import Tensor

import lag_zoo
from benchmarks.foreign_images import foreign_images
from lag_zoo import Predictor
from lag_zoo.catalogue.polyp import NAME
from lag_zoo.data.images import read_image
from lag_zoo.errors import FieldOfViewWarning
from lag_zoo.nn import LAG
from lag_zoo.predict.doubts import fit_doubts
from lag_zoo.specs import DatasetRef, WeightSpec
from lag_zoo.views import find_field_of_view
from lag_zoo.views.appearance import Appearance, appearance_of
from lag_zoo.views.extract import global_views

LAYOUT = ("nearly one colour", "noise", "a page around the frame", "two pictures")
KINDS = {
    "layout": LAYOUT,
    "colours": ("foreign colours",),
    "texture": ("foreign texture",),
    "content": ("foreign content",),
}
SETS = {
    "kvasir_seg": "Kvasir-SEG, colon",
    "polypgen": "PolypGen, colon, six centres",
    "neopolyp": "NeoPolyp, colon, another hospital",
}
OTHERS = {
    "samples": "LAG samples, stomach: 10 in white light, 14 in LCI",
    "chgastro": "AIDA-E, stomach, dyed",
}
FITTED_ON = ("kvasir_seg", "polypgen")
MADE_OF = 60  # frames that foreign images are made of


class Row(NamedTuple):
    """Images of one kind: how many, how many that the weights know, with a doubt of any kind, and of each."""

    name: str
    count: int
    trained_on: int
    any: int
    each: dict[str, int]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.foreign_input", description=__doc__)
    parser.add_argument("model", nargs="?", default=NAME)
    parser.add_argument("--refit", action="store_true", help="fit doubts anew")
    parser.add_argument("--backbone-weights", type=Path, help="a file; MODEL is then an architecture")
    parser.add_argument("--every", type=int, default=1, help="take every N-th frame of each data set")
    arguments = parser.parse_args()
    shared = Path(os.environ.get("LAG_ZOO_SHARED") or Path(__file__).resolve().parents[2] / "shared")
    if not shared.is_dir():
        sys.exit(f"needs the shared material: {shared} is no folder (set LAG_ZOO_SHARED)")
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", FieldOfViewWarning)
    torch.manual_seed(0)
    model = _model(arguments.model, arguments.backbone_weights)
    files = {name: _files(shared / name, arguments.every) for name in (*SETS, *OTHERS)}
    weights = model.weight_spec
    tried = dict(files)
    if arguments.refit or weights is None or weights.doubts is None:
        fitted = [path for name in FITTED_ON for path, odd in files[name] if not odd]
        tried |= {name: [item for item in files[name] if item[1]] for name in FITTED_ON}
        model.weight_spec = dataclasses.replace(weights or _nameless(model), doubts=fit_doubts(model, fitted))
        print(f"Doubts fitted on {len(fitted)} frames, tried on frames of other groups.\n")
    predictor = Predictor(model)
    paths = {name: [path for path, _ in items] for name, items in tried.items()}
    print(page(predictor, arguments.model, paths), flush=True)
    print(layouts([path for items in files.values() for path, _ in items]))


def page(predictor: Predictor, name: str, paths: dict[str, list[Path]]) -> str:
    """The tables of false alarms and of catches."""
    frames = [rated(predictor, title, map(read_image, paths[key])) for key, title in SETS.items()]
    some = [read_image(path) for path in _mixed([paths[key] for key in SETS])]
    turned = [torch.rot90(frame, 1, (1, 2)).contiguous() for frame in some]
    frames += [
        rated(predictor, "frames of these, turned by 90 degrees", turned),
        rated(predictor, "frames of these, mirrored", [frame.flip(2) for frame in some]),
    ]
    foreign = [rated(predictor, kind, images) for kind, images in foreign_images(some)]
    organs = [rated(predictor, title, map(read_image, paths[key])) for key, title in OTHERS.items()]
    return "\n".join(
        [
            f"## {name}: real frames that are called foreign",
            "",
            *table(frames),
            "",
            "## Frames of another organ",
            "",
            *table(organs),
            "",
            f"## Foreign images that are called foreign, made of {len(some)} frames or of none",
            "",
            *table(foreign),
            "",
        ]
    )


def rated(predictor: Predictor, name: str, images: Iterable[Tensor]) -> Row:
    """Count the doubts about images."""
    answers = [answer for answer in predictor.iter(images) if isinstance(answer, lag_zoo.Prediction)]
    said = [{warning.partition(":")[0] for warning in answer.warnings} for answer in answers]
    each = {kind: sum(not heads.isdisjoint(of_kind) for heads in said) for kind, of_kind in KINDS.items()}
    every = {head for of_kind in KINDS.values() for head in of_kind}
    known = sum(answer.in_training_data for answer in answers)
    return Row(name, len(said), known, sum(not heads.isdisjoint(every) for heads in said), each)


def table(rows: Sequence[Row]) -> list[str]:
    """Rows with a 95% Wilson interval of the share with any doubt."""
    lines = [
        f"| images | n | trained on | any doubt | {' | '.join(KINDS)} |",
        "| --- | ---: | ---: | --- |" + " ---: |" * len(KINDS),
    ]
    for row in rows:
        each = " | ".join(str(row.each[kind]) for kind in KINDS)
        share = _share(row.any, row.count)
        lines.append(f"| {row.name} | {row.count} | {row.trained_on} | {share} | {each} |")
    return lines


def layouts(paths: Sequence[Path]) -> str:
    """Extremes of real frames beside the limits that hold for all weights."""
    found = np.array([_appearance(path) for path in paths])
    lines = [
        f"## What {len(found)} real frames have",
        "",
        "| | lowest | median | highest |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, column in zip(Appearance._fields, found.T, strict=True):
        lines.append(f"| {name} | {column.min():.3f} | {np.median(column):.3f} | {column.max():.3f} |")
    return "\n".join(lines)


def _appearance(path: Path) -> Appearance:
    pixels = read_image(path)[None]
    return appearance_of(global_views(pixels, 224)[0], find_field_of_view(pixels).mask((224, 224))[0])


def _share(count: int, total: int) -> str:
    interval = binomtest(count, total).proportion_ci(method="wilson")
    return f"{count} ({count / total:.1%}; {interval.low:.1%} to {interval.high:.1%})"


def _files(folder: Path, every: int) -> list[tuple[Path, bool]]:
    """Each N-th image of a folder's manifest, and whether the number of its group is odd."""
    with open(folder / "manifest.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[::every]
    groups = {group: number for number, group in enumerate(dict.fromkeys(_group(row) for row in rows))}
    return [(folder / row["image"], groups[_group(row)] % 2 == 1) for row in rows]


def _group(row: dict[str, str]) -> str:
    return row.get("group") or row.get("exam") or row["image"]


def _mixed(sets: Sequence[Sequence[Path]]) -> list[Path]:
    """As many files of each set, in turn; neighbours are of different sets."""
    count = MADE_OF // len(sets)
    picked = [[paths[k * len(paths) // count] for k in range(min(count, len(paths)))] for paths in sets]
    return [path for together in zip(*picked, strict=False) for path in together]


def _model(name: str, backbone_weights: Path | None) -> LAG:
    if backbone_weights is None:
        return lag_zoo.create_model(name, pretrained=True).eval()
    labels = ["mucosa", "polyp"]
    return lag_zoo.create_model(name, label_names=labels, backbone_weights=backbone_weights).eval()


def _nameless(model: LAG) -> WeightSpec:
    config = model.config
    return WeightSpec(
        tag="untrained",
        files={"none": "0" * 64},
        label_names=config.label_names or (),
        modality="",
        global_size=config.global_size or 0,
        mean=config.mean or (),
        std=config.std or (),
        training_data=(DatasetRef("none"),),
        licence="",
    )


if __name__ == "__main__":
    main()
