"""Old checkpoints brought over to safetensors: the one place where a pickle is read, and its code is never run."""

import os
import zipfile
from collections.abc import Mapping
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor
from torch.torch_version import TorchVersion

from lag_zoo.errors import (
    InvalidConfigError,
    WeightsIntegrityError,
    WeightsMismatchError,
    WeightsNotFoundError,
)
from lag_zoo.files import write_whole
from lag_zoo.opening import open_regular
from lag_zoo.weights.files import read_weights, write_weights
from lag_zoo.weights.layout import DTYPES, METADATA

_WRAPPERS = ("state_dict", "model", "teacher", "model_state_dict", "state_dict_ema", "student")
"""Under which names training scripts keep the weights of a checkpoint, the likelier first."""

_MOST_TIED = 64  # times that the same numbers may be written, under the names of layers that share them
_HOLE_IS_CLOSED = TorchVersion(torch.__version__) >= TorchVersion("2.10")


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
        InvalidConfigError: a version of torch that is not safe to read checkpoints with.
        WeightsIntegrityError: no checkpoint, one that holds more than weights and plain values, or tensors that are
            not finite, not plain numbers, or larger than what the file has of them.
        WeightsMismatchError: no tensors in it, or two keys that become one.
        OSError: the new file cannot be written.
    """
    state = _tensors(_read(Path(old)), Path(old))
    _require_plain(state, old)
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
    write_whole(new, lambda scratch: _write(scratch, renamed, old))
    return list(renamed)


def _write(scratch: Path, weights: Mapping[str, Tensor], old: object) -> None:
    """Write, and read back as anyone will."""
    write_weights(scratch, weights)
    try:
        written = read_weights(scratch, mapped=True).tensors
    except WeightsIntegrityError as error:
        raise WeightsIntegrityError(str(error).replace(str(scratch), str(old))) from error
    if differing := [key for key, tensor in weights.items() if not torch.equal(written[key], tensor)]:
        raise WeightsIntegrityError(f"{old} was not written as it is: {', '.join(differing[:3])} differ")


def _require_plain(state: Mapping[str, Tensor], old: object) -> None:
    """Refuse what safetensors has no place for, and tensors that are larger than what was read of them."""
    held, written = {}, 0
    for key, tensor in state.items():
        if key == METADATA or any(0xD800 <= ord(letter) <= 0xDFFF for letter in key):
            raise WeightsIntegrityError(f"{old} has a key {key!r}, which no tensor can have")
        if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.dtype not in DTYPES:
            kind = f"{tensor.dtype}, {tensor.layout}, on {tensor.device}"
            raise WeightsIntegrityError(f"{old} holds {key} as {kind}; plain numbers are taken")
        storage, size = tensor.untyped_storage(), tensor.numel() * tensor.element_size()
        if size > storage.nbytes():
            raise WeightsIntegrityError(
                f"{old} holds {key} of shape {tuple(tensor.shape)}, which repeats the {storage.nbytes():,} bytes that "
                "there are"
            )
        held[storage.data_ptr()] = storage.nbytes()
        written += size
    if written > _MOST_TIED * sum(held.values()):
        raise WeightsIntegrityError(
            f"{old} would be written as {written:,} bytes, and holds {sum(held.values()):,}: the same ones many times"
        )


def _read(path: Path) -> object:
    if not _HOLE_IS_CLOSED:
        raise InvalidConfigError(
            f"torch {torch.__version__} can be made to run code by a checkpoint, whatever it is told "
            "(CVE-2026-24747): convert it with torch 2.10 or later; the safetensors file is read by any"
        )
    try:
        with BufferedReader(open_regular(path)) as file:
            _require_stored(file, path)
            return torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WeightsNotFoundError(f"no checkpoint {path}") from error
    except WeightsIntegrityError:
        raise
    except Exception as error:  # told below: torch says of a strange file whatever its parts meet
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsIntegrityError(
            f"{path} is no checkpoint of weights and plain values, and nothing else is opened: {first}"
        ) from error


def _require_stored(file: BinaryIO, path: Path) -> None:
    """Refuse an archive that is larger inside than it is: torch writes none that is packed."""
    if zipfile.is_zipfile(file):
        size = file.seek(0, os.SEEK_END)
        with zipfile.ZipFile(file) as archive:
            inside = sum(entry.file_size for entry in archive.infolist())
        if inside > size:
            raise WeightsIntegrityError(f"{path} has {size:,} bytes, and would have {inside:,} when unpacked")
    file.seek(0)


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
