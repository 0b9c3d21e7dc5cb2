"""Networks: the crop ensemble, backbones, fusion, and LAG, which joins them; the head that reads an examination."""

from lag_zoo.nn.backbones import create_backbone
from lag_zoo.nn.crop_ensemble import CropEnsemble
from lag_zoo.nn.exam_head import ExamHead
from lag_zoo.nn.exam_network import ExamNetwork
from lag_zoo.nn.lag import LAG

__all__ = ["LAG", "CropEnsemble", "ExamHead", "ExamNetwork", "create_backbone"]
