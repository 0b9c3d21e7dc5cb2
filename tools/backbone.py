"""Prints the row of a backbone for lag_zoo/catalogue/backbones.py, counted and looked up.

    python -m tools.backbone convnext_tiny.in12k_ft_in1k
    python -m tools.backbone vit_small_patch14_dinov2.lvd142m img_size=224

Put it into the table there, and run `python -m tools.zoo_pages`: that is all that a backbone needs.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence

import timm
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lag_zoo.catalogue.backbones import Backbone
from lag_zoo.errors import InvalidConfigError, LagZooError
from lag_zoo.nn.backbones import adopt_backbone, backbone_features, create_backbone
from lag_zoo.registry import is_backbone
from lag_zoo.specs import TORCHVISION_BACKBONES, Json


def row_of(name: str, arguments: Mapping[str, Json] | None = None) -> Backbone:
    """The facts of a backbone, by its timm name with a tag (without one, timm's own choice), or torchvision's name.

    Raises:
        UnknownModelError: neither timm nor torchvision has it.
        BackboneError: LAG cannot attach to it.
        InvalidConfigError: nobody publishes weights for it, so that there is no licence to state.
    """
    with torch.device("meta"):  # sizes alone: no memory, whatever the network
        module = create_backbone(name, arguments)
        traits = adopt_backbone(module.eval())
    bare, tag, licence = bare_tag_licence(name)
    return Backbone(
        name=bare,
        tag=tag,
        params=sum(p.numel() for p in module.parameters()),
        features=traits.width,
        macs=count_macs(module, traits.input_size),
        input_size=traits.input_size,
        licence=licence,
        arguments=dict(arguments or {}),
    )


def bare_tag_licence(name: str) -> tuple[str, str, str]:
    """The name without its tag, the tag, and the licence of the published weights."""
    if name in TORCHVISION_BACKBONES:
        return name, "", "bsd-3-clause"  # torchvision publishes its weights under its own licence
    published = timm.get_pretrained_cfg(name)
    if not is_backbone(name) or published is None or not published.license:
        raise InvalidConfigError(f"{name}: timm has no weights for it, or states no licence of them")
    return published.architecture, published.tag or "", published.license


@torch.no_grad()
def count_macs(module: nn.Module, side: int) -> int:
    """Multiply-accumulates of a backbone on the meta device, on one image of this side."""
    for part in module.modules():
        if hasattr(part, "fused_attn"):  # torch's older counters do not know every fused attention
            part.fused_attn = False
    with FlopCounterMode(display=False) as counter:
        backbone_features(module, torch.zeros(1, 3, side, side, device="meta"))
    return counter.get_total_flops() // 2


def source_of(row: Backbone) -> str:
    """The row as it stands in the table.

    >>> source_of(Backbone("resnet18", "a1_in1k", 11176512, 512, 1814073344, 224, "apache-2.0"))
    'Backbone("resnet18", "a1_in1k", 11176512, 512, 1814073344, 224, "apache-2.0"),'
    """
    numbers = f"{row.params}, {row.features}, {row.macs}, {row.input_size}"
    arguments = f", {json.dumps(dict(row.arguments))}" if row.arguments else ""
    return f'Backbone("{row.name}", "{row.tag}", {numbers}, "{row.licence}"{arguments}),'


def main(given: Sequence[str] | None = None) -> None:
    """Prints the row."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.backbone",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", help="a timm name with a tag, googlenet or squeezenet1_1")
    parser.add_argument("arguments", nargs="*", metavar="KEY=VALUE", help="arguments of the timm model")
    asked = parser.parse_args(given)
    arguments = {key: _value(text) for key, _, text in (pair.partition("=") for pair in asked.arguments)}
    try:
        print(source_of(row_of(asked.name, arguments)))
    except LagZooError as error:
        sys.exit(f"{type(error).__name__}: {error}")


def _value(text: str) -> Json:
    try:
        value: Json = json.loads(text)
    except ValueError:
        return text
    return value


if __name__ == "__main__":
    main()
