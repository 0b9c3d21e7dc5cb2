"""The content of a repository of weights, on the Hub or in a folder: the layout of its `config.json`, both ways.

A stranger's `config.json` is data: a network of a registered architecture, described by bounded numbers. Nothing in it
is a class, a path or code, and only what stands under the key `lag_zoo` is read; the rest is for timm.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lag_zoo.errors import InvalidConfigError, WeightsIntegrityError, WeightsNotFoundError
from lag_zoo.opening import read_regular
from lag_zoo.registry import is_backbone
from lag_zoo.specs import Json, LAGConfig, Spec, WeightSpec

CONFIG, WEIGHTS, GOLDEN, CARD = "config.json", "model.safetensors", "golden.safetensors", "README.md"
TIMM_NAME = "lag"
"""As what timm knows the networks of repositories, once `lag_zoo.register_with_timm()` was called."""

_LARGEST = 1 << 20  # bytes of a config.json
_SIZES = (1, 4096)
_BACKBONE_ARGS: dict[
    str, tuple[type, float, float]
] = {  # what a stranger may say to timm, and within which bounds
    "img_size": (int, *_SIZES),
    "dynamic_img_size": (bool, 0, 1),
    "drop_rate": (float, 0, 1),
    "drop_path_rate": (float, 0, 1),
}


@dataclass(frozen=True, kw_only=True)
class RepositoryConfig(Spec):
    """A repository's description of its network and its weights.

    Attributes:
        config: the network.
        weights: what is vouched for; its `files` are those beside `config.json`.
        domain: as in `ModelSpec`; `None`: not one of the zoo's.
        lag_zoo_version: of the lag_zoo that wrote it; `timm_version` likewise.
    """

    config: LAGConfig
    weights: WeightSpec
    domain: str | None = None
    lag_zoo_version: str
    timm_version: str

    def __post_init__(self) -> None:
        check_backbone(self.config)
        unknown = sorted(set(self.weights.files) - {WEIGHTS, GOLDEN})
        if unknown or WEIGHTS not in self.weights.files:
            raise InvalidConfigError(
                f"a repository's files are {WEIGHTS} and {GOLDEN}, got {sorted(self.weights.files)}"
            )
        own, vouched = self.config.label_names or (), self.weights.label_names
        if own != vouched:
            raise InvalidConfigError(
                f"the network's labels are {list(own)}, those of its weights {list(vouched)}"
            )


def check_backbone(config: LAGConfig) -> None:
    """Refuses a backbone that is not registered, or arguments other than a few bounded numbers.

    Raises:
        InvalidConfigError: it cannot be taken from a stranger.
    """
    if config.backbone is None or not is_backbone(config.backbone):
        raise InvalidConfigError(
            f"the backbone {config.backbone!r} is neither timm's nor one of lag_zoo's own"
        )
    for name, value in config.backbone_args.items():
        if name not in _BACKBONE_ARGS:
            raise InvalidConfigError(
                f"the backbone argument {name!r} is not taken from a file; those taken are {', '.join(_BACKBONE_ARGS)}"
            )
        _bounded(name, value)


def _bounded(name: str, value: Json) -> None:
    kind, low, high = _BACKBONE_ARGS[name]
    number = isinstance(value, int | kind) and isinstance(value, bool) is (kind is bool)
    if not (number and isinstance(value, int | float) and low <= value <= high):
        raise InvalidConfigError(
            f"the backbone argument {name} is {kind.__name__}, {low:g} to {high:g}; got {value!r}"
        )


def read_config(path: Path, *, source: str) -> RepositoryConfig:
    """The `config.json` of a repository.

    Raises:
        WeightsNotFoundError: no such file.
        WeightsIntegrityError: not a configuration that lag_zoo wrote.
    """
    try:
        data = read_regular(path, most=_LARGEST)
    except FileNotFoundError as error:
        raise WeightsNotFoundError(f"{source} has no {CONFIG}: {error.strerror}") from error
    except OSError as error:
        raise WeightsIntegrityError(f"{CONFIG} of {source} cannot be read: {error.strerror}") from error
    return parse_config(data, source=source)


def parse_config(text: bytes, *, source: str) -> RepositoryConfig:
    """The `config.json` of a repository, from its bytes.

    Raises:
        WeightsIntegrityError: not a configuration that lag_zoo wrote.
    """
    try:
        if len(text) > _LARGEST:
            raise InvalidConfigError(f"it has {len(text)} bytes, and no configuration has over {_LARGEST}")
        data = json.loads(text)
        if not isinstance(data, Mapping) or "lag_zoo" not in data:
            raise InvalidConfigError(
                "it has no part lag_zoo, so it was not written by lag_zoo.save_pretrained"
            )
        return RepositoryConfig.from_dict(data["lag_zoo"])
    except (InvalidConfigError, ValueError, RecursionError) as error:
        raise WeightsIntegrityError(f"{CONFIG} of {source}: {error}") from error


def config_json(config: RepositoryConfig, pretrained_cfg: Mapping[str, Any]) -> str:
    """The text of `config.json`: for lag_zoo, and beside it what timm reads."""
    for_timm = {
        "architecture": TIMM_NAME,  # stands for any LAG in timm's registry; which one, lag_zoo's part says
        "num_classes": config.config.num_classes,
        "pretrained_cfg": {k: v for k, v in pretrained_cfg.items() if k != "architecture"},
    }
    return _json({**for_timm, "lag_zoo": config.to_dict()})


def config_json_again(text: str, config: RepositoryConfig) -> str:
    """The text of a `config.json` with another part for lag_zoo; what timm reads stays as it is."""
    return _json({**json.loads(text), "lag_zoo": config.to_dict()})


def _json(data: Mapping[str, Any]) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
