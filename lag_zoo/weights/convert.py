"""Old checkpoints brought over to safetensors: the one place where a pickle is read, and its code is never run."""

import os
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from lag_zoo.errors import WeightsIntegrityError, WeightsMismatchError, WeightsNotFoundError
from lag_zoo.files import write_whole
from lag_zoo.weights.files import write_weights

_WRAPPERS = ("state_dict", "model", "teacher", "model_state_dict", "state_dict_ema", "student")
"""Under which names training scripts keep the weights of a checkpoint, the likelier first."""


def convert(
    old: str | os.PathLike[str], new: str | os.PathLike[str], keys: Mapping[str, str] | None = None
) -> list[str]:
    """Writes the tensors of a PyTorch checkpoint as a safetensors file, whole or not at all; the keys written.

    Args:
        old: a `.pth`, `.pt` or `.bin` file; read with `weights_only=True`, so that nothing in it is run.
        new: the file to write.
        keys: beginnings of keys, and what replaces each; with it, keys that begin otherwise are left out.

    Raises:
        WeightsNotFoundError: no such file.
        WeightsIntegrityError: no checkpoint, or one that holds more than weights and plain values.
        WeightsMismatchError: no tensors in it, or two keys that become one.
        OSError: the new file cannot be written.
    """
    state = _tensors(_read(Path(old)), Path(old))
    renamed: dict[str, Tensor] = {}
    for key, tensor in state.items():
        name = _renamed(key, keys)
        if name is None:
            continue
        if name in renamed:
            raise WeightsMismatchError(f"two keys of {old} become {name!r}; the second is {key!r}")
        renamed[name] = tensor
    if not renamed:
        raise WeightsMismatchError(
            f"no key of {old} begins with one of {', '.join(keys or ())}; the first are {', '.join([*state][:3])}"
        )
    write_whole(new, lambda scratch: write_weights(scratch, renamed))
    return list(renamed)


def _read(path: Path) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WeightsNotFoundError(f"no checkpoint {path}") from error
    except (
        pickle.UnpicklingError,
        zipfile.BadZipFile,
        RuntimeError,
        EOFError,
        ValueError,
        KeyError,
    ) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsIntegrityError(
            f"{path} is no checkpoint of weights and plain values, and nothing else is opened: {first}"
        ) from error


def _tensors(data: object, path: Path) -> dict[str, Tensor]:
    """The state dict in a checkpoint: the checkpoint itself, or what it keeps under one of the usual names."""
    for candidate in [data, *(data.get(name) for name in _WRAPPERS if isinstance(data, Mapping))]:
        if isinstance(candidate, Mapping):
            found = {k: v for k, v in candidate.items() if isinstance(k, str) and isinstance(v, Tensor)}
            if found:
                return found
    inside = f"; it holds {', '.join(map(str, [*data][:5]))}" if isinstance(data, Mapping) else ""
    raise WeightsMismatchError(f"no tensors in {path}, nor under {', '.join(_WRAPPERS)}{inside}")


def _renamed(key: str, keys: Mapping[str, str] | None) -> str | None:
    if keys is None:
        return key
    for old, new in keys.items():
        if key.startswith(old):
            return new + key.removeprefix(old)
    return None
