"""Fusion: the crops join the global view.

Each fusion takes the global features (B, G), the crop features (B, N, D) and `inside` (B, N), and gives `Fused`. Where
there are global features of each position (B, P, G), the same crop features join them all.
Only attention weighs the crops; the weights of the others are `None`.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from lag_zoo.errors import InvalidImageError
from lag_zoo.specs import Fusion


class Fused(NamedTuple):
    """Features (B, F) or (B, P, F), and where the fusion has weights, each crop's (B, N), which sum to 1."""

    features: Tensor
    weights: Tensor | None


def _joined(global_features: Tensor, of_crops: Tensor) -> Tensor:
    """Global features (B, G) or (B, P, G) and one row a frame of the crops' (B, D), side by side."""
    if global_features.ndim == 3:
        of_crops = of_crops[:, None].expand(-1, global_features.shape[1], -1)
    return torch.cat([global_features, of_crops], dim=-1)


def _usable(inside: Tensor) -> Tensor:
    """(B, N) bool: the crops in the field of view, or all of a frame that has none there."""
    return inside | ~inside.any(1, keepdim=True)


class _Fusion(nn.Module):
    """Base of the fusions: global features first, crop features after them."""

    out_features: int

    def without_crops(self, global_features: Tensor) -> Tensor:
        """Global features (B, G) or (B, P, G) -> fused features, with zeros in the place of the crops'."""
        return nn.functional.pad(global_features, (0, self.out_features - global_features.shape[-1]))


class ConcatFusion(_Fusion):
    """Concatenation, the paper's fusion: the global features and every crop's, a fixed number of crops."""

    def __init__(self, global_dim: int, crop_dim: int, num_crops: int) -> None:
        super().__init__()
        self.num_crops = num_crops
        self.out_features = global_dim + num_crops * crop_dim

    def forward(self, global_features: Tensor, crop_features: Tensor, inside: Tensor) -> Fused:
        if crop_features.shape[1] != self.num_crops:
            raise InvalidImageError(
                f"concat fusion was built for {self.num_crops} crops and got {crop_features.shape[1]}; "
                "mean and attention take any number"
            )
        return Fused(_joined(global_features, crop_features.flatten(1)), None)


class MeanFusion(_Fusion):
    """The global features, then the mean of the crops in the field of view. Any number of crops."""

    def __init__(self, global_dim: int, crop_dim: int, num_crops: int) -> None:
        super().__init__()
        self.out_features = global_dim + crop_dim

    def forward(self, global_features: Tensor, crop_features: Tensor, inside: Tensor) -> Fused:
        weight = _usable(inside).to(crop_features.dtype)
        weight = weight / weight.sum(1, keepdim=True)
        mean = (weight[..., None] * crop_features).sum(1)
        return Fused(_joined(global_features, mean), None)


class AttentionFusion(_Fusion):
    """The global features, then a weighted sum of the crops in the field of view. Any number of crops.

    The weights come from gated attention: Ilse et al., Attention-based Deep Multiple Instance Learning, 2018,
    https://arxiv.org/abs/1802.04712.
    """

    def __init__(self, global_dim: int, crop_dim: int, num_crops: int) -> None:
        super().__init__()
        self.value = nn.Linear(crop_dim, crop_dim)
        self.gate = nn.Linear(crop_dim, crop_dim)
        self.score = nn.Linear(crop_dim, 1, bias=False)
        self.out_features = global_dim + crop_dim

    def forward(self, global_features: Tensor, crop_features: Tensor, inside: Tensor) -> Fused:
        score = self.score(self.value(crop_features).tanh() * self.gate(crop_features).sigmoid())[..., 0]
        weights = score.masked_fill(~_usable(inside), float("-inf")).softmax(1)
        pooled = (weights[..., None] * crop_features).sum(1)
        return Fused(_joined(global_features, pooled), weights)


FUSIONS: dict[Fusion, type[ConcatFusion | MeanFusion | AttentionFusion]] = {
    "concat": ConcatFusion,
    "mean": MeanFusion,
    "attention": AttentionFusion,
}
