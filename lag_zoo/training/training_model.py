"""The network as it is trained: with its crops and without, in one call.

Crops that are trained without care memorise, and starve the backbone of gradient. So the global path has a loss of its
own, and the crops of some frames are dropped, as in dropout: the network also learns to answer as its plain backbone.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from lag_zoo.nn import LAG
from lag_zoo.views import Views


class TrainingOutput(NamedTuple):
    """Logits with crops (B, C), logits of the global path alone (B, C), and the global features (B, global_dim).

    With top-k pooling also the scores at each position (B, P, C), of which the logits are the highest.
    """

    logits: Tensor
    global_logits: Tensor
    global_features: Tensor
    position_scores: Tensor | None = None


class TrainingModel(nn.Module):
    """A LAG in training; `forward` is called once a step, as DistributedDataParallel needs it."""

    def __init__(self, lag: LAG) -> None:
        super().__init__()
        self.lag = lag

    def forward(self, views: Views, kept: Tensor | None) -> TrainingOutput:
        """Return the output for B views.

        Args:
            kept: numbers of the views that keep their crops (K,), at least one; the crops of the others cost nothing.
                The crop features are scaled by B / K, as in dropout. `None`: no crops at all.
        """
        features = self.lag.global_features(views)
        dropped = self.lag.fusion.without_crops(features)
        global_logits, scores = self._read(dropped)
        of_frame = features if features.ndim == 2 else features.mean(1)
        if kept is None:
            return TrainingOutput(global_logits, global_logits, of_frame, scores)
        chosen = Views(*(part[kept] for part in views))
        fused = self.lag.fusion(features[kept], self.lag.crop_features(chosen), chosen.inside).features
        own, crops = fused.tensor_split([features.shape[-1]], dim=-1)
        fused = torch.cat([own, crops * (len(features) / len(kept))], dim=-1)
        logits, scores = self._read(dropped.index_copy(0, kept, fused.to(dropped.dtype)))
        return TrainingOutput(logits, global_logits, of_frame, scores)

    def _read(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """Fused features -> logits, and the scores at each position where there are positions."""
        scores = self.lag.scored(self.lag.forward_head(features, pre_logits=True))
        return self.lag.pooled(scores), scores if scores.ndim == 3 else None
