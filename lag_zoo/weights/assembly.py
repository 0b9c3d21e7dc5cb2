"""A network and its weights put together fast: built without memory, then given the tensors that were read.

On the meta device a network costs no memory and no initialisation; its tensors are then those that were read of the
file. What the file does not hold (a head that was asked for anew, buffers that are computed) is made afterwards.
"""

import dataclasses
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lag_zoo.nn import LAG
from lag_zoo.specs import LAGConfig
from lag_zoo.weights.files import compare
from lag_zoo.weights.proportion import require_proportion, tensors_of
from lag_zoo.weights.skeleton import without_memory

HEAD = ("head.weight", "head.bias")


def assemble(
    config: LAGConfig, weights: Mapping[str, Tensor], *, source: str, new_head: bool = False
) -> tuple[LAG, tuple[str, ...]]:
    """The network of a configuration with these weights, and the keys that they did not give: the new head's.

    Raises:
        WeightsMismatchError: they are another network's.
        WeightsIntegrityError: one out of all proportion.
        InvalidConfigError, BackboneError: no network can be built so.
    """
    with without_memory():
        skeleton = LAG.from_config(
            dataclasses.replace(config, num_classes=0, label_names=None, background=None)
        )
        if config.num_classes and not new_head:
            _give_head(skeleton, config)
    require_proportion(skeleton, source=source)
    left_out = HEAD if new_head else ()
    compare(skeleton.state_dict(), weights, source=source, except_for=left_out)
    taken = {key: tensor for key, tensor in weights.items() if key not in left_out}
    model = _filled(skeleton, taken)
    if new_head:
        _give_head(model, config)
    return model, tuple(key for key in model.state_dict() if key not in taken)


def _give_head(model: LAG, config: LAGConfig) -> None:
    model.reset_classifier(config.num_classes, label_names=config.label_names)
    model.config = dataclasses.replace(model.config, background=config.background)


def _filled(skeleton: LAG, weights: Mapping[str, Tensor]) -> LAG:
    kinds = {key: tensor.dtype for key, tensor in skeleton.state_dict().items()}
    wide = {key: tensor.to(kinds[key]) for key, tensor in weights.items()}
    skeleton.load_state_dict(wide, strict=True, assign=True)
    for module in skeleton.modules():
        _give_memory(module)
        if hasattr(module, "init_non_persistent_buffers"):
            module.init_non_persistent_buffers()  # type: ignore[operator]
    if not _left_on_meta(skeleton):
        return skeleton
    # A module computes something when it is built and has no way to compute it again: build it the ordinary way.
    model = LAG.from_config(skeleton.config)
    model.load_state_dict(wide, strict=True)
    return model


def _give_memory(module: nn.Module) -> None:
    """Memory for buffers that are in no file; what belongs in it is computed next."""
    for name, buffer in module.named_buffers(recurse=False):
        if buffer.is_meta and hasattr(module, "init_non_persistent_buffers"):
            setattr(module, name, torch.zeros_like(buffer, device="cpu"))


def _left_on_meta(model: nn.Module) -> bool:
    return any(tensor.is_meta for tensor in tensors_of(model))
