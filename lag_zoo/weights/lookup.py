"""The look-up of a name's weights: the places, and their order.

For a name of the zoo: the file inside the package, else the catalogued repository at its pinned commit, else the
repository that the name suggests. For a place, `hf-hub:` or `local-dir:`, only there.
"""

import os
from functools import partial
from pathlib import Path
from typing import NamedTuple

from lag_zoo.catalogue import GASTRIC, NO_GASTRIC_WEIGHTS
from lag_zoo.errors import InvalidConfigError, WeightsMismatchError, WeightsNotFoundError
from lag_zoo.registry import resolve
from lag_zoo.specs import TORCHVISION_BACKBONES, LAGConfig, ModelSpec
from lag_zoo.weights import sources
from lag_zoo.weights.hub import Place, cached_or_asked
from lag_zoo.weights.repository import CONFIG
from lag_zoo.weights.sources import Found

_SHAPES = (  # the fields that settle which tensors a network has; labels and views may differ
    "fusion",
    "crop_widths",
    "crop_embed_dim",
    "crop_se_ratio",
    "shared_crops",
    "global_dim",
    "hidden_dim",
    "backbone_args",
)


class Reach(NamedTuple):
    """Ways to weights that are elsewhere."""

    revision: str | None
    cache_dir: Path | None
    local_files_only: bool
    mapped: bool = False

    def place(self, text: str) -> Place | Path:
        """The repository or folder that a text names; see `parse_place`."""
        revision, cache_dir, local_files_only, _ = self
        return sources.parse_place(
            text, revision=revision, cache_dir=cache_dir, local_files_only=local_files_only
        )


def look_up(name: str, pretrained: bool | str, reach: Reach) -> tuple[LAGConfig, Found | None]:
    """The configuration behind a name, and the weights asked for, if any were.

    Raises:
        UnknownModelError: no such name.
        InvalidConfigError: a path that does not say so, or contradicting places or revisions.
        WeightsNotFoundError: no weights where they were looked for; the message says why, and the ways on.
        WeightsIntegrityError: bytes that are not the ones vouched for.
        WeightsMismatchError: they are of another architecture than the name's.
    """
    if name.startswith((sources.HUB, sources.FOLDER)):
        if isinstance(pretrained, str):
            raise InvalidConfigError(f"two places: {name!r} and pretrained={pretrained!r}")
        place = reach.place(name)
        if not pretrained:
            return sources.configuration_in(place), None
        found = _in_place(place, reach)
        return found.config, found
    if os.sep in name or "/" in name:
        raise InvalidConfigError(
            f"{name!r} looks like a path or a repository: say local-dir:{name} or hf-hub:{name}"
        )
    spec, tag = resolve(name)
    if not pretrained:
        if reach.revision is not None:
            raise InvalidConfigError("revision goes with pretrained weights")
        return spec.config, None
    named = isinstance(pretrained, str)
    found = _in_place(reach.place(str(pretrained)), reach) if named else _of_the_zoo(spec, tag, reach)
    _require_same_architecture(spec, found)
    return spec.config, found


def _in_place(place: Place | Path, reach: Reach) -> Found:
    if isinstance(place, Place):
        return sources.find_on_hub(place, mapped=reach.mapped)
    return sources.find_in_folder(place, mapped=reach.mapped)


def _of_the_zoo(spec: ModelSpec, tag: str | None, reach: Reach) -> Found:
    """The weights of a zoo name: built in, catalogued on the Hub, or in the repository that the name suggests."""
    weights = spec.weights_named(tag)
    if weights is None:
        place = Place(f"{_namespace()}/{spec.name}", *reach[:3])
        try:
            return cached_or_asked(partial(sources.find_on_hub, mapped=reach.mapped), place, CONFIG)
        except WeightsNotFoundError as error:
            raise _no_weights(spec, place, error.reason) from error
    if reach.revision not in (None, weights.revision):
        raise InvalidConfigError(
            f"{spec.name}.{weights.tag} is pinned to {weights.revision or 'a file inside the package'}; "
            f"for another revision say hf-hub:org/repo@{reach.revision}"
        )
    if weights.repo is None:
        return sources.find_builtin(spec, weights, mapped=reach.mapped)
    place = Place(weights.repo, weights.revision, *reach[1:3])
    return sources.find_catalogued(spec, weights, place, mapped=reach.mapped)


def require_same_shapes(asked: LAGConfig, trained: LAGConfig, *, source: str) -> None:
    """Refuses fields that give a network's tensors other shapes than its weights have, by their names.

    Raises:
        WeightsMismatchError: there are such fields.
    """
    # Most arguments of a backbone, such as a drop rate, leave its shapes as they are; the others are found later.
    differing = [field for field in _differing_shapes(asked, trained) if field != "backbone_args"]
    if not differing:
        return
    said = " and ".join(f"{f}={getattr(trained, f)!r}, not {getattr(asked, f)!r}" for f in differing)
    without = (
        " To do without its crops, load it with them and call remove_crops()." if not asked.num_crops else ""
    )
    crops = without or (
        f" In a concat network each of the {trained.num_crops} crops has weights of its own; one that is trained with "
        "fusion='mean' or 'attention' takes any number of crops."
        if "num_crops" in differing and trained.fusion == "concat"
        else ""
    )
    raise WeightsMismatchError(
        f"the weights of {source} are made for {said}.{crops} Leave {' and '.join(differing)} out, or train anew, "
        "without pretrained=True"
    )


def _differing_shapes(one: LAGConfig, other: LAGConfig) -> list[str]:
    """The fields that give two networks on one backbone tensors of other shapes."""
    differing = [field for field in _SHAPES if getattr(one, field) != getattr(other, field)]
    fixed = "concat" in (one.fusion, other.fusion) or not (one.shared_crops and other.shared_crops)
    some = bool(one.num_crops) and bool(other.num_crops)
    if one.num_crops != other.num_crops and (fixed or not some):
        differing.append("num_crops")
    return differing


def _require_same_architecture(spec: ModelSpec, found: Found) -> None:
    ours, theirs = spec.config, found.config
    differing = _differing_shapes(ours, theirs)
    if _bare(ours.backbone) != _bare(theirs.backbone):
        differing.insert(0, "backbone")
    if differing:
        said = ", ".join(f"{f} {getattr(theirs, f)!r} (not {getattr(ours, f)!r})" for f in differing)
        raise WeightsMismatchError(f"{found.source} holds another network than {spec.name}: {said}")


def _bare(backbone: str | None) -> str:
    return (backbone or "").partition(".")[0]


def _namespace() -> str:
    return os.environ.get("LAG_ZOO_NAMESPACE", "lag-zoo")


def _no_weights(spec: ModelSpec, place: Place, refusal: str) -> WeightsNotFoundError:
    reason = f" {NO_GASTRIC_WEIGHTS}" if spec in GASTRIC else ""
    ways = [
        f"train your own, `lag-zoo train finetune DATA --model {spec.name}`",
        "give your own, pretrained='local-dir:...' or 'hf-hub:...'",
        "take a model that has weights, lag_zoo.list_models(pretrained=True)",
    ]
    if spec.config.backbone not in TORCHVISION_BACKBONES:
        ways.insert(0, "start from the backbone's own weights, mostly of ImageNet, pretrained='backbone'")
    return WeightsNotFoundError(
        f"{spec.name} has no weights in this version.{reason} Nor does the Hub give {place} ({refusal})",
        ways_on="; ".join(ways),
    )
