"""The size of a LAG network, by arithmetic on its configuration: no torch, hence no need to build one to state it.

A test compares it with torch's count on the layers of `lag_zoo.nn`.
"""

from collections.abc import Callable

from lag_zoo.specs import Fusion, LAGConfig


def count_params(config: LAGConfig, *, backbone_params: int, backbone_features: int) -> int:
    """Parameters of the whole network, from those of its backbone and the width of the backbone's features."""
    of_crops, attention = _FUSIONS[config.fusion](config) if config.num_crops else (0, 0)
    return (
        backbone_params
        + _linear(backbone_features, config.global_dim)
        + _column_params(config) * (min(1, config.num_crops) if config.shared_crops else config.num_crops)
        + attention
        + _linear(config.global_dim + of_crops, config.hidden_dim)
        + (_linear(config.hidden_dim, config.num_classes) if config.num_classes else 0)
    )


def count_crop_macs(config: LAGConfig) -> int:
    """Multiply-accumulates of the crop branch on all crops of one image."""
    first, second, third, fourth = config.crop_widths
    side = config.crop_size
    convolutions = 9 * (
        side**2 * 3 * first
        + (side // 2) ** 2 * first * second
        + (side // 4) ** 2 * second * third
        + (side // 8) ** 2 * third * fourth
    )
    gate = 2 * third * _narrow(config)
    return config.num_crops * (convolutions + gate + fourth * config.crop_embed_dim)


def _of_concat(config: LAGConfig) -> tuple[int, int]:
    return config.num_crops * config.crop_embed_dim, 0


def _of_mean(config: LAGConfig) -> tuple[int, int]:
    return config.crop_embed_dim, 0


def _of_attention(config: LAGConfig) -> tuple[int, int]:
    embed = config.crop_embed_dim
    return embed, 2 * _linear(embed, embed) + embed


_FUSIONS: dict[Fusion, Callable[[LAGConfig], tuple[int, int]]] = {
    "concat": _of_concat,
    "mean": _of_mean,
    "attention": _of_attention,
}
"""Features that the crops add to the global ones, and parameters of the fusion itself."""


def _column_params(config: LAGConfig) -> int:
    """Parameters of the crop branch's one set of weights."""
    first, second, third, fourth = config.crop_widths
    convolutions = 9 * (3 * first + first * second + second * third + third * fourth)
    batch_norms = 2 * (first + second + third + fourth)
    gate = _linear(third, _narrow(config)) + _linear(_narrow(config), third)
    return convolutions + batch_norms + gate + _linear(fourth, config.crop_embed_dim)


def _narrow(config: LAGConfig) -> int:
    return max(1, round(config.crop_widths[2] * config.crop_se_ratio))


def _linear(inputs: int, outputs: int) -> int:
    return (inputs + 1) * outputs
