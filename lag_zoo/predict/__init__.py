"""From images to answers: probabilities, the label called, where the crops lay, and what to doubt.

A model here is a research demonstration, not a medical device.
"""

from lag_zoo.predict.evidence_maps import evidence
from lag_zoo.predict.exam import ExamPrediction
from lag_zoo.predict.frame_predictor import FramePredictor
from lag_zoo.predict.prediction import Failure, Prediction
from lag_zoo.predict.predictor import Predictor
from lag_zoo.predict.video_answer import VideoAnswer

__all__ = [
    "ExamPrediction",
    "Failure",
    "FramePredictor",
    "Prediction",
    "Predictor",
    "VideoAnswer",
    "evidence",
]
