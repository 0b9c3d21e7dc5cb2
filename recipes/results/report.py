# ruff: noqa: E501 - the page is prose
"""docs/results.md, from the run directories: AUROC with intervals by group, paired differences, floors, screening."""

import datetime
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lag_zoo.evaluate import Comparison, compare
from lag_zoo.evaluate.scores import Scores
from lag_zoo.metrics.intervals import Interval, cluster_bootstrap
from lag_zoo.metrics.ranking import auroc
from lag_zoo.training.cross_validation import SCORES
from lag_zoo.training.run_folder import ENVIRONMENT, METRICS
from recipes.polyp.files import FOLDS
from recipes.results import plan
from recipes.results.runs import FLOORS, Run, best_validation, finalists

PAGE = Path(__file__).parents[2] / "docs" / "results.md"
INTRODUCTION = """# Results

Does looking twice help? Measured, not reported: small networks trained from scratch on colonoscopy (Kvasir-SEG: Jha et al.,
MMM 2020, doi:10.1007/978-3-030-37734-2_37; the frames' groups and near-copies by hash kept together). **These numbers say nothing
about gastric intestinal metaplasia or atrophy, and nothing here is a medical device.** What the paper reports of LAG is
[elsewhere](models/reported.md), and has not been reproduced.

Every network of a task has seen the same frames equally often, in the same five folds. Epoch, temperature and thresholds were
chosen on inner validation frames. Intervals are 95%, by cluster bootstrap over groups; differences are paired, on the same resamples."""


def write(out: Path) -> None:
    """Writes the page; a task whose runs are not all there says which are missing."""
    parts = [INTRODUCTION, _how(out)]
    for task in plan.TASKS:
        parts += [f"## {task.title}", *_task(task, out)]
    PAGE.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(f"written: {PAGE}")


def _how(out: Path) -> str:
    some = next(out.glob(f"*/*/fold1/{ENVIRONMENT}"))
    told = json.loads(some.read_text())
    versions = ", ".join(f"{name} {version}" for name, version in told["versions"].items())
    return (
        f"- Written by `python -m recipes.results report OUT`, from the runs of `python -m recipes.results run DATA OUT`, on "
        f"{datetime.date.today().isoformat()}\n- {told['machine']}, {told['threads']} thread, {versions}\n"
        "- The backbone is MobileNetV3-small at half width; what all have in common is in `recipes/results/scratch.yaml`, what "
        "differs in `recipes/results/plan.py`\n- One seed: another one moves a network by more than nothing, which the intervals "
        "do not show"
    )


def _task(task: plan.Task, out: Path) -> Iterator[str]:
    chosen = finalists(out)
    if chosen is None:
        yield "Not all LAGs have been screened yet."
        return
    names = [*plan.backbones(task), *chosen]
    found = {name: pooled(task, name, out) for name in names}
    lacking = [name for name, scores in found.items() if scores is None]
    if lacking:
        yield f"Not trained on all folds yet: {', '.join(lacking)}."
    whole = {name: scores for name, scores in found.items() if scores is not None}
    if names[0] in whole:
        yield _about(task, whole[names[0]])
        yield _table(task, whole, names[0], out)
        yield from _verdicts(whole, names[0])
    if task == plan.SCREENED_ON:
        yield "### Screened on one fold"
        yield _screening(task, out, chosen)
        yield "### What keeps crops from costing"
        yield _guards(task, out)


def pooled(task: plan.Task, name: str, out: Path, folds: int = FOLDS) -> Scores | None:
    """The scores of the first `folds` folds; `None`: some are missing."""
    files = [out / task.name / name / f"fold{fold}" / SCORES for fold in range(1, folds + 1)]
    if not all(file.is_file() for file in files):
        return None
    first, *rest = [Scores.read(file) for file in files]
    return first.joined(rest)


def area(scores: Scores) -> Interval:
    """AUROC of the second label."""
    return cluster_bootstrap(auroc, scores.groups, scores.probabilities[:, 1], scores.targets == 1)


def _about(task: plan.Task, scores: Scores) -> str:
    positive = int((scores.targets == 1).sum())
    return (
        f"{len(scores)} {'frames' if task.name == 'frames' else 'windows'} of {len(set(scores.groups))} groups, {positive} "
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
    for name, floor in _floors(task, out).items():
        against = _against(floor, whole[reference])
        lines.append(
            f"| floor: {name} | {_shown(area(floor))} | {_shown(against)} | {against.difference.p:.3f} | |"
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


def _screening(task: plan.Task, out: Path, chosen: Sequence[str]) -> str:
    count = len(plan.screened(task))
    lines = [
        f"{count} LAGs on the first fold; the two with the best validation AUROC ({' and '.join(map(title, chosen))}) went on. "
        f"Best of {count}: their first fold is a little too good.",
        "",
        "| network | validation AUROC | AUROC on the fold |",
        "| --- | ---: | --- |",
    ]
    for name, recipe in plan.screened(task).items():
        folder = Run(task, name, recipe, 1).folder(out)
        lines.append(
            f"| {title(name)} | {best_validation(folder):.3f} | {_shown(area(Scores.read(folder / SCORES)))} |"
        )
    return "\n".join(lines)


def _guards(task: plan.Task, out: Path) -> str:
    """Which guard keeps crops from costing."""
    reference = next(iter(plan.backbones(task)))
    names = (reference, "concat10", *plan.guards(task))
    found = {name: pooled(task, name, out, plan.GUARD_FOLDS) for name in names}
    lacking = [name for name, scores in found.items() if scores is None]
    if lacking:
        return f"Not trained on the first {plan.GUARD_FOLDS} folds yet: {', '.join(lacking)}."
    whole = {name: scores for name, scores in found.items() if scores is not None}
    plain = whole.pop(reference)
    lines = [
        f"The first {plan.GUARD_FOLDS} folds: {len(plain)} windows of {len(set(plain.groups))} groups; {title(reference)} has "
        f"{_shown(area(plain))} there.",
        "",
        f"| LAG, concat, ten crops; guards | AUROC | less {reference} | p |",
        "| --- | --- | --- | ---: |",
    ]
    for name, scores in whole.items():
        against = _against(scores, plain)
        lines.append(
            f"| {GUARDS[name]} | {_shown(area(scores))} | {_shown(against)} | {against.difference.p:.3f} |"
        )
    return "\n".join(lines)


GUARDS = {
    "concat10": "backbone first, loss of the global path, crops of half the frames dropped (the recipes' default)",
    "no_guard": "none: all from the start",
    "global_loss": "loss of the global path",
    "crops_dropped": "crops of half the frames dropped",
    "both_losses": "loss of the global path, and crops dropped",
    "backbone_first": "backbone first",
}


def _floors(task: plan.Task, out: Path) -> dict[str, Scores]:
    folders = [out / task.name / FLOORS / f"fold{fold}" for fold in range(1, FOLDS + 1)]
    if not all(folder.is_dir() for folder in folders):
        return {}
    names = sorted(path.stem for path in folders[0].glob("*.csv"))
    found = {}
    for name in names:
        first, *rest = [Scores.read(folder / f"{name}.csv") for folder in folders]
        found[name] = first.joined(rest)
    return found


def _against(one: Scores, other: Scores) -> Comparison:
    return compare(one, other)[1]


def _shown(found: Interval | Comparison) -> str:
    value = found.difference if isinstance(found, Comparison) else found
    sign = "+" if isinstance(found, Comparison) else ""
    return f"{value.value:{sign}.3f} ({value.low:{sign}.3f} to {value.high:{sign}.3f})"


def _seconds(task: plan.Task, name: str, out: Path) -> float:
    """Of one core, by the logs of frames a second; the median fold."""
    found = []
    for fold in range(1, FOLDS + 1):
        folder = out / task.name / name / f"fold{fold}"
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
