"""The curves behind a report's pictures, as plain numbers."""

from typing import NamedTuple

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from lag_zoo.metrics.calibration import reliability_curve
from lag_zoo.metrics.usefulness import decision_curve, referral_curve

_POINTS = 400


class Curves(NamedTuple):
    """Each a tuple of equally long columns.

    roc: 1 - specificity, sensitivity; precision_recall: recall, precision; reliability: mean probability, share that
    has the label, frames; decision: threshold, net benefit, that of treating all; referral: share referred, accuracy,
    sensitivity, specificity of the rest.
    """

    roc: tuple[tuple[float, ...], ...]
    precision_recall: tuple[tuple[float, ...], ...]
    reliability: tuple[tuple[float, ...], ...]
    decision: tuple[tuple[float, ...], ...]
    referral: tuple[tuple[float, ...], ...]


def curves_of(probabilities: np.ndarray, margins: np.ndarray, truth: np.ndarray, *, bins: int) -> Curves:
    """The curves of probabilities (n,) against truth (n,); long ones are thinned to some 400 points.

    `margins` (n,): how far each probability lies above its threshold.
    """
    false, true, _ = roc_curve(truth, probabilities)
    precision, recall, _ = precision_recall_curve(truth, probabilities)
    return Curves(
        roc=_columns(false, true),
        precision_recall=_columns(recall, precision),
        reliability=_columns(*reliability_curve(probabilities, truth, bins=bins, equal_mass=True)),
        decision=_columns(*decision_curve(probabilities, truth)),
        referral=_columns(*referral_curve(margins, truth, threshold=0.0)),
    )


def _columns(*arrays: np.ndarray) -> tuple[tuple[float, ...], ...]:
    chosen = np.unique(np.linspace(0, len(arrays[0]) - 1, _POINTS).round().astype(int))
    return tuple(tuple(float(value) for value in np.asarray(array)[chosen]) for array in arrays)
