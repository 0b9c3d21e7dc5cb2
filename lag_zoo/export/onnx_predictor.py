"""`OnnxPredictor`: an ONNX export answers as a `Predictor` does, with ONNX Runtime and no torch network."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load as load_tensors

from lag_zoo.brief import shown
from lag_zoo.errors import InvalidConfigError, InvalidImageError, WeightsMismatchError
from lag_zoo.export.golden_views import apart
from lag_zoo.export.layout import GOLDEN, MODELS, TOLERANCE, ExportSpec, read_spec, read_verified
from lag_zoo.export.readout import inputs_of
from lag_zoo.export.runtimes import onnx_run, onnx_session
from lag_zoo.predict.engine import NetworkOutput
from lag_zoo.predict.frame_predictor import FramePredictor, threads
from lag_zoo.provenance import frames_behind
from lag_zoo.specs import Policy
from lag_zoo.tasks import rules_of
from lag_zoo.views import Views, ViewSampler


class OnnxPredictor(FramePredictor):
    """Answers for images as those of `Predictor`, equal to 1e-4, from the folder of `export_model(..., to="onnx")`.

    It takes what a `Predictor` takes, but pixels are uint8: no tensors of floats. It gives no evidence, no doubts by
    the features of the network (those by colours and roughness it gives), has no head for examinations, and of the
    frames that weights were trained on it knows those of the zoo's own models alone.

    Args:
        directory: the folder. Its files are verified before they are used.
        providers: of ONNX Runtime, the preferred first; by default the CPU.
        batch_size: views that pass through the network at once.
        workers: threads that read the next images meanwhile; by default one a core, at most 4; 0: none.
        num_threads: of ONNX Runtime within an operation; by default as many as it takes.

    Raises:
        MissingExtraError: no onnxruntime.
        WeightsNotFoundError: no ONNX export there.
        WeightsIntegrityError: the model is not the file that was written.
        WeightsMismatchError: the model takes other views than the configuration says.
        StateError: the configuration was changed.
        InvalidConfigError: a provider that there is not, or a batch size below 1.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        providers: Sequence[str] | None = None,
        *,
        batch_size: int = 8,
        workers: int | None = None,
        num_threads: int | None = None,
    ) -> None:
        if batch_size < 1:
            raise InvalidConfigError(f"batch_size must be at least 1, got {batch_size}")
        self.directory = Path(directory).expanduser()
        self.batch_size = batch_size
        self.workers = threads(workers)
        self.spec = spec = read_spec(self.directory, "onnx")
        data = read_verified(self.directory, MODELS["onnx"], spec)
        self.session = onnx_session(data, providers=providers, threads=num_threads)
        _require_fitting(self.session, spec)
        self.name = spec.name
        self.label_names = spec.label_names
        self.operating_points = spec.operating_points
        self.temperature = spec.temperature
        self.modality = spec.modality or None
        self.doubts = spec.doubts
        self._rules = rules_of(spec.network.task)
        self._known = frames_behind(spec.trained_on)
        self._onnx = onnx_run(self.session)

    def __repr__(self) -> str:
        providers = ", ".join(self.session.get_providers())
        return f"OnnxPredictor({self.name!r}, labels={shown(self.label_names)}, {providers})"

    def verify(self) -> float:
        """Run the golden pair: the largest distance of logits and probabilities from those that were saved.

        Raises:
            WeightsIntegrityError: the pair is not the file that was written.
            WeightsMismatchError: further than 1e-4.
        """
        pair = load_tensors(read_verified(self.directory, GOLDEN, self.spec))
        outputs = self._onnx({name: pair[name].numpy() for name in self.spec.inputs})
        found = max(apart(outputs, (pair["logits"].numpy(), pair["probabilities"].numpy())).values())
        if not found <= TOLERANCE:
            raise WeightsMismatchError(
                f"{self.directory} answers {found:.2g} from its golden pair with {self.session.get_providers()[0]}, "
                f"and {TOLERANCE:g} is allowed"
            )
        return found

    def _sampler(self, *, policy: Policy | None = None, seed: int = 0) -> ViewSampler:
        return ViewSampler.from_config(self.spec.network, policy=policy, seed=seed, with_coverage=False)

    def _run(self, views: Views) -> NetworkOutput:
        if views.global_view.dtype != torch.uint8:
            raise InvalidImageError(
                f"an exported network takes pixels as uint8, from 0 to 255; got {views.global_view.dtype}"
            )
        outputs = []
        for part in zip(*(torch.split(t, self.batch_size) for t in views), strict=True):
            given = zip(self.spec.inputs, inputs_of(Views(*part), self.spec.inputs), strict=True)
            answer = self._onnx({name: np.ascontiguousarray(tensor.numpy()) for name, tensor in given})
            logits, weights = (answer.get(name) for name in ("logits", "crop_weights"))
            outputs.append(
                NetworkOutput(
                    torch.from_numpy(logits).double(),
                    None if weights is None else torch.from_numpy(weights).double(),
                )
            )
        return NetworkOutput.joined(outputs)


def _require_fitting(session: object, spec: ExportSpec) -> None:
    """Refuse a model that takes other views, or gives other outputs, than the configuration says."""
    network = spec.network
    side, crops, crop = network.global_size, network.num_crops, network.crop_size
    shapes = {"global_view": [3, side, side], "crops": [crops, 3, crop, crop], "inside": [crops]}
    stated = {name: shapes[name] for name in spec.inputs}
    found = {one.name: list(one.shape[1:]) for one in session.get_inputs()}  # type: ignore[attr-defined]
    if found != stated:
        raise WeightsMismatchError(f"the model takes {found}, and its configuration says {stated}")
    outputs = {one.name: list(one.shape[1:]) for one in session.get_outputs()}  # type: ignore[attr-defined]
    if tuple(outputs) != spec.outputs or outputs["logits"] != [len(spec.label_names)]:
        raise WeightsMismatchError(
            f"the model gives {outputs}, and its configuration says {', '.join(spec.outputs)} of "
            f"{len(spec.label_names)} labels"
        )
