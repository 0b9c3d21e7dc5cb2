"""Networks for other runtimes: ONNX, or an exported program of torch. Views go in, probabilities come out.

An export is run on drawn frames before it is put in place, and refused where it answers otherwise than the network.
"""

from lag_zoo.export.onnx_predictor import OnnxPredictor
from lag_zoo.export.writing import export_model

__all__ = ["OnnxPredictor", "export_model"]
