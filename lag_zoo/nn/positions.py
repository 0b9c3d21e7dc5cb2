"""Features at every position of a backbone's map, and the ranking of the scores that they get.

A position goes through the backbone's own head (its pooling, norm and further layers) as a map that is this position
everywhere, so that any head takes it; pooling over equal positions changes nothing.
"""

import math

from torch import Tensor, nn

from lag_zoo.errors import BackboneError


def features_at_positions(module: nn.Module, last: Tensor) -> Tensor:
    """Last features, as `forward_features` gives them -> features of each position (B, P, F) of a square map, by row.

    Raises:
        BackboneError: the backbone's last features are neither a square map nor the tokens of one.
    """
    kind, width = type(module).__name__, getattr(module, "num_features", None)
    if not isinstance(last, Tensor) or last.ndim not in (3, 4):
        shape = tuple(last.shape) if isinstance(last, Tensor) else type(last).__name__
        raise _no_map(kind, f"its last features are {shape}")
    if last.ndim == 3:
        prefix = int(getattr(module, "num_prefix_tokens", 0))
        positions = last[:, prefix:]
        alone = positions.flatten(0, 1)[:, None].expand(-1, prefix + 1, -1)
    elif last.shape[1] == width and getattr(module, "output_fmt", "NCHW") != "NHWC":
        positions = last.flatten(2).transpose(1, 2)
        alone = positions.flatten(0, 1)[:, :, None, None]
    elif last.shape[3] == width:
        positions = last.flatten(1, 2)
        alone = positions.flatten(0, 1)[:, None, None]
    else:
        raise _no_map(kind, f"no side of its last features {tuple(last.shape)} is {width}, its num_features")
    batch, count = positions.shape[:2]
    if math.isqrt(count) ** 2 != count:
        raise _no_map(kind, f"its {count} positions are no square")
    features: Tensor = module.forward_head(alone, pre_logits=True)  # type: ignore[operator]
    if features.shape != (batch * count, module.head_hidden_size):
        raise _no_map(
            kind,
            f"its head gives {tuple(features.shape)} for {batch * count} positions, "
            f"({batch * count}, {module.head_hidden_size}) is expected",
        )
    return features.view(batch, count, -1)


def mean_of_highest(scores: Tensor, share: float) -> Tensor:
    """Scores at positions (B, P, C) -> the mean of the highest `share` of each label's, at least one (B, C).

    >>> import torch
    >>> mean_of_highest(torch.tensor([[[4.0], [1.0], [2.0], [0.0]]]), share=0.5)
    tensor([[3.]])
    """
    count = max(1, round(share * scores.shape[1]))
    return scores.topk(count, dim=1).values.mean(1)


def as_map(scores: Tensor) -> Tensor:
    """Scores at the positions of a square map, row by row (B, P, C) -> (B, C, h, w).

    >>> import torch
    >>> as_map(torch.arange(4.0).view(1, 4, 1))
    tensor([[[[0., 1.],
              [2., 3.]]]])
    """
    batch, positions, labels = scores.shape
    side = math.isqrt(positions)
    return scores.mT.reshape(batch, labels, side, side)


def _no_map(kind: str, reason: str) -> BackboneError:
    return BackboneError(
        f"{kind} has no map to look for evidence in: {reason}. Take pooling='average', or another backbone"
    )
