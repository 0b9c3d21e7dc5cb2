"""From scores to a report: one row a label, and one a pair of labels where they are exclusive."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from lag_zoo.errors import InvalidConfigError
from lag_zoo.evaluate.curves import Curves, curves_of
from lag_zoo.evaluate.scores import SUBGROUPS, Scores
from lag_zoo.metrics import calibration
from lag_zoo.metrics.confusion import Confusion, at_prevalence, confusion_at, rates
from lag_zoo.metrics.intervals import INDEPENDENT, Difference, Interval, cluster_bootstraps, wilson
from lag_zoo.metrics.levels import Association, Pooling, frames_and_label, pool
from lag_zoo.metrics.ranking import auprc, auroc, delong_interval
from lag_zoo.metrics.thresholds import choose_threshold

Level = Literal["frame", "exam", "patient"]
MEASURES = ("accuracy", "sensitivity", "specificity", "ppv", "npv", "f1", "auroc", "auprc")
BINS = 10


class _Task(NamedTuple):
    """A question with two answers: which frames, how likely each, and what is true."""

    label: str
    against: str
    frames: np.ndarray  # (n,) bool, of all
    probabilities: np.ndarray  # of those
    truth: np.ndarray
    thresholds: np.ndarray | None = None  # of those, where they differ from frame to frame


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one question came to.

    Attributes:
        label, against: a label against `rest`, or against another one.
        n, groups, positives: frames (or examinations, patients), independent groups among them, and how many have it.
        threshold: probability from which it is called; `rule`: how it was chosen, and on what; `apparent`: on these
            very frames, so that what stands on it is too good.
        confusion: tp, fp, tn and fn at the threshold.
        measures: accuracy, sensitivity, specificity, ppv, npv, f1, auroc and auprc, each with its interval.
        restated: (prevalence, ppv, npv) at a prevalence that was asked for.
        brier, ece, slope, intercept: calibration; ECE over ten bins of equally many frames.
        curves: what the pictures show.
        frames_and_label: of examinations and patients: whether those with the label have more frames.
    """

    label: str
    against: str
    n: int
    groups: int | None
    positives: int
    threshold: float
    rule: str
    apparent: bool
    confusion: Confusion
    measures: dict[str, Interval]
    restated: tuple[float, float, float] | None
    brier: float
    ece: float
    slope: float
    intercept: float
    curves: Curves
    frames_and_label: Association | None = None

    @property
    def prevalence(self) -> float:
        """The share that has the label."""
        return self.positives / self.n


class Beside(NamedTuple):
    """Another network on the same frames: its rows, and the AUROC of the reported one less its own, a label each."""

    name: str
    rows: tuple[Row, ...]
    differences: tuple[Difference, ...]


@dataclass(frozen=True, kw_only=True)
class Report:
    """What `evaluate` found.

    Attributes:
        rows: one a label; `pairs`: one a pair of exclusive labels; `subgroups`: (column, value, rows).
        level: whether frames, examinations or patients were counted; `pooling`: how frames became those.
        grouping: by what frames belong together; `None`: nobody says, and they are taken as independent.
        found, excluded, skipped, analysed: the way of the frames; `found_groups`, `analysed_groups`: of the patients or
            examinations, `None` where nobody says.
        warnings: what a reader has to know before the numbers.
        temperature: by which logits were divided.
        floors: (name, rows): what simple things give on the same frames, see `lag_zoo.evaluate.floors`.
        beside: other networks on the same frames, see `lag_zoo.evaluate.beside`.
    """

    rows: tuple[Row, ...]
    pairs: tuple[Row, ...]
    subgroups: tuple[tuple[str, str, tuple[Row, ...]], ...]
    level: Level
    pooling: Pooling | None
    grouping: str | None
    found: int
    excluded: int
    skipped: tuple[str, ...]
    analysed: int
    found_groups: int | None
    analysed_groups: int | None
    temperature: float
    warnings: tuple[str, ...]
    floors: tuple[tuple[str, tuple[Row, ...]], ...] = ()
    beside: tuple[Beside, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """For JSON; what does not exist is `None`."""
        found: dict[str, Any] = _plain(dataclasses.asdict(self))
        return found


def evaluate(
    scores: Scores,
    *,
    operating_point: str = "0.5",
    level: Level = "frame",
    pooling: Pooling = "maximum",
    validation: Scores | None = None,
    apparent: bool = False,
    prevalence: float | None = None,
    draws: int = 2000,
    seed: int = 0,
) -> Report:
    """What scores are worth, with intervals by patient, else examination, wherever these are known.

    Args:
        operating_point: `stored` (with the weights), a probability, or a rule for `choose_threshold` (`youden`,
            `sens>=0.95`), which is applied to `validation`.
        level: count frames, examinations or patients.
        pooling: how the frames of one become one probability.
        validation: scores of other frames, to choose thresholds on.
        apparent: choose thresholds on the very frames that are reported, and say so in each line.
        prevalence: at which predictive values are told too.
        draws, seed: of the bootstrap.

    Raises:
        InvalidConfigError: a threshold that has no honest source, a level that the data do not name, or labels of which
            no frame has, or lacks, any.
    """
    options = _Options(operating_point, level, pooling, validation, apparent, prevalence, draws, seed)
    rows = tuple(_row(task, scores, options) for task in _one_against_rest(scores))
    pairs = (
        tuple(_row(task, scores, options) for task in _one_against_one(scores))
        if len(scores.label_names) > 2
        else ()
    )
    return Report(
        rows=rows,
        pairs=pairs,
        subgroups=tuple(_subgroups(scores, options)),
        level=level,
        pooling=None if level == "frame" else pooling,
        grouping=scores.grouping,
        found=scores.found,
        excluded=scores.excluded,
        skipped=scores.skipped,
        analysed=len(scores),
        found_groups=scores.found_groups,
        analysed_groups=len(np.unique(scores.groups)) if scores.grouping is not None else None,
        temperature=scores.temperature,
        warnings=tuple(_warnings(scores, rows)),
    )


def operating_points(scores: Scores, *, rule: str = "youden") -> dict[str, float]:
    """The threshold of each label by a rule, on these scores: for others, never for these.

    Raises:
        InvalidConfigError: no such rule, or a label that all frames have, or none.
    """
    return {
        task.label: choose_threshold(rule, task.probabilities, task.truth)
        for task in _one_against_rest(scores)
    }


class _Options(NamedTuple):
    operating_point: str
    level: Level
    pooling: Pooling
    validation: Scores | None
    apparent: bool
    prevalence: float | None
    draws: int
    seed: int


def _one_against_rest(scores: Scores) -> Iterator[_Task]:
    probabilities = scores.probabilities
    for number, name in enumerate(scores.label_names):
        if scores.targets.ndim == 1:
            known, truth = scores.targets >= 0, scores.targets == number
        else:
            known, truth = scores.targets[:, number] >= 0, scores.targets[:, number] == 1
        own = None if scores.thresholds is None else scores.thresholds[known, number]
        yield _Task(name, "rest", known, probabilities[known, number], truth[known], own)


def _one_against_one(scores: Scores) -> Iterator[_Task]:
    """Each label against each other, among frames that have one of the two, where labels are exclusive."""
    if scores.targets.ndim != 1:
        return
    probabilities = scores.probabilities
    for one, name in enumerate(scores.label_names):
        for other in range(one + 1, len(scores.label_names)):
            either = np.isin(scores.targets, (one, other))
            both = probabilities[either][:, (one, other)]
            share = both[:, 0] / both.sum(axis=1).clip(1e-300)
            yield _Task(name, scores.label_names[other], either, share, scores.targets[either] == one)


def _row(task: _Task, scores: Scores, options: _Options) -> Row:
    groups = scores.groups[task.frames]
    probabilities, truth, association = task.probabilities, task.truth, None
    if not len(truth) or truth.all() or not truth.any():
        raise InvalidConfigError(
            f"{task.label} against {task.against}: {int(truth.sum())} of {len(truth)} frames have it, so nothing can "
            "be told apart; leave the label out, or take other frames"
        )
    own = task.thresholds
    if options.level != "frame":
        units = scores.units(options.level)[task.frames]
        # A group is in one fold as a whole, so the thresholds of its frames are the same.
        own = None if own is None else pool(own, truth, units, by="mean").probabilities
        pooled = pool(probabilities, truth, units, by=options.pooling)
        # Examinations of one patient are no more independent than its frames.
        groups = groups[np.unique(units, return_index=True)[1]]
        probabilities, truth = pooled.probabilities, pooled.truth
        association = frames_and_label(pooled)
    if own is not None and options.operating_point == "stored":
        limits, rule, apparent = own, "of each fold, from its inner validation frames", False
    else:
        threshold, rule, apparent = _threshold(task, scores, options, probabilities, truth)
        limits = np.full(len(truth), threshold)
    grouped = scores.grouping is not None
    margins = probabilities - limits
    measures = (
        _by_group(probabilities, margins, truth, groups, options)
        if grouped
        else _independent(probabilities, margins, truth, options)
    )
    restated = None
    if options.prevalence is not None:
        sensitivity, specificity = measures["sensitivity"].value, measures["specificity"].value
        restated = (options.prevalence, *at_prevalence(sensitivity, specificity, options.prevalence))
    slope, intercept = calibration.slope_and_intercept(probabilities, truth)
    return Row(
        label=task.label,
        against=task.against,
        n=len(truth),
        groups=len(np.unique(groups)) if grouped else None,
        positives=int(truth.sum()),
        threshold=float(np.median(limits)),
        rule=rule,
        apparent=apparent,
        confusion=confusion_at(margins, truth, 0.0),
        measures=measures,
        restated=restated,
        brier=calibration.brier(probabilities, truth),
        ece=calibration.ece(probabilities, truth, bins=BINS, equal_mass=True),
        slope=slope,
        intercept=intercept,
        curves=curves_of(probabilities, truth, threshold=float(np.median(limits)), bins=BINS),
        frames_and_label=association,
    )


def _threshold(
    task: _Task, scores: Scores, options: _Options, probabilities: np.ndarray, truth: np.ndarray
) -> tuple[float, str, bool]:
    """The threshold, how it came about, and whether on these very frames."""
    rule = options.operating_point
    if rule == "stored":
        if task.against != "rest":
            return 0.5, "0.5: none is stored for pairs", False
        if task.label not in scores.operating_points:
            raise InvalidConfigError(
                f"no operating point of {task.label} is stored with the weights: say a probability, or a rule "
                "(youden, sens>=0.95) and validation frames"
            )
        return scores.operating_points[task.label], "stored with the weights", False
    try:
        return float(rule), "as asked for", False
    except ValueError:
        pass
    if options.apparent:
        return choose_threshold(rule, probabilities, truth), f"{rule}, apparent: on these very frames", True
    if options.validation is None:
        raise InvalidConfigError(
            f"{rule} needs frames to choose a threshold on that are not the ones reported: a split val, or --apparent "
            "to choose it on these, which the report then says"
        )
    if set(options.validation.images) & set(scores.images):
        raise InvalidConfigError(
            "validation frames are among those reported: a threshold chosen so is apparent"
        )
    tasks = [*_one_against_rest(options.validation), *_one_against_one(options.validation)]
    same = next(t for t in tasks if (t.label, t.against) == (task.label, task.against))
    known, held = same.probabilities, same.truth
    if options.level != "frame":
        units = options.validation.units(options.level)[same.frames]
        pooled = pool(known, held, units, by=options.pooling)
        known, held = pooled.probabilities, pooled.truth
    return choose_threshold(rule, known, held), f"{rule} on {len(held)} validation {options.level}s", False


def _by_group(
    probabilities: np.ndarray, margins: np.ndarray, truth: np.ndarray, groups: np.ndarray, options: _Options
) -> dict[str, Interval]:
    """Measures with intervals by group; `margins`: how far each probability lies above its threshold."""

    def all_of_them(p: np.ndarray, m: np.ndarray, t: np.ndarray) -> np.ndarray:
        return np.array([*rates(confusion_at(m, t, 0.0)), auroc(p, t), auprc(p, t)])

    found = cluster_bootstraps(
        all_of_them, groups, probabilities, margins, truth, draws=options.draws, seed=options.seed
    )
    return dict(zip(MEASURES, found, strict=True))


def _independent(
    probabilities: np.ndarray, margins: np.ndarray, truth: np.ndarray, options: _Options
) -> dict[str, Interval]:
    tp, fp, tn, fn = confusion_at(margins, truth, 0.0)
    n = len(truth)
    shares = {
        "accuracy": (tp + tn, n),
        "sensitivity": (tp, tp + fn),
        "specificity": (tn, tn + fp),
        "ppv": (tp, tp + fp),
        "npv": (tn, tn + fn),
    }
    found = {name: wilson(*share) for name, share in shares.items()}

    def the_rest(p: np.ndarray, m: np.ndarray, t: np.ndarray) -> np.ndarray:
        return np.array([rates(confusion_at(m, t, 0.0)).f1, auprc(p, t)])

    drawn = cluster_bootstraps(
        the_rest, np.arange(n), probabilities, margins, truth, draws=options.draws, seed=options.seed
    )
    method = f"bootstrap, {options.draws} resamples, {INDEPENDENT}"
    f1, precision = (interval._replace(groups=None, method=method) for interval in drawn)
    low, high = delong_interval(probabilities, truth)
    area = Interval(auroc(probabilities, truth), low, high, n, None, f"DeLong, {INDEPENDENT}")
    found |= {"f1": f1, "auroc": area, "auprc": precision}
    return {name: found[name] for name in MEASURES}


def _subgroups(scores: Scores, options: _Options) -> Iterator[tuple[str, str, tuple[Row, ...]]]:
    for column in SUBGROUPS:
        values = np.array(scores.columns.get(column, ()))
        for value in sorted(set(values.tolist())):
            part = scores.taken(np.flatnonzero(values == value))
            tasks = [
                t for t in _one_against_rest(part) if len(t.truth) and t.truth.any() and not t.truth.all()
            ]
            enough = [
                t for t in tasks if scores.grouping is None or len(np.unique(part.groups[t.frames])) > 1
            ]
            if len(set(values.tolist())) > 1 and enough:
                yield column, value or "not told", tuple(_row(task, part, options) for task in enough)


def _warnings(scores: Scores, rows: tuple[Row, ...]) -> Iterator[str]:
    if scores.grouping is None:
        yield (
            "The data name neither patients nor examinations: frames are taken as independent, so every interval is "
            "too narrow if some are of one patient."
        )
    if any(row.apparent for row in rows):
        yield "Thresholds were chosen on the very frames that are reported: what stands on them is apparent, too good."
    if scores.skipped:
        yield f"{len(scores.skipped)} frames could not be read and are not in these numbers."
    small = [row.label for row in rows if min(row.positives, row.n - row.positives) < 10]
    if small:
        yield f"Fewer than 10 with or without {', '.join(small)}: intervals that wide say little."


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value
