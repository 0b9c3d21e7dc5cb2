"""Weights: verified files, loaded strictly."""

from lag_zoo.weights.files import load_strictly, read_weights

__all__ = ["load_strictly", "read_weights"]
