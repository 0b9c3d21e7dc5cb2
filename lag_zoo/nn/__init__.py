"""Networks: the crop ensemble, backbones, fusion, and LAG, which joins them."""

from lag_zoo.nn.backbones import create_backbone
from lag_zoo.nn.crop_ensemble import CropEnsemble
from lag_zoo.nn.lag import LAG

__all__ = ["LAG", "CropEnsemble", "create_backbone"]
