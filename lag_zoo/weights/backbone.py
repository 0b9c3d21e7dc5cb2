"""A backbone's own weights: inside the package, in timm's Hub repositories, or in anyone's file.

The whole backbone has to arrive: what is left over in the file (a classifier) is reported, what is missing is an error.
"""

import sys
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import timm
from torch import Tensor, nn

from lag_zoo.catalogue.builtin_backbones import BUILTIN_BACKBONES, BuiltinBackbone, builtin_backbone
from lag_zoo.errors import InvalidConfigError, WeightsMismatchError, WeightsNotFoundError
from lag_zoo.specs import TORCHVISION_BACKBONES, DatasetRef
from lag_zoo.weights import builtin
from lag_zoo.weights.files import compare, read_weights
from lag_zoo.weights.hub import Place, cached_or_asked, fetch_weights, stated_licence
from lag_zoo.weights.report import LoadReport
from lag_zoo.weights.sources import HUB

Prefix = str | Mapping[str, str]
_FILE = "model.safetensors"
_SHOWN = 3
_INSIDE = " or ".join(f"lag_{name}" for name in BUILTIN_BACKBONES)
_WAYS_ON = (
    f"a backbone whose weights are in the package, {_INSIDE}; a file of "
    "its weights, backbone_weights=FILE; an untrained backbone, pretrained=False; or a model with weights of its own, "
    "pretrained=True, as lag_zoo.list_models(pretrained=True) lists them"
)


class BackboneFile(NamedTuple):
    """A file of backbone weights, and where it came from; `sha256` is what it has to have, where somebody vouches."""

    path: Path
    source: str
    revision: str | None = None
    licence: str = ""
    sha256: str | None = None
    trained_on: tuple[DatasetRef, ...] = ()


def timm_weights(backbone: str, *, cache_dir: Path | None, local_files_only: bool) -> BackboneFile:
    """The weights of a timm name: inside the package, without any request, or in timm's own Hub repository.

    There they are cached or downloaded, and verified by the Hub's digest.

    Raises:
        WeightsNotFoundError: timm publishes none for it on the Hub, or they cannot be had; the message says why.
    """
    if (inside := builtin_backbone(backbone)) is not None:
        return _in_the_package(inside)
    if backbone in TORCHVISION_BACKBONES:
        raise WeightsNotFoundError(
            f"{backbone} is torchvision's, which publishes no safetensors: convert its checkpoint with "
            "`lag-zoo convert` and give the file as backbone_weights",
            ways_on=_WAYS_ON,
        )
    cfg = timm.get_pretrained_cfg(backbone)
    if cfg is None or not cfg.hf_hub_id:
        raise WeightsNotFoundError(f"timm has no weights of {backbone} on the Hub", ways_on=_WAYS_ON)
    place = Place(cfg.hf_hub_id, None, cache_dir, local_files_only)
    name = cfg.hf_hub_filename or _FILE
    try:
        file = cached_or_asked(lambda there: fetch_weights(there, name), place, name)
    except WeightsNotFoundError as error:
        raise WeightsNotFoundError(
            f"the weights of the backbone {backbone} cannot be had from {place} ({error.reason})",
            ways_on=_WAYS_ON,
        ) from error
    return BackboneFile(file.path, str(place), file.revision, cfg.license or "", sha256=file.sha256)


def given_weights(given: str | Path, *, cache_dir: Path | None, local_files_only: bool) -> BackboneFile:
    """The file that `backbone_weights` names: a path, or `hf-hub:org/repo[:file]`.

    Raises:
        InvalidConfigError: a file that is not safetensors.
        WeightsNotFoundError: it cannot be had; the message says why.
    """
    text = str(given)
    if text.startswith(HUB):
        repo, _, filename = text.removeprefix(HUB).partition(":")
        repo, _, revision = repo.partition("@")
        place = Place(repo, revision or None, cache_dir, local_files_only)
        _require_safetensors(filename or _FILE)
        file = fetch_weights(place, filename or _FILE)
        source = f"{place}:{filename or _FILE}"
        return BackboneFile(file.path, source, file.revision, stated_licence(place), sha256=file.sha256)
    _require_safetensors(text)
    return BackboneFile(Path(text).expanduser(), text)


def load_backbone(backbone: nn.Module, file: BackboneFile, prefix: Prefix | None = None) -> LoadReport:
    """Puts the weights of a file into a backbone, after a prefix is stripped; position embeddings are resized.

    `prefix` is what stands before the backbone's own keys, or a map from such beginnings to what replaces them.

    Raises:
        WeightsMismatchError: less than the whole backbone arrived; the backbone is untouched.
        WeightsNotFoundError, WeightsIntegrityError: there is no such file, or it is none of safetensors, or other bytes
            than were vouched for.
    """
    read = read_weights(file.path, file.sha256)
    weights = read.tensors
    mine = _renamed(weights, prefix)
    if not mine:
        raise WeightsMismatchError(
            f"{file.source} has no key that begins with {prefix!r}; its first keys are {', '.join([*weights][:_SHOWN])}"
        )
    fitted = _fitted(backbone, dict(mine))
    own = backbone.state_dict()
    unexpected = tuple(key for key in fitted if key not in own)
    try:
        compare(own, {k: v for k, v in fitted.items() if k in own}, source=file.source)
    except WeightsMismatchError as error:
        raise WeightsMismatchError(f"{error}\n{_advice(own, weights)}") from None
    backbone.load_state_dict({key: fitted[key] for key in own}, strict=True)
    resized = tuple(key for key in own if key in mine and mine[key].shape != own[key].shape)
    return LoadReport(
        source=file.source,
        path=file.path,
        revision=file.revision,
        sha256=read.sha256,
        loaded=tuple(key for key in own if key not in resized),
        resized=resized,
        unexpected=unexpected,
        licences=(file.licence,) if file.licence else (),
        trained_on=file.trained_on,
    )


def _in_the_package(row: BuiltinBackbone) -> BackboneFile:
    return BackboneFile(
        Path(str(files(builtin))) / row.file,
        f"the built-in {row.pinned}",
        licence=row.licence,
        sha256=row.sha256,
        trained_on=row.training_data,
    )


def _require_safetensors(name: str) -> None:
    if not name.endswith(".safetensors"):
        raise InvalidConfigError(
            f"backbone_weights are safetensors, got {name!r}; `lag-zoo convert` brings a .pth over"
        )


def _renamed(weights: Mapping[str, Tensor], prefix: Prefix | None) -> dict[str, Tensor]:
    if prefix is None:
        return dict(weights)
    changes = {prefix: ""} if isinstance(prefix, str) else prefix
    found = {}
    for key, tensor in weights.items():
        for old, new in changes.items():
            if key.startswith(old):
                found[new + key.removeprefix(old)] = tensor
                break
    return found


def _fitted(backbone: nn.Module, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights as timm's own loader of this kind of network turns them: older layouts, other image sizes."""
    filter_: Callable[..., dict[str, Tensor]] | None = getattr(
        sys.modules[type(backbone).__module__], "checkpoint_filter_fn", None
    )
    if filter_ is None:
        return weights
    try:
        return dict(filter_(weights, backbone))
    except (KeyError, RuntimeError, ValueError, AttributeError, TypeError, IndexError) as error:
        raise WeightsMismatchError(
            f"timm cannot bring these weights to {type(backbone).__name__}: {type(error).__name__}: {error}"
        ) from error


def _advice(own: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> str:
    first = next(iter(own))
    before = sorted({key.removesuffix(first) for key in weights if key.endswith("." + first)})
    if before:
        return f"It has {before[0] + first!r}: try backbone_prefix={before[0]!r}"
    return f"The backbone's first key is {first!r}; the file's are {', '.join([*weights][:_SHOWN])}"
