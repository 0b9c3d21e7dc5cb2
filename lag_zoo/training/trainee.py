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


class Trainee(nn.Module):
    """A LAG in training; one call of `forward` a step, as DistributedDataParallel wants it."""

    def __init__(self, lag: LAG) -> None:
        super().__init__()
        self.lag = lag

    def forward(self, views: Views, scale: Tensor | None) -> Answers:
        """The answers to B views; `scale` (B,): of the crops' features, 0 where they are dropped; `None`: no crops."""
        features = self.lag.global_features(views)
        alone = self.lag.forward_head(self.lag.fusion.without_crops(features))
        if scale is None:
            return Answers(alone, alone, features)
        fused = self.lag.fusion(features, self.lag.crop_features(views), views.inside).features
        own, crops = fused.split([features.shape[1], fused.shape[1] - features.shape[1]], dim=1)
        logits = self.lag.forward_head(torch.cat([own, crops * scale[:, None].to(crops.dtype)], dim=1))
        return Answers(logits, alone, features)
