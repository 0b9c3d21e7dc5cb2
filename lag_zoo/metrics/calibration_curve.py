"""A smooth calibration curve with its band, and how far it lies from the diagonal: ICI, E50, E90.

The curve is a logistic regression of the truth on a restricted cubic spline of the probability's log odds: three or
four knots at its quantiles, straight beyond the outermost (Harrell, Regression Modeling Strategies, 2nd edition 2015,
section 2.4.5). Unlike bins it does not jump where an edge is moved. The band is pointwise, by the sandwich over groups
(Liang and Zeger, Biometrika 1986), so that near-copies of one patient do not narrow it.

Sources: Austin and Steyerberg, Stat Med 2014;33:517 (the curve) and Stat Med 2019;38:4051 (ICI, E50, E90). A curve is
steady from some 200 frames with and without the label on (Van Calster et al., J Clin Epidemiol 2016).
"""

from typing import NamedTuple

import numpy as np
import scipy.special
import scipy.stats

from lag_zoo.errors import InvalidConfigError
from lag_zoo.metrics.calibration_line import log_odds, probabilities_and_truth
from lag_zoo.metrics.weighted import checked_weights, in_blocks, place_of, ratio

FEWEST = 10
"""Groups with the label, and groups without, of which a curve is drawn; from 30 on it has a fourth knot."""

INTEGRATED = ("ici", "e50", "e90")
"""The columns of `integrated_errors`: mean, median and 90th percentile of the distance from the diagonal."""

_QUANTILES = {3: (0.1, 0.5, 0.9), 4: (0.05, 0.35, 0.65, 0.95)}
_FOUR_KNOTS = 30
_STEPS = 60  # of Newton's method; more are taken only where labels are parted, and the fit has no end
_SETTLED = 1e-9


class SmoothCurve(NamedTuple):
    """Observed frequency of the label along the predicted probability, with its band (m,) each.

    Empty where the data carry no curve; `reason` then says why.
    """

    probability: np.ndarray
    observed: np.ndarray
    low: np.ndarray
    high: np.ndarray
    reason: str = ""


class _Basis(NamedTuple):
    """Columns (n, d) of the spline at the frames' log odds, and what makes them at others."""

    columns: np.ndarray
    knots: np.ndarray
    straighten: np.ndarray

    def at(self, odds: np.ndarray) -> np.ndarray:
        """The columns (m, d) at other log odds (m,)."""
        return np.asarray(_spline(odds, self.knots) @ self.straighten)


def smooth_curve(
    probabilities: np.ndarray,
    truth: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    level: float = 0.95,
    points: int = 101,
) -> SmoothCurve:
    """The curve from the lowest to the highest of probabilities (n,), against truth (n,), at so many points.

    Args:
        groups: (n,) names of the patients, whose frames are like each other; `None`: each frame stands for itself.
        level: of the band, at each point.

    Raises:
        InvalidConfigError: lengths that differ, probabilities beyond 0 and 1, or no level.

    >>> probabilities, truth = np.arange(200) % 20 / 20, np.arange(200) * 7 % 20 / 20 < np.arange(200) % 20 / 20
    >>> curve = smooth_curve(probabilities, truth, points=3)
    >>> bool((curve.low < curve.observed).all() and (curve.observed < curve.high).all())
    True
    >>> smooth_curve(probabilities[:8], truth[:8]).reason
    '2 frames with the label and 6 without: a curve needs 10 of both'
    """
    probabilities, truth = probabilities_and_truth(probabilities, truth)
    if not 0 < level < 1:
        raise InvalidConfigError(f"a level is between 0 and 1, got {level}")
    names = np.arange(len(truth)) if groups is None else np.asarray(groups)
    if names.shape != truth.shape:
        raise InvalidConfigError(f"one group a frame: {len(truth)} frames, {len(names)} groups")
    basis = _basis(probabilities, truth, names, unit="frames" if groups is None else "groups")
    if isinstance(basis, str):
        return _empty(basis)
    found = _fits(basis.columns, truth, np.ones((1, len(truth))))[0]
    if np.isnan(found).any():
        return _empty("the labels are parted along the probability, so that no curve fits best")
    along = np.linspace(probabilities.min(), probabilities.max(), points)
    columns = basis.at(log_odds(along))
    spread, count = _sandwich(basis.columns, truth, found, names)
    middle = columns @ found
    reach = scipy.stats.t.ppf((1 + level) / 2, count - 1) * np.sqrt(
        np.einsum("md,de,me->m", columns, spread, columns)
    )
    return SmoothCurve(
        along, *(scipy.special.expit(each) for each in (middle, middle - reach, middle + reach))
    )


def integrated_errors(
    probabilities: np.ndarray, truth: np.ndarray, weights: np.ndarray, *, groups: np.ndarray | None = None
) -> np.ndarray:
    """ICI, E50 and E90 (k, 3) under k weightings (k, n): how far the curve is from the diagonal, over the frames.

    The knots stay those of all frames. NaN where a resample's labels are parted; all are where `smooth_curve` is empty.

    >>> probabilities = np.linspace(0.02, 0.98, 400)
    >>> integrated_errors(probabilities, np.arange(400) * 7 % 400 / 400 < probabilities**2, np.ones((1, 400))).round(2)
    array([[0.17, 0.18, 0.28]])
    """
    probabilities, truth = probabilities_and_truth(probabilities, truth)
    weights = checked_weights(weights, len(truth))
    names = np.arange(len(truth)) if groups is None else np.asarray(groups)
    basis = _basis(probabilities, truth, names, unit="groups")
    if isinstance(basis, str):
        return np.full((len(weights), len(INTEGRATED)), np.nan)
    columns = basis.columns
    start = np.nan_to_num(_fits(columns, truth, np.ones((1, len(truth)))))

    def of_some(weights: np.ndarray) -> np.ndarray:
        apart = np.abs(scipy.special.expit(_fits(columns, truth, weights, start) @ columns.T) - probabilities)
        mean = ratio((weights * apart).sum(axis=1), weights.sum(axis=1))
        return np.column_stack([mean, _quantiles(apart, weights, (0.5, 0.9))])

    return in_blocks(of_some, weights)


def _basis(probabilities: np.ndarray, truth: np.ndarray, groups: np.ndarray, *, unit: str) -> _Basis | str:
    """The spline that the data carry, or why they carry none."""
    counts = [len(np.unique(groups[among])) for among in (truth, ~truth)]
    if min(counts) < FEWEST:
        return f"{counts[0]} {unit} with the label and {counts[1]} without: a curve needs {FEWEST} of both"
    odds = log_odds(probabilities)
    knots = np.unique(np.quantile(odds, _QUANTILES[4 if min(counts) >= _FOUR_KNOTS else 3]))
    if len(knots) < 3 or len(np.unique(odds)) < len(knots) + 1:
        return f"{len(np.unique(odds))} different probabilities, most of them alike: too few for a curve"
    columns = _spline(odds, knots)
    orthogonal, triangle = np.linalg.qr(columns)
    size = np.sqrt(len(odds))
    return _Basis(orthogonal * size, knots, np.linalg.inv(triangle) * size)


def _spline(odds: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Harrell's restricted cubic spline (n, knots): 1, the log odds, and a bend for each knot but two."""

    def cubed(knot: float) -> np.ndarray:
        return np.asarray(np.maximum((odds - knot) / (knots[-1] - knots[0]), 0) ** 3)

    width = knots[-1] - knots[-2]
    bends = [
        cubed(knot)
        - cubed(knots[-2]) * (knots[-1] - knot) / width
        + cubed(knots[-1]) * (knots[-2] - knot) / width
        for knot in knots[:-2]
    ]
    return np.column_stack([np.ones_like(odds), odds, *bends])


def _fits(
    columns: np.ndarray, truth: np.ndarray, weights: np.ndarray, start: np.ndarray | float = 0.0
) -> np.ndarray:
    """Logistic regression (k, d) on columns (n, d) under weights (k, n), by Newton's method; NaN where that has no end.

    Args:
        start: (d,) where to begin.
    """
    signs, squares = np.where(truth, 1.0, -1.0), _squares(columns)
    found = np.full((len(weights), columns.shape[1]), np.nan)
    left = np.flatnonzero((weights @ truth > 0) & (weights @ ~truth > 0))
    at, weights = np.zeros((len(left), columns.shape[1])) + start, weights[left]
    likelihood, step = _look(at, columns, squares, signs, weights)
    for _ in range(_STEPS):
        likelihood_there, step_there = _look(at + step, columns, squares, signs, weights)
        better = likelihood_there >= likelihood - 1e-12 * np.abs(likelihood)
        at = np.where(better[:, None], at + step, at)
        likelihood = np.where(better, likelihood_there, likelihood)
        step = np.where(better[:, None], step_there, step / 2)
        settled = better & (np.abs(step).max(axis=1) <= _SETTLED * (1 + np.abs(at).max(axis=1)))
        found[left[settled]] = (at + step)[settled]
        left, at, step, likelihood, weights = (x[~settled] for x in (left, at, step, likelihood, weights))
        if not len(left):
            break
    return found


def _look(
    at: np.ndarray, columns: np.ndarray, squares: np.ndarray, signs: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The log likelihood (k,) of coefficients (k, d), and Newton's step from there (k, d)."""
    count = at.shape[1]
    right = signs * (at @ columns.T)  # log odds of the truth
    small = np.exp(-np.abs(right))
    both = 1 + small
    likelihood = (weights * (np.minimum(right, 0) - np.log(both))).sum(axis=1)
    gradient = (weights * signs * np.where(right >= 0, small, 1) / both) @ columns
    information = ((weights * small / both**2) @ squares).reshape(-1, count, count)
    # Where labels are parted it fades to nothing: a little more keeps it a matrix with an inverse.
    information += np.eye(count) * (1e-12 * np.trace(information, axis1=1, axis2=2) + 1e-300)[:, None, None]
    return likelihood, np.linalg.solve(information, gradient[:, :, None])[:, :, 0]


def _squares(columns: np.ndarray) -> np.ndarray:
    """Products (n, d * d) of columns (n, d)."""
    return np.asarray((columns[:, :, None] * columns[:, None, :]).reshape(len(columns), -1))


def _sandwich(
    columns: np.ndarray, truth: np.ndarray, found: np.ndarray, groups: np.ndarray
) -> tuple[np.ndarray, int]:
    """Covariance (d, d) of coefficients, by groups, and how many groups there are."""
    fitted = scipy.special.expit(columns @ found)
    bread = np.linalg.inv((columns * (fitted * (1 - fitted))[:, None]).T @ columns)
    names, place = np.unique(groups, return_inverse=True)
    scores = np.zeros((len(names), columns.shape[1]))
    np.add.at(scores, place, columns * (truth - fitted)[:, None])
    return bread @ (scores.T @ scores) @ bread * len(names) / (len(names) - 1), len(names)


def _quantiles(values: np.ndarray, weights: np.ndarray, at: tuple[float, ...]) -> np.ndarray:
    """Quantiles (k, q) of values (k, n) under weights (k, n): as numpy's of frames that are repeated so often."""
    order = np.argsort(values, axis=1)
    values = np.take_along_axis(values, order, axis=1)
    counts = np.pad(np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1), ((0, 0), (1, 0)))
    rank = np.maximum(counts[:, -1:] - 1, 0) * np.asarray(at)
    last = values.shape[1] - 1
    low, high = (
        np.take_along_axis(values, np.minimum(place_of(counts, each), last), axis=1)
        for each in (np.floor(rank), np.ceil(rank))
    )
    return np.asarray(low + (rank - np.floor(rank)) * (high - low))


def _empty(reason: str) -> SmoothCurve:
    none = np.empty(0)
    return SmoothCurve(none, none, none, none, reason)
