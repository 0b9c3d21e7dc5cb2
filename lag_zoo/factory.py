"""From a name to a network: build, load, and what goes with it."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import TypedDict, Unpack

from lag_zoo.errors import InvalidConfigError, WeightsMismatchError, WeightsNotFoundError
from lag_zoo.models import GASTRIC, NO_GASTRIC_WEIGHTS
from lag_zoo.nn import LAG
from lag_zoo.registry import resolve
from lag_zoo.specs import Fusion, Json, LAGConfig, ModelSpec, Policy, Task, WeightSpec
from lag_zoo.views import FrameTransform, ViewSampler, ViewTransform
from lag_zoo.weights import load_strictly
from lag_zoo.weights.builtin import read_builtin


class ConfigFields(TypedDict, total=False):
    """The fields of `LAGConfig` that `create_model` takes by name."""

    num_classes: int
    label_names: Sequence[str]
    task: Task
    fusion: Fusion
    num_crops: int
    crop_size: int
    crop_widths: Sequence[int]
    crop_embed_dim: int
    crop_se_ratio: float
    shared_crops: bool
    global_dim: int
    hidden_dim: int
    global_size: int
    mean: Sequence[float]
    std: Sequence[float]
    policy: Policy
    field_of_view: bool
    mask_outside: bool
    backbone_args: Mapping[str, Json]


def create_model(name: str, *, pretrained: bool = False, **fields: Unpack[ConfigFields]) -> LAG:
    """A network by its name in the zoo (`lag_resnet50_lci`, or with a tag of its weights), or `lag_<any timm name>`.

    Args:
        name: see `lag_zoo.list_models`.
        pretrained: with the weights that this version vouches for; else untrained.
        fields: fields of `LAGConfig`, in place of the model's own. With `pretrained`, only those that leave the
            weights' shapes and labels as they are: `policy`, `num_crops` under mean or attention fusion, ...

    Raises:
        UnknownModelError: no such name; with near matches.
        InvalidConfigError: a field that does not exist or is out of range, or an architecture without labels.
        WeightsNotFoundError: no weights exist; the message says where they were looked for, and the ways on.
        WeightsMismatchError: `fields` describe another network than the weights, or other labels or pixels.

    >>> create_model("lag_mobilenetv3_small_100", label_names=["normal", "IM"]).num_classes
    2
    """
    spec, tag = resolve(name)
    weights = spec.weights_named(tag)
    if pretrained and weights is None:
        raise _no_weights(spec)
    config = _configured(spec, weights if pretrained else None, fields)
    model = LAG.from_config(config)
    if pretrained and weights is not None:
        (file,) = (f for f in weights.files if not f.endswith("_golden.safetensors"))
        load_strictly(model, read_builtin(file, weights), source=f"{spec.name}.{weights.tag}")
    return model


def create_transform(
    model: LAG | str, *, training: bool = False, views: bool = True
) -> FrameTransform | ViewTransform:
    """The torchvision v2 transform that a network, or a model of the zoo by name, wants of its images.

    Args:
        model: a network, or a name.
        training: crops at random, both looks flipped and turned; wrap the data set in `lag_zoo.data.ViewDataset`.
        views: to `Views`, unbatched; `False`: to the raw frame (3, H, W), of which the network makes views itself.

    >>> import numpy as np
    >>> transform = create_transform("lag_mobilenetv3_small_100_polyp")
    >>> transform(np.zeros((300, 400, 3), np.uint8) + 99).crops.shape
    torch.Size([10, 3, 64, 64])
    """
    if not views:
        if training:
            raise InvalidConfigError("a raw frame has nothing to draw: training=True goes with views=True")
        return FrameTransform()
    if isinstance(model, str):
        model = create_model(model)
    policy: Policy = "random" if training else model.config.policy
    return ViewTransform(ViewSampler.from_config(model.config, policy=policy), training=training)


def _configured(spec: ModelSpec, weights: WeightSpec | None, fields: ConfigFields) -> LAGConfig:
    """The model's configuration, with what its weights and then the caller say in its place."""
    known = ConfigFields.__annotations__
    unknown = sorted(set(fields) - set(known))
    if unknown:
        raise InvalidConfigError(
            f"create_model has no argument {', '.join(unknown)}; fields are {', '.join(known)}"
        )
    values = {f.name: getattr(spec.config, f.name) for f in dataclasses.fields(spec.config)}
    if weights is not None:
        for field in ("label_names", "task", "global_size", "mean", "std"):
            values[field] = getattr(weights, field)
        values["num_classes"] = len(weights.label_names)
    own_classes = values["num_classes"]
    for field, value in fields.items():
        values[field] = tuple(value) if isinstance(value, list) else value
    names = values["label_names"] if "label_names" in fields else None
    if isinstance(names, tuple) and "num_classes" not in fields:
        values["num_classes"] = len(names)
    elif "num_classes" in fields and "label_names" not in fields and values["num_classes"] != own_classes:
        values["label_names"] = None
    elif not values["num_classes"] and "num_classes" not in fields:
        raise InvalidConfigError(
            f"{spec.name} is an architecture without labels: say label_names=[...] or num_classes=N (0: features)"
        )
    config = LAGConfig(**values)
    if weights is not None:
        _refuse_other_meaning(config, weights, f"{spec.name}.{weights.tag}")
    return config


def _refuse_other_meaning(config: LAGConfig, weights: WeightSpec, source: str) -> None:
    """Refuses what no shape would show: weights that load, and then answer under other names or on other pixels."""
    for field in ("label_names", "task", "mean", "std"):
        asked, trained = getattr(config, field), getattr(weights, field)
        if asked != trained:
            raise WeightsMismatchError(
                f"{source} was trained with {field}={trained!r}, and {field}={asked!r} was asked for. "
                "Leave it out, or build without pretrained=True"
            )


def _no_weights(spec: ModelSpec) -> WeightsNotFoundError:
    namespace = os.environ.get("LAG_ZOO_NAMESPACE", "lag-zoo")
    reason = f" {NO_GASTRIC_WEIGHTS}" if spec in GASTRIC else ""
    labels = "" if spec.config.num_classes else ", label_names=[...]"
    return WeightsNotFoundError(
        f"no weights for {spec.name} have been published yet.{reason} This version vouches for none, and looks for "
        f"none on the Hub; they would be at {namespace}/{spec.name}. Ways on: train your own on "
        f"create_model({spec.name!r}{labels}), load your own with lag_zoo.weights.load_strictly, or take a model that "
        "has weights: lag_zoo.list_models(pretrained=True)"
    )
