"""From a network to a folder that another runtime answers from: exported, run, compared, and only then put in place."""

import dataclasses
import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from torch import Tensor

import lag_zoo
from lag_zoo.errors import ExportError, InvalidConfigError, extra
from lag_zoo.export.card import card
from lag_zoo.export.golden_views import BATCHES, apart, drawn_frames, expected, write_golden
from lag_zoo.export.layout import (
    CARD,
    GOLDEN,
    MODELS,
    OURS,
    TOLERANCE,
    ExportSpec,
    Runtime,
    read_verified,
    write_spec,
)
from lag_zoo.export.readout import Readout
from lag_zoo.export.runtimes import Run, onnx_run, onnx_session, torch_run
from lag_zoo.factory import create_model
from lag_zoo.files import write_whole_folder
from lag_zoo.nn import LAG
from lag_zoo.nn.modes import evaluation_twin
from lag_zoo.predict.labels import labels_of
from lag_zoo.publishing import is_as_loaded
from lag_zoo.views import Views
from lag_zoo.weights.digests import digest_of

OPSET = 18
"""The oldest opset that is written, and the default: it has antialiased resizing and all that the networks need."""

_LIBRARIES: dict[Runtime, tuple[str, ...]] = {
    "onnx": ("torch", "timm", "onnx", "onnxscript", "onnxruntime"),
    "torch": ("torch", "timm"),
}


def export_model(
    model: LAG | str, directory: str | os.PathLike[str], *, to: Runtime = "onnx", opset: int = OPSET
) -> Path:
    """Writes a network for another runtime: the model, `config.json`, `golden.safetensors`, `README.md`.

    The export is run on the golden pair and on 32 drawn frames of four sizes, in batches of 1 to 16, and refused where
    logits or probabilities are more than 1e-4 from the network's. The folder appears whole or not at all; an earlier
    export is replaced, any other folder that holds something is left alone.

    Args:
        model: a name of the zoo, whose weights are loaded, a place (`local-dir:path`, `hf-hub:org/repo`), or a network.
        directory: the folder to write.
        to: `onnx`: `model.onnx`, for ONNX Runtime (extra `export`); `torch`: `model.pt2`, for `torch.export.load`.
        opset: of ONNX, 18 or newer.

    Raises:
        MissingExtraError: onnx, onnxscript or onnxruntime is not installed, and `to` is `onnx`.
        InvalidConfigError: no such runtime, an opset too old or one that cannot be written, a network without a
            classifier or that is no `LAG`, or a folder that holds other files.
        ExportError: torch cannot export the network, or the export answers otherwise.
        WeightsNotFoundError: a name without weights.

    >>> import tempfile
    >>> model = lag_zoo.create_model("lag_mobilenetv3_small_050", label_names=["normal", "IM"], num_crops=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sorted(path.name for path in export_model(model, folder, to="torch").iterdir())
    ['README.md', 'config.json', 'golden.safetensors', 'model.pt2']
    """
    _require_possible(model, to, opset)
    target = Path(directory).expanduser().absolute()
    _require_replaceable(target)
    network = create_model(model, pretrained=True) if isinstance(model, str) else model
    named = isinstance(model, str) and ":" not in model  # a place may be a path, which a card does not tell
    name = str(model if named else network.pretrained_cfg["architecture"])
    labels_of(network)
    write_whole_folder(target, lambda folder: _write(network, folder, name, to, opset))
    return target


def _require_possible(model: LAG | str, to: Runtime, opset: int) -> None:
    if not isinstance(model, str | LAG):
        raise InvalidConfigError(
            f"a name or a LAG is exported, got {type(model).__name__}; of a network of examinations take its .frame"
        )
    if to not in get_args(Runtime):
        raise InvalidConfigError(f"export is to {' or '.join(get_args(Runtime))}; got {to!r}")
    if to == "torch":
        return
    with extra("export"):
        import onnx
        import onnxruntime  # noqa: F401 - asked for now, and not after the export
        import onnxscript  # noqa: F401
    newest = onnx.defs.onnx_opset_version()
    if not OPSET <= opset <= newest:
        raise InvalidConfigError(
            f"opset is {OPSET} to {newest} (the newest of onnx {version('onnx')}), got {opset}"
        )


def _require_replaceable(target: Path) -> None:
    if target.exists() and not target.is_dir():
        raise InvalidConfigError(f"{target} is a file; a folder is written")
    strange = sorted(p.name for p in target.iterdir() if p.name not in OURS) if target.is_dir() else []
    if strange:
        raise InvalidConfigError(
            f"{target} holds other files ({', '.join(strange[:3])}); name a new folder, or one of an earlier export"
        )


def _write(network: LAG, folder: Path, name: str, to: Runtime, opset: int) -> None:
    spec = _spec_of(network, name, to, opset)
    readout = Readout(network, temperature=spec.temperature)
    frames = drawn_frames()
    twin = evaluation_twin(network)
    sampler = network.sampler(with_coverage=False)
    each = [sampler(frame, index=0).batched() for frame in frames]
    file = folder / MODELS[to]
    inputs = readout.inputs_of(Views(*map(torch.cat, zip(*each[:2], strict=True))))
    _WRITERS[to](readout, inputs, file, opset)
    answers = expected(twin, each[0], spec.temperature)
    write_golden(folder / GOLDEN, readout.input_names, readout.inputs_of(each[0]), answers)
    spec = dataclasses.replace(
        spec,
        inputs=readout.input_names,
        outputs=readout.output_names,
        files={item.name: digest_of(item) for item in (file, folder / GOLDEN)},
    )
    data = read_verified(folder, file.name, spec)
    run = onnx_run(onnx_session(data)) if to == "onnx" else torch_run(data, spec.outputs)
    found = _furthest(run, readout, twin, each, spec.temperature)
    if not max(found.values()) <= TOLERANCE:
        raise ExportError(
            f"the export of {name} is not written: its logits are {found['logits']:.2g} and its probabilities "
            f"{found['probabilities']:.2g} from the network's on drawn frames, and {TOLERANCE:g} is allowed"
        )
    spec = dataclasses.replace(spec, apart=found)
    write_spec(folder, spec)
    (folder / CARD).write_text(card(spec), encoding="utf-8")


def _spec_of(network: LAG, name: str, to: Runtime, opset: int) -> ExportSpec:
    """The specification as far as the network goes; its files are still to come."""
    weights, report = network.weight_spec, network.load_report
    loaded = report is not None and is_as_loaded(network)
    spec = ExportSpec(
        runtime=to,
        name=name,
        network=network.config,
        label_names=labels_of(network),
        inputs=(),
        outputs=(),
        opset=opset if to == "onnx" else None,
        trained_on=() if report is None else report.trained_on,
        source="" if report is None or not loaded else report.public_source,
        weights_sha256="" if report is None or not loaded else report.sha256,
        files={},
        apart={},
        versions={"lag_zoo": lag_zoo.__version__, **{name: version(name) for name in _LIBRARIES[to]}},
    )
    if weights is None:
        return spec
    return dataclasses.replace(
        spec,
        operating_points=weights.operating_points,
        temperature=weights.temperature,
        modality=weights.modality,
        doubts=None if weights.doubts is None else dataclasses.replace(weights.doubts, features=None),
        licence="; ".join(filter(None, [weights.licence, weights.backbone_licence])),
        intended_use=weights.intended_use,
        limits=weights.limits,
    )


def _furthest(
    run: Run, readout: Readout, network: LAG, each: list[Views], temperature: float
) -> dict[str, float]:
    """The largest distances over all drawn frames, the first of them the golden pair's, in batches of several sizes."""
    found, start = {"logits": 0.0, "probabilities": 0.0}, 0
    for size in BATCHES:
        views = Views(*map(torch.cat, zip(*each[start : start + size], strict=True)))
        start += size
        inputs = zip(readout.input_names, readout.inputs_of(views), strict=True)
        outputs = run({name: np.ascontiguousarray(tensor.numpy()) for name, tensor in inputs})
        here = apart(outputs, expected(network, views, temperature))
        found = {name: max(value, here[name]) for name, value in found.items()}
    return found


def _exported(readout: Readout, inputs: tuple[Tensor, ...]) -> torch.export.ExportedProgram:
    """The program of a network for any number of frames; `inputs` are those of two."""
    batch = torch.export.Dim("batch", min=1)
    try:
        with torch.no_grad():
            return torch.export.export(readout, inputs, dynamic_shapes=tuple({0: batch} for _ in inputs))
    except Exception as error:  # torch has a dozen kinds, and a backbone its own
        reason = str(error).strip().partition("\n")[0]
        raise ExportError(
            f"torch {torch.__version__} cannot export {readout.network.config.backbone}: {type(error).__name__}: "
            f"{reason}"
        ) from error


def _write_torch(readout: Readout, inputs: tuple[Tensor, ...], path: Path, opset: int) -> None:
    torch.export.save(_exported(readout, inputs), path)


def _write_onnx(readout: Readout, inputs: tuple[Tensor, ...], path: Path, opset: int) -> None:
    import onnx

    program = _exported(readout, inputs)
    try:
        written = torch.onnx.export(
            program,
            opset_version=opset,
            output_names=readout.output_names,
            dynamo=True,
            verbose=False,
            optimize=False,  # each runtime does that itself when it loads
        )
    except Exception as error:  # likewise
        reason = str(error).strip().partition("\n")[0]
        raise ExportError(
            f"torch {torch.__version__} cannot bring {readout.network.config.backbone} to ONNX: "
            f"{type(error).__name__}: {reason}"
        ) from error
    if written is None:
        raise ExportError(f"torch {torch.__version__} gave no ONNX program")
    written.save(path, external_data=False)
    (own,) = (entry.version for entry in onnx.load(path).opset_import if entry.domain in ("", "ai.onnx"))
    if own != opset:
        raise InvalidConfigError(
            f"opset {opset} was asked for, and torch {torch.__version__} wrote {own}: ask for {own}"
        )


_WRITERS: dict[Runtime, Callable[[Readout, tuple[Tensor, ...], Path, int], None]] = {
    "onnx": _write_onnx,
    "torch": _write_torch,
}
