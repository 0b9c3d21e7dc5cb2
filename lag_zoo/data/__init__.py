"""Data: image files, data sets of views, and drawn frames."""

from lag_zoo.data.dataset import ViewDataset
from lag_zoo.data.images import find_images, read_image

__all__ = ["ViewDataset", "find_images", "read_image"]
