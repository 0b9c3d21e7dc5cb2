"""`lag-zoo info NAME`: one model in full."""

from collections.abc import Iterator
from typing import Annotated

import typer

from lag_zoo.catalogue import GASTRIC, NO_GASTRIC_WEIGHTS, NOT_A_MEDICAL_DEVICE
from lag_zoo.catalogue.builtin_backbones import backbone_weights_state, builtin_backbone
from lag_zoo.cli.sink import console, echo
from lag_zoo.cli.tables import engineering, plain_table
from lag_zoo.registry import model_info
from lag_zoo.specs import Measurement, ModelSpec, WeightSpec

Lines = Iterator[tuple[str, str]]

_STARTS = {
    "built in": "built in: training starts from them without a network (pretrained='backbone')",
    "on the Hub": "timm's, fetched from the Hub where it publishes any (pretrained='backbone')",
    "a file of yours": "none on the Hub; a file, converted by `lag-zoo convert` (backbone_weights=FILE)",
}


def info(
    name: Annotated[str, typer.Argument(help="A name of the zoo, or lag_<any timm name>.")],
    as_json: Annotated[bool, typer.Option("--json", help="The model's specification as JSON.")] = False,
) -> None:
    """Show one model in full: the network, its size, its licences, its weights and what was measured."""
    spec = model_info(name)
    if as_json:
        echo(spec.to_json(), nl=False)
        return
    table = plain_table(header=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for key, value in (*_network(spec), *_weights(spec)):
        table.add_row(key, value)
    console().print(table, markup=False)


def _network(spec: ModelSpec) -> Lines:
    config = spec.config
    yield "name", spec.name
    yield "what", spec.description
    if spec.domain:
        yield "domain", spec.domain
    yield "labels", ", ".join(spec.label_names or ()) or "your own"
    yield "task", config.task
    yield "backbone", str(config.backbone)
    yield "global view", f"{config.global_size or 'as the backbone wants it,'} pixels"
    joined = f"of {config.crop_size} native pixels, {config.policy}, joined by {config.fusion}"
    yield "crops", f"{config.num_crops} {joined}" if config.num_crops else "none"
    yield "parameters", engineering(spec.params)
    yield "MACs", f"backbone {engineering(spec.backbone_macs)}, crops {engineering(spec.crop_macs)}"
    yield from _of_the_backbone(spec)


def _of_the_backbone(spec: ModelSpec) -> Lines:
    inside = builtin_backbone(spec.config.backbone)
    licence = spec.backbone_licence or (inside.licence if inside else "not stated")
    yield "backbone licence", f"{licence} (of its published pretrained weights)"
    yield "backbone weights", _STARTS[backbone_weights_state(spec.config.backbone)]
    if inside:
        yield "their origin", inside.origin


def _weights(spec: ModelSpec) -> Lines:
    yield "weights", spec.weights_state
    if not spec.weights:
        yield "", NO_GASTRIC_WEIGHTS if spec in GASTRIC else "None have been published: train your own."
        return
    for weights in spec.weights:
        yield from _one_set(weights)
    yield "note", NOT_A_MEDICAL_DEVICE


def _one_set(weights: WeightSpec) -> Lines:
    yield "tag", weights.tag
    yield "from", f"{weights.repo} at {weights.revision}" if weights.repo else "inside the package"
    for name, digest in weights.files.items():
        yield "file", f"{name}, SHA-256 {digest}"
    yield "light", weights.modality
    yield "licence", weights.licence
    if not (weights.initialised_from or weights.backbone_licence):
        yield "initialised from", "nothing: trained from scratch"
    for source in weights.initialised_from:
        yield "initialised from", source
    for data in weights.inherited_data:
        yield "which was trained on", str(data)
    if weights.backbone_licence:
        yield "licence of that", weights.backbone_licence
    for data in weights.training_data:
        yield "trained on", str(data)
    if weights.intended_use:
        yield "intended use", weights.intended_use
    for limit in weights.limits:
        yield "limit", limit
    for label, threshold in weights.operating_points.items():
        yield "operating point", f"{label} from a probability of {threshold:g}"
    for result in weights.results:
        yield "measured", _sentence(result)


def _sentence(result: Measurement) -> str:
    """A measurement in one line, never without its n and its interval, or that there is none."""
    interval = "no interval"
    if result.low is not None and result.high is not None:
        interval = f"{result.level:.0%} interval {result.low:.3f} to {result.high:.3f}, {result.interval}"
    groups = f" in {result.groups} groups" if result.groups is not None else ""
    note = f" {result.note}" if result.note else ""
    command = result.command + (f" at revision {result.revision[:7]}" if result.revision else "")
    return (
        f"{result.metric} {result.value:.3f} ({interval}; n = {result.n} {result.unit}{groups}) "
        f"on {result.data}; {result.date}, {command}.{note}"
    )
