"""`lag-zoo list`: the zoo as a table."""

import json
from typing import Annotated, Any

import typer

from lag_zoo.catalogue.builtin_backbones import backbone_weights_state
from lag_zoo.cli.sink import console, echo
from lag_zoo.cli.tables import engineering, plain_table, total_macs
from lag_zoo.registry import list_models, model_info
from lag_zoo.specs import ModelSpec

_INSIDE = "built in"
_LEGEND = """None yet: an architecture, to train on your own data.
Backbone: one whose backbone has its own weights, of ImageNet, in the package:
training starts from them without a network."""


def list_(
    pattern: Annotated[str, typer.Argument(help="A shell pattern, such as 'lag_*_lci'.")] = "*",
    pretrained: Annotated[
        bool, typer.Option("--pretrained", help="Only models whose weights exist.")
    ] = False,
    domain: Annotated[str | None, typer.Option(help="Only this domain: wli, lci or polyp.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A list of JSON objects.")] = False,
) -> None:
    """List the models of the zoo, those with trained weights first, then those whose backbone has them built in."""
    specs = [model_info(name) for name in list_models(pattern, pretrained=pretrained, domain=domain)]
    specs.sort(key=lambda spec: (not spec.weights, backbone_weights_state(spec.config.backbone) != _INSIDE))
    if as_json:
        echo(json.dumps([_row(spec) for spec in specs], indent=2, ensure_ascii=False))
        return
    if not specs:
        echo("No model of the zoo is like this; `lag-zoo list` shows all.", err=True)
        return
    table = plain_table()
    table.add_column("name", no_wrap=True)
    table.add_column("domain")
    table.add_column("labels")
    table.add_column("params", justify="right", no_wrap=True)
    table.add_column("MACs", justify="right", no_wrap=True)
    table.add_column("weights", no_wrap=True)
    for spec in specs:
        row = _row(spec)
        size = engineering(row["params"]), engineering(row["macs"])
        table.add_row(row["name"], row["domain"], ", ".join(row["label_names"]), *size, _weights(row))
    console().print(table)
    trained = sum(bool(spec.weights) for spec in specs)
    echo(f"\nWith weights: {trained} of {len(specs)}. {_LEGEND}")


def _row(spec: ModelSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "domain": spec.domain,
        "label_names": list(spec.label_names or ()),
        "params": spec.params,
        "macs": total_macs(spec.backbone_macs, spec.crop_macs),
        "weights": spec.weights_state,
        "backbone_weights": backbone_weights_state(spec.config.backbone),
    }


def _weights(row: dict[str, Any]) -> str:
    backbone_only = row["weights"] == "none yet" and row["backbone_weights"] == _INSIDE
    return "backbone" if backbone_only else str(row["weights"])
