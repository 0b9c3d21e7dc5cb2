"""From scores to a report: one row a label, and one a pair of labels where they are exclusive."""

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lag_zoo.brief import brief
from lag_zoo.errors import InvalidConfigError
from lag_zoo.evaluate.contrasts import (
    TRAINED_ON,
    UNSET,
    Contrast,
    EvaluationOptions,
    Level,
    OperatingPoint,
    against_each_other,
    against_rest,
    answers,
)
from lag_zoo.evaluate.results import LabelResult, result_of
from lag_zoo.evaluate.scores import APPARENT, SUBGROUPS, Scores
from lag_zoo.metrics.intervals import Difference
from lag_zoo.metrics.levels import Pooling
from lag_zoo.metrics.thresholds import choose_threshold

_FEW_FRAMES, _FEW_GROUPS = 10, 20
_MANY_LABELS = 6  # of more, pairs are left out unless they are asked for: 23 labels have 253


class Differences(NamedTuple):
    """The reported network less another, on the same frames; the rates at each one's own threshold."""

    auroc: Difference
    sensitivity: Difference
    specificity: Difference


class Subgroup(NamedTuple):
    """The frames of which a column says the same; `frames`: how many, and of each label; rows of what can be told."""

    column: str
    value: str
    frames: int
    labels: dict[str, int]
    rows: tuple[LabelResult, ...]


class Beside(NamedTuple):
    """Another network on the same frames: its rows, and how far the reported one is from it, a label each."""

    name: str
    rows: tuple[LabelResult, ...]
    differences: tuple[Differences, ...]


@dataclass(frozen=True, kw_only=True)
class Report:
    """What `evaluate` found.

    Attributes:
        rows: one a label; `pairs`: one a pair of exclusive labels; `subgroups`: one an anatomy, device and so on.
        level: whether frames, examinations or patients were counted; `pooling`: how frames became those.
        grouping: by what frames belong together; `None`: nobody says, and they are taken as independent.
        found: frames in the split, of which some were `excluded`, some `skipped`, and the others `analysed`;
            `found_groups`, `analysed_groups`: patients or examinations, `None` where nobody says; `reasons` why frames
            were excluded, and `references` what the labels of those analysed rest on, each with its count.
        warnings: what a reader has to know before the numbers.
        temperature: by which logits were divided.
        baselines: (name, rows): what simple things give on the same frames, see `lag_zoo.evaluate.baselines`.
        beside: other networks on the same frames, see `lag_zoo.evaluate.beside`.
    """

    rows: tuple[LabelResult, ...]
    pairs: tuple[LabelResult, ...]
    subgroups: tuple[Subgroup, ...]
    level: Level
    pooling: Pooling | None
    grouping: str | None
    found: int
    excluded: int
    reasons: Mapping[str, int]
    references: Mapping[str, int]
    skipped: tuple[str, ...]
    analysed: int
    found_groups: int | None
    analysed_groups: int | None
    temperature: float
    warnings: tuple[str, ...]
    baselines: tuple[tuple[str, tuple[LabelResult, ...]], ...] = ()
    beside: tuple[Beside, ...] = ()

    __repr__ = brief

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
    pairs: bool | None = None,
    n_resamples: int = 2000,
    seed: int = 0,
    progress: Callable[[], None] = lambda: None,
) -> Report:
    """What scores are worth, with intervals by patient, else examination, wherever these are known.

    Args:
        operating_point: `stored` (with the weights), a probability, or a rule for `choose_threshold` (`youden`,
            `sens>=0.95`), which is applied to `validation`. What `finetune` stores was chosen by `youden`, on frames.
            Where one of two exclusive labels has a stored one, the other is called where that one is not; of others a
            label without one is called at 0.5. The row's rule says so.
        level: count frames, examinations or patients.
        pooling: how the frames of one become one probability.
        validation: scores of other frames, to choose thresholds on.
        apparent: choose thresholds on the very frames that are reported, and say so in each line.
        prevalence: at which predictive values are told too.
        pairs: label against label too, where labels are exclusive; `None`: of up to six labels.
        n_resamples: resamples of the bootstrap.
        seed: of the bootstrap.
        progress: called after each row, `count_rows` times.

    Raises:
        InvalidConfigError: a threshold that has no honest source, a level that the data do not name, a label that
            every frame has, or none, or frames of one patient or examination alone. Of examinations and patients such a
            label is left out, and so is a pair of labels that one alone has; a warning says so.
    """
    options = EvaluationOptions(
        operating_point, level, pooling, validation, apparent, prevalence, n_resamples, seed
    )
    rows = _rows(_counted(against_rest(scores), progress), scores, options)
    if not rows:
        raise InvalidConfigError(
            f"each {level} has all the labels in some frame, or none: they cannot be told apart by {level}"
        )
    asked = against_each_other(scores) if _with_pairs(scores, pairs) else ()
    of_two = _rows(_counted(asked, progress), scores, options)
    return Report(
        rows=rows,
        pairs=of_two,
        subgroups=tuple(_subgroups(scores, options, rows, progress)),
        level=level,
        pooling=None if level == "frame" else pooling,
        grouping=scores.grouping,
        found=scores.found,
        excluded=scores.excluded,
        reasons=dict(scores.reasons),
        references=dict(scores.references),
        skipped=scores.skipped,
        analysed=len(scores),
        found_groups=scores.found_groups,
        analysed_groups=len(np.unique(scores.groups)) if scores.grouping is not None else None,
        temperature=scores.temperature,
        warnings=(*_warnings(scores, rows, options), *_left_out(scores, rows, of_two, pairs, options)),
    )


def count_rows(scores: Scores, *, pairs: bool | None = None) -> int:
    """Counts the calls of `progress` by `evaluate`: one a label, a pair of labels, and a label of each subgroup."""
    labels, subgroups = len(scores.label_names), sum(1 for _ in _parts(scores))
    return labels * (1 + subgroups) + (math.comb(labels, 2) if _with_pairs(scores, pairs) else 0)


def operating_points(scores: Scores, *, rule: str = "youden") -> dict[str, float]:
    """The threshold of each label by a rule, on these scores: for others, never for these.

    Raises:
        InvalidConfigError: no such rule, or a label that all frames have, or none.
    """
    return {
        contrast.label: choose_threshold(rule, contrast.probabilities, contrast.truth)
        for contrast in against_rest(scores)
    }


def _rows(
    contrasts: Iterable[Contrast], scores: Scores, options: EvaluationOptions
) -> tuple[LabelResult, ...]:
    """A row a contrast. Frames must differ in each label; patients need not: a label may be found in each of them."""
    rows = []
    for contrast in contrasts:
        truth = contrast.truth
        if not truth.any() or truth.all():
            raise InvalidConfigError(
                f"{contrast.label} against {contrast.against}: {int(truth.sum())} of {len(truth)} frames have it, so "
                "nothing can be told apart; leave the label out, or take other frames"
            )
        found = answers(contrast, scores, options)
        if scores.grouping is not None and len(np.unique(found.groups)) < 2:
            if contrast.against != "rest":
                continue
            raise InvalidConfigError(
                f"all {len(truth)} frames that are known to have {contrast.label}, or not to, are of one "
                f"{scores.grouping}: an interval by {scores.grouping} needs at least two"
            )
        if found.has_both_classes:
            rows.append(result_of(contrast, found, options, grouped=scores.grouping is not None))
    return tuple(rows)


def _counted(contrasts: Iterable[Contrast], progress: Callable[[], None]) -> Iterator[Contrast]:
    """The contrasts; each is told once whoever asked for it asks for the next."""
    for contrast in contrasts:
        yield contrast
        progress()


def _with_pairs(scores: Scores, asked: bool | None) -> bool:
    """Label against label, where labels are exclusive: by default of a few. Of two it would be the rows once more."""
    count = len(scores.label_names)
    return scores.targets.ndim == 1 and count > 2 and (count <= _MANY_LABELS if asked is None else asked)


def _parts(scores: Scores) -> Iterator[tuple[str, str, np.ndarray]]:
    """Columns that do not say the same of all frames, each of their values, and the places of its frames (k,)."""
    for column in SUBGROUPS:
        values = np.array(scores.columns.get(column, ()))
        different = sorted(set(values.tolist()))
        for value in different if len(different) > 1 else ():
            yield column, value, np.flatnonzero(values == value)


def _subgroups(
    scores: Scores, options: EvaluationOptions, rows: tuple[LabelResult, ...], progress: Callable[[], None]
) -> Iterator[Subgroup]:
    """Rows of each part, at the thresholds of all: one chosen on a part would be another contrast.

    A part without rows is told too: a scope that saw but one label is what a reader looks for.
    """
    lines = {row.label: OperatingPoint(row.threshold, row.rule, row.apparent) for row in rows}
    for column, value, places in _parts(scores):
        part = scores.taken(places)
        told, counts = [], {}
        for contrast in _counted(against_rest(part), progress):
            counts[contrast.label] = int(contrast.truth.sum())
            if contrast.label not in lines or not len(contrast.truth):
                continue
            found = answers(contrast, part, options, lines)
            if found.has_both_classes and (scores.grouping is None or len(np.unique(found.groups)) > 1):
                told.append(result_of(contrast, found, options, grouped=scores.grouping is not None))
        yield Subgroup(column, value or "not told", len(part), counts, tuple(told))


def _warnings(scores: Scores, rows: tuple[LabelResult, ...], options: EvaluationOptions) -> Iterator[str]:
    if scores.grouping is None:
        yield (
            "The data name neither patients nor examinations: frames are taken as independent, so every interval is "
            "too narrow if some are of one patient."
        )
    seen = {split: sum(part == split for part in scores.fold) for split in TRAINED_ON}
    if any(seen.values()):
        told = " and ".join(f"{count} of the split {split}" for split, count in seen.items() if count)
        yield (
            f"Among these frames are {told}: a network that was trained with this manifest knows them, and what it "
            "reaches on them says nothing of other patients."
        )
    if known := scores.columns.get(APPARENT, ()).count("yes"):
        yield (
            f"The weights, or those they were made from, were trained on {known} of these frames, or chosen by them: "
            "what the network says of them is apparent, not evidence."
        )
    if options.apparent and any(row.apparent for row in rows):
        yield "Thresholds were chosen on the very frames that are reported: what stands on them is apparent, too good."
    elif any(row.apparent for row in rows):
        yield (
            "Thresholds may have been chosen on some of these frames, which the weights know: what stands on them is "
            "apparent, perhaps too good."
        )
    if options.level != "frame" and options.operating_point == "stored":
        yield (
            f"Stored thresholds were chosen on frames, and are applied to {options.level}s by {options.pooling}; "
            "a rule (youden, sens>=0.95) chooses at the level that is reported."
        )
    unset = [row.label for row in rows if row.rule == UNSET]
    if unset:
        yield f"No operating point is stored with the weights for {', '.join(unset)}: called at 0.5."
    if scores.skipped:
        yield f"{len(scores.skipped)} frames could not be read and are not in these numbers."
    small = [row.label for row in rows if min(row.positives, row.n - row.positives) < _FEW_FRAMES]
    if small:
        yield f"Fewer than {_FEW_FRAMES} with or without {', '.join(small)}: intervals that wide say little."
    few = [
        f"{row.label} ({row.groups_with} with it, {row.groups_without} without)"
        for row in rows
        if min(row.groups_with or 0, row.groups_without or 0) < _FEW_GROUPS and row.groups is not None
    ]
    if few:
        whose = {"patient": "patients", "exam": "examinations"}[scores.grouping or "patient"]
        yield (
            f"Fewer than {_FEW_GROUPS} {whose} with or without {', '.join(few)}: intervals by so few groups are too "
            "narrow, and so is p; they cover the truth less often than 95 times of 100."
        )


def _left_out(
    scores: Scores,
    rows: tuple[LabelResult, ...],
    of_two: tuple[LabelResult, ...],
    asked: bool | None,
    options: EvaluationOptions,
) -> Iterator[str]:
    lost = [name for name in scores.label_names if name not in {row.label for row in rows}]
    if lost:
        yield f"Left out: {', '.join(lost)}, which every {options.level} has in some frame, or none has."
    if _with_pairs(scores, asked):
        compared = {(pair.label, pair.against) for pair in of_two}
        pairs = itertools.combinations(scores.label_names, 2)
        alone = [f"{one} against {other}" for one, other in pairs if (one, other) not in compared]
        if alone:
            yield f"Left out: {', '.join(alone)}, which one {scores.grouping} alone has, or each {options.level}."
    elif asked is None and _with_pairs(scores, True):
        count = len(scores.label_names)
        yield (
            f"Left out: label against label, of {count} labels {math.comb(count, 2)} more rows; `evaluate` gives them "
            "with pairs=True."
        )


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
