"""The registry: every model name that lag_zoo knows, its own and its plugins'. No torch here.

A plugin is a distribution with an entry point in the group `lag_zoo.catalogue`; it names a `ModelSpec`, a sequence of
them, or a function without arguments that gives either.
"""

import fnmatch
import functools
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from lag_zoo.catalogue import CATALOGUE
from lag_zoo.errors import DuplicateModelError, InvalidConfigError, PluginWarning, UnknownModelError
from lag_zoo.specs import TORCHVISION_BACKBONES, LAGConfig, ModelSpec

PLUGIN_GROUP = "lag_zoo.catalogue"
_PREFIX = "lag_"

_registry: dict[str, ModelSpec] = {}


def register(spec: ModelSpec) -> None:
    """Add a model to the zoo of this process.

    Raises:
        DuplicateModelError: the name is taken.
        InvalidConfigError: the name holds a dot, which separates a name from a tag of its weights.
    """
    if "." in spec.name:
        raise InvalidConfigError(f"{spec.name!r}: a dot separates a model's name from a tag of its weights")
    if spec.name in _registry:
        raise DuplicateModelError(f"a model named {spec.name!r} is registered already")
    _registry[spec.name] = spec


for _spec in CATALOGUE:
    register(_spec)


def list_models(
    filter: str | Sequence[str] = "*", *, pretrained: bool = False, domain: str | None = None
) -> list[str]:
    """The names of the zoo, sorted; without torch.

    Args:
        filter: a shell pattern (`lag_*_lci`), or several.
        pretrained: only names with weights that this version can verify.
        domain: only this domain: `wli`, `lci` or `polyp`.

    Raises:
        InvalidConfigError: no model has this domain.

    >>> list_models("lag_resnet50_*")
    ['lag_resnet50_lci', 'lag_resnet50_wli']
    """
    patterns = [filter] if isinstance(filter, str) else list(filter)
    models = _models()
    domains = {spec.domain for spec in models.values() if spec.domain}
    if domain is not None and domain not in domains:
        raise InvalidConfigError(
            f"no model has the domain {domain!r}; domains are {', '.join(sorted(domains))}"
        )
    return sorted(
        name
        for name, spec in models.items()
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
        and (not pretrained or spec.weights)
        and domain in (None, spec.domain)
    )


def model_info(name: str) -> ModelSpec:
    """The specification of a model of the zoo (`name`, or `name.tag`), or of the architecture `lag_<timm name>`.

    A name of the zoo loads no torch; for another one timm is asked.

    Raises:
        UnknownModelError: neither; with near matches.

    >>> model_info("lag_resnet50_lci").label_names
    ('normal', 'GA', 'IM')
    """
    return resolve(name)[0]


def resolve(name: str) -> tuple[ModelSpec, str | None]:
    """The specification behind a name, and the tag of its weights, if the name holds one.

    Raises:
        UnknownModelError: no such name, or no such tag.
    """
    models = _models()
    base, _, tag = name.partition(".")
    if base in models:
        spec = models[base]
        if tag and spec.weights_named(tag) is None:
            raise UnknownModelError(
                name,
                [f"{base}.{w.tag}" for w in spec.weights],
                hint=f"{base} has {_tags(spec)}.",
            )
        return spec, tag or None
    backbone = name.removeprefix(_PREFIX)
    if backbone != name and is_backbone(backbone):
        config = LAGConfig(backbone=backbone, num_classes=0)
        return ModelSpec(
            name=name, config=config, description=f"LAG on {backbone}, an architecture for your own labels"
        ), None
    raise UnknownModelError(
        name,
        [*models, *_architectures(name)],
        hint=f"Weights in this folder are called local-dir:{name}."
        if name and Path(name).is_dir()
        else "lag_zoo.list_models() lists the zoo; lag_<any timm name> is an architecture.",
    )


def is_backbone(name: str) -> bool:
    """Tell whether a name, with or without one of timm's tags, is a timm model or one of torchvision's two."""
    if name in TORCHVISION_BACKBONES:
        return True
    if _is_ours(name):
        return False
    import timm  # here, so that the names of the zoo cost no import of torch

    if not timm.is_model(name.partition(".")[0]):
        return False
    try:
        timm.get_pretrained_cfg(name, allow_unregistered=False)
    except RuntimeError:  # timm's word for a tag that the model does not have
        return "." not in name
    return True


def backbone_names() -> list[str]:
    """Every backbone's name, without tags."""
    import timm

    names = [name for name in timm.list_models() if not _is_ours(name)]
    return sorted([*names, *TORCHVISION_BACKBONES])


def _is_ours(name: str) -> bool:
    """Tell whether timm knows this name from lag_zoo (see `lag_zoo.timm_bridge`): no LAG is a backbone of another."""
    return f"{name}_".startswith(_PREFIX)


def _architectures(name: str) -> Iterator[str]:
    if name.startswith(_PREFIX):
        yield from (_PREFIX + backbone for backbone in backbone_names())


def _tags(spec: ModelSpec) -> str:
    return f"the weights {', '.join(w.tag for w in spec.weights)}" if spec.weights else "no weights yet"


def _models() -> dict[str, ModelSpec]:
    _load_plugins()
    return _registry


@functools.cache
def _load_plugins() -> None:
    """Registers what the installed plugins offer, once a process; a broken one is named and left out."""
    from importlib.metadata import entry_points

    for point in entry_points(group=PLUGIN_GROUP):
        source = point.dist.name if point.dist else "an unnamed distribution"
        before = dict(_registry)
        try:
            offered = point.load()
            if callable(offered) and not isinstance(offered, ModelSpec):
                offered = offered()
            for spec in [offered] if isinstance(offered, ModelSpec) else list(offered):
                if not isinstance(spec, ModelSpec):
                    raise TypeError(f"a ModelSpec is expected, got {type(spec).__name__}")
                register(spec)
        except Exception as error:  # whatever a stranger's code raises, the zoo goes on without it
            _registry.clear()
            _registry.update(before)
            warnings.warn(
                f"the plugin {point.name!r} of {source} is left out: {type(error).__name__}: {error}",
                PluginWarning,
                stacklevel=2,
            )
