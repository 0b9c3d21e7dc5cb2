# ruff: noqa: E501 - the card is prose
"""The model card, docs/models/<name>.md."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from lag_zoo.catalogue.polyp import Trained
from lag_zoo.data import Manifest
from lag_zoo.specs import Measurement
from lag_zoo.training import Recipe
from recipes.polyp.files import CENTRE_MANIFESTS, CENTRES, FOLD_MANIFESTS
from recipes.polyp.measures import LEFT_OUT, OUT_OF_FOLD
from recipes.polyp.shipping import NAME
from recipes.polyp.windows import POSITIVE_SHARE, SMALL_SHARE


class Cost(NamedTuple):
    """What an answer costs: multiply-accumulates of the backbone, milliseconds of a processor for a frame (height, width)."""

    macs: int
    milliseconds: float
    size: tuple[int, int]
    machine: str


def card(
    trained: Trained,
    evidence: Sequence[Measurement],
    elsewhere: Sequence[Measurement],
    thresholds: Mapping[str, float],
    cost: Cost,
    recipe: Recipe,
    everything: Manifest,
    hours: float,
    sides: Sequence[float],
) -> str:
    """The page.

    Args:
        trained: the network and its weights, with their results.
        evidence: what was measured of the evidence map on polyp masks; may be empty.
        elsewhere: what was measured of the weights that ship, on frames of NeoPolyp; may be empty.
        thresholds: of the network of each fold and hospital.
        cost: of an answer.
        recipe: of the weights that ship; `everything`: the windows that they were trained on.
        hours: that all runs took.
        sides: least, median and largest short side of the windows scored.
    """
    weights, config = trained.weights, trained.config
    first = weights.results[0]
    left_out = [r for r in weights.results if r.data in map(LEFT_OUT.format, CENTRES)]
    pooled = [r for r in weights.results if r.data == OUT_OF_FOLD]
    validated = len(everything.where(split="val"))
    stages = ", then ".join(f"{stage.epochs} epochs ({stage.name})" for stage in recipe.stages)
    crops = f"{config.num_crops} crops" if any(stage.crops for stage in recipe.stages) else "no crops"
    of_folds = [value for part, value in thresholds.items() if part in FOLD_MANIFESTS]
    of_hospitals = [value for part, value in thresholds.items() if part in CENTRE_MANIFESTS]
    thresholds_of_folds, thresholds_of_hospitals = (
        f"{min(some):.2f} to {max(some):.2f}" for some in (of_folds, of_hospitals)
    )
    return f"""# {NAME}

Is a polyp in view, or only mucosa? EfficientNet-Lite0 from ImageNet weights, fine-tuned on colonoscopy (Kvasir-SEG and six hospitals of PolypGen); {config.global_size} pixels, {config.pooling} pooling, {crops}.

!!! warning
{_bullets(weights.limits, indent=4)}

Written by the recipe that trained it (`recipes/polyp`). Every number was measured by
`{first.command}` on {first.date}, at revision {first.revision[:7]}, unless another command stands beside it. The scores behind them are in
`recipes/polyp/scores`, a line a window and a line a frame. "Out of fold" and "A hospital that it has not seen" are about networks that were
trained as this one was, each without the frames that it is tested on.
{_elsewhere(elsewhere, weights.operating_points["polyp"])}
## Out of fold

{first.n} {first.unit} ({first.groups} groups of near-copies), by five grouped folds over both sources. Intervals are
95% ({first.interval}, unless the table says otherwise). Patients are not known.

{_table(pooled, first.interval)}

Short side of the windows: {sides[0]:.0f} to {sides[2]:.0f} pixels, median {sides[1]:.0f}.

## A hospital that it has not seen

Each of PolypGen's six hospitals left out once: a network is trained on Kvasir-SEG and the five others, and scored on
the sixth. The weights that ship have seen all six. A frame gives several windows, and the intervals are by group of near-copies.

Each network calls a polyp at a threshold of its own, by Youden's index on its 200 to 320 validation windows: {thresholds_of_folds} in the
folds and {thresholds_of_hospitals} for the hospitals. They jump, and sensitivity jumps with them; AUROC does not depend on them.

{_left_out_table(left_out)}
{_evidence(evidence)}
## What is asked

Windows of native pixels, from 192 on the short side up to nearly the frame, wholly inside the field of view. Positive:
polyp pixels make up {POSITIVE_SHARE:.0%} of the window or more, or {SMALL_SHARE:.0%} and at least half of the frame's polyp. Negative: no polyp pixel in
it, nor within 8 pixels of it. The windows scored come in crossed fours: in frame A place s holds a polyp and place t
does not, in frame B the other way round. So frame, place, size and shape are balanced, but for windows that two fours share, which count
once; the probes above check it. Text
that the processor burnt over the mucosa stays in view. The small network that stood in this place until 2026-11 was asked to see a
polyp from 5% of a window on, which is harder: its AUROC of 0.905 is not comparable.

No frame of either source is free of polyps. A share of real negatives is therefore lacking: how often the model calls a
polyp in a whole frame without one is not known.

## Training

- By `lag-zoo train`, with the recipe `recipes/polyp/polyp.yaml`: {stages}; {len(everything.where(split="train"))} windows, {recipe.batch_size} a batch.
  {hours:.1f} hours for the five folds, the six hospitals and the weights that ship.
- The weights that ship were trained on nine tenths of the frames; the rest, {validated} windows, chose epoch, temperature and threshold.
  Scores over frames of Kvasir-SEG or PolypGen are therefore apparent, and are marked `in_training_data`.
- Eight runs on the folds 1 and 2 came before these. They settled what counts as a polyp in view (a tenth of the window;
  at first a twentieth), the number of windows, the epochs, the size of the input (192 or 256) and the loss on masks.
  Validation and test scores were seen, so the numbers may be a little too good, most of all those of these two folds.

Operating point: probability of polyp {weights.operating_points["polyp"]:.3f}, by Youden's index on those {validated} windows, of which half are positive: of frames
in practice few are, so most calls would be false. How it does on whole frames without a polyp is unknown. Temperature: {weights.temperature:.2f}.

## Cost

{cost.macs / 1e6:.0f} million multiply-accumulates in the backbone; {cost.milliseconds:.0f} ms of processor time a frame of {cost.size[1]} x {cost.size[0]} pixels, from pixels to
probabilities ({cost.machine}).

## Data and licence

{_bullets(f"{source.citation}, {source.licence}." for source in weights.training_data)}
- Initialised from {", which was initialised from ".join(weights.initialised_from)} ({weights.backbone_licence}){_inherited(trained)}.
- Weights: {weights.licence}.
"""


def _bullets(lines: Iterable[str], *, indent: int = 0) -> str:
    return "\n".join(f"{' ' * indent}- {line}" for line in lines)


def _table(results: Sequence[Measurement], usual: str) -> str:
    lines = ["| what | value | 95% interval | n | note |", "| --- | ---: | --- | ---: | --- |"]
    for r in results:
        note = "; ".join(text for text in (r.note, "" if r.interval == usual else r.interval) if text)
        lines.append(f"| {r.metric} | {r.value:.3f} | {r.low:.3f} to {r.high:.3f} | {r.n} | {note} |")
    return "\n".join(lines)


def _left_out_table(results: Sequence[Measurement]) -> str:
    lines = [
        "| hospital | windows | groups | AUROC | 95% interval | frames | sensitivity on whole frames | 95% interval |",
        "| --- | ---: | ---: | ---: | --- | ---: | ---: | --- |",
    ]
    for centre in CENTRES:
        ranked, found = (r for r in results if r.data == LEFT_OUT.format(centre))
        lines.append(
            f"| {centre} | {ranked.n} | {ranked.groups} | {ranked.value:.3f} | {ranked.low:.3f} to {ranked.high:.3f} "
            f"| {found.n} | {found.value:.3f} | {found.low:.3f} to {found.high:.3f} |"
        )
    return "\n".join(lines)


def _elsewhere(results: Sequence[Measurement], threshold: float) -> str:
    """The section on frames of a hospital that the weights that ship have not seen."""
    if not results:
        return ""
    return f"""
## The weights that ship, in another hospital

{results[0].n} whole frames of NeoPolyp-Small (Ngoc Lan et al., ISVC 2021, doi:10.1007/978-3-030-90436-4_2; no licence text, so measured on only), at the
threshold of these weights, {threshold:.3f}. All of them hold a polyp: how often one is called where there is none is not known. By
`{results[0].command}`, {results[0].date}; groups are days.

{_table(results, results[0].interval)}

**Small polyps are missed.** What takes less than 2% of a window was no positive in training, and between that and a tenth only where most of
the polyp is in view.
"""


def _evidence(results: Sequence[Measurement]) -> str:
    if not results:
        return ""
    lines = ["| what | value | 95% interval | n | note |", "| --- | ---: | --- | ---: | --- |"]
    for r in results:
        interval = "" if r.low is None else f"{r.low:.3f} to {r.high:.3f}"
        lines.append(f"| {r.metric} | {r.value:.3f} | {interval} | {r.n} | {r.note} |")
    return (
        f"\n## Where the evidence is\n\nThe evidence map against the polyp masks: {results[0].data}.\nBy `{results[0].command}`.\n\n"
        + "\n".join(lines)
        + "\n"
    )


def _inherited(trained: Trained) -> str:
    data = ", ".join(source.id for source in trained.weights.inherited_data)
    return f", trained on {data}" if data else ""
