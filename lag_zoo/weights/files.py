"""Weights files: read, verified by SHA-256, and loaded strictly into a network."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from lag_zoo.errors import WeightsIntegrityError, WeightsMismatchError, WeightsNotFoundError

_SHOWN = 3


def read_weights(path: Path, sha256: str | None = None) -> dict[str, Tensor]:
    """The tensors of a safetensors file whose bytes have this SHA-256.

    Raises:
        WeightsNotFoundError: no such file.
        WeightsIntegrityError: other bytes, or no safetensors file.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise WeightsNotFoundError(f"no weights file {path}") from error
    if sha256 is not None and (found := hashlib.sha256(data).hexdigest()) != sha256:
        raise WeightsIntegrityError(
            f"{path} has the SHA-256 {found}, and {sha256} was expected: fetch or install it anew"
        )
    try:
        return load(data)
    except SafetensorError as error:
        raise WeightsIntegrityError(f"{path} is not a safetensors file: {error}") from error


def load_strictly(model: nn.Module, weights: Mapping[str, Tensor], *, source: str) -> None:
    """Copies weights into a network whose keys and shapes are exactly these; fp16 widens to the network's type.

    Raises:
        WeightsMismatchError: keys or shapes differ, or a value is not finite; the network is untouched.
    """
    own = model.state_dict()
    differences = [
        *(f"missing: {key} {tuple(own[key].shape)}" for key in own if key not in weights),
        *(f"unexpected: {key} {tuple(weights[key].shape)}" for key in weights if key not in own),
        *(
            f"shape: {key} is {tuple(weights[key].shape)}, the network has {tuple(own[key].shape)}"
            for key in own
            if key in weights and own[key].shape != weights[key].shape
        ),
    ]
    if differences:
        more = f"\n  and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
        listed = "\n  ".join(differences[:_SHOWN])
        raise WeightsMismatchError(f"{source} holds the weights of another network:\n  {listed}{more}")
    broken = [
        key
        for key, tensor in weights.items()
        if tensor.is_floating_point() and not torch.isfinite(tensor).all()
    ]
    if broken:
        raise WeightsMismatchError(f"{source} holds values that are not finite: {', '.join(broken[:_SHOWN])}")
    model.load_state_dict(dict(weights), strict=True)
