"""The zoo in timm's registry, for scripts that build timm's models by name.

timm's `register_model` looks into a function's module: it lists the function under the last part of the module's name,
and reads the module's `default_cfgs`. The functions here are made on demand, one a name, so a small module is made for
them as well, whose last name none of timm's has.

Of a repository timm reads `config.json`, and calls the function that is registered for its `architecture`. The zoo's
names are registered; `lag_<any timm name>` are not, for there are over a thousand. The one name `lag` stands for any
network, and a repository whose `architecture` is `lag` is found whatever its backbone.
"""

import dataclasses
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from types import ModuleType
from typing import Any

import timm
from timm.models import (
    PretrainedCfg,
    generate_default_cfgs,
    get_arch_pretrained_cfgs,
    get_pretrained_cfg,
    is_model_in_modules,
    register_model,
)
from torch import nn

from lag_zoo.errors import DuplicateModelError, InvalidConfigError, WeightsMismatchError
from lag_zoo.nn import LAG
from lag_zoo.nn.features import BackboneFeatures
from lag_zoo.registry import list_models, model_info
from lag_zoo.specs import LAGConfig, ModelSpec, WeightSpec

ANY = "lag"
LISTING, LISTING_OF_ANY = "lag_zoo", "lag_zoo_any"

TimmCfg = str | Mapping[str, Any] | PretrainedCfg | None

_OPTIONS = ("revision", "local_files_only", "backbone_weights", "backbone_prefix", "device", "dtype")
_FIELDS = tuple(f.name for f in dataclasses.fields(LAGConfig) if f.name not in ("backbone", "schema_version"))
_NEUTRAL = {"in_chans": 3, "drop_rate": 0, "drop_path_rate": 0}  # timm's scripts say so of every model
_OTHER_WEIGHTS = (
    "For other weights say pretrained='local-dir:...', pretrained='hf-hub:...' or checkpoint_path='...'"
)


def register_names(build: Callable[..., LAG]) -> None:
    """Put every name of the zoo into timm's registry, and `lag`, which stands for any network.

    Once a process; calls after the first only add names that are new, a plugin's for example.

    Args:
        build: `lag_zoo.create_model`, or a function of the same arguments.

    Raises:
        DuplicateModelError: timm has a model of such a name already; then none is registered.
    """
    listings = {ANY: LISTING_OF_ANY, **dict.fromkeys(list_models(), LISTING)}
    new = [name for name, at in listings.items() if not is_model_in_modules(name, [at])]
    if taken := [name for name in new if timm.is_model(name)]:
        raise DuplicateModelError(f"timm has a model named {', '.join(taken)} already; it keeps the name")
    for name in new:
        spec = None if name == ANY else model_info(name)
        home, entry = _home(listings[name]), _entry(name, build, spec)
        home.default_cfgs.update(generate_default_cfgs(_default_cfgs(name, spec)))
        entry.__name__ = entry.__qualname__ = name
        entry.__module__ = home.__name__
        setattr(home, name, register_model(entry))


def _home(listing: str) -> Any:
    """The module of the entries that timm lists under this name; timm looks for it among those imported."""
    name = f"{__name__}.{listing}"
    if name not in sys.modules:
        module = ModuleType(name, "Entries of timm's registry that lag_zoo.timm_bridge made.")
        vars(module).update(__all__=[], default_cfgs={})
        sys.modules[name] = module
    return sys.modules[name]


def _default_cfgs(name: str, spec: ModelSpec | None) -> dict[str, dict[str, Any] | PretrainedCfg]:
    """timm's description of a name, by tags of weights: raw pixels, hence mean 0 and std 1."""
    config = spec.config if spec else LAGConfig(backbone=None, num_classes=0)
    cfgs: dict[str, dict[str, Any] | PretrainedCfg] = {}
    for weights in (spec.weights if spec else ()) or (None,):
        size, labels = (weights or config).global_size or _own_size(config), (weights or config).label_names
        cfgs[f"{name}.{weights.tag}" if weights else name] = {
            "num_classes": len(labels) if labels else config.num_classes,
            "label_names": labels,
            "input_size": (3, size, size),
            "interpolation": "bilinear",
            "crop_pct": 1.0,
            "mean": (0.0, 0.0, 0.0),
            "std": (1.0, 1.0, 1.0),
            "classifier": "head",
            "license": weights.licence if weights else None,
            **_whereabouts(weights),
        }
    return cfgs


def _own_size(config: LAGConfig) -> Any:
    """Side of the backbone's input in pixels, as far as it is known without building it."""
    bare = _bare(config.backbone)
    known = get_arch_pretrained_cfgs(bare).get(config.backbone or "") or get_pretrained_cfg(bare)
    return config.backbone_args.get("img_size") or (known or PretrainedCfg()).input_size[-1]


def _whereabouts(weights: WeightSpec | None) -> dict[str, str]:
    """The place of weights, by which timm sees that there are any; lag_zoo loads them."""
    if weights is None:
        return {}
    if weights.repo is not None:
        return {"hf_hub_id": f"{weights.repo}@{weights.revision}"}
    (file,) = (file for file in weights.files if not file.endswith("_golden.safetensors"))
    return {"file": str(files("lag_zoo") / "weights" / "builtin" / file)}


def _entry(name: str, build: Callable[..., LAG], spec: ModelSpec | None) -> Callable[..., nn.Module]:
    """The function that timm calls with the arguments of its `create_model` and the configuration of a repository."""

    def entry(
        pretrained: bool | str = False,
        *,
        pretrained_cfg: TimmCfg = None,
        pretrained_cfg_overlay: Mapping[str, Any] | None = None,
        pretrained_model_args: object = None,  # they are among the fields too
        cache_dir: str | os.PathLike[str] | None = None,
        backbone: str | None = None,
        features_only: bool = False,
        out_indices: int | Sequence[int] | None = None,
        **fields: Any,
    ) -> nn.Module:
        if pretrained_cfg_overlay:
            raise InvalidConfigError(f"{name} takes no pretrained_cfg_overlay. {_OTHER_WEIGHTS}")
        if out_indices is not None and not features_only:
            raise InvalidConfigError(f"{name}: out_indices={out_indices} goes with features_only=True")
        given = _for_build(name, fields) | ({} if cache_dir is None else {"cache_dir": cache_dir})
        asked = _asked_for(name, backbone, pretrained_cfg)
        model = build(asked, pretrained=pretrained, **given)
        expected = spec.config.backbone if spec else model.config.backbone
        if _bare(expected) != _bare(model.config.backbone):
            raise WeightsMismatchError(
                f"{asked} is a network on {model.config.backbone}; {name} is on {expected}"
            )
        return BackboneFeatures(model, out_indices) if features_only else model

    entry.__doc__ = f"{spec.description if spec else 'Any network.'} Arguments as in `lag_zoo.create_model`."
    return entry


def _bare(backbone: str | None) -> str:
    return (backbone or "").partition(".")[0]


def _asked_for(name: str, backbone: str | None, cfg: TimmCfg) -> str:
    """The name to build: the repository that timm has read, or the model with the tag of its weights."""
    said = cfg if isinstance(cfg, str | None) else _without_nulls(cfg)
    if isinstance(said, dict) and said.get("source") in ("hf-hub", "local-dir") and backbone is None:
        return f"hf-hub:{said['hf_hub_id']}" if said["source"] == "hf-hub" else f"local-dir:{said['file']}"
    if (name == ANY) != (backbone is not None):
        raise InvalidConfigError(
            f"{name} with backbone={backbone!r}: only {ANY} takes a backbone, a timm name, and it needs one unless a "
            "repository, hf-hub:... or local-dir:..., says what the network is"
        )
    base = name if backbone is None else f"{ANY}_{backbone}"
    if isinstance(said, str | None):
        return f"{base}.{said}" if said else base
    for tagged, registered in get_arch_pretrained_cfgs(name).items():  # timm's scripts hand it back whole
        if said == _without_nulls(registered):
            return base + tagged.removeprefix(name)
    raise InvalidConfigError(f"{name}: this pretrained_cfg is not one that timm has of it. {_OTHER_WEIGHTS}")


def _without_nulls(cfg: Mapping[str, Any] | PretrainedCfg) -> dict[str, Any]:
    values = vars(cfg) if isinstance(cfg, PretrainedCfg) else cfg
    return {k: v for k, v in values.items() if v is not None}


def _for_build(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments without those of timm's that change nothing; one that LAG does not know is an error."""
    kept = {k: v for k, v in given.items() if k not in _NEUTRAL or v != _NEUTRAL[k]}
    if strange := [f"{k}={v!r}" for k, v in kept.items() if k not in _FIELDS + _OPTIONS]:
        neutral = ", ".join(f"{k}={v}" for k, v in _NEUTRAL.items())
        raise InvalidConfigError(
            f"{name} cannot take {', '.join(strange)}. It takes the fields of LAGConfig ({', '.join(_FIELDS)}), the "
            f"options {', '.join(_OPTIONS)}, and of timm's arguments features_only, out_indices and {neutral}. "
            "Arguments of the backbone go into backbone_args"
        )
    return kept
