"""Data: frames and what is said of them, splits by group, data sets of views, and drawn frames."""

from lag_zoo.data.cache import FrameCache, build_cache
from lag_zoo.data.cached_views import CachedViews
from lag_zoo.data.dataset import ViewDataset
from lag_zoo.data.images import describe_left_out, find_images, read_image
from lag_zoo.data.manifest import Frame, Manifest
from lag_zoo.data.masks import read_mask
from lag_zoo.data.samples import LAGSamples
from lag_zoo.data.sources import open_data
from lag_zoo.data.splits import folds, split
from lag_zoo.data.tables import read_manifest, write_manifest

__all__ = [
    "CachedViews",
    "Frame",
    "FrameCache",
    "LAGSamples",
    "Manifest",
    "ViewDataset",
    "build_cache",
    "describe_left_out",
    "find_images",
    "folds",
    "open_data",
    "read_image",
    "read_manifest",
    "read_mask",
    "split",
    "write_manifest",
]
