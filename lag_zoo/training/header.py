"""The header of a run, which a listener hears first: the network, the epochs and the device in words."""

from collections.abc import Mapping, Sequence

import torch

from lag_zoo.data.manifest import Manifest
from lag_zoo.nn import LAG
from lag_zoo.nn.devices import describe_device
from lag_zoo.training.mask_views import Masks
from lag_zoo.training.plan import StagePlan
from lag_zoo.training.recipe import Recipe, Select

_KEPT: Mapping[Select, str] = {
    "auroc": "the epoch of the highest validation AUROC",
    "loss": "the epoch of the lowest validation loss",
    "last": "the last epoch",
}


def network_facts(model: LAG, recipe: Recipe, *, built: bool) -> dict[str, str]:
    """Say which network is trained, from what it starts, and what it looks at.

    Args:
        built: the run has built it, not its caller.
    """
    config = model.config
    millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    views = f"global {config.global_size} x {config.global_size} pixels, "
    looks = (
        f"{config.num_crops} crops of {config.crop_size} native pixels" if config.num_crops else "no crops"
    )
    return {
        "network": f"{recipe.model}, {millions:.1f} M parameters, {_start(model, recipe, built=built)}",
        "views": views + looks,
    }


def epoch_facts(recipe: Recipe, plan: Sequence[StagePlan], *, done: int) -> dict[str, str]:
    """Say how many epochs each stage has, and how many steps an epoch; `done`: how many epochs are."""
    parts = [
        f"{part.stage.epochs} {part.stage.name}{'' if part.stage.crops else ' (without crops)'}"
        for part in plan
    ]
    steps = ", ".join(dict.fromkeys(str(part.steps) for part in plan))
    going_on = f"; {done} are done" if done else ""
    together = f"; {recipe.accumulate} to an update" if recipe.accumulate > 1 else ""
    return {
        "epochs": f"{recipe.epochs}: {', '.join(parts)}{going_on}",
        "steps": f"{steps} an epoch, of {recipe.batch_size} frames{together}",
        "kept": _KEPT[recipe.select],
    }


def mask_facts(recipe: Recipe, manifest: Manifest, masks: Masks | None) -> dict[str, str]:
    """Say how many of the frames that are trained on have a mask, and whether masks are used; empty without any."""
    count = sum(bool(frame.mask) for frame in manifest.frames if frame.split == "train")
    if not count:
        return {}
    said = f"of {count} train frames"
    if masks is not None:
        empty = count - len(masks.packed)
        blank = f", {empty} of them empty" if empty else ""
        return {"masks": f"{said}{blank}; their loss has the weight {recipe.mask_loss:g}"}
    if not recipe.mask_loss:
        return {"masks": f"{said}; not used: mask_loss is 0"}
    return {
        "masks": f"{said}; not used: the network has no map to compare (--set fields.pooling=topk gives it one)"
    }


def device_fact(device: torch.device, *, processes: int) -> str:
    """Name the device, and how many processes share the work."""
    if str(device) == "cuda":  # as accelerate calls a single one
        device = torch.device("cuda", torch.cuda.current_device())
    name = describe_device(device)
    return name if processes == 1 else f"{processes} processes, the first on {name}"


def _start(model: LAG, recipe: Recipe, *, built: bool) -> str:
    origin = model.load_report
    if origin is None:
        return "untrained" if built else "as it was given"
    if built and (recipe.pretrained == "backbone" or recipe.backbone_weights is not None):
        return f"its backbone from {origin.source}"
    return f"from {origin.source}{'' if origin.replaced_labels is None else ', with a new head'}"
