"""The feature maps of a network's backbone, for tasks other than classification."""

from collections.abc import Sequence

from timm.models._features import FeatureGetterNet
from torch import Tensor, nn

from lag_zoo.errors import BackboneError
from lag_zoo.nn.lag import LAG
from lag_zoo.nn.normalise import normalise


class BackboneFeatures(nn.Module):
    """Feature maps, as timm's `features_only=True` gives them.

    Args:
        model: gives the backbone and the normalisation; crops and fusion have no maps.
        out_indices: the numbers of the maps, or how many of the last. `None`: timm's default, all levels of a pyramid
            or the last three of a plain transformer.

    Raises:
        BackboneError: the backbone gives no maps, or not these.

    Frames (B, 3, H, W) go in raw, uint8 or float from 0 to 1, and are not resized: a map of reduction r has the shape
    (B, C, H/r, W/r). `feature_info` holds C and r of each.

    >>> import torch
    >>> maps = BackboneFeatures(LAG("mobilenetv3_small_050", num_classes=0), out_indices=2).eval()
    >>> [tuple(m.shape) for m in maps(torch.zeros(1, 3, 128, 160, dtype=torch.uint8))]
    [(1, 24, 8, 10), (1, 288, 4, 5)]
    """

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(self, model: LAG, out_indices: int | Sequence[int] | None = None) -> None:
        super().__init__()
        kind, maps = type(model.backbone).__name__, getattr(model.backbone, "feature_info", None)
        if maps is None or not hasattr(model.backbone, "forward_intermediates"):
            raise BackboneError(
                f"features_only=True: {kind} gives no feature maps. Take a name whose backbone does (most of timm's "
                "do), or hook the layers of model.backbone"
            )
        levels = [level["reduction"] for level in getattr(maps, "info", maps)]
        if out_indices is None:
            out_indices = len(levels) if len(set(levels)) == len(levels) else 3
        try:
            self.body = FeatureGetterNet(model.backbone, out_indices)  # type: ignore[arg-type]
        except (AssertionError, IndexError) as error:
            raise BackboneError(f"{kind} has {len(levels)} maps, got out_indices={out_indices}") from error
        self.feature_info = self.body.feature_info
        of_head = ("num_classes", "label_names", "classifier")
        self.pretrained_cfg = {k: v for k, v in model.pretrained_cfg.items() if k not in of_head}
        self.default_cfg = self.pretrained_cfg
        self.register_buffer("pixel_mean", model.pixel_mean.clone(), persistent=False)
        self.register_buffer("pixel_std", model.pixel_std.clone(), persistent=False)

    def forward(self, x: Tensor) -> list[Tensor]:
        return self.body(normalise(x, self.pixel_mean, self.pixel_std))  # type: ignore[no-any-return]
