"""What a step trains: the network twice, with its crops and without, in one call.

Crops that are trained without care memorise, and starve the backbone of gradient. So the global path has a loss of its
own, and some frames' crops are dropped: then the network answers without crops too, as its plain backbone would.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from lag_zoo.nn import LAG
from lag_zoo.views import Views


class Answers(NamedTuple):
    """Logits with crops and of the global path alone (B, C) each, and the global features (B, global_dim)."""

    logits: Tensor
    alone: Tensor
    features: Tensor


class TrainingModel(nn.Module):
    """A LAG in training; one call of `forward` a step, as DistributedDataParallel wants it."""

    def __init__(self, lag: LAG) -> None:
        super().__init__()
        self.lag = lag

    def forward(self, views: Views, kept: Tensor | None) -> Answers:
        """The answers to B views.

        Args:
            kept: numbers of the views whose crops are looked at (K,), at least one; their features are scaled by B / K,
                as in dropout. The crops of the others cost nothing. `None`: no crops at all.
        """
        features = self.lag.global_features(views)
        dropped = self.lag.fusion.without_crops(features)
        alone = self.lag.forward_head(dropped)
        if kept is None:
            return Answers(alone, alone, features)
        chosen = Views(*(part[kept] for part in views))
        fused = self.lag.fusion(features[kept], self.lag.crop_features(chosen), chosen.inside).features
        own, crops = fused.tensor_split([features.shape[1]], dim=1)
        fused = torch.cat([own, crops * (len(features) / len(kept))], dim=1)
        logits = self.lag.forward_head(dropped.index_copy(0, kept, fused.to(dropped.dtype)))
        return Answers(logits, alone, features)
