"""The saved pair that travels with each set of weights: a drawn frame, and what the network said of it.

It shows in a second whether weights, code and libraries still give the same answer. The frame is drawn, never a
patient's.
"""

from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from lag_zoo.errors import WeightsIntegrityError, WeightsMismatchError, WeightsNotFoundError
from lag_zoo.nn import LAG
from lag_zoo.nn.modes import evaluating
from lag_zoo.weights.files import write_weights

TOLERANCE = 1e-3  # of logits, between machines and versions


class Golden(NamedTuple):
    """Frames (B, 3, H, W) uint8, their logits (B, classes), and how far others may be from these."""

    frames: Tensor
    logits: Tensor
    tolerance: float = TOLERANCE

    def apart(self, model: LAG) -> float:
        """Largest distance of a network's logits from the saved ones; each module keeps its mode.

        Raises:
            WeightsMismatchError: further than the tolerance.
        """
        logits = answers(model, self.frames)
        if logits.shape != self.logits.shape:
            raise WeightsMismatchError(
                f"the saved example has {tuple(self.logits.shape)} logits, the network gives {tuple(logits.shape)}"
            )
        apart = float((logits - self.logits).abs().max())
        if not apart <= self.tolerance:
            raise WeightsMismatchError(
                f"the network's logits are {apart:.3g} from the saved example's, and {self.tolerance:g} is allowed: "
                "these are not the weights, or not the views, that were saved"
            )
        return apart

    def save(self, path: Path) -> None:
        """Writes the pair."""
        pair = {"frames": self.frames, "logits": self.logits}
        write_weights(path, pair, tolerance=str(self.tolerance))

    @classmethod
    def read(cls, path: Path) -> "Golden":
        """The pair that `save` wrote.

        Raises:
            WeightsNotFoundError: no such file.
            WeightsIntegrityError: no such pair.
        """
        if not path.is_file():
            raise WeightsNotFoundError(f"no saved example {path}")
        try:
            with safe_open(path, framework="pt") as file:
                return cls(
                    file.get_tensor("frames"), file.get_tensor("logits"), float(file.metadata()["tolerance"])
                )
        except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise WeightsIntegrityError(f"{path} is no saved example: {error}") from error


@torch.inference_mode()
def answers(model: LAG, frames: Tensor) -> Tensor:
    """Logits of raw frames in evaluation mode, on the CPU; the network is left in the mode it was in.

    The frames go in as floats: bytes are resized with another rounding from one version of torch to the next.
    """
    with evaluating(model):
        return model(frames.float() / 255).float().cpu()  # type: ignore[no-any-return]
