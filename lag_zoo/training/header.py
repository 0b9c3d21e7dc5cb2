"""The header of a run, which a listener hears first: the network, its course and the device in words."""

from collections.abc import Sequence

import torch

from lag_zoo.nn import LAG
from lag_zoo.nn.devices import describe_device
from lag_zoo.training.plan import StagePlan
from lag_zoo.training.recipe import Recipe


def network_facts(model: LAG, recipe: Recipe, *, built: bool) -> dict[str, str]:
    """The network, what it starts from, and what it looks at; `built`: by the run, not by the caller."""
    config, crops = model.config, any(stage.crops for stage in recipe.stages)
    millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    views = f"global {config.global_size} x {config.global_size} pixels, "
    looked = f"{config.num_crops} crops of {config.crop_size} native pixels" if crops else "no crops"
    return {
        "network": f"{recipe.model}, {millions:.1f} M parameters, {_start(model, recipe, built=built)}",
        "views": views + looked,
    }


def course_facts(recipe: Recipe, plan: Sequence[StagePlan], *, done: int) -> dict[str, str]:
    """Epochs by stage, and steps."""
    parts = [
        f"{part.stage.epochs} {part.stage.name}{'' if part.stage.crops else ' (without crops)'}"
        for part in plan
    ]
    steps = ", ".join(dict.fromkeys(str(part.steps) for part in plan))
    going_on = f"; {done} are done" if done else ""
    return {
        "epochs": f"{recipe.epochs}: {', '.join(parts)}{going_on}",
        "steps": f"{steps} an epoch, of {recipe.batch_size} frames",
    }


def device_fact(device: torch.device, *, processes: int) -> str:
    """The device in words, and how many processes share the work."""
    if str(device) == "cuda":  # as accelerate calls a single one
        device = torch.device("cuda", torch.cuda.current_device())
    name = describe_device(device)
    return name if processes == 1 else f"{processes} processes, the first on {name}"


def _start(model: LAG, recipe: Recipe, *, built: bool) -> str:
    origin = model.load_report
    if origin is None:
        return "untrained" if built else "as it was given"
    if recipe.pretrained == "backbone" and built:
        return f"its backbone from {origin.source}"
    return f"from {origin.source}{'' if origin.replaced_labels is None else ', with a new head'}"
