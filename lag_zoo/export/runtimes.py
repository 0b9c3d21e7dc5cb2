"""Exports as they run: ONNX Runtime, or torch's exported program. Arrays by name go in, and come out."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from lag_zoo.errors import InvalidConfigError, WeightsIntegrityError, extra

Run = Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]

CPU = "CPUExecutionProvider"


def onnx_session(data: bytes, *, providers: Sequence[str] | None = None, threads: int | None = None) -> Any:
    """Open an ONNX Runtime session of a model's bytes.

    Args:
        providers: of ONNX Runtime, the preferred first; by default the CPU.
        threads: within an operation; by default as many as ONNX Runtime takes.

    Raises:
        MissingExtraError: no onnxruntime.
        InvalidConfigError: a provider that this onnxruntime has not, or that did not start.
        WeightsIntegrityError: bytes that ONNX Runtime does not take.
    """
    with extra("export"):
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as state
    asked, known = list(providers or [CPU]), onnxruntime.get_available_providers()
    if unknown := [name for name in asked if name not in known]:
        raise InvalidConfigError(
            f"this onnxruntime has no provider {', '.join(unknown)}; it has {', '.join(known)}"
        )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors alone
    if threads is not None:
        options.intra_op_num_threads = threads
    try:
        session = onnxruntime.InferenceSession(data, options, providers=asked)
    except (state.Fail, state.InvalidGraph, state.InvalidProtobuf, state.NotImplemented) as error:
        raise WeightsIntegrityError(f"ONNX Runtime does not take the model: {error}") from error
    if asked[0] not in session.get_providers():  # it falls back to the CPU and says so in a log
        raise InvalidConfigError(
            f"{asked[0]} did not start; what runs is {', '.join(session.get_providers())}: leave it out, or mend it"
        )
    return session


def onnx_run(session: Any) -> Run:
    """Return what runs a session."""
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, dict(inputs)), strict=True))


def torch_run(data: bytes, names: Sequence[str]) -> Run:
    """Return what runs the bytes of an exported program, whose outputs have these names."""
    program: Any = torch.export.load(io.BytesIO(data)).module()

    def run(inputs: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        with torch.inference_mode():
            outputs = program(*(torch.from_numpy(values) for values in inputs.values()))
        return dict(zip(names, (output.numpy() for output in outputs), strict=True))

    return run
