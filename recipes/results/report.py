# ruff: noqa: E501 - the page is prose
"""docs/results.md, from the run directories: AUROC with intervals by group, paired differences, baselines, screening."""

import datetime
import json
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from lag_zoo.evaluate import Comparison, compare
from lag_zoo.evaluate.scores import Scores
from lag_zoo.metrics.clustered import auroc_interval
from lag_zoo.metrics.intervals import Interval
from lag_zoo.training.cross_validation import SCORES
from lag_zoo.training.run_folder import ENVIRONMENT, METRICS
from recipes.polyp.files import FOLDS
from recipes.results import plan
from recipes.results.runs import BASELINES, WITHOUT_CROPS, best_validation, finalists, screening

WORDS = "What comes out"
"""The part that is written by hand, from the others."""
NOT_YET, SO_FAR = "Not trained yet", "So far"
PAGE = Path(__file__).parents[2] / "docs" / "results.md"
INTRODUCTION = """# Results

Does looking twice help? Measured, not reported: small networks trained from scratch on colonoscopy (Kvasir-SEG: Jha et al.,
MMM 2020, doi:10.1007/978-3-030-37734-2_37; the frames' groups and near-copies by hash kept together). **These numbers say nothing
about gastric intestinal metaplasia or atrophy, and nothing here is a medical device.** What the paper reports of LAG is
[elsewhere](models/reported.md), and has not been reproduced.

Every network of a task has seen the same frames equally often, in the same five folds. Epoch, temperature and thresholds were
chosen on inner validation frames. Intervals are 95%, by group; differences are paired.
One seed: another one moves a network by more than nothing, which the intervals do not show.

Each part says when it was measured. It is written by `python -m recipes.results report OUT`, from the runs of
`python -m recipes.results run DATA OUT`. The backbone is MobileNetV3-small at half width; what all have in common is in
`recipes/results/scratch.yaml`, what differs in `recipes/results/plan.py`."""


class Missing(Exception):
    """Runs that a part of the page is about, and that are not there."""


def write(out: Path) -> None:
    """Writes the page. What is said in words stays. A part whose runs are not all in `out` stays as it was; without one, it says what is missing."""
    kept = dict(_parts(PAGE.read_text(encoding="utf-8"))) if PAGE.is_file() else {}
    made = {task.title: partial(_task, task, out) for task in plan.TASKS}
    made |= {
        "What keeps crops from costing": partial(_guards, out),
        "What can be had without a network": partial(_baselines, out),
    }
    page = [INTRODUCTION]
    if WORDS in kept:
        page += [f"## {WORDS}", kept[WORDS]]
    for title, lines in made.items():
        try:
            text = "\n\n".join([_how(out), *lines()])
            if SO_FAR in text and SO_FAR not in kept.get(title, SO_FAR) and NOT_YET not in kept[title]:
                raise Missing("more folds")
        except Missing as missing:
            print(f"{title}: {NOT_YET}: {missing}")
            text = kept.get(title, f"{NOT_YET}: {missing}.")
        page += [f"## {title}", text]
    PAGE.write_text("\n\n".join(page) + "\n", encoding="utf-8")
    print(f"written: {PAGE}")


def _parts(page: str) -> Iterator[tuple[str, str]]:
    """The titles and texts of a page."""
    for part in page.split("\n## ")[1:]:
        title, _, text = part.partition("\n")
        yield title, text.strip()


def _how(out: Path) -> str:
    scored = next(out.glob(f"*/*/fold1/{SCORES}"), None)
    if scored is None:
        raise Missing("any network on the first fold")
    found = json.loads(scored.with_name(ENVIRONMENT).read_text())
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    return f"Measured on {datetime.date.today().isoformat()}: {found['machine']}, {found['threads']} thread, {versions}; intervals: {area(Scores.read(scored)).method}."


def _task(task: plan.Task, out: Path) -> Iterator[str]:
    chosen = finalists(out)
    if chosen is None:
        raise Missing("the LAGs on the first fold, to screen them")
    names = [*plan.backbones(task), *chosen]
    whole = _whole(task, names, out, folds := _folds(task, names, out))
    yield _about(task, whole[names[0]], folds)
    yield _table(task, whole, names[0], out)
    yield from _verdicts(whole, names[0])
    if task == plan.SCREENED_ON:
        yield "### Screened on one fold"
        yield _screening(out, chosen)


def _folds(task: plan.Task, names: Sequence[str], out: Path) -> int:
    """How many folds all of them have been trained on: the first at least."""
    several = (
        folds for folds in range(FOLDS, 1, -1) if all(pooled(task, name, out, folds) for name in names)
    )
    return next(several, 1)


def _whole(
    task: plan.Task, names: Iterable[str], out: Path, folds: int = FOLDS, *, file: str = SCORES
) -> dict[str, Scores]:
    """The scores of these networks.

    Raises:
        Missing: folds of some of them.
    """
    found = {name: pooled(task, name, out, folds, file=file) for name in names}
    lacking = [name for name, scores in found.items() if scores is None]
    if lacking:
        raise Missing(f"{', '.join(lacking)} on the first {folds} of {FOLDS} folds")
    return {name: scores for name, scores in found.items() if scores is not None}


def pooled(task: plan.Task, name: str, out: Path, folds: int = FOLDS, *, file: str = SCORES) -> Scores | None:
    """The scores of the first `folds` folds; `None`: some are missing."""
    files = [out / task.name / name / f"fold{fold}" / file for fold in range(1, folds + 1)]
    return _joined(files) if all(path.is_file() for path in files) else None


def _joined(files: Sequence[Path]) -> Scores:
    first, *rest = [Scores.read(path) for path in files]
    return first.join(rest)


def area(scores: Scores) -> Interval:
    """AUROC of the second label."""
    frames = scores.frames
    return auroc_interval(scores.probabilities[:, 1], frames.targets == 1, frames.groups)


def _about(task: plan.Task, scores: Scores, folds: int) -> str:
    part = "" if folds == FOLDS else f"{SO_FAR} the first {folds} of {FOLDS} folds: "
    positive = int((scores.frames.targets == 1).sum())
    return (
        f"{part}{len(scores)} {'frames' if task.name == 'frames' else 'windows'} of {len(set(scores.frames.groups))} groups, {positive} "
        f"{scores.label_names[1]}; {task.epochs} epochs."
    )


def _table(task: plan.Task, whole: Mapping[str, Scores], reference: str, out: Path) -> str:
    lines = [
        f"| network | AUROC | less {reference} | p | CPU seconds a fold |",
        "| --- | --- | --- | --- | ---: |",
    ]
    for name, scores in whole.items():
        less = "" if name == reference else _shown(_against(scores, whole[reference]))
        p = "" if name == reference else f"{_against(scores, whole[reference]).difference.p:.3f}"
        lines.append(
            f"| {title(name)} | {_shown(area(scores))} | {less} | {p} | {_seconds(task, name, out):.0f} |"
        )
    return "\n".join(lines)


def _verdicts(whole: Mapping[str, Scores], reference: str) -> Iterator[str]:
    """What the table says, in words: each LAG against the backbone at its size and at twice that."""
    backbones = [name for name in whole if name.startswith("plain")]
    lines = []
    for name in (name for name in whole if name not in backbones):
        for other in backbones:
            found = _against(whole[name], whole[other])
            lines.append(f"- {title(name)} {_word(found)} {title(other)}: {_shown(found)}.")
    yield "\n".join(lines)


def _word(found: Comparison) -> str:
    if found.difference.low > 0:
        return "is better than"
    return "is worse than" if found.difference.high < 0 else "cannot be told from"


def _screening(out: Path, chosen: Sequence[str]) -> str:
    count = len(list(screening()))
    if lacking := [run.name for run in screening() if not run.done(out)]:
        raise Missing(f"{', '.join(lacking)} on the first fold, to screen them")
    lines = [
        f"{count} LAGs on the first fold; the two with the best validation AUROC ({' and '.join(map(title, chosen))}) went on. "
        f"Best of {count}: their first fold is a little too good.",
        "",
        "| network | validation AUROC | AUROC on the fold |",
        "| --- | ---: | --- |",
    ]
    for run in screening():
        scores = Scores.read(run.folder(out) / SCORES)
        lines.append(
            f"| {title(run.name)} | {best_validation(run.folder(out)):.3f} | {_shown(area(scores))} |"
        )
    return "\n".join(lines)


def _guards(out: Path) -> Iterator[str]:
    """Which guard keeps crops from costing."""
    task = plan.SCREENED_ON
    reference = next(iter(plan.backbones(task)))
    names = ("concat10", *plan.guards(task))
    whole = _whole(task, names, out, plan.GUARD_FOLDS)
    inside = _whole(task, names, out, plan.GUARD_FOLDS, file=WITHOUT_CROPS)
    plain = _whole(task, [reference], out, plan.GUARD_FOLDS)[reference]
    yield (
        f"{task.title}: the first {plan.GUARD_FOLDS} folds, {len(plain)} windows of {len(set(plain.frames.groups))} groups; "
        f"{title(reference)} has {_shown(area(plain))} there."
    )
    lines = [
        f"| LAG, concat, ten crops; guards | AUROC | less {reference} | p | without its crops | less {reference} | p |",
        "| --- | --- | --- | ---: | --- | --- | ---: |",
    ]
    for name in names:
        cells = [GUARDS[name]]
        for scores in (whole[name], inside[name]):
            against = _against(scores, plain)
            cells += [_shown(area(scores)), _shown(against), f"{against.difference.p:.3f}"]
        lines.append(f"| {' | '.join(cells)} |")
    yield "\n".join(lines)


GUARDS = {
    "concat10": "backbone first, loss of the global path, crops of half the frames dropped (the recipes' default)",
    "no_guard": "none: all from the start",
    "global_loss": "loss of the global path",
    "crops_dropped": "crops of half the frames dropped",
    "both_losses": "loss of the global path, and crops dropped",
    "backbone_first": "backbone first",
}


def _baselines(out: Path) -> Iterator[str]:
    """What colours, metadata and the border give, beside the plain backbone."""
    lines = ["| task | from | AUROC | less the plain backbone | p |", "| --- | --- | --- | --- | ---: |"]
    for task in plan.WITH_BASELINES:
        reference = next(iter(plan.backbones(task)))
        plain = _whole(task, [reference], out)[reference]
        lines.append(f"| {task.title} | {title(reference)} | {_shown(area(plain))} | | |")
        folders = [out / task.name / BASELINES / f"fold{fold}" for fold in range(1, FOLDS + 1)]
        if not all(folder.is_dir() for folder in folders):
            raise Missing(f"baselines of {task.name}")
        for name in sorted(path.stem for path in folders[0].glob("*.csv")):
            baseline = _joined([folder / f"{name}.csv" for folder in folders])
            against = _against(baseline, plain)
            lines.append(
                f"| | {name} | {_shown(area(baseline))} | {_shown(against)} | {against.difference.p:.3f} |"
            )
    yield "\n".join(lines)


def _against(one: Scores, other: Scores) -> Comparison:
    return compare(one, other)[1]


def _shown(found: Interval | Comparison) -> str:
    value = found.difference if isinstance(found, Comparison) else found
    sign = "+" if isinstance(found, Comparison) else ""
    return f"{value.value:{sign}.3f} ({value.low:{sign}.3f} to {value.high:{sign}.3f})"


def _seconds(task: plan.Task, name: str, out: Path) -> float:
    """Of one core, by the logs of frames a second; the median fold."""
    found = []
    for file in (out / task.name / name).glob(f"fold*/{SCORES}"):
        folder = file.parent
        frames = json.loads((folder / "data.json").read_text())["splits"]["train"]
        rows = [json.loads(line) for line in (folder / METRICS).read_text().splitlines()]
        found.append(sum(frames / row["frames_per_second"] for row in rows))
    return statistics.median(found)


def title(name: str) -> str:
    """`concat10`: LAG, concat, 10 crops; `plain96`: the plain backbone at 96."""
    if name.startswith("plain"):
        return f"plain backbone at {name.removeprefix('plain')}"
    fusion = name.rstrip("0123456789")
    return f"LAG, {fusion}, {name.removeprefix(fusion)} crops"
