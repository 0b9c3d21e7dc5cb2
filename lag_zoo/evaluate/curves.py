"""The curves behind a report's pictures, as plain numbers, with their pointwise 95% bands."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from lag_zoo.evaluate.options import EvaluationOptions
from lag_zoo.metrics.calibration import reliability_curve
from lag_zoo.metrics.calibration_curve import smooth_curve
from lag_zoo.metrics.clustered import fewer_groups
from lag_zoo.metrics.intervals import weighted_bootstraps
from lag_zoo.metrics.roc import SPECIFICITIES, roc_sensitivities
from lag_zoo.metrics.usefulness import (
    SHARES,
    THRESHOLDS,
    decision_curve,
    net_benefits,
    referral_curve,
    referrals,
)

BINS = 10
BAND_RESAMPLES = 500
"""Resamples of a band: a picture shows no more digits."""

_POINTS = 400

Columns = tuple[tuple[float, ...], ...]


class Curves(NamedTuple):
    """Each a tuple of equally long columns; a band is a place, its lower and its upper limit.

    roc: 1 - specificity, sensitivity; roc_band: 1 - specificity and the limits of the sensitivity;
    precision_recall: recall, precision; reliability: mean probability, part that has the label, frames;
    calibration: probability, part that has the label and its limits, smooth; empty where the data carry no curve, and
    `no_calibration` then says why;
    decision: threshold, net benefit, that of treating all; decision_band: threshold and the limits of the net benefit;
    referral: part referred, accuracy, sensitivity, specificity of the rest; referral_band: part referred and the limits
    of the accuracy.
    """

    roc: Columns
    roc_band: Columns
    precision_recall: Columns
    reliability: Columns
    calibration: Columns
    no_calibration: str
    decision: Columns
    decision_band: Columns
    referral: Columns
    referral_band: Columns


def curves_of(
    probabilities: np.ndarray,
    margins: np.ndarray,
    truth: np.ndarray,
    groups: np.ndarray | None,
    options: EvaluationOptions,
) -> Curves:
    """Return the curves of probabilities (n,) against truth (n,); long ones are thinned to some 400 points.

    Args:
        margins: (n,) by how much each probability exceeds its threshold.
        groups: (n,) by which frames are resampled for the bands; `None`: frame by frame.
        options: with the seed and the number of resamples, of which a band takes at most `BAND_RESAMPLES`.
    """
    false, true, _ = roc_curve(truth, probabilities)
    precision, recall, _ = precision_recall_curve(truth, probabilities)
    units = np.arange(len(truth)) if groups is None else groups
    *smooth, no_curve = smooth_curve(probabilities, truth, groups=groups)
    carriers = fewer_groups(truth, units)

    def band(places: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray]) -> Columns:
        drawn = weighted_bootstraps(
            statistic,
            units,
            n_resamples=min(BAND_RESAMPLES, options.n_resamples),
            seed=options.seed,
            carriers=carriers,
        )
        return _columns(places, np.array([one.low for one in drawn]), np.array([one.high for one in drawn]))

    return Curves(
        roc=_columns(false, true),
        roc_band=band(1 - SPECIFICITIES, lambda w: roc_sensitivities(probabilities, truth, w)),
        precision_recall=_columns(recall, precision),
        reliability=_columns(*reliability_curve(probabilities, truth, bins=BINS, equal_mass=True)),
        calibration=_columns(*smooth),
        no_calibration=no_curve,
        decision=_columns(*decision_curve(probabilities, truth)),
        decision_band=band(THRESHOLDS, lambda w: net_benefits(probabilities, truth, w)),
        referral=_columns(*referral_curve(margins, truth, threshold=0.0)),
        referral_band=band(
            SHARES,
            lambda w: referrals(margins, truth, w, threshold=0.0)[:, : len(SHARES)],  # the accuracy
        ),
    )


def _columns(*arrays: np.ndarray) -> Columns:
    if not len(arrays[0]):
        return tuple(() for _ in arrays)
    chosen = np.unique(np.linspace(0, len(arrays[0]) - 1, _POINTS).round().astype(int))
    return tuple(tuple(float(value) for value in np.asarray(array)[chosen]) for array in arrays)
