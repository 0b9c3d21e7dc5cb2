"""The engine: a network as it runs when it predicts, fused, compiled, in some precision, so many views at once."""

import copy
import os
import shutil
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from lag_zoo.errors import InvalidConfigError
from lag_zoo.nn import LAG
from lag_zoo.nn.devices import present_device
from lag_zoo.nn.exam_network import features_of, frame_features
from lag_zoo.nn.global_path import GlobalPath
from lag_zoo.nn.modes import evaluation_twin
from lag_zoo.nn.watched import channel_means
from lag_zoo.views import Views

Precision = Literal["fp32", "bf16", "fp16"]
_NUMBERS: dict[Precision, torch.dtype] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}


class NetworkOutput(NamedTuple):
    """Logits (B, C), the crops' weights (B, N) where the fusion has weights, and where they were asked for the scores
    of the map (B, C, h, w), the means of a layer's channels (B, K), and what the head of an examination reads (B, F):
    float64, on the CPU.
    """

    logits: Tensor
    weights: Tensor | None = None
    scores: Tensor | None = None
    means: Tensor | None = None
    features: Tensor | None = None

    def split(self, counts: Sequence[int]) -> list["NetworkOutput"]:
        """Return the output in parts of so many views."""
        parts = {name: torch.split(tensor, list(counts)) for name, tensor in self._there().items()}
        return [
            NetworkOutput(**{name: part[place] for name, part in parts.items()})
            for place in range(len(counts))
        ]

    def first(self, count: int) -> "NetworkOutput":
        """Return the output for so many views, float64, on the CPU."""
        return NetworkOutput(**{name: t[:count].double().cpu() for name, t in self._there().items()})

    @classmethod
    def joined(cls, outputs: Sequence["NetworkOutput"]) -> "NetworkOutput":
        """Return outputs, all of the same kind, as one."""
        each = [output._there() for output in outputs]
        return cls(**{name: torch.cat([tensors[name] for tensors in each]) for name in each[0]})

    def _there(self) -> dict[str, Tensor]:
        return {name: tensor for name, tensor in self._asdict().items() if tensor is not None}


class Engine:
    """A network as it runs, at most `batch_size` views at once.

    Args:
        model: its parameters and buffers are shared where nothing is asked of it, else copied; it runs in evaluation
            mode, whatever mode the model is put into meanwhile. Of a global path alone no crops are looked at.
        device: where it runs; `None`: where it is.
        fuse: see `LAG.fuse`.
        compile: by `torch.compile`, at the first batch; short batches are filled up, so that there is one shape.
        precision: of weights and features.
        with_scores: give the scores of the map too, from the same pass.
        with_features: give what the head of an examination reads too (`lag_zoo.nn.exam_network.frame_features`).
        watch: a layer of the backbone, by its name, whose channels' means are wanted too; of a compiled network there
            are none.

    Raises:
        InvalidConfigError: no such precision or device, no C++ compiler to compile for a CPU with, or half precision of
            5 bits exponent on the CPU.
    """

    def __init__(
        self,
        model: LAG | GlobalPath,
        *,
        batch_size: int,
        device: torch.device | str | None,
        fuse: bool,
        compile: bool,
        precision: Precision,
        with_scores: bool = False,
        with_features: bool = False,
        watch: str | None = None,
    ) -> None:
        self.with_scores, self.with_features = with_scores, with_features
        self.with_crops = not isinstance(model, GlobalPath)
        model = model.lag if isinstance(model, GlobalPath) else model
        if precision not in _NUMBERS:
            raise InvalidConfigError(f"precision is one of {', '.join(_NUMBERS)}; got {precision!r}")
        target = model.pixel_mean.device if device is None else present_device(device)
        if precision == "fp16" and target.type == "cpu":
            raise InvalidConfigError("fp16 is for GPUs; on a CPU take bf16 or fp32")
        if compile and target.type == "cpu" and not _has_compiler():
            raise InvalidConfigError(
                "to compile for a CPU torch needs a C++ compiler: install g++ or clang++, or name one in CXX"
            )
        if target != model.pixel_mean.device or _NUMBERS[precision] not in (
            model.pixel_mean.dtype,
            torch.float32,
        ):
            model = copy.deepcopy(model).to(target)  # the caller's own stays as it is, where it is
            if precision != "fp32":
                model = model.to(_NUMBERS[precision])
        # Nobody else puts this one into training mode.
        self._shared = None if fuse else model
        self.model = model.fuse(pack=not compile) if fuse else evaluation_twin(model)
        self.batch_size = batch_size
        self.compiled = compile
        self.watch = None if compile else watch
        self._run = torch.compile(self._forward, dynamic=False) if compile else self._forward

    def __call__(self, views: Views) -> NetworkOutput:
        """Run the network on B views.

        Raises:
            BackboneError: scores of the map are asked for, and the backbone has none.
        """
        if self._shared is not None and self._shared.pixel_mean is not self.model.pixel_mean:
            self.model = evaluation_twin(self._shared)  # it was moved, or given other numbers
        outputs = []
        for part in zip(*(torch.split(t, self.batch_size) for t in views), strict=True):
            given = Views(*part).to(self.model.pixel_mean.device)
            count = len(given.crops)
            if self.compiled:  # out of inference mode: tensors made in it are of another kind to the compiler
                given = _filled(given, self.batch_size)
            with (
                torch.inference_mode(),
                channel_means(self.model.backbone, self.watch) as seen,
            ):
                output = self._run(given)
            outputs.append(output._replace(means=seen[0] if seen else None).first(count))
        return NetworkOutput.joined(outputs)

    def _forward(self, views: Views) -> NetworkOutput:
        if self.with_scores:
            features = frame_features(self.model, views) if self.with_features else None
            return NetworkOutput(*self.model.outputs(views, with_crops=self.with_crops), features=features)
        if not self.with_crops:
            return NetworkOutput(self.model.forward_global(views))
        fused = self.model.fused(views)
        if not self.with_features:
            return NetworkOutput(self.model.forward_head(fused.features), fused.weights)
        logits, features = features_of(self.model, self.model.hidden(fused.features))
        return NetworkOutput(logits, fused.weights, features=features)


def _filled(views: Views, size: int) -> Views:
    """The views, with the first of them again until there are `size`."""
    missing = size - len(views.crops)
    return Views(*(torch.cat([t, t[:1].expand(missing, *t.shape[1:])]) for t in views)) if missing else views


def _has_compiler() -> bool:
    return bool(os.environ.get("CXX")) or any(map(shutil.which, ("g++", "clang++", "cl")))
