"""Weights files: verified by SHA-256, read and written as safetensors, and put strictly into a network."""

from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lag_zoo.errors import WeightsIntegrityError, WeightsMismatchError, WeightsNotFoundError
from lag_zoo.weights.digests import digest_of, remember_digest, remembered_digest

_SHOWN = 3
_MOST_TENSORS = 20_000  # in a file; of timm's networks the one with most has 3,108


def verify_file(path: Path, sha256: str | None = None) -> str:
    """The SHA-256 of a safetensors file, which must be this one if one is given; remembered for the next time.

    The first time, the values are looked at too: each must be finite.

    Raises:
        WeightsNotFoundError: no such file.
        WeightsIntegrityError: other bytes, no safetensors file, or values that are not finite.
    """
    if not path.is_file():
        raise WeightsNotFoundError(f"no weights file {path}")
    found = remembered_digest(path)
    fresh = found is None
    if found is None:
        found = digest_of(path)
    if sha256 is not None and found != sha256:
        raise WeightsIntegrityError(
            f"{path} has the SHA-256 {found}, and {sha256} was expected: fetch or install it anew"
        )
    if fresh:
        _require_finite(_mapped(path), path)
        remember_digest(path, found)
    return found


def read_weights(path: Path, sha256: str | None = None) -> dict[str, Tensor]:
    """The tensors of a safetensors file, mapped into memory, after `verify_file`.

    Raises:
        WeightsNotFoundError: no such file.
        WeightsIntegrityError: other bytes, no safetensors file, or values that are not finite.
    """
    verify_file(path, sha256)
    return _mapped(path)


def write_weights(path: Path, weights: Mapping[str, Tensor], **metadata: str) -> None:
    """Writes a safetensors file; tied weights and views each by themselves, whoever shares their memory.

    Raises:
        OSError: it cannot be written.
    """
    own = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in weights.items()}
    path.touch()
    mode = path.stat().st_mode  # safetensors puts a file in its place that only the owner may read
    try:
        save_file(own, path, metadata={"format": "pt", **metadata})
    except SafetensorError as error:
        raise OSError(f"{path} cannot be written: {error}") from error
    path.chmod(mode)


def _mapped(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, "pt") as file:
            count = len(file.keys())
        weights = load_file(path) if count <= _MOST_TENSORS else {}
    except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError, OverflowError, OSError) as error:
        raise WeightsIntegrityError(f"{path} is not a safetensors file that can be read: {error}") from error
    if count > _MOST_TENSORS:
        raise WeightsIntegrityError(f"{path} holds {count:,} tensors; up to {_MOST_TENSORS:,} are taken")
    return weights


def _require_finite(weights: Mapping[str, Tensor], source: object) -> None:
    broken = [key for key, tensor in weights.items() if tensor.is_floating_point() and not _finite(tensor)]
    if broken:
        raise WeightsIntegrityError(
            f"{source} holds values that are not finite: {', '.join(broken[:_SHOWN])}"
        )


def _finite(tensor: Tensor) -> bool:
    if tensor.ndim == 0:  # a bound may be infinite, as those of timm's gemma4 are
        return not bool(tensor.isnan())
    # The sum of a tensor is finite where all its values are, unless it overflows; then they are looked at.
    wide = tensor.float() if tensor.element_size() < 4 else tensor
    return bool(wide.sum().isfinite()) or bool(torch.isfinite(wide).all())


def compare(
    own: Mapping[str, Tensor], weights: Mapping[str, Tensor], *, source: str, except_for: Collection[str] = ()
) -> None:
    """Refuses weights whose keys, shapes or kinds of number are not those of a network, but for some keys.

    Raises:
        WeightsMismatchError: they differ; the message shows the first that do.
    """
    ours = {key: tensor for key, tensor in own.items() if key not in except_for}
    theirs = {key: tensor for key, tensor in weights.items() if key not in except_for}
    differences = [
        *(f"missing: {key} {tuple(ours[key].shape)}" for key in ours if key not in theirs),
        *(f"unexpected: {key} {tuple(theirs[key].shape)}" for key in theirs if key not in ours),
        *(
            f"shape: {key} is {tuple(theirs[key].shape)}, the network has {tuple(ours[key].shape)}"
            for key in ours
            if key in theirs and ours[key].shape != theirs[key].shape
        ),
        *(
            f"type: {key} is {theirs[key].dtype}, the network has {ours[key].dtype}"
            for key in ours
            if key in theirs and ours[key].is_floating_point() != theirs[key].is_floating_point()
        ),
    ]
    if differences:
        more = f"\n  and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
        listed = "\n  ".join(differences[:_SHOWN])
        raise WeightsMismatchError(f"{source} holds the weights of another network:\n  {listed}{more}")


def load_strictly(model: nn.Module, weights: Mapping[str, Tensor], *, source: str) -> None:
    """Copies weights into a network whose keys and shapes are exactly these; fp16 widens to the network's type.

    Raises:
        WeightsMismatchError: keys, shapes or types differ; the network is untouched.
        WeightsIntegrityError: a value is not finite; the network is untouched.
    """
    compare(model.state_dict(), weights, source=source)
    _require_finite(weights, source)
    model.load_state_dict(dict(weights), strict=True)
