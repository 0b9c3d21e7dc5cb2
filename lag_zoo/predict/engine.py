"""The engine: a network as it runs when it predicts, fused, compiled, in some precision, so many views at once."""

import copy
import os
import shutil
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from lag_zoo.errors import InvalidConfigError
from lag_zoo.nn import LAG
from lag_zoo.nn.devices import present_device
from lag_zoo.nn.global_path import GlobalPath
from lag_zoo.nn.modes import evaluating
from lag_zoo.nn.watched import channel_means
from lag_zoo.views import Views

Precision = Literal["fp32", "bf16", "fp16"]
_NUMBERS: dict[Precision, torch.dtype] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}


class NetworkOutput(NamedTuple):
    """Logits (B, classes), the crops' weights (B, N), where the fusion has weights, and the means (B, C) of a watched
    layer's channels: float64, on the CPU.
    """

    logits: Tensor
    weights: Tensor | None
    means: Tensor | None


class Engine:
    """A network as it runs, at most `batch_size` views at once.

    Args:
        model: as it is where nothing is asked of it; else a copy of it is made. Of a global path alone no crops are
            looked at.
        device: where it runs; `None`: where it is.
        fuse: see `LAG.fuse`.
        compile: by `torch.compile`, at the first batch; short batches are filled up, so that there is one shape.
        precision: of weights and features.
        watch: a layer of the backbone, by its name, whose channels' means are wanted; of a compiled network there are
            none.

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
        watch: str | None = None,
    ) -> None:
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
        self.model = model.fuse(pack=not compile) if fuse else model
        self.batch_size = batch_size
        self.compiled = compile
        self.watch = None if compile else watch
        self._run = torch.compile(self._forward, dynamic=False) if compile else self._forward

    def __call__(self, views: Views) -> NetworkOutput:
        """Run the network on B views."""
        logits, weights, means = [], [], []
        for part in zip(*(torch.split(t, self.batch_size) for t in views), strict=True):
            given = Views(*part).to(self.model.pixel_mean.device)
            count = len(given.crops)
            if self.compiled:  # out of inference mode: tensors made in it are of another kind to the compiler
                given = _filled(given, self.batch_size)
            with (
                torch.inference_mode(),
                evaluating(self.model),
                channel_means(self.model.backbone, self.watch) as seen,
            ):
                some, shares = self._run(given)
            means += [found.double().cpu() for found in seen]
            logits.append(some[:count].double().cpu())
            if shares is not None:
                weights.append(shares[:count].double().cpu())
        rest = (torch.cat(parts) if parts else None for parts in (weights, means))
        return NetworkOutput(torch.cat(logits), *rest)

    def _forward(self, views: Views) -> tuple[Tensor, Tensor | None]:
        if not self.with_crops:
            return self.model.forward_global(views), None
        fused = self.model.fused(views)
        return self.model.forward_head(fused.features), fused.weights


def _filled(views: Views, size: int) -> Views:
    """The views, with the first of them again until there are `size`."""
    missing = size - len(views.crops)
    return Views(*(torch.cat([t, t[:1].expand(missing, *t.shape[1:])]) for t in views)) if missing else views


def _has_compiler() -> bool:
    return bool(os.environ.get("CXX")) or any(map(shutil.which, ("g++", "clang++", "cl")))
