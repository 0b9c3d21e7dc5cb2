"""The network of an examination: a frame network, and the head that reads its features of all frames."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lag_zoo.errors import InvalidConfigError
from lag_zoo.nn.exam_head import NO_SITE, ExamHead, ExamOutput
from lag_zoo.nn.lag import LAG
from lag_zoo.specs import ExamConfig, Task
from lag_zoo.tasks import rules_of
from lag_zoo.views import Views
from lag_zoo.views.pixels import Frames

if TYPE_CHECKING:
    from lag_zoo.weights.exam_files import ExamSpec

_CERTAIN = 50.0  # log-odds: what is beyond is as certain, and infinite values are no features


class ExamNetwork(nn.Module):
    """A frame network and the head that reads its features of all frames of an examination.

    Args:
        frame: the frame network; its features, not its labels, are what the head reads.
        config: of the head.
        head: the trained one; `None`: a new one.

    Raises:
        InvalidConfigError: the frame network gives another number of features than the head takes.

    >>> frame = LAG("mobilenetv3_small_050", label_names=["mucosa", "polyp"]).eval()
    >>> config = ExamConfig(label_names=["clear", "polyps"], in_features=frame_width(frame))
    >>> network = ExamNetwork(frame, config).eval()
    >>> network(torch.zeros(4, 3, 300, 400, dtype=torch.uint8) + 90).logits.shape
    torch.Size([1, 2])
    """

    exam_spec: "ExamSpec | None" = None
    """The specification of the head, where it was loaded or trained."""

    def __init__(self, frame: LAG, config: ExamConfig, head: ExamHead | None = None) -> None:
        super().__init__()
        if frame_width(frame) != config.in_features:
            raise InvalidConfigError(
                f"the head takes {config.in_features} features of a frame, and the frame network gives "
                f"{frame_width(frame)}"
            )
        self.config = config
        self.frame = frame
        self.head = head_of(config) if head is None else head

    def forward(self, frames: Frames | Views, sites: Sequence[str] | None = None) -> ExamOutput:
        """The frames of one examination (N, 3, H, W), images or `Views` -> logits (1, C) and weights (1, N).

        Args:
            frames: as `LAG` takes them.
            sites: of each frame; what is none of the head's sites counts as not named.
        """
        features = frame_features(self.frame, frames)[None]
        if sites is None or not self.config.sites:
            return self.head(features)  # type: ignore[no-any-return]
        return self.head(features, None, site_numbers(sites, self.config)[None].to(features.device))  # type: ignore[no-any-return]


def head_of(config: ExamConfig) -> ExamHead:
    """Build the untrained head of a configuration."""
    return ExamHead(
        config.in_features,
        len(config.label_names),
        log_odds=config.log_odds,
        width=config.width,
        attention_width=config.attention_width,
        num_sites=len(config.sites),
        site_dropout=config.site_dropout,
    )


def frame_width(model: LAG) -> int:
    """Return the number of features that a network gives for a frame."""
    return model.head_hidden_size + model.num_classes


def frame_features(model: LAG, frames: Frames | Views) -> Tensor:
    """Return what an examination's head reads of frames (N, F): the classifier's input, then each label's log-odds.

    With top-k pooling there is an input for each position of the map: of each feature the highest is taken, for what
    is to be found is at few of them.
    """
    return features_of(model, model.hidden(model.fused(frames).features))[1]


def features_of(model: LAG, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """Return the logits (N, C) of the classifier's input, and `frame_features`, of one pass through the network."""
    logits = model.pooled(model.scored(hidden))
    whole = hidden if hidden.ndim == 2 else hidden.amax(1)
    if not model.num_classes:
        return logits, whole
    return logits, torch.cat([whole, _log_odds(logits, model.config.task)], dim=1)


def _log_odds(logits: Tensor, task: Task) -> Tensor:
    """Log-odds of each label, of logits (N, C), as `lag_zoo.tasks.TaskRules.evidence` has them; without a gradient."""
    found = rules_of(task).evidence(logits.detach().cpu().double().numpy())
    return torch.from_numpy(found).clamp(-_CERTAIN, _CERTAIN).to(logits)


def site_numbers(sites: Sequence[str], config: ExamConfig) -> Tensor:
    """Return the numbers of sites (N,), -1 for what is none of the head's."""
    numbers = {name: number for number, name in enumerate(config.sites)}
    return torch.tensor([numbers.get(site, NO_SITE) for site in sites], dtype=torch.long)
