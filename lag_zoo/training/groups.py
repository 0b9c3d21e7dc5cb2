"""Parameter groups: timm's layer decay for the backbone, and a rate of its own for the crop branch."""

from collections.abc import Iterable
from typing import Any

import timm.optim
import torch
from torch import nn

from lag_zoo.nn import LAG
from lag_zoo.training.recipe import Recipe, Stage

_CROPS = ("crops.", "fusion.")


def set_trainable(model: LAG, stage: Stage) -> None:
    """Freeze the parameters that a stage does not train."""
    for name, parameter in model.named_parameters():
        frozen = (stage.train == "head" and name.startswith("backbone.")) or (
            not stage.crops and name.startswith(_CROPS)
        )
        parameter.requires_grad_(not frozen)


def make_optimizer(model: LAG, recipe: Recipe, stage: Stage) -> torch.optim.Optimizer:
    """Make AdamW for the parameters that a stage trains; timm's schedules follow the `lr_scale` of each group."""
    if recipe.layer_decay is None:
        groups = timm.optim.param_groups_weight_decay(
            model, recipe.weight_decay, no_weight_decay_list=model.no_weight_decay()
        )
    else:
        groups = timm.optim.param_groups_layer_decay(
            model,
            recipe.weight_decay,
            no_weight_decay_list=model.no_weight_decay(),
            layer_decay=recipe.layer_decay,
        )
    crops = {id(p) for name, p in model.named_parameters() if name.startswith(_CROPS)}
    split = [part for group in groups for part in _apart(group, crops, recipe.crop_learning_rate)]
    rate = recipe.learning_rate if stage.learning_rate is None else stage.learning_rate
    return timm.optim.create_optimizer_v2(split, opt="adamw", lr=rate, weight_decay=recipe.weight_decay)


def _apart(group: dict[str, Any], crops: set[int], factor: float) -> Iterable[dict[str, Any]]:
    """Split a group in two: the crop branch's parameters, and the others."""
    for mine, scale in ((False, 1.0), (True, factor)):
        parameters = [p for p in group["params"] if (id(p) in crops) is mine]
        if parameters:
            rest = {key: value for key, value in group.items() if key not in ("params", "param_names")}
            yield {**rest, "params": parameters, "lr_scale": group.get("lr_scale", 1.0) * scale}


def freeze_norms(model: LAG) -> None:
    """Put the backbone's batch norms into evaluation mode: their statistics stay as they are.

    The crop branch's begin untrained (mean 0, variance 1), and always learn their statistics.
    """
    for module in model.backbone.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
