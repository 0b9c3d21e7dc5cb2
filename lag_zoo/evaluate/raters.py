"""Raters: how far several people, or systems, agree on the same frames, and each of them against the others.

A majority is more than half of those of the others who rated the frame. Where there is none, the frame is left out of
that rater's numbers, and counted.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lag_zoo.brief import brief
from lag_zoo.data.manifest import Manifest
from lag_zoo.data.tables import manifest_of
from lag_zoo.errors import DataError, InvalidConfigError, did_you_mean
from lag_zoo.evaluate.analysis import Analysis
from lag_zoo.evaluate.called import CalledResult
from lag_zoo.evaluate.options import EvaluationOptions
from lag_zoo.evaluate.prediction_columns import CALL_LOGIT, MODEL, Part, with_images
from lag_zoo.evaluate.results import LabelResult
from lag_zoo.evaluate.scores import FrameTable, Scores
from lag_zoo.evaluate.scoring import frame_table
from lag_zoo.metrics import influence
from lag_zoo.metrics.agreement import MISSING
from lag_zoo.metrics.clustered import group_interval
from lag_zoo.metrics.influence import Influence
from lag_zoo.metrics.intervals import Interval


class PairAgreement(NamedTuple):
    """Two raters on the frames that both rated: the share of the same label, and Cohen's kappa."""

    one: str
    other: str
    agreed: Interval
    kappa: Interval


@dataclass(frozen=True, kw_only=True)
class RaterResult:
    """A rater against the majority of the others.

    Attributes:
        name: of the rater.
        left_out: frames that the rater rated and of which the others have no majority.
        rows: each label against the rest, or of two labels the positive one; empty where nothing can be measured.
        called: the rater's labels as calls; `None` likewise.
    """

    name: str
    left_out: int
    rows: tuple[LabelResult, ...]
    called: CalledResult | None

    __repr__ = brief


@dataclass(frozen=True, kw_only=True)
class Raters:
    """Agreement of raters.

    Attributes:
        names: of the raters.
        label_names: that they chose from.
        n: frames that two raters or more rated.
        kappa: Fleiss', of all raters.
        pairs: each two raters.
        each: each rater against the majority of the others.
    """

    names: tuple[str, ...]
    label_names: tuple[str, ...]
    n: int
    kappa: Interval
    pairs: tuple[PairAgreement, ...]
    each: tuple[RaterResult, ...]

    __repr__ = brief


class Ratings(NamedTuple):
    """Ratings (n, raters) of frames as numbers of labels, `MISSING` where a rater gave none."""

    names: tuple[str, ...]
    label_names: tuple[str, ...]
    numbers: np.ndarray
    frames: FrameTable


def rated_part(parts: Sequence[Part], raters: Sequence[str]) -> Part:
    """Return the first part that has a column of each rater.

    Raises:
        InvalidConfigError: fewer than two raters, or one twice.
        DataError: no such part.
    """
    if len(raters) < 2 or len(set(raters)) < len(raters):
        raise InvalidConfigError(
            f"--raters names two columns or more, each once, as ana,ben; got {', '.join(raters) or 'none'}"
        )
    for part in parts:
        if set(raters) <= set(part.table.header):
            return part
    first = parts[0].table
    lacking = next((rater for rater in raters if rater not in first.header), raters[0])
    raise DataError(
        f"{first.source} has no column {lacking!r} of a rater; its columns are {', '.join(first.header)}."
        f"{did_you_mean(lacking, first.header)}"
    )


def rater_manifest(part: Part, raters: Sequence[str]) -> Manifest:
    """Return the frames of a table with raters; no truth is needed."""
    unread = {"label", MODEL, *raters} & {*part.table.header}
    return manifest_of(with_images(part.table.without(unread)), (), root=part.root)


def ratings_of(
    part: Part, chosen: Manifest, raters: Sequence[str], label_names: Sequence[str] | None
) -> Ratings:
    """Return what the raters said of some frames.

    Args:
        chosen: frames of `rater_manifest(part, raters)`.
        label_names: the labels; `None`: those that the raters gave.

    Raises:
        DataError: a rating that is no label, or fewer than two labels.
    """
    cells, table = dict(part.table.rows), part.table
    places = {name: table.header.index(name) for name in raters}
    rows = [
        (frame.line, {name: cells[frame.line][place] for name, place in places.items()})
        for frame in chosen.frames
    ]
    names = tuple(label_names or sorted({cell for _, row in rows for cell in row.values() if cell}))
    if len(names) < 2:
        raise DataError(
            f"{table.source}: the raters ({', '.join(raters)}) give {len(names)} label ({', '.join(names)}), and "
            "agreement needs at least 2"
        )
    numbers = {"": MISSING} | {name: number for number, name in enumerate(names)}
    for line, row in rows:
        for name, cell in row.items():
            if cell not in numbers:
                said = f"{cell!r} is none of the labels {', '.join(names)}.{did_you_mean(cell, names)}"
                raise table.error(line, name, said)
    return Ratings(
        names=tuple(raters),
        label_names=names,
        numbers=np.array([[numbers[cell] for cell in row.values()] for _, row in rows]),
        frames=frame_table(chosen),
    )


def agreement(ratings: Ratings, options: EvaluationOptions) -> Raters:
    """Measure how far raters agree, with intervals by patient, else examination, wherever these are known.

    Args:
        ratings: of frames.
        options: of the evaluation; the level is the frame.

    Raises:
        DataError: no frame has two ratings.
    """
    paired = (ratings.numbers != MISSING).sum(axis=1) > 1
    if not paired.any():
        raise DataError(f"no frame is rated by two of {', '.join(ratings.names)}: nothing can be compared")
    whole = influence.fleiss_kappa(ratings.numbers, labels=len(ratings.label_names))
    return Raters(
        names=ratings.names,
        label_names=ratings.label_names,
        n=int(paired.sum()),
        kappa=_interval(whole, ratings.frames, np.ones(len(paired), bool), limits=(-1.0, 1.0)),
        pairs=tuple(_pairs(ratings)),
        each=tuple(_against_others(ratings, number, options) for number in range(len(ratings.names))),
    )


def majority(numbers: np.ndarray, *, labels: int) -> np.ndarray:
    """Return the label (n,) of more than half of those raters (n, raters) who gave one; `MISSING` where none has.

    >>> majority(np.array([[0, 0, 1], [0, 1, -1], [2, -1, -1]]), labels=3)
    array([ 0, -1,  2])
    """
    counts = np.stack([(numbers == label).sum(axis=1) for label in range(labels)], axis=1)
    most = counts.argmax(axis=1)
    return np.where(2 * counts.max(axis=1) > counts.sum(axis=1), most, MISSING)


def in_words(raters: Raters) -> str:
    """Say in one sentence how far the raters agree."""
    kappa = raters.kappa
    said = f"{kappa.value:.2f} (95% interval {kappa.low:.2f} to {kappa.high:.2f})"
    if not np.isfinite(kappa.value):
        said = "not defined, for all ratings are of one label"
    return f"{len(raters.names)} raters on {raters.n} frames that two or more of them rated: Fleiss' kappa {said}."


def _pairs(ratings: Ratings) -> Iterator[PairAgreement]:
    for one, other in itertools.combinations(range(len(ratings.names)), 2):
        both = (ratings.numbers[:, [one, other]] != MISSING).all(axis=1)
        first, second = ratings.numbers[both, one], ratings.numbers[both, other]
        same = influence.share(first == second, np.ones(len(first), bool))
        kappa = influence.kappa(first, second) if len(first) else influence.UNDEFINED
        yield PairAgreement(
            ratings.names[one],
            ratings.names[other],
            _interval(same, ratings.frames, both),
            _interval(kappa, ratings.frames, both, limits=(-1.0, 1.0)),
        )


def _against_others(ratings: Ratings, number: int, options: EvaluationOptions) -> RaterResult:
    own, others = ratings.numbers[:, number], np.delete(ratings.numbers, number, axis=1)
    truth = majority(others, labels=len(ratings.label_names))
    rated = own != MISSING
    kept = np.flatnonzero(rated & (truth != MISSING))
    result = RaterResult(
        name=ratings.names[number], left_out=int(rated.sum()) - len(kept), rows=(), called=None
    )
    frames = dataclasses.replace(ratings.frames, targets=truth).take(kept)
    if len(np.unique(frames.groups)) < 2:
        return result
    scores = Scores(
        label_names=ratings.label_names,
        task="multiclass",
        logits=CALL_LOGIT * (2.0 * np.eye(len(ratings.label_names))[own[kept]] - 1),
        frames=frames,
        calls_only=True,
    )
    analysis = Analysis(scores, _of_raters(options, ratings.label_names))
    return dataclasses.replace(result, rows=tuple(analysis.rows(full=False)), called=analysis.called_label())


def _of_raters(options: EvaluationOptions, names: Sequence[str]) -> EvaluationOptions:
    positive = options.positive if len(names) == 2 and options.positive in names else None
    return dataclasses.replace(
        options, level="frame", positive=positive, pairs=False, unreadable_as_failures=False
    )


def _interval(
    statistic: Influence, frames: FrameTable, places: np.ndarray, *, limits: tuple[float, float] = (0.0, 1.0)
) -> Interval:
    groups = frames.groups[places] if frames.grouping is not None else None
    return group_interval(statistic, groups, int(places.sum()), limits=limits)
