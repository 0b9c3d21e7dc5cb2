"""From a file to a probability: `Predictor`'s way, LAG with its crops, against PIL, torchvision and the plain backbone.

Both read the same file of 1280 x 1024 pixels from disk and end at a probability, one frame after another: batch 1.
"""

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import timm
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms import v2
from torchvision.transforms.v2.functional import pil_to_tensor

from benchmarks.timing import Row, interleaved, row
from lag_zoo.data import read_image
from lag_zoo.data.phantom import draw_frame
from lag_zoo.nn import LAG
from lag_zoo.predict import Predictor

GOALS = {"resnet50": "at most 1.00", "mobilenetv3_small_100": "at most 1.20"}
FILES: dict[str, dict[str, Any]] = {"frame.jpg": {"quality": 90}, "frame.tif": {}}
LABELS = ["normal", "GA", "IM"]


class Plain:
    """What stands in most scripts: PIL, torchvision's transforms, a timm model, softmax."""

    def __init__(self, name: str) -> None:
        self.backbone: nn.Module = timm.create_model(name, num_classes=len(LABELS)).eval()
        self.transform = v2.Compose(
            [
                v2.PILToTensor(),
                v2.Resize((224, 224), antialias=True),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
            ]
        )

    def __call__(self, path: Path) -> Tensor:
        with Image.open(path) as image:
            pixels = self.transform(image.convert("RGB"))
        probabilities: Tensor = self.backbone(pixels[None]).softmax(1)
        return probabilities


def _read_by_pil(path: Path) -> Tensor:
    with Image.open(path) as image:
        pixels: Tensor = pil_to_tensor(image.convert("RGB"))
    return pixels


@torch.inference_mode()
def rows(*, rounds: int = 15) -> list[Row]:
    """A file's reading; and three rows a backbone: the network's answer, fused too, and all that a `Predictor` says."""
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        for file, options in FILES.items():
            path = Path(scratch) / file
            Image.fromarray(draw_frame().permute(1, 2, 0).numpy()).save(path, **options)
            times = interleaved(
                {"ours": partial(read_image, path), "pil": partial(_read_by_pil, path)}, rounds=2 * rounds
            )
            kind = path.suffix[1:].upper()
            found.append(row(f"{kind} file read / PIL, to a tensor", times["ours"], times["pil"]))
            for name in GOALS:
                found += _of_one_file(path, name, rounds)
    return found


def _of_one_file(path: Path, name: str, rounds: int) -> list[Row]:
    model, plain = LAG(name, label_names=LABELS).eval(), Plain(name)
    fused = model.fuse()
    predictor = Predictor(model, fuse=True)
    times = interleaved(
        {
            "lag": lambda: model(read_image(path)[None]).softmax(1),
            "fused": lambda: fused(read_image(path)[None]).softmax(1),
            "predictor": lambda: predictor(path),
            "plain": lambda: plain(path),
        },
        rounds=rounds,
    )
    peer = f"PIL, torchvision, {name}"
    what = {
        "lag": f"file to probability, LAG on {name} / {peer}",
        "fused": f"file to probability, LAG, `fuse()`d, on {name} / {peer}",
        "predictor": f"file to `Prediction` (warnings, boxes), LAG, `fuse()`d, on {name} / {peer}",
    }
    goals = {"lag": GOALS[name], "fused": GOALS[name]}
    kind = path.suffix[1:].upper()
    return [
        row(f"{kind} {text}", times[case], times["plain"], goal=goals.get(case, ""))
        for case, text in what.items()
    ]


if __name__ == "__main__":
    from benchmarks.timing import markdown

    print(markdown("File to probability", rows()))
