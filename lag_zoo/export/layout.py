"""The folder of an export: its files, and what its `config.json` says, both ways."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lag_zoo.errors import WeightsIntegrityError, WeightsNotFoundError
from lag_zoo.opening import UnfitFileError, read_regular
from lag_zoo.specs import DatasetRef, Doubts, LAGConfig, Spec
from lag_zoo.state import read_state, write_state

Runtime = Literal["onnx", "torch"]

CONFIG, GOLDEN, CARD = "config.json", "golden.safetensors", "README.md"
MODELS: Mapping[Runtime, str] = {"onnx": "model.onnx", "torch": "model.pt2"}
OURS = frozenset({CONFIG, GOLDEN, CARD, *MODELS.values()})

TOLERANCE = 1e-4
"""The largest distance that logits and probabilities of an export may have from the network's."""

_LARGEST = (1 << 31) - 1  # bytes of an ONNX file: protobuf takes no more


@dataclass(frozen=True, kw_only=True)
class ExportSpec(Spec):
    """The content of `config.json`: all that the views and the call need, and what it was made from.

    Attributes:
        runtime: `onnx` or `torch`.
        name: of the model.
        network: the network's configuration; the sizes of the views and the policy are in it. Its mean and std are for
            information: they are inside the graph, as the temperature is.
        label_names: one a probability.
        inputs: names of the graph's inputs, in order; `outputs` likewise.
        opset: of ONNX; `None`: an exported program.
        operating_points: the probability from which a label is called.
        temperature: by which the graph divides logits before they become probabilities.
        modality: the light that the frames were taken with; empty: not stated.
        doubts: as in `WeightSpec`, without the features, which only the torch network has.
        trained_on: the data sets behind the weights, as far as they are stated.
        source: the weights that were loaded; empty: a network in memory.
        weights_sha256: of the file of these; empty: a network in memory.
        licence: of the weights, and of what they were made from; `intended_use` and `limits` as in `WeightSpec`.
        files: SHA-256 of the model and of the golden pair.
        apart: the largest distance from the network that was found before the export was put in place, of logits and
            of probabilities.
        versions: of the libraries that wrote it.
        schema_version: the version of this layout.
    """

    runtime: Runtime
    name: str
    network: LAGConfig
    label_names: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    opset: int | None = None
    operating_points: Mapping[str, float] = field(default_factory=dict)
    temperature: float = 1.0
    modality: str = ""
    doubts: Doubts | None = None
    trained_on: tuple[DatasetRef, ...] = ()
    source: str = ""
    weights_sha256: str = ""
    licence: str = ""
    intended_use: str = ""
    limits: tuple[str, ...] = ()
    files: Mapping[str, str]
    apart: Mapping[str, float]
    versions: Mapping[str, str]
    schema_version: int = 1


def write_spec(folder: Path, spec: ExportSpec) -> None:
    """Write `config.json`, with its checksum."""
    write_state(folder / CONFIG, spec.to_dict())


def read_spec(folder: Path, runtime: Runtime) -> ExportSpec:
    """Read the `config.json` of an export for a runtime.

    Raises:
        WeightsNotFoundError: no such export there.
        StateError: it was changed, or is another's.
        InvalidConfigError: values that cannot be right.
    """
    if not (folder / CONFIG).is_file() or not (folder / MODELS[runtime]).is_file():
        there = [name for name in (CONFIG, *MODELS.values()) if (folder / name).is_file()]
        found = f"there are {', '.join(there)}" if there else "there is none of an export's files"
        raise WeightsNotFoundError(
            f"{folder} holds no export with {CONFIG} and {MODELS[runtime]} ({found})",
            ways_on=f"lag-zoo export NAME --to {runtime} -o {folder}",
        )
    return ExportSpec.from_dict(read_state(folder / CONFIG))


def read_verified(folder: Path, name: str, spec: ExportSpec) -> bytes:
    """Read a file of an export whole; the bytes that are hashed are those that come back.

    Raises:
        WeightsIntegrityError: its SHA-256 is not the one in `config.json`, or it is no file.
    """
    try:
        data = read_regular(folder / name, most=_LARGEST)
    except UnfitFileError as error:
        raise WeightsIntegrityError(f"{folder / name} cannot be read: {error.strerror}") from error
    found, stated = hashlib.sha256(data).hexdigest(), spec.files.get(name, "")
    if found != stated:
        raise WeightsIntegrityError(
            f"{folder / name} is not the file that was written: its SHA-256 is {found[:16]}..., and {CONFIG} states "
            f"{stated[:16] or 'none'}...: export again, or copy the folder again"
        )
    return data
