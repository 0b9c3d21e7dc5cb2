"""From a name to a network: build, load, and the transform of its images."""

import dataclasses
import os
from pathlib import Path
from typing import Unpack

import torch

from lag_zoo.errors import InvalidConfigError, WeightsMismatchError
from lag_zoo.nn import LAG
from lag_zoo.nn.devices import present_device
from lag_zoo.nn.exam_network import ExamNetwork
from lag_zoo.specs import ConfigFields, LAGConfig, Policy, WeightSpec, as_tuple, require_known_fields
from lag_zoo.timm_bridge import register_names
from lag_zoo.views import FrameTransform, ViewSampler, ViewTransform
from lag_zoo.weights.assembly import assemble
from lag_zoo.weights.backbone import Prefix, given_weights, load_backbone, timm_weights
from lag_zoo.weights.exam_files import EXAM, EXAM_WEIGHTS, load_exam, parse_exam, read_exam_spec
from lag_zoo.weights.hub import fetch_text, fetch_weights
from lag_zoo.weights.lookup import Reach, look_up, require_same_shapes
from lag_zoo.weights.report import LoadReport
from lag_zoo.weights.skeleton import without_memory
from lag_zoo.weights.sources import Found

_OF_THE_LABELS = ("label_names", "task", "pooling", "topk", "background")  # with a new head they are free


def create_model(
    name: str,
    *,
    pretrained: bool | str = False,
    cache_dir: str | os.PathLike[str] | None = None,
    revision: str | None = None,
    local_files_only: bool = False,
    backbone_weights: str | os.PathLike[str] | None = None,
    backbone_prefix: Prefix | None = None,
    mmap: bool = False,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    **fields: Unpack[ConfigFields],
) -> LAG:
    """A network by its name in the zoo (`lag_resnet50_lci`, or with a tag of its weights), or `lag_<any timm name>`.

    Args:
        name: see `lag_zoo.list_models`; or a place, `hf-hub:org/repo[@revision]` or `local-dir:path`, for the
            network that is described there.
        pretrained: `False`: untrained. `True`: with the weights that this version vouches for, else those in the
            repository `lag-zoo/<name>` (`LAG_ZOO_NAMESPACE` in place of `lag-zoo`): cached, or if the Hub, asked once
            and for at most five seconds, says that it has them. A place: with the weights there. `"backbone"`: only the
            backbone's own, to start training from: those of `tf_efficientnet_lite0` are inside the package, any other's
            in timm's repositories; likewise cached or asked for once.
        cache_dir: of the Hub's client, in place of its own.
        revision: a branch, tag or commit of the repository.
        local_files_only: make no request; only what the cache holds.
        backbone_weights: a safetensors file of the backbone's weights, or `hf-hub:org/repo[:file]`.
        backbone_prefix: the prefix of the backbone's keys in that file, or a map of prefixes.
        mmap: the weights stay pages of their file, which are read when they are first used and shared between
            processes, where they have the network's type; the network changes if somebody rewrites the file in place,
            and the process dies if somebody cuts it short. `False`: they are a copy in memory.
        device: where the network goes.
        dtype: of its parameters.
        fields: fields of `LAGConfig`, in place of the model's own. With weights, other `label_names` or another
            `num_classes` mean a new, untrained head; see `model.load_report`.

    Raises:
        UnknownModelError: no such name; with near matches.
        InvalidConfigError: a field that does not exist or is out of range, an architecture without labels, a device
            that is not there, or a path that does not say so.
        WeightsNotFoundError: no weights there; the message says where they were looked for, why, and the ways on.
        WeightsIntegrityError: bytes with another SHA-256 than the specification's.
        WeightsMismatchError: the weights are another network's, or `fields` give them other shapes or another meaning.

    >>> create_model("lag_mobilenetv3_small_100", label_names=["normal", "IM"]).num_classes
    2
    >>> model = create_model("lag_tf_efficientnet_lite0_polyp", pretrained=True, label_names=["no ulcer", "ulcer"])
    >>> model.load_report.missing, model.load_report.replaced_labels
    (('head.weight', 'head.bias'), ('mucosa', 'polyp'))
    """
    reach = Reach(revision, None if cache_dir is None else Path(cache_dir), local_files_only, mmap)
    own_backbone = pretrained == "backbone" or backbone_weights is not None
    if own_backbone and pretrained not in (False, "backbone"):
        raise InvalidConfigError(
            "backbone_weights go with pretrained=False: other weights would overwrite them"
        )
    if device is not None:
        device = present_device(device)  # now, not after a download
    base, found = look_up(name, False if pretrained == "backbone" else pretrained, reach)
    model = _loaded(name, found, fields) if found else LAG.from_config(_configured(name, base, None, fields))
    if own_backbone:
        _load_backbone(model, backbone_weights, backbone_prefix, reach)
    return model.to(device=device, dtype=dtype)


def create_exam_model(
    place: str,
    *,
    cache_dir: str | os.PathLike[str] | None = None,
    revision: str | None = None,
    local_files_only: bool = False,
    device: torch.device | str | None = None,
) -> ExamNetwork:
    """The network of examinations at a place, in evaluation mode; what is vouched for is its `exam_spec`.

    Args:
        place: `local-dir:path`, such as the `best` of `lag-zoo train exam`, or `hf-hub:org/repo[@revision]`. The frame
            network inside it can also be had alone, by `create_model`.
        cache_dir: as in `create_model`.
        revision: likewise.
        local_files_only: likewise.
        device: likewise.

    Raises:
        InvalidConfigError: no place.
        WeightsNotFoundError: no weights there, or those of a frame network alone.
        WeightsIntegrityError: bytes with another SHA-256 than the specification's.
        WeightsMismatchError: the head is none of this frame network's.
    """
    reach = Reach(revision, None if cache_dir is None else Path(cache_dir), local_files_only)
    where = reach.place(place)
    options = {"cache_dir": cache_dir, "local_files_only": local_files_only}
    if isinstance(where, Path):
        frame = create_model(place, pretrained=True, **options)  # type: ignore[arg-type]
        spec = read_exam_spec(where, source=place)
        path = where / EXAM_WEIGHTS
    else:
        text, commit = fetch_text(where, EXAM)
        spec = parse_exam(text, source=place)
        pinned = where._replace(revision=commit or where.revision)
        frame = create_model(str(pinned), pretrained=True, **options)  # type: ignore[arg-type]
        path = fetch_weights(pinned, EXAM_WEIGHTS, spec.files[EXAM_WEIGHTS]).path
    report = frame.load_report
    head = load_exam(path, spec, frame_sha256="" if report is None else report.sha256, source=place)
    network = ExamNetwork(frame, spec.config, head).eval()
    network.exam_spec = spec
    return network.to(None if device is None else present_device(device))


def _loaded(name: str, found: Found, fields: ConfigFields) -> LAG:
    """The network with the weights that were found; under other labels than theirs, with a new head."""
    config = _configured(name, found.config, found.weights, fields)
    asked = config.label_names, config.num_classes
    new_head = asked != (found.config.label_names, found.config.num_classes)
    model, missing = assemble(config, found.read.tensors, source=found.source, new_head=new_head)
    model.load_report = LoadReport(
        source=found.source,
        path=found.path,
        revision=found.revision,
        sha256=found.read.sha256,
        loaded=tuple(key for key in model.state_dict() if key not in missing),
        missing=missing,
        licences=tuple(x for x in (found.weights.licence, found.weights.backbone_licence) if x),
        trained_on=found.weights.seen_data,
        initialised_from=found.weights.initialised_from,
        replaced_labels=(found.config.label_names or ()) if new_head else None,
    )
    model.weight_spec = None if new_head else found.weights
    return model


def _load_backbone(
    model: LAG, given: str | os.PathLike[str] | None, prefix: Prefix | None, reach: Reach
) -> None:
    options = {"cache_dir": reach.cache_dir, "local_files_only": reach.local_files_only}
    if given is None:
        file = timm_weights(str(model.config.backbone), **options)  # type: ignore[arg-type]
    else:
        file = given_weights(os.fspath(given), **options)  # type: ignore[arg-type]
    model.load_report = load_backbone(model.backbone, file, prefix)


def register_with_timm() -> None:
    """Put the zoo into timm's registry: `timm.create_model("lag_resnet50_lci")`, `timm.list_models(module="lag_zoo")`.

    Nothing else does: importing lag_zoo and building its models leave timm as it is. A second call adds what plugins
    have brought since.

    Raises:
        DuplicateModelError: timm has a model of such a name already; then none is registered.

    >>> register_with_timm()
    >>> import timm
    >>> timm.create_model("lag_mobilenetv3_small_100_wli", num_classes=2).num_classes
    2
    """
    register_names(create_model)


def create_transform(
    model: LAG | str, *, training: bool = False, views: bool = True
) -> FrameTransform | ViewTransform:
    """The torchvision v2 transform for the images of a network, or of a model of the zoo by name.

    Args:
        model: a network, or a name.
        training: crops at random, both looks flipped and turned; wrap the data set in `lag_zoo.data.ViewDataset`.
        views: to `Views`, unbatched; `False`: to the raw frame (3, H, W), of which the network makes views itself.

    >>> import numpy as np
    >>> transform = create_transform("lag_resnet50_lci")
    >>> transform(np.zeros((300, 400, 3), np.uint8) + 99).crops.shape
    torch.Size([10, 3, 64, 64])
    """
    if not views:
        if training:
            raise InvalidConfigError("a raw frame has nothing to draw: training=True goes with views=True")
        return FrameTransform()
    if isinstance(model, str):
        with without_memory():  # only its settings are asked for: no memory, no random numbers
            model = create_model(model)
    policy: Policy = "random" if training else model.config.policy
    return ViewTransform(ViewSampler.from_config(model.config, policy=policy), training=training)


def _configured(name: str, base: LAGConfig, weights: WeightSpec | None, fields: ConfigFields) -> LAGConfig:
    """The configuration of a model with the caller's fields in place of its own."""
    require_known_fields(fields, "create_model")
    values = {f.name: getattr(base, f.name) for f in dataclasses.fields(base)}
    own_classes = values["num_classes"]
    values.update(fields)
    named = fields.get("label_names") is not None
    if named:
        values["label_names"] = as_tuple(fields["label_names"], "label_names")
    if named and "num_classes" not in fields:
        values["num_classes"] = len(values["label_names"])
    elif "num_classes" in fields and "label_names" not in fields and values["num_classes"] != own_classes:
        values["label_names"] = None
    elif not values["num_classes"] and "num_classes" not in fields:
        raise InvalidConfigError(
            f"{name} is an architecture without labels: say label_names=[...] or num_classes=N (0: features)"
        )
    if "background" not in fields and values["background"] not in (values["label_names"] or ()):
        values["background"] = None  # a label of the model's own, which these have not
    config = LAGConfig(**values)
    if weights is not None:
        require_same_shapes(config, base, source=name)
        _refuse_other_meaning(config, base, name)
    return config


def _refuse_other_meaning(config: LAGConfig, trained: LAGConfig, source: str) -> None:
    """Refuse weights that would load and then predict under other label names or on other pixels."""
    same_labels = set(config.label_names or ()) == set(trained.label_names or ())
    same_classes = same_labels and config.num_classes == trained.num_classes
    for field in ("mean", "std", *(_OF_THE_LABELS if same_classes else ())):
        asked, own = getattr(config, field), getattr(trained, field)
        if asked != own:
            raise WeightsMismatchError(
                f"{source} was trained with {field}={own!r}, and {field}={asked!r} was asked for. "
                "Leave it out, or build without pretrained=True"
            )
