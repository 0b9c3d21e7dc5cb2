"""The golden pair of an export: views of a drawn frame, and the network's logits and probabilities of them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lag_zoo.data.phantom import draw_frame
from lag_zoo.nn import LAG
from lag_zoo.tasks import rules_of
from lag_zoo.views import Views
from lag_zoo.weights.files import write_weights

_SIZES = ((96, 96), (240, 320), (480, 640), (300, 260))
_FRAMES = 32

BATCHES = (1, 2, 5, 8, 16)
"""The frames that are drawn for the check, in batches of so many."""


def drawn_frames(count: int = _FRAMES) -> list[Tensor]:
    """Draw frames of several sizes, in two kinds of light, with a bump and without."""
    return [
        draw_frame(
            _SIZES[seed % len(_SIZES)],
            seed=seed,
            modality=("wli", "lci")[seed // 4 % 2],
            polyp=seed % 3 == 0,
        )
        for seed in range(count)
    ]


@torch.inference_mode()
def expected(network: LAG, views: Views, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Logits and probabilities (B, C) of a network in evaluation mode, by `lag_zoo.tasks`, as a Predictor has them."""
    logits = network(views.to(network.pixel_mean.device)).double().cpu().numpy()
    return logits, rules_of(network.config.task).probabilities(logits / temperature)


def write_golden(
    path: Path, names: tuple[str, ...], inputs: tuple[Tensor, ...], answers: tuple[np.ndarray, np.ndarray]
) -> None:
    """Write the pair: the inputs by their names, `logits` and `probabilities`."""
    logits, chances = (torch.from_numpy(values).float() for values in answers)
    write_weights(path, {**dict(zip(names, inputs, strict=True)), "logits": logits, "probabilities": chances})


def apart(found: Mapping[str, np.ndarray], answers: tuple[np.ndarray, np.ndarray]) -> dict[str, float]:
    """Return the largest distance of logits, and of probabilities; infinite where one is not a number."""
    pairs = zip(("logits", "probabilities"), answers, strict=True)
    return {name: float(np.nan_to_num(np.abs(found[name] - own).max(), nan=np.inf)) for name, own in pairs}
