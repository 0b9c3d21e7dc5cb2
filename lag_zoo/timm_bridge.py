"""The zoo in timm's registry: what builds timm's models by name builds these too.

timm's `register_model` looks into a function's module, by name: it lists the function under the last part of that name,
and reads the module's `default_cfgs`. The functions here are made on demand, one a name, so a small module is made for
them as well, whose last name none of timm's has.

timm reads `config.json` of a repository, and calls the function that is registered for its `architecture`. The zoo's
names are registered, `lag_<any timm name>` are not: there are over a thousand. The one name `lag` stands for them
all, and a repository of any LAG can call itself so.
"""

import dataclasses
import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from types import ModuleType
from typing import Any

import timm
import torch
from timm.models import PretrainedCfg
from timm.models._features import FeatureGetterNet
from torch import Tensor, nn

from lag_zoo.errors import BackboneError, DuplicateModelError, InvalidConfigError, WeightsMismatchError
from lag_zoo.nn import LAG
from lag_zoo.registry import list_models, model_info
from lag_zoo.specs import LAGConfig, ModelSpec, WeightSpec

LISTING = "lag_zoo"  # timm.list_models(module="lag_zoo") is lag_zoo.list_models()
ANY = "lag"

_FIELDS = tuple(
    f.name for f in dataclasses.fields(LAGConfig) if f.name not in ("backbone", "schema_version")
)
_OPTIONS = ("revision", "local_files_only", "backbone_weights", "backbone_prefix", "device", "dtype")
_NEUTRAL = {"in_chans": 3, "drop_rate": 0, "drop_path_rate": 0}  # timm's scripts say so of every model


def register_names(build: Callable[..., LAG]) -> None:
    """Puts every name of the zoo into timm's registry, and `lag`, which stands for any LAG.

    Once a process: calls after the first only add names that are new, such as a plugin's.

    Args:
        build: `lag_zoo.create_model`, or what takes the same arguments.

    Raises:
        DuplicateModelError: timm has a model of this name; nothing is registered then.
    """
    specs = {name: model_info(name) for name in list_models()}
    _register(LISTING, {name: functools.partial(_zoo_model, build, spec) for name, spec in specs.items()}, specs)
    _register(f"{LISTING}_any", {ANY: functools.partial(_any_model, build)}, {})


def _register(
    listing: str, functions: Mapping[str, Callable[..., nn.Module]], specs: Mapping[str, ModelSpec]
) -> None:
    new = [name for name in functions if not timm.models.is_model_in_modules(name, [listing])]
    if taken := [name for name in new if timm.is_model(name)]:
        raise DuplicateModelError(f"timm has a model named {', '.join(taken)} already")
    home = _module(f"{__name__}.{listing}")
    for name in new:
        cfgs = _default_cfgs(specs[name]) if name in specs else {name: _default_cfg(LAGConfig())}
