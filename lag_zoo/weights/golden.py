"""The saved pair that travels with each set of weights: a drawn frame, and what the network said of it.

It shows in a second whether weights, code and libraries still give the same answer. The frame is drawn, never a
patient's.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from lag_zoo.errors import WeightsIntegrityError, WeightsMismatchError
from lag_zoo.nn import LAG
from lag_zoo.nn.modes import evaluating
from lag_zoo.weights.files import read_weights, write_weights

TOLERANCE = 1e-3  # of logits, between machines and versions
_WIDEST = 1e-2  # that a stranger may allow
_MOST_FRAMES = 8
_MOST_VALUES = 1 << 24  # of a stranger's frames


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
    def read(cls, path: Path, sha256: str | None = None) -> "Golden":
        """The pair that `save` wrote, in a file of this SHA-256.

        Raises:
            WeightsNotFoundError: no such file.
            WeightsIntegrityError: other bytes, no such pair, or one out of all proportion.
        """
        tensors, _, metadata = read_weights(path, sha256, mapped=True)
        if (why := _objection(tensors, metadata)) is not None:
            raise WeightsIntegrityError(f"{path} is no saved example: {why}")
        # Now that they are bounded they may take memory.
        frames, logits = tensors["frames"].clone(), tensors["logits"].clone()
        return cls(frames, logits, float(metadata["tolerance"]))


def _objection(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str | None:
    """Say why this is no saved example; `None`: it is one."""
    if tensors.keys() != {"frames", "logits"}:
        return f"it holds {', '.join(sorted(tensors)[:4]) or 'nothing'}, and not frames and logits"
    frames, logits = tensors["frames"], tensors["logits"]
    if frames.ndim != 4 or frames.shape[1] != 3 or frames.dtype != torch.uint8 or not frames.numel():
        return f"its frames are {tuple(frames.shape)} {frames.dtype}, and not (B, 3, H, W) uint8"
    if len(frames) > _MOST_FRAMES or frames.numel() > _MOST_VALUES:
        return (
            f"it has {len(frames):,} frames of {frames.numel():,} values; up to {_MOST_FRAMES} and {_MOST_VALUES:,} "
            "are taken"
        )
    if logits.ndim != 2 or len(logits) != len(frames) or not logits.is_floating_point():
        return f"its logits are {tuple(logits.shape)} {logits.dtype}, of {len(frames)} frames"
    try:
        tolerance = float(metadata["tolerance"])
    except (KeyError, ValueError):
        return "it does not say how far other logits may be from its own"
    if not 0 < tolerance <= _WIDEST:
        return f"it allows logits that are {tolerance:g} away; up to {_WIDEST:g} is taken"
    return None


@torch.inference_mode()
def answers(model: LAG, frames: Tensor) -> Tensor:
    """Logits of raw frames in evaluation mode, on the CPU; the network is left in the mode it was in.

    The frames go in as floats: bytes are resized with another rounding from one version of torch to the next.
    """
    with evaluating(model):
        return model(frames.float() / 255).float().cpu()  # type: ignore[no-any-return]
