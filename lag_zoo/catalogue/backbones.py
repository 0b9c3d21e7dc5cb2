"""The backbones of the zoo: one row of facts each, as timm and torchvision publish them. No torch here.

A timm backbone is pinned to one of timm's tags, so that its input size, mean and standard deviation stay the same when
timm chooses another default. `python -m tools.backbone NAME` prints a row; a test holds every row to what it prints.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lag_zoo.specs import Json


@dataclass(frozen=True)
class Backbone:
    """A backbone without its classifier, in numbers.

    Attributes:
        name: timm's name, or torchvision's, without a tag.
        tag: timm's tag; empty: torchvision's model, which has none.
        params: parameters.
        features: width of its output.
        macs: multiply-accumulates on one image of `input_size`.
        input_size: side of the image, in pixels.
        licence: of the published pretrained weights, as the publisher names it.
        arguments: of the timm model.
    """

    name: str
    tag: str
    params: int
    features: int
    macs: int
    input_size: int
    licence: str
    arguments: Mapping[str, Json] = field(default_factory=dict)

    @property
    def pinned(self) -> str:
        """The name with its tag, as `LAGConfig.backbone` holds it."""
        return f"{self.name}.{self.tag}" if self.tag else self.name


_ROWS = (
    # The paper's.
    Backbone("vgg19", "tv_in1k", 139570240, 4096, 19627966464, 224, "bsd-3-clause"),
    Backbone("resnet50", "a1_in1k", 23508032, 2048, 4087136256, 224, "apache-2.0"),
    Backbone("googlenet", "", 5599904, 1024, 1497352192, 224, "bsd-3-clause"),
    Backbone("densenet121", "ra_in1k", 6953856, 1024, 2833137664, 224, "apache-2.0"),
    Backbone("efficientnet_b0", "ra_in1k", 4007548, 1280, 384534752, 224, "apache-2.0"),
    Backbone("mobilenetv2_100", "ra_in1k", 2223872, 1280, 299494272, 224, "apache-2.0"),
    Backbone("squeezenet1_1", "", 722496, 512, 262623936, 224, "bsd-3-clause"),
    Backbone("seresnet50", "a1_in1k", 26039024, 2048, 4089651200, 224, "apache-2.0"),
    # Today's.
    Backbone("mobilenetv3_small_100", "lamb_in1k", 1517856, 1024, 55486400, 224, "apache-2.0"),
    Backbone("mobilenetv4_conv_small", "e2400_r224_in1k", 2493024, 1280, 184725568, 224, "apache-2.0"),
    Backbone("tf_efficientnet_lite0", "in1k", 3371008, 1280, 383907552, 224, "apache-2.0"),
    Backbone("convnext_tiny", "in12k_ft_in1k", 27820128, 768, 4454763264, 224, "apache-2.0"),
    Backbone("tf_efficientnetv2_s", "in21k_ft_in1k", 20177488, 1280, 5306281248, 300, "apache-2.0"),
    Backbone("vit_small_patch16_224", "augreg_in21k_ft_in1k", 21665664, 384, 4598498304, 224, "apache-2.0"),
    # Published for 518 pixels, which is 7.6 times the work.
    Backbone(
        "vit_small_patch14_dinov2", "lvd142m", 21628800, 384, 6123561984, 224, "apache-2.0", {"img_size": 224}
    ),
    Backbone("fastvit_t8", "apple_in1k", 3257232, 768, 689381376, 256, "fastvit-license"),  # Apple's own
    Backbone("hiera_tiny_224", "mae_in1k_ft_in1k", 27141216, 768, 4900062720, 224, "cc-by-nc-4.0"),
)

BACKBONES: Mapping[str, Backbone] = {row.name: row for row in _ROWS}
"""The rows by the name without a tag."""
