"""Remarks: what a reader has to know before the numbers of a report."""

import itertools
import math
from collections.abc import Iterator, Sequence

from lag_zoo.evaluate.analysis import Analysis
from lag_zoo.evaluate.called import CalledResult
from lag_zoo.evaluate.contrasts import MANY_LABELS, with_pairs
from lag_zoo.evaluate.operating_points import TRAINED_ON, UNSET
from lag_zoo.evaluate.options import AUTO, STORED
from lag_zoo.evaluate.results import LabelResult
from lag_zoo.evaluate.scores import IN_TRAINING_DATA
from lag_zoo.evaluate.summary import UNITS, counted

_FEW = 10  # units with or without a label


def remarks(
    analysis: Analysis,
    rows: Sequence[LabelResult],
    pairs: Sequence[LabelResult],
    called: CalledResult | None,
) -> Iterator[str]:
    """Yield the warnings of a report, the gravest first."""
    yield from _about_frames(analysis)
    yield from _about_thresholds(analysis, rows)
    yield from _about_counts(analysis, rows, called)
    yield from _left_out(analysis, rows, pairs)


def _about_frames(analysis: Analysis) -> Iterator[str]:
    frames = analysis.scores.frames
    if frames.grouping is None:
        yield (
            "The data name neither patients nor examinations: frames are taken as independent, so every interval is "
            "too narrow if some are of one patient."
        )
    seen = {split: sum(part == split for part in frames.fold) for split in TRAINED_ON}
    if any(seen.values()):
        said = " and ".join(f"{count} of the split {split}" for split, count in seen.items() if count)
        yield (
            f"Among these frames are {said}: a network that was trained with this manifest knows them, and what it "
            "reaches on them says nothing of other patients."
        )
    if known := frames.columns.get(IN_TRAINING_DATA, ()).count("yes"):
        yield (
            f"The weights, or those they were made from, were trained on {known} of these frames, or chosen by them: "
            "what the network says of them is apparent, not evidence."
        )
    unreadable = len(analysis.scores.flow.unreadable)
    if unreadable:
        how = (
            "count as called wrongly in accuracy, sensitivity and specificity, and are missing from AUROC and "
            "calibration"
            if analysis.options.unreadable_as_failures
            else "are not in these numbers"
        )
        yield f"{unreadable} frames could not be read and {how}."


def _about_thresholds(analysis: Analysis, rows: Sequence[LabelResult]) -> Iterator[str]:
    options = analysis.options
    apparent = any(row.apparent for row in rows)
    if options.apparent and apparent:
        yield "Thresholds were chosen on the very frames that are reported: what stands on them is apparent, too good."
    elif apparent:
        yield (
            "Thresholds may have been chosen on some of these frames, which the weights know: what stands on them is "
            "apparent, perhaps too good."
        )
    if options.level != "frame" and analysis.points.stored:
        yield (
            f"Stored thresholds were chosen on frames, and are applied to {UNITS[options.level][1]} by "
            f"{options.pooling}; a rule (youden, sens>=0.95) chooses at the level that is reported."
        )
    unset = [row.label for row in rows if row.rule == UNSET]
    if unset and options.operating_point in (STORED, AUTO) and analysis.points.stored:
        yield f"No operating point is stored with the weights for {', '.join(unset)}: called at 0.5."


def _about_counts(
    analysis: Analysis, rows: Sequence[LabelResult], called: CalledResult | None
) -> Iterator[str]:
    unit = UNITS[analysis.options.level][1]
    one_class = [row.label for row in rows if not row.has_both_classes]
    if one_class:
        yield (
            f"All {unit} are alike in {', '.join(one_class)}: the rate that exists is reported, and nothing can be "
            "ranked or calibrated."
        )
    small = [
        row.label for row in rows if row.has_both_classes and min(row.positives, row.n - row.positives) < _FEW
    ]
    if small:
        yield f"Fewer than {_FEW} {unit} with or without {', '.join(small)}: intervals that wide say little."
    for row in rows:
        if row.unreliable:
            yield f"Intervals of {row.label}: {row.unreliable}."
    if called is not None and called.left_out:
        yield (
            f"{counted(called.left_out, analysis.options.level)} with several labels, or with labels that are not all "
            "known, are left out of the called label's numbers: no single call is right for them."
        )


def _left_out(analysis: Analysis, rows: Sequence[LabelResult], pairs: Sequence[LabelResult]) -> Iterator[str]:
    names, units, asked = analysis.scores.label_names, analysis.units, analysis.options.pairs
    there = {row.label for row in rows}
    lost = [name for name in names if name not in there] if units.positive is None else []
    if lost:
        yield f"Left out: {', '.join(lost)}, of which nothing is known in these frames."
    if with_pairs(units, asked):
        found = {(pair.label, pair.against) for pair in pairs}
        alone = [f"{a} against {b}" for a, b in itertools.combinations(names, 2) if (a, b) not in found]
        if alone:
            yield f"Left out: {', '.join(alone)}, of which only one is there."
    elif asked is None and with_pairs(units, True):
        yield (
            f"Left out: label against label, of {len(names)} labels {math.comb(len(names), 2)} more rows; they are "
            f"reported of up to {MANY_LABELS} labels, and of more by pairs=True."
        )
