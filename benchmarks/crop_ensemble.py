"""What each rearrangement of `lag_zoo.nn.fast` gives the crop ensemble: `python -m benchmarks.crop_ensemble`.

Seconds of this thread's processor, so that other work on the machine counts little.
"""

import copy
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from lag_zoo.nn import LAG, CropEnsemble
from lag_zoo.nn.fast import blocks
from lag_zoo.nn.fast.conv_norm import ConvNorm
from lag_zoo.nn.fast.max_pool import MaxPool2x2


def variants() -> dict[str, Callable[[torch.Tensor], object]]:
    """The ensemble as it is, fused, and either with one rearrangement taken out."""
    model = LAG("mobilenetv3_small_050", num_classes=3).eval()
    plain, fused = model.crops, model.fuse().crops
    return {
        "as built": plain,
        "as built, norms by themselves": _norms_apart(plain),
        "as built, all crops at once": partial(_at_once, plain),
        "fused": fused,
        "fused, torch's pooling": _torchs_pooling(fused),
    }


def _norms_apart(ensemble: CropEnsemble) -> CropEnsemble:
    ensemble = copy.deepcopy(ensemble)
    for module in ensemble.modules():
        if isinstance(module, ConvNorm):
            module.__class__ = nn.Sequential
    return ensemble


def _torchs_pooling(ensemble: CropEnsemble) -> CropEnsemble:
    ensemble = copy.deepcopy(ensemble)
    for module in ensemble.modules():
        if isinstance(module, MaxPool2x2):
            module.__class__ = nn.MaxPool2d
    return ensemble


def _at_once(ensemble: CropEnsemble, crops: torch.Tensor) -> object:
    limit, blocks.LIMIT = blocks.LIMIT, 1 << 40
    try:
        return ensemble(crops)
    finally:
        blocks.LIMIT = limit


@torch.inference_mode()
def measure(*, rounds: int = 12) -> dict[str, list[float]]:
    """Milliseconds a frame of each variant, at batches of 1, 8 and 64 frames of ten crops; the least of the rounds."""
    found: dict[str, list[float]] = {}
    for batch in (1, 8, 64):
        crops = torch.rand(batch, 10, 3, 64, 64)
        cases = variants()
        least = dict.fromkeys(cases, float("inf"))
        for _ in range(rounds):
            for name, case in cases.items():
                begun = time.thread_time()
                case(crops)
                least[name] = min(least[name], time.thread_time() - begun)
        for name, seconds in least.items():
            found.setdefault(name, []).append(seconds * 1e3 / batch)
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    print("| ms a frame | batch 1 | batch 8 | batch 64 |\n| --- | ---: | ---: | ---: |")
    for name, times in measure().items():
        print(f"| {name} | {' | '.join(f'{value:.2f}' for value in times)} |")
