"""Views: the global view and the native crops of a frame, on raw pixels."""

from lag_zoo.views.field_finder import find_field_of_view
from lag_zoo.views.field_of_view import FieldOfView, whole_frame
from lag_zoo.views.pixels import to_pixels
from lag_zoo.views.policies import place_crops
from lag_zoo.views.sampler import Views, ViewSampler
from lag_zoo.views.transform import FrameTransform, ViewTransform

__all__ = [
    "FieldOfView",
    "FrameTransform",
    "ViewSampler",
    "ViewTransform",
    "Views",
    "find_field_of_view",
    "place_crops",
    "to_pixels",
    "whole_frame",
]
