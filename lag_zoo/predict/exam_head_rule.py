"""One answer for an examination by a head that was trained for it."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lag_zoo.nn.exam_network import ExamNetwork, site_numbers
from lag_zoo.nn.modes import evaluation_twin
from lag_zoo.predict.exam import DRAWS, Answered, ExamRule, FrameAnswer, highest, limits_of
from lag_zoo.tasks import rules_of

HEAD = "head"
"""The pooling by a trained head."""

_AT_ONCE = 1 << 14  # frames in draws that pass the head together


class HeadRule(ExamRule):
    """Answers by the head of an examination network; the frames that decide are those it weighs most.

    Args:
        model: its name; `network`: the network, of which only the head is used.
        draws: as of `ExamRule`.
    """

    def __init__(self, model: str, network: ExamNetwork, *, draws: int = DRAWS) -> None:
        spec, config = network.exam_spec, network.config
        points = {} if spec is None else spec.operating_points
        super().__init__(model, HEAD, config.label_names, rules_of(config.task), points, draws=draws)
        self.config = config
        self.temperature = 1.0 if spec is None else spec.temperature
        self.head = evaluation_twin(network.head).cpu()

    @torch.inference_mode()
    def answer(self, frames: Sequence[FrameAnswer], drawn: np.ndarray) -> Answered:
        """Answer for frames that could be read."""
        features = torch.tensor([frame.features for frame in frames], dtype=torch.float32)
        sites = site_numbers([frame.site for frame in frames], self.config)
        logits, weights = self._run(features[None], sites[None])
        probabilities = self._probabilities(logits)[0]
        places = torch.from_numpy(drawn)
        parts = torch.split(places, max(1, _AT_ONCE // len(frames)))
        each = [self._probabilities(self._run(features[part], sites[part])[0]) for part in parts]
        return Answered(
            probabilities,
            *limits_of(np.concatenate(each)),
            self.called(self.task.claims(probabilities[None])[0]),
            highest(weights[0].numpy()),
        )

    def _run(self, features: Tensor, sites: Tensor) -> tuple[Tensor, Tensor]:
        output = self.head(features, None, sites if self.config.sites else None)
        return output.logits, output.weights

    def _probabilities(self, logits: Tensor) -> np.ndarray:
        return self.task.probabilities(logits.double().numpy() / self.temperature)
