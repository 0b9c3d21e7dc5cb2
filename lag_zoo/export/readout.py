"""The network that is exported: from views, as bytes, to logits and probabilities, all in one graph.

Normalisation, top-k readout, temperature and the rule of the task are inside, so that a runtime needs to know none of
them. Views are made outside: where the crops lie depends on the field of view of each frame.
"""

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lag_zoo.errors import InvalidConfigError
from lag_zoo.nn import LAG
from lag_zoo.specs import Fusion, Task
from lag_zoo.views import Views

_LOOKS_INSIDE: dict[Fusion, bool] = {"concat": False, "mean": True, "attention": True}
"""The fusions that leave out crops beyond the field of view, and so have to be told which these are."""

_WEIGHS: dict[Fusion, bool] = {"concat": False, "mean": False, "attention": True}


class Readout(nn.Module):
    """Views of B frames, uint8 -> logits (B, C), probabilities (B, C), and the crops' weights (B, N) of attention.

    It takes the inputs that `input_names` says, in this order: `global_view` (B, 3, G, G) uint8; with crops also
    `crops` (B, N, 3, c, c) uint8; where the fusion asks for it `inside` (B, N) bool. Logits are as the network gives
    them, and the probabilities those of the logits over the temperature, by the rule of the task.

    Args:
        network: is copied, onto the CPU and in float32.
        temperature: of its weights.

    Raises:
        InvalidConfigError: a fused network.
    """

    def __init__(self, network: LAG, *, temperature: float = 1.0) -> None:
        super().__init__()
        if network.is_fused:
            raise InvalidConfigError(
                "a fused network cannot be exported: export the one that it was made from"
            )
        self.network = copy.deepcopy(network).cpu().float().eval()
        self.temperature = temperature
        config = network.config
        with_crops = config.num_crops > 0
        looks_inside = with_crops and _LOOKS_INSIDE[config.fusion]
        self.input_names = ("global_view", *(["crops"] * with_crops), *(["inside"] * looks_inside))
        weighs = with_crops and _WEIGHS[config.fusion]
        self.output_names = ("logits", "probabilities", *(["crop_weights"] * weighs))

    def forward(
        self, global_view: Tensor, crops: Tensor | None = None, inside: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Logits, probabilities and the crops' weights, as `output_names` says."""
        weights = None
        if crops is None:
            logits = self.network.forward_global(_views(global_view, global_view, global_view))
        else:
            inside = crops[:, :, 0, 0, 0] >= 0 if inside is None else inside  # all: the fusion does not ask
            fused = self.network.fused(_views(global_view, crops, inside))
            logits, weights = self.network.forward_head(fused.features), fused.weights
        chances = _PROBABILITIES[self.network.config.task](logits / self.temperature)
        return (logits, chances) if weights is None else (logits, chances, weights)

    def inputs_of(self, views: Views) -> tuple[Tensor, ...]:
        """Return the parts of batched views that go in, in order."""
        return inputs_of(views, self.input_names)


def inputs_of(views: Views, names: tuple[str, ...]) -> tuple[Tensor, ...]:
    """Return the parts of batched views with these names."""
    return tuple(getattr(views, name) for name in names)


def _views(global_view: Tensor, crops: Tensor, inside: Tensor) -> Views:
    return Views(global_view, crops, inside, inside, inside)  # no layer looks at boxes and coverage


def _of_exclusive(logits: Tensor) -> Tensor:
    return logits.softmax(dim=1)


def _of_grades(logits: Tensor) -> Tensor:
    """The probability of each grade: reached, and the next one not (see `lag_zoo.tasks.Ordinal`)."""
    reached, not_next = F.logsigmoid(logits[:, 1:]).cumsum(dim=1), F.logsigmoid(-logits[:, 1:])
    zero = torch.zeros_like(logits[:, :1])
    return (torch.cat([zero, reached], dim=1) + torch.cat([not_next, zero], dim=1)).exp()


_PROBABILITIES: dict[Task, Callable[[Tensor], Tensor]] = {
    "multiclass": _of_exclusive,
    "multilabel": torch.sigmoid,
    "ordinal": _of_grades,
}
"""The rules of `lag_zoo.tasks` in torch, which a graph can hold; a test holds the two equal."""
