"""The results: contenders that differ in one thing, runs that are shared, tables, and the page that they make."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score

from lag_zoo.catalogue.size import count_crop_macs
from lag_zoo.data import Frame, Manifest, write_manifest
from lag_zoo.data.images import read_image
from lag_zoo.errors import DataError
from lag_zoo.evaluate.scores import Calibration, Scores
from lag_zoo.specs import LAGConfig
from recipes.locks import mine
from recipes.results import areas, costs, plan, readouts, report
from recipes.results.__main__ import finalists, first_seed, more_seeds
from recipes.results.comparing import difference, measure, winners
from recipes.results.data import folder_of, opened
from recipes.results.record import Record, collect, every_run
from recipes.results.runs import ABOUT, WITHOUT_CROPS, Run
from recipes.results.tables import frame_rows, read_rows, read_table, write_rows

TASK = plan.task_of("neopolyp")


def drawn(run: Run, *, skill: float) -> Scores:
    """Scores of 60 frames in 15 groups, each fold at a scale and bias of its own."""
    rng = np.random.default_rng([run.fold, run.seed, *run.contender.name.encode()])
    truth = np.arange(60) % 2
    margin = skill * (2 * truth - 1) + rng.normal(size=60)
    return Scores.from_arrays(
        np.stack([np.zeros(60), run.fold * margin + 10 * run.fold], axis=1),
        truth,
        label_names=run.task.labels,
        images=[f"/frames/{run.fold}_{i}.png" for i in range(60)],
        groups=[f"{run.fold}_{i // 4}" for i in range(60)],
        grouping="exam",
        fold=[f"fold{run.fold}"] * 60,
    )


def leave(run: Run, out: Path, *, skill: float, validated: float = 0.8) -> None:
    """Leave the files of a run of this skill."""
    folder = run.folder(out)
    folder.mkdir(parents=True, exist_ok=True)
    drawn(run, skill=skill).write(folder / "scores.csv")
    if run.contender.with_crops:
        drawn(run, skill=skill / 2).write(folder / WITHOUT_CROPS)
    about = {
        "task": run.task.name,
        "contender": run.contender.name,
        "seed": run.seed,
        "fold": run.fold,
        "val_auroc": validated,
        "cpu_seconds": 100 + run.fold,
        "machine": "Linux",
        "threads": 1,
        "versions": "torch=2",
        "date": "2026-01-01",
        "revision": "abc",
    }
    (folder / ABOUT).write_text(json.dumps(about))


def test_the_page_is_made_from_the_tables() -> None:
    assert report.PAGE.read_text(encoding="utf-8") == report.text(), "run python -m recipes.results report"


def test_the_readme_says_what_was_measured(root: Path) -> None:
    table = read_table("neopolyp")
    assert table is not None
    words = " ".join((root / "README.md").read_text(encoding="utf-8").split())
    plain, crops = (measure(table, name) for name in ("plain224", "lag224"))
    gain, left_out = difference(table, "lag224", "plain224"), difference(table, "lag224", "lag224-without")
    assert plain is not None
    assert crops is not None
    assert gain is not None
    assert left_out is not None
    assert gain.low < 0 < gain.high, "README says that nothing is to be told"
    for text in (
        f"has an AUROC of {plain.auroc.value:.3f}, with LAG's crops {crops.auroc.value:.3f} ({gain.value:+.3f}, 95% "
        f"interval {gain.low:.3f} to {gain.high:.3f})",
        f"({left_out.value:+.3f}, {left_out.low:.3f} to {left_out.high:.3f})",
        f"On {len(table.images)} colonoscopy frames",
    ):
        assert text in words, text


def test_contenders_differ_in_what_they_say_and_nothing_else() -> None:
    for task in plan.TASKS:
        plain, *others = plan.contenders(task).values()
        assert plain.name == plan.plain(task)[0]
        for other in others:
            assert other.recipe.epochs == task.epochs
            assert (other.name, other.with_crops) == (
                other.name,
                other.name.startswith(("lag", "attention", "topk_crops")),
            )
            same = dataclasses.replace(other.recipe, fields=plain.recipe.fields, stages=plain.recipe.stages)
            assert same == plain.recipe
            assert dataclasses.replace(other.recipe.stages[0], crops=False) == plain.recipe.stages[0]


def test_controls_change_the_frames_or_the_places_of_the_crops() -> None:
    blurred, random = plan.controls(TASK, "lag224").values()
    lag = plan.contenders(TASK)["lag224"]
    assert (blurred.recipe, blurred.low_pass) == (lag.recipe, 224)
    assert random.recipe.fields == {**lag.recipe.fields, "policy": "random"}
    assert [control.name for control in plan.controls(TASK, "plain448").values()] == ["plain448-lowpass"]


def test_two_processes_are_never_at_one_run(tmp_path: Path) -> None:
    with mine("a/b", tmp_path) as first, mine("a/b", tmp_path) as second, mine("c", tmp_path) as third:
        assert (first, second, third) == (True, False, True)
    with mine("a/b", tmp_path) as again:
        assert again


def test_finalists_are_the_best_on_validation_once_all_are_there(tmp_path: Path) -> None:
    record = Record(tmp_path / "out", tmp_path / "tables")
    runs = list(first_seed(TASK, record))
    order = {name: number for number, name in enumerate(plan.contenders(TASK))}
    for run in runs[:-1]:
        leave(run, record.out, skill=0, validated=0.5 + 0.01 * order[run.contender.name])
    assert finalists(TASK, record) == []
    leave(runs[-1], record.out, skill=0, validated=0.9)
    assert finalists(TASK, record) == ["topk448", "topk_crops224"]
    assert len(list(more_seeds(TASK, record))) == 2 * plan.FOLDS * 4


def test_what_the_tables_have_is_not_run_again_and_stays(tmp_path: Path) -> None:
    folder, plain = tmp_path / "tables", plan.contenders(TASK)["plain224"]
    first, second = Run(TASK, plain, 0, 1), Run(TASK, plain, 1, 1)
    for run, out in ((first, tmp_path / "one"), (second, tmp_path / "another")):
        leave(run, out, skill=1)
        collect(out, folder)
    record = Record(tmp_path / "new", folder)
    assert record.has(first)
    assert record.has(second)
    assert float(record.about(second)["val_auroc"]) == 0.8
    assert not record.has(Run(TASK, plain, 0, 2))
    table = read_table(TASK.name, folder)
    assert table is not None
    assert list(table.logits) == ["plain224/0", "plain224/1"]
    for number, run in enumerate((first, second)):
        scores = drawn(run, skill=1)
        assert sorted(table.logits[f"plain224/{number}"]) == pytest.approx(
            sorted(scores.logits[:, 1] - scores.logits[:, 0]), abs=1e-4
        )


def test_folds_that_were_dealt_anew_do_not_join_the_table(tmp_path: Path) -> None:
    run = Run(TASK, plan.contenders(TASK)["plain224"], 0, 1)
    leave(run, tmp_path / "one", skill=1)
    collect(tmp_path / "one", tmp_path / "tables")
    rows = read_rows(TASK.name, tmp_path / "tables")
    rows[0]["group"] = "another"
    write_rows(TASK.name, rows, tmp_path / "tables")
    before = (tmp_path / "tables" / f"{TASK.name}.csv").read_bytes()
    with pytest.raises(DataError, match="dealt anew"):
        collect(tmp_path / "one", tmp_path / "tables")
    assert (tmp_path / "tables" / f"{TASK.name}.csv").read_bytes() == before


# -- AUROC within folds ----------------------------------------------------------------------------------------------


@pytest.fixture
def frames() -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 5)
    truth = rng.random(200) < 0.4
    scores = truth + rng.normal(size=200) + rng.normal(size=40)[groups]
    return scores, truth, groups, groups % 5


def test_auroc_is_the_mean_over_folds(frames: tuple[np.ndarray, ...]) -> None:
    scores, truth, groups, folds = frames
    expected = np.mean([roc_auc_score(truth[folds == k], scores[folds == k]) for k in range(5)])
    assert areas.auroc([scores], truth, groups, folds).value == pytest.approx(expected)


def test_no_scale_or_bias_of_a_fold_changes_it(frames: tuple[np.ndarray, ...]) -> None:
    scores, truth, groups, folds = frames
    found = areas.auroc([scores], truth, groups, folds)
    assert areas.auroc([scores * (1 + folds) - 9 * folds], truth, groups, folds) == found


def test_its_interval_is_that_of_a_bootstrap_of_groups(frames: tuple[np.ndarray, ...]) -> None:
    scores, truth, groups, folds = frames
    rng = np.random.default_rng(1)
    drawn = []
    for _ in range(300):
        areas_of_folds = []
        for k in range(5):
            own = np.unique(groups[folds == k])
            places = np.concatenate([np.flatnonzero(groups == g) for g in rng.choice(own, len(own))])
            areas_of_folds.append(roc_auc_score(truth[places], scores[places]))
        drawn.append(np.mean(areas_of_folds))
    found = areas.auroc([scores], truth, groups, folds)
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.std(drawn), rel=0.35)


def test_a_network_does_not_differ_from_itself_and_seeds_are_averaged(frames: tuple[np.ndarray, ...]) -> None:
    scores, truth, groups, folds = frames
    other = scores + np.random.default_rng(2).normal(size=200)
    both = areas.auroc([scores, other], truth, groups, folds).value
    one, two = (areas.auroc([s], truth, groups, folds).value for s in (scores, other))
    assert both == pytest.approx((one + two) / 2)
    less = areas.difference([scores, other], [other], truth, groups, folds)
    assert less.value == pytest.approx((one - two) / 2)
    assert areas.difference([scores], [scores], truth, groups, folds).value == 0


# -- Tables and page -------------------------------------------------------------------------------------------------


def test_from_runs_to_the_page(tmp_path: Path) -> None:
    out, folder = tmp_path / "out", tmp_path / "tables"
    skills = {"plain448": 3.0, "lag224": 0.0}
    for run in first_seed(TASK, out):
        if run.contender.name != "topk448" or run.fold < 3:
            leave(run, out, skill=skills.get(run.contender.name, 0.7))
    for fold in range(1, plan.FOLDS + 1):
        leave(Run(TASK, plan.contenders(TASK)["plain224"], 1, fold), out, skill=0.7)
    collect(out, folder)
    table = read_table(TASK.name, folder)
    assert table is not None
    assert (len(table.images), len(np.unique(table.groups)), table.truth.sum()) == (300, 75, 150)
    found = measure(table, "plain448")
    assert found is not None
    assert found.auroc.value > 0.99
    assert winners(table, TASK) == ["plain448"]
    less = difference(table, "lag224", "plain224")
    assert less is not None
    assert less.high < 0
    assert len(read_rows("runs", folder)) == sum(run.is_done(out) for run in every_run(TASK))
    page = report.text(folder)
    assert "- **A larger input: better.** neopolyp +0." in page
    assert "- **The paper's crops: worse.** neopolyp -0." in page
    assert "300 frames of 75 groups, 150 neoplastic; 10 epochs." in page
    assert "folds 1, 2 only" in page
    assert "top-k at 448 (3 folds)" in page.partition("Not run yet: ")[2]
    assert "plain backbone at 448, on low-passed frames" in page.partition("Not run yet: ")[2]
    assert "| 103 |" in page, "the median fold's CPU seconds"


def test_controls_of_a_winner_are_told(tmp_path: Path) -> None:
    out, folder = tmp_path / "out", tmp_path / "tables"
    blurred = plan.controls(TASK, "plain448")["plain448-lowpass"]
    for run in first_seed(TASK, out):
        leave(run, out, skill=3.0 if run.contender.name == "plain448" else 0.3)
        leave(Run(TASK, blurred, 0, run.fold), out, skill=0.3)
    collect(out, folder)
    assert "it was one of resolution" in report.text(folder)
    for fold in range(1, plan.FOLDS + 1):
        leave(Run(TASK, blurred, 0, fold), out, skill=3.0)
    collect(out, folder)
    assert "it is not one of resolution alone" in report.text(folder)


def test_a_page_without_tables_says_so(tmp_path: Path) -> None:
    page = report.text(tmp_path)
    assert "Nothing yet." in page
    assert page.count("Not run yet") == len(plan.TASKS) + 1


def test_logits_are_at_the_temperature_of_their_fold() -> None:
    scores = Scores.from_arrays(
        [[0.0, 2.0]],
        [1],
        label_names=("a", "b"),
        images=["x/one.png"],
        fold=["fold2"],
        calibration=Calibration(temperature=4.0),
    )
    (row,) = frame_rows([("net/0", scores)])
    assert (row["image"], row["fold"], row["target"], row["net/0"]) == ("one", "2", "1", "0.5000")
    with pytest.raises(DataError, match="net/0 has scored one twice"):
        frame_rows([("net/0", scores), ("net/0", scores)])


def test_what_a_table_lacks_is_no_number(tmp_path: Path) -> None:
    rows = [
        {"image": f"{k}{i}", "group": i, "fold": k, "target": i % 2, "net/0": f"{i}.0"}
        for k in (1, 2)
        for i in range(4)
    ]
    for row in rows[4:]:
        row["late/0"] = row["net/0"]
    write_rows("task", rows, tmp_path)
    table = read_table("task", tmp_path)
    assert table is not None
    found = measure(table, "late")
    assert found is not None
    assert found.folds == (2,)
    assert measure(table, "never") is None
    assert difference(table, "net", "never") is None


# -- Frames ----------------------------------------------------------------------------------------------------------


def test_low_passed_frames_have_lost_their_detail_and_nothing_else(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    coarse = np.kron(rng.integers(60, 200, (4, 4, 3)), np.ones((32, 32, 1)))
    fine = 40 * (np.indices((128, 128)).sum(0) % 2)[..., None]
    for name in ("frame.png", "again.png"):
        Image.fromarray((coarse + fine - 20).clip(0, 255).astype(np.uint8)).save(tmp_path / name)
    folder = folder_of(TASK, tmp_path)
    manifest = Manifest(
        root=tmp_path,
        label_names=TASK.labels,
        frames=(
            Frame(image="frame.png", labels=(0,), exam="a"),
            Frame(image="again.png", labels=(1,), exam="b"),
        ),
    )
    write_manifest(manifest, folder / "fold1.csv")
    frame, _ = opened(TASK, 1, tmp_path, low_pass=32).frames
    pixels = read_image(frame.image).float()
    assert pixels.shape == (3, 128, 128)
    inside = pixels.reshape(3, 4, 32, 4, 32)[:, :, 8:24, :, 8:24]
    assert inside.std((2, 4)).max() < 2, "no checks are left"
    assert (inside.mean((2, 4)).permute(1, 2, 0) - torch.from_numpy(coarse[::32, ::32])).abs().max() < 3


def test_of_a_task_with_many_frames_some_groups_train_and_all_are_tested_on(tmp_path: Path) -> None:
    splits = ["train"] * 8 + ["val"] * 4 + ["test"] * 4
    frames = [
        Frame(image=f"{i}_{j}.png", labels=(j,), exam=f"g{i:02d}", split=split)
        for i, split in enumerate(splits)
        for j in range(2)
    ]
    manifest = Manifest(root=tmp_path, label_names=TASK.labels, frames=tuple(frames))
    write_manifest(manifest, folder_of(TASK, tmp_path) / "fold1.csv")
    found = opened(TASK._replace(every=4), 1, tmp_path)
    assert {f.exam for f in found.where(split="train").frames} == {"g00", "g04"}
    assert [len(found.where(split=split)) for split in ("train", "val", "test")] == [4, 8, 8]
    assert len(opened(TASK, 1, tmp_path)) == len(manifest)
    assert [task.name for task in plan.TASKS if task.every > 1] == ["windows"]


# -- Heads and costs -------------------------------------------------------------------------------------------------


def test_top_k_finds_what_an_average_dilutes() -> None:
    generator = torch.Generator().manual_seed(0)
    targets = torch.arange(120) % 2
    positions = torch.randn(120, 49, readouts.COMPONENTS, generator=generator)
    positions[:, 7, 0] += 12.0 * targets
    train = torch.arange(120) < 80
    found = {}
    for head in readouts.HEADS[:2]:
        views = dict.fromkeys(readouts.SIZES, positions)
        given, beside = readouts._inputs(head, readouts.Features(views, positions[:, :8, None]), train)
        logits = readouts._fitted(head, given, beside, targets, train)
        found[head.name] = roc_auc_score(targets[~train], logits[~train])
    assert found["224, top-k of one score"] > 0.9 > found["224, average"]


def test_what_stands_beside_a_map_counts() -> None:
    generator = torch.Generator().manual_seed(0)
    targets = torch.arange(120) % 2
    nothing = torch.randn(120, 9, readouts.COMPONENTS, generator=generator)
    crops = torch.randn(120, 4, 4, readouts.COMPONENTS, generator=generator)
    crops[..., 0] += 3.0 * targets[:, None, None]
    train = torch.arange(120) < 80
    features = readouts.Features(dict.fromkeys(readouts.SIZES, nothing), crops)
    for head in readouts.HEADS:
        given, beside = readouts._inputs(head, features, train)
        found = roc_auc_score(targets[~train], readouts._fitted(head, given, beside, targets, train)[~train])
        assert (found > 0.9) == bool(head.crops), head.name


def test_costs_count_crops_and_pixels() -> None:
    contenders = plan.contenders(TASK)
    plain, large, lag = (
        costs._Network(contenders[name], TASK) for name in ("plain224", "plain448", "lag224")
    )
    assert large.macs == pytest.approx(4 * plain.macs, rel=0.02)
    crops = count_crop_macs(LAGConfig(backbone=None, num_classes=2))
    assert lag.macs - plain.macs == pytest.approx(crops, rel=0.02)
    plain()
