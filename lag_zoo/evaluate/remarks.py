"""Remarks: what a reader has to know before the numbers of a report."""

import itertools
import math
from collections.abc import Iterator, Sequence

from lag_zoo.evaluate.analysis import Analysis
from lag_zoo.evaluate.called import CalledResult
from lag_zoo.evaluate.contrasts import MANY_LABELS, with_pairs
from lag_zoo.evaluate.operating_points import TRAINED_ON, UNSET
from lag_zoo.evaluate.options import AUTO, STORED
from lag_zoo.evaluate.results import LabelResult, unit_word
from lag_zoo.evaluate.scores import IN_TRAINING_DATA
from lag_zoo.evaluate.summary import UNITS, counted, listed

_FEW = 10  # units with or without a label


def remarks(
    analysis: Analysis,
    rows: Sequence[LabelResult],
    pairs: Sequence[LabelResult],
    called: CalledResult | None,
) -> Iterator[str]:
    """Yield the warnings of a report, the gravest first."""
    yield from _about_training(analysis)
    yield from _about_apparent(analysis, rows)
    yield from _about_frames(analysis)
    yield from _about_counts(analysis, rows)
    yield from _about_thresholds(analysis, rows)
    yield from _left_out(analysis, rows, pairs, called)


def _about_training(analysis: Analysis) -> Iterator[str]:
    frames = analysis.scores.frames
    seen = {split: sum(part == split for part in frames.fold) for split in TRAINED_ON}
    if any(seen.values()):
        said = " and ".join(f"{count} of the split {split}" for split, count in seen.items() if count)
        yield (
            f"Among these frames are {said}. A network that was trained with this manifest has seen them: its numbers "
            "say nothing of other patients."
        )
    if known := frames.columns.get(IN_TRAINING_DATA, ()).count("yes"):
        yield (
            f"The weights, or those they were made from, were trained on {known} of these frames, or chosen by them: "
            "numbers on these are apparent, no evidence."
        )


def _about_apparent(analysis: Analysis, rows: Sequence[LabelResult]) -> Iterator[str]:
    if not any(row.apparent for row in rows):
        return
    if analysis.options.apparent:
        yield (
            "Thresholds were chosen on the very frames that are reported: all numbers at the threshold are apparent, "
            "too good."
        )
    else:
        yield (
            "Thresholds may have been chosen on some of these frames, which the weights know: all numbers at the "
            "threshold are apparent, perhaps too good."
        )


def _about_frames(analysis: Analysis) -> Iterator[str]:
    if analysis.scores.frames.grouping is None:
        yield (
            "The data name neither patients nor examinations. Frames are taken as independent: every interval is too "
            "narrow if some are of one patient."
        )
    unreadable = len(analysis.scores.flow.unreadable)
    if unreadable:
        many = unreadable > 1
        how = (
            f"count{'' if many else 's'} as called wrongly in accuracy, sensitivity and specificity; AUROC and "
            f"calibration are without {'them' if many else 'it'}"
            if analysis.options.unreadable_as_failures
            else f"{'are' if many else 'is'} not in these numbers"
        )
        yield f"{counted(unreadable, 'frame')} could not be read and {how}."


def _about_counts(analysis: Analysis, rows: Sequence[LabelResult]) -> Iterator[str]:
    one, several = UNITS[analysis.options.level]
    if none := [row.label for row in rows if not row.positives]:
        yield f"No {one} has {_or(none)}: no sensitivity, predictive values, F1, AUROC or calibration."
    if every := [row.label for row in rows if row.positives == row.n]:
        yield f"Every {one} has {listed(every)}: no specificity, predictive values, F1, AUROC or calibration."
    if doubtful := [row.label for row in rows if row.unreliable]:
        words = unit_word(analysis.units, 2)
        yield (
            f"Too few {words} have, or lack, {_or(doubtful)}: the intervals are not to be relied on, as the table says."
        )
    small = [
        row.label
        for row in rows
        if row.has_both_classes and not row.unreliable and min(row.positives, row.n - row.positives) < _FEW
    ]
    if small:
        yield f"Fewer than {_FEW} {several} have, or lack, {_or(small)}: wide intervals say little."


def _about_thresholds(analysis: Analysis, rows: Sequence[LabelResult]) -> Iterator[str]:
    options = analysis.options
    if options.level != "frame" and analysis.points.stored:
        yield (
            f"Stored thresholds were chosen on frames, and are applied to {UNITS[options.level][1]} by "
            f"{options.pooling}. A rule (youden, sens>=0.95) chooses at the level that is reported."
        )
    unset = [row.label for row in rows if row.rule == UNSET]
    if unset and options.operating_point in (STORED, AUTO) and analysis.points.stored:
        yield f"No operating point is stored with the weights for {', '.join(unset)}: called at 0.5."


def _left_out(
    analysis: Analysis,
    rows: Sequence[LabelResult],
    pairs: Sequence[LabelResult],
    called: CalledResult | None,
) -> Iterator[str]:
    names, units, asked = analysis.scores.label_names, analysis.units, analysis.options.pairs
    if called is not None and called.left_out:
        single = units.rules.exclusive and not units.rules.ordered
        why = "have several labels or none that is known" if single else "have labels that are not known"
        if called.left_out == 1:
            why = why.replace("have", "has", 1)
        yield (
            f"{counted(called.left_out, analysis.options.level)} {why}: left out of the called label's numbers."
        )
    there = {row.label for row in rows}
    claims = [contrast.label for contrast in analysis.contrasts if contrast.other is None]
    lost = [claim for claim in claims if claim not in there]
    if lost and units.positive is None:
        yield f"Nothing is known of {_or(lost)} in these frames."
    if with_pairs(units, asked):
        found = {(pair.label, pair.against) for pair in pairs}
        alone = [f"{a} against {b}" for a, b in itertools.combinations(names, 2) if (a, b) not in found]
        if alone:
            yield f"Left out, as only one of the two is there: {', '.join(alone)}."
    elif asked is None and with_pairs(units, True):
        yield (
            f"Pairs of labels are left out: {len(names)} labels have {math.comb(len(names), 2)} (up to {MANY_LABELS} "
            "labels are paired; pairs=True reports all)."
        )


def _or(names: Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
