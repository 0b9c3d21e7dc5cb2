"""The cost of a network that a stranger describes, bounded before any memory is taken.

A few numbers in a file of a kilobyte can ask for a hundred gigabytes. So its skeleton is built on the meta device,
which takes none, and what it would take is counted.
"""

from collections.abc import Iterable, Iterator

from torch import Tensor, nn

from lag_zoo.errors import WeightsIntegrityError
from lag_zoo.nn import LAG
from lag_zoo.nn.backbones import create_backbone
from lag_zoo.specs import LAGConfig
from lag_zoo.weights.skeleton import without_memory

_MOST_BESIDE_BACKBONE = 1 << 28  # parameters; those of a zoo's LAG are a few million
_MOST_OF_VIEWS = 1 << 29  # bytes of the views of a frame; those of a zoo's LAG are 2 MB
_MOST_OF_ALL = 1 << 33  # bytes
_MOST_GROWTH = 1 << 30  # bytes by which a backbone may outgrow the one that its name alone stands for


def require_bounded(config: LAGConfig, *, source: str) -> None:
    """Refuse a stranger's network that cannot be built, or only with memory out of all proportion; takes none itself.

    Raises:
        WeightsIntegrityError: it is out of all proportion.
        InvalidConfigError, BackboneError: no network can be built so.
    """
    require_small_views(config, source=source)
    with without_memory():
        skeleton = LAG.from_config(config)
    require_proportion(skeleton, source=source)
    if (size := size_of(skeleton)) > _MOST_OF_ALL:
        raise WeightsIntegrityError(
            f"{source} describes a network of {size:,} bytes; up to {_MOST_OF_ALL:,} are taken of one without weights"
        )


def require_proportion(skeleton: LAG, *, source: str) -> None:
    """Refuse a network, on the meta device, that would take memory out of all proportion.

    Raises:
        WeightsIntegrityError: it would.
    """
    require_small_views(skeleton.config, source=source)
    beside = sum(p.numel() for name, p in skeleton.named_parameters() if not name.startswith("backbone."))
    if beside > _MOST_BESIDE_BACKBONE:
        raise WeightsIntegrityError(
            f"{source} describes {beside:,} parameters beside the backbone's; up to {_MOST_BESIDE_BACKBONE:,} are taken"
        )
    name, arguments = skeleton.config.backbone, skeleton.config.backbone_args
    if name is None or not arguments:  # then it is what timm builds under the name
        return
    with without_memory():
        plain = size_of(create_backbone(name))
    grown = size_of(skeleton.backbone)
    if grown > 2 * plain + _MOST_GROWTH:
        said = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        raise WeightsIntegrityError(
            f"{source} describes a {name} with {said}, which takes {grown:,} bytes; without these it takes {plain:,}"
        )


def require_small_views(config: LAGConfig, *, source: str) -> None:
    """Refuse views of a frame that take memory out of all proportion.

    Raises:
        WeightsIntegrityError: they would.
    """
    pixels = (config.global_size or 0) ** 2 + config.num_crops * config.crop_size**2
    if (size := 12 * pixels) > _MOST_OF_VIEWS:
        raise WeightsIntegrityError(
            f"{source} describes views of {size:,} bytes a frame ({config.num_crops} crops of {config.crop_size} "
            f"pixels); up to {_MOST_OF_VIEWS:,} are taken"
        )


def size_of(module: nn.Module) -> int:
    """Bytes of all tensors that a module holds: parameters, buffers, and plain attributes."""
    return sum(t.numel() * t.element_size() for t in {id(t): t for t in tensors_of(module)}.values())


def tensors_of(model: nn.Module) -> Iterator[Tensor]:
    """All tensors that a module and those inside it hold; plain attributes, and lists and dictionaries of them, too."""
    yield from model.parameters()
    yield from model.buffers()
    for module in model.modules():
        yield from _tensors(vars(module).values())


def _tensors(values: Iterable[object]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from (v for v in value if isinstance(v, Tensor))
        elif isinstance(value, dict):
            yield from (v for v in value.values() if isinstance(v, Tensor))
