"""Backbones: any timm image classifier, and the two of the paper's baselines that only torchvision has.

LAG speaks timm's protocol to a backbone: `forward_features`, `forward_head(pre_logits=True)`, `head_hidden_size` and
`reset_classifier`. timm's models have it; `GoogLeNet` and `SqueezeNet` below are torchvision's, taught it.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import timm
import torchvision
from torch import Tensor, nn

from lag_zoo.errors import BackboneError, UnknownModelError
from lag_zoo.registry import backbone_names, is_backbone
from lag_zoo.specs import TORCHVISION_BACKBONES, Json

_IMAGENET = {"input_size": (3, 224, 224), "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


class Traits(NamedTuple):
    """A backbone in numbers: its name, the width of its features, and the input size, mean and std of its pixels."""

    name: str | None
    width: int
    input_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


class GoogLeNet(torchvision.models.GoogLeNet):
    """torchvision's GoogLeNet without its classifiers, in timm's protocol.

    Source: Szegedy et al., Going Deeper with Convolutions, 2015, https://arxiv.org/abs/1409.4842.
    """

    def __init__(self) -> None:
        super().__init__(aux_logits=False, init_weights=True)
        self.num_features = self.head_hidden_size = 1024
        # torchvision's weights came from TensorFlow and want pixels from -1 to 1 (its `transform_input`).
        half = (0.5, 0.5, 0.5)
        self.pretrained_cfg = {**_IMAGENET, "mean": half, "std": half, "architecture": "googlenet"}
        self.reset_classifier(0)

    def forward_features(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 1024, H/32, W/32)."""
        x = self.maxpool2(self.conv3(self.conv2(self.maxpool1(self.conv1(x)))))
        x = self.maxpool3(self.inception3b(self.inception3a(x)))
        x = self.inception4e(self.inception4d(self.inception4c(self.inception4b(self.inception4a(x)))))
        return self.inception5b(self.inception5a(self.maxpool4(x)))  # type: ignore[no-any-return]

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(B, 1024, h, w) -> (B, 1024), or logits."""
        x = self.dropout(self.avgpool(x).flatten(1))
        return x if pre_logits else self.fc(x)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return self.forward_head(self.forward_features(x))

    def get_classifier(self) -> nn.Module:
        """The last layer."""
        return self.fc

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Put a new last layer in place; 0: none."""
        self.num_classes = num_classes
        self.fc: nn.Module = nn.Linear(1024, num_classes) if num_classes else nn.Identity()  # type: ignore[assignment]

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Layer groups for timm's layer decay."""
        blocks = [rf"^inception{name}" for name in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")]
        return {
            "stem": r"^conv[123]",
            "blocks": r"^inception(\d)" if coarse else [(block, (i,)) for i, block in enumerate(blocks)],
        }


class SqueezeNet(torchvision.models.SqueezeNet):
    """torchvision's SqueezeNet 1.1 without its classifier, in timm's protocol.

    Source: Iandola et al., SqueezeNet, 2016, https://arxiv.org/abs/1602.07360.
    """

    def __init__(self) -> None:
        super().__init__(version="1_1")
        self.num_features = self.head_hidden_size = 512
        self.pretrained_cfg = {**_IMAGENET, "architecture": "squeezenet1_1"}
        self.reset_classifier(0)

    def forward_features(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 512, H/16, W/16)."""
        return self.features(x)  # type: ignore[no-any-return]

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """(B, 512, h, w) -> (B, 512), or logits."""
        x = x.mean((2, 3))
        return x if pre_logits else self.classifier(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))

    def get_classifier(self) -> nn.Module:
        """The last layer."""
        return self.classifier

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Put a new last layer in place, after the pooling (the original convolves before it); 0: none."""
        self.num_classes = num_classes
        self.classifier: nn.Module = nn.Linear(512, num_classes) if num_classes else nn.Identity()  # type: ignore[assignment]

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Layer groups for timm's layer decay."""
        return {"stem": r"^features\.0", "blocks": r"^features\.(\d+)"}


_TORCHVISION = dict(zip(TORCHVISION_BACKBONES, (GoogLeNet, SqueezeNet), strict=True))


def create_backbone(name: str, arguments: Mapping[str, Json] | None = None) -> nn.Module:
    """An untrained backbone by its timm name, or `googlenet` or `squeezenet1_1`.

    Raises:
        UnknownModelError: neither timm nor lag_zoo knows the name.
        BackboneError: timm cannot build it with these arguments.
    """
    if name in _TORCHVISION:
        if arguments:
            raise BackboneError(f"{name} takes no backbone_args, got {dict(arguments)}")
        return _TORCHVISION[name]()
    if not is_backbone(name):
        raise UnknownModelError(
            name,
            backbone_names(),
            hint="A backbone is a timm model (timm.list_models()), googlenet or squeezenet1_1.",
        )
    try:
        return timm.create_model(name, **(arguments or {}))  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError, AssertionError, KeyError) as error:
        raise BackboneError(f"timm cannot build {name!r} with {dict(arguments or {})}: {error}") from error


def adopt_backbone(module: nn.Module) -> Traits:
    """Take a backbone over: remove its classifier, in place, and return its `Traits`.

    Raises:
        BackboneError: it does not speak timm's protocol, or is no classifier of RGB images.
    """
    kind = type(module).__name__
    missing = [
        a
        for a in ("forward_features", "forward_head", "reset_classifier")
        if not callable(getattr(module, a, None))
    ]
    if missing or not hasattr(module, "head_hidden_size"):
        raise BackboneError(
            f"LAG cannot attach to {kind}: it lacks {', '.join(missing or ['head_hidden_size'])}. "
            "A backbone is a timm classifier, googlenet or squeezenet1_1 by name, or a module with timm's protocol"
        )
    config = getattr(module, "pretrained_cfg", None) or {}
    _, *sides = config.get("input_size", _IMAGENET["input_size"])
    if (channels := _input_channels(module, config.get("first_conv"))) % 3:
        raise BackboneError(f"LAG cannot attach to {kind}: it takes {channels} channels, and frames have 3")
    module.reset_classifier(0)  # type: ignore[operator]  # an unused classifier would never see a gradient
    name = config.get("architecture")
    if name and config.get("tag"):
        name = f"{name}.{config['tag']}"
    return Traits(
        name=name,
        width=int(module.head_hidden_size),  # type: ignore[arg-type]
        input_size=_input_size(module, sides),
        mean=tuple(config.get("mean", _IMAGENET["mean"])),
        std=tuple(config.get("std", _IMAGENET["std"])),
    )


def _input_channels(module: nn.Module, first: object) -> int:
    """Input channels of the first convolution, where the module's configuration names it, else 3.

    Some fold a patch of the image into its channels first, so that a multiple of 3 is RGB too.
    """
    layers = dict(module.named_modules())
    layer = layers.get(first) if isinstance(first, str) else None
    return layer.in_channels if isinstance(layer, nn.Conv2d) else 3


def _input_size(module: nn.Module, sides: list[int]) -> int:
    """Side of the square that the module was built for; its weights may have been trained at another."""
    built = getattr(getattr(module, "patch_embed", None), "img_size", None) or sides
    return int(max(built))


def backbone_features(module: nn.Module, x: Tensor) -> Tensor:
    """Normalised global views (B, 3, G, G) -> features (B, F), the input of the classifier that was removed.

    Raises:
        BackboneError: the features are not one row of `head_hidden_size` numbers an image.
    """
    return pooled_features(module, module.forward_features(x))  # type: ignore[operator]


def pooled_features(module: nn.Module, last: Tensor) -> Tensor:
    """Last features, as `forward_features` gives them -> features (B, F), the input of the classifier that was removed.

    Raises:
        BackboneError: the features are not one row of `head_hidden_size` numbers an image.
    """
    features: Tensor = module.forward_head(last, pre_logits=True)  # type: ignore[operator]
    if features.ndim != 2 or features.shape[1] != module.head_hidden_size:
        raise BackboneError(
            f"LAG needs features (B, {module.head_hidden_size}) of {type(module).__name__}, got {tuple(features.shape)}"
        )
    return features
