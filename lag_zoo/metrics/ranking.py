"""Ranking: how well scores order frames, whatever the threshold."""

import numpy as np
from sklearn.metrics import roc_auc_score


def auroc(scores: np.ndarray, truth: np.ndarray) -> float:
    """The area under the ROC curve."""
    return float(roc_auc_score(truth, scores))
