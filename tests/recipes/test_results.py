"""The results page: from run directories to tables, and what is missing is said."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from lag_zoo.evaluate.scores import Scores
from recipes.results import plan, report
from recipes.results.runs import (
    BASELINES,
    WITHOUT_CROPS,
    Run,
    finalists,
    finals,
    guarded,
    mine,
    reference,
    screening,
)

TASK = plan.SCREENED_ON


def leave(run: Run, out: Path, *, skill: float, validated: float) -> None:
    """What a run of this skill leaves in its folder."""
    folder = run.folder(out)
    folder.mkdir(parents=True, exist_ok=True)
    drawn(run, skill=skill).write(folder / "scores.csv")
    if run.with_crops:
        drawn(run, skill=0.5).write(folder / WITHOUT_CROPS)
    row = {"epoch": 1, "stage": "all", "val_auroc": validated, "frames_per_second": 50.0}
    (folder / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    (folder / "data.json").write_text(json.dumps({"splits": {"train": 1000}}))
    told = {"machine": "Linux", "threads": 1, "versions": {"torch": "2"}}
    (folder / "environment.json").write_text(json.dumps(told))


def drawn(run: Run, *, skill: float) -> Scores:
    rng = np.random.default_rng(run.fold)
    truth = np.arange(60) % 2
    logits = np.stack([np.zeros(60), skill * (2 * truth - 1) + rng.normal(size=60)], axis=1)
    return Scores.from_arrays(
        logits,
        truth,
        label_names=("mucosa", "polyp"),
        images=[f"{run.fold}_{i}.png" for i in range(60)],
        groups=[f"{run.fold}_{i // 4}" for i in range(60)],
        grouping="exam",
        fold=[f"fold{run.fold}"] * 60,
    )


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(plan, "TASKS", (TASK,))
    monkeypatch.setattr(plan, "WITH_BASELINES", (TASK,))
    monkeypatch.setattr(report, "PAGE", tmp_path / "results.md")
    return tmp_path / "results.md"


@pytest.mark.slow
def test_from_screening_to_the_page(tmp_path: Path, page: Path) -> None:
    order = {run.name: number for number, run in enumerate(screening())}
    for run in screening():
        leave(run, tmp_path, skill=0.5 + 0.1 * order[run.name], validated=0.6 + 0.01 * order[run.name])
    assert finalists(tmp_path) == ["attention40", "mean40"], "the best two by validation"
    report.write(tmp_path)
    assert "Not trained yet: plain96, plain192 on the first 1 of 5 folds." in page.read_text()
    assert "Not trained yet: concat10, no_guard" in page.read_text()
    for run in (*finals(TASK, tmp_path), *guarded()):
        skill = {"attention40": 3.0, "mean40": 0.5, "no_guard": -2.0}.get(run.name, 0.5)
        leave(run, tmp_path, skill=skill, validated=0.9)
        if run.fold == 1 and run.name in order:  # as the screening left it
            leave(run, tmp_path, skill=skill, validated=0.6 + 0.01 * order[run.name])
    for fold in range(1, 6):
        run = reference(TASK, fold)
        folder = run.folder(tmp_path).parents[1] / BASELINES / f"fold{fold}"
        folder.mkdir(parents=True)
        drawn(run, skill=-0.5).write(folder / "colour statistics.csv")
    report.write(tmp_path)
    text = page.read_text()
    assert "Not trained" not in text
    assert "| | colour statistics | 0.2" in text
    assert "300 windows of 75 groups, 150 polyp; 4 epochs." in text
    assert "LAG, attention, 40 crops is better than plain backbone at 96" in text
    assert "LAG, mean, 40 crops cannot be told from plain backbone at 192" in text
    (unguarded,) = [
        line.split(" | ") for line in text.splitlines() if line.startswith("| none: all from the start")
    ]
    plain = text.partition("plain backbone at 96 has ")[2].partition(" there.")[0]
    assert (unguarded[1][:3], unguarded[4]) == ("0.0", plain), "with its crops, and without"
    assert "the first 2 folds, 120 windows of 30 groups; plain backbone at 96 has 0." in text
    assert "| plain backbone at 96 |" in text
    assert "| 20 |" in text, "1000 frames at 50 a second"
    assert "6 LAGs on the first fold" in text


def test_what_was_measured_stays(tmp_path: Path, page: Path) -> None:
    """A part whose runs are not at hand is left as it is."""
    page.write_text(
        f"# Results\n\n## What comes out\n\nLittle.\n\n"
        f"## {TASK.title}\n\nMeasured before.\n\n### Screened\n\nThen.\n\n## Gone\n\nOld.\n"
    )
    (tmp_path / "finalists.txt").write_text("attention40 mean40\n")
    assert finalists(tmp_path) == ["attention40", "mean40"]
    for fold in range(1, 3):
        leave(reference(TASK, fold), tmp_path, skill=1.0, validated=0.9)
    report.write(tmp_path)
    text = page.read_text()
    assert f"## {TASK.title}\n\nMeasured before.\n\n### Screened\n\nThen.\n\n## What keeps crops" in text
    assert text.index("## What comes out\n\nLittle.\n\n## Polyp") < text.index("Measured before.")
    assert "Old." not in text


@pytest.mark.slow
def test_some_folds_are_told_as_some(tmp_path: Path, page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = plan.TASKS[0]._replace(name="windows224", title="Another")
    monkeypatch.setattr(plan, "TASKS", (TASK, task))
    (tmp_path / "finalists.txt").write_text("attention40 mean40\n")
    for run in (*finals(TASK, tmp_path), *finals(task, tmp_path)):
        if run.fold <= (3 if run.name == "mean40" else 4):
            leave(run, tmp_path, skill=1.0, validated=0.9)
    report.write(tmp_path)
    text = page.read_text()
    assert "Not trained yet: concat10, mean10, attention10, concat40 on the first fold" in text
    page.write_text(f"# Results\n\n## {task.title}\n\nAll folds.\n")
    report.write(tmp_path)
    assert "All folds." in page.read_text(), "some do not replace all"
    assert "So far the first 3 of 5 folds: 180 windows of 45 groups" in text.partition("## Another")[2]


def test_two_processes_are_never_at_one_run(tmp_path: Path) -> None:
    one, other = list(screening())[:2]
    with mine(one, tmp_path) as first, mine(one, tmp_path) as second, mine(other, tmp_path) as third:
        assert (first, second, third) == (True, False, True)
    with mine(one, tmp_path) as again:
        assert again


def test_contenders_differ_in_what_they_say_and_nothing_else() -> None:
    plain, *_ = plan.backbones(TASK).values()
    for recipe in (*plan.screened(TASK).values(), *plan.guards(TASK).values()):
        assert recipe.epochs == plain.epochs == TASK.epochs
        same = dataclasses.replace(
            recipe,
            fields=plain.fields,
            stages=plain.stages,
            global_loss=plain.global_loss,
            crop_drop=plain.crop_drop,
        )
        assert same == plain
