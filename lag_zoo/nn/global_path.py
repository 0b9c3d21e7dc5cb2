"""The global path of a LAG by itself, without crops."""

from typing import TYPE_CHECKING

from torch import Tensor, nn

from lag_zoo.specs import LAGConfig
from lag_zoo.views import Views
from lag_zoo.views.pixels import Frames

if TYPE_CHECKING:
    from lag_zoo.nn.lag import LAG


class GlobalPath(nn.Module):
    """The global path of a LAG by itself: backbone, fully connected layers and head, no crops.

    Its accuracy depends on the training. A LAG that was trained with crop dropping, as in lag_zoo's recipes, does
    without crops as well as a plain backbone; one that always had its crops does not.

    >>> import torch
    >>> from lag_zoo import LAG
    >>> model = LAG("mobilenetv3_small_050", num_classes=3).eval()
    >>> model.without_crops()(torch.zeros(2, 3, 300, 400, dtype=torch.uint8) + 90).shape
    torch.Size([2, 3])
    """

    def __init__(self, lag: "LAG") -> None:
        super().__init__()
        self.lag = lag
        self.training = lag.training  # the weights are shared, so the mode is too

    @property
    def config(self) -> LAGConfig:
        """The configuration of the whole network."""
        return self.lag.config

    @property
    def label_names(self) -> tuple[str, ...] | None:
        """One name an output."""
        return self.lag.label_names

    def forward(self, x: Frames | Views) -> Tensor:
        """Frames (B, 3, H, W), a list of images, or `Views` -> logits (B, num_classes)."""
        return self.lag.forward_global(x)

    def position_scores(self, x: Frames | Views) -> Tensor:
        """Frames or views -> the score of each label at each position (B, num_classes, h, w), without crops.

        Raises:
            BackboneError: a backbone without a map.
        """
        return self.lag.outputs(x, with_crops=False).scores
