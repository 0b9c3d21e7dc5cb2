"""Tuning: candidates differ in what they say, the plain timm loop is one, and the page is made from the tables."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lag_zoo import create_model
from lag_zoo.data import Frame, Manifest
from lag_zoo.evaluate.scores import Scores
from lag_zoo.training import load_recipe
from recipes.results import plan
from recipes.tuning import report, timm_loop
from recipes.tuning.__main__ import collect
from recipes.tuning.plan import CANDIDATES, CHOSEN, EPOCHS, candidates, finetune, key_of
from recipes.tuning.runs import FINETUNE, TIMM, candidates_folder, peer_folder

TASK = plan.task_of("neopolyp")


def test_the_page_is_made_from_the_tables() -> None:
    assert report.PAGE.read_text(encoding="utf-8") == report.text(), "run python -m recipes.tuning report"


@pytest.mark.parametrize("task", plan.TASKS, ids=lambda task: task.name)
def test_candidates_differ_in_what_they_say(task: plan.Task) -> None:
    first, *others = candidates(task).values()
    assert (first.layer_decay, first.learning_rate, first.epochs) == (0.75, 5e-4, EPOCHS[task.name])
    for words, recipe in zip(list(CANDIDATES)[1:], others, strict=True):
        changes = dict(CANDIDATES[words])
        assert recipe.epochs == first.epochs * changes.pop("epochs", 1)
        same = {name: getattr(first, name) for name in changes}
        assert dataclasses.replace(recipe, stages=first.stages, **same) == first
    assert finetune(task).epochs == 2 * EPOCHS[task.name]


@pytest.mark.parametrize("name", ["plain", "finetune"])
def test_the_recipes_are_what_was_chosen(name: str) -> None:
    recipe = load_recipe(name)
    assert {key: getattr(recipe, key) for key in CANDIDATES[CHOSEN]} == CANDIDATES[CHOSEN]


def frames(folder: Path, *, count: int) -> Manifest:
    """Frames of two labels, told apart by their colour, two a group."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(count):
        label = number // 2 % 2
        pixels = rng.integers(0, 60, (48, 64, 3)).astype(np.uint8)
        pixels[..., label] += 160
        Image.fromarray(pixels).save(folder / f"{number}.png")
        split = ("train", "train", "val", "test")[number // 4 % 4]
        rows.append(Frame(image=f"{number}.png", labels=(label,), exam=f"{number // 2}", split=split))
    return Manifest(root=folder, label_names=TASK.labels, frames=tuple(rows), source="drawn")


def test_the_timm_loop_starts_where_ours_does() -> None:
    torch.manual_seed(0)
    pixels = torch.rand(2, 3, 64, 64)
    ours = create_model(f"lag_{timm_loop.BACKBONE}", pretrained="backbone", num_classes=2).eval()
    theirs = timm_loop.start(2).eval()
    with torch.inference_mode():
        expected = ours.backbone.forward_features(pixels)
        torch.testing.assert_close(theirs.forward_features(pixels), expected, atol=1e-4, rtol=1e-3)


def test_the_timm_loop_learns_and_repeats_itself(tmp_path: Path) -> None:
    manifest = frames(tmp_path, count=80)
    first, second = (
        timm_loop.fold_scores(manifest, size=32, epochs=3, seed=1, fold="fold1") for _ in range(2)
    )
    assert np.array_equal(first.logits, second.logits)
    assert list(first.frames.images) == [frame.image for frame in manifest.where(split="test").frames]
    assert set(first.frames.fold) == {"fold1"}
    margin = first.logits[:, 1] - first.logits[:, 0]
    assert margin[first.frames.targets == 1].mean() > margin[first.frames.targets == 0].mean()


def leave(file: Path, *, fold: str, skill: float) -> None:
    """Leave scores of 40 frames in 10 groups."""
    rng = np.random.default_rng([len(fold), int(10 * skill)])
    truth = np.arange(40) % 2
    file.parent.mkdir(parents=True, exist_ok=True)
    scores = Scores.from_arrays(
        np.stack([np.zeros(40), skill * (2 * truth - 1) + rng.normal(size=40)], axis=1),
        truth,
        label_names=TASK.labels,
        images=[f"{fold}_{i}.png" for i in range(40)],
        groups=[f"{fold}_{i // 4}" for i in range(40)],
        grouping="exam",
        fold=[fold] * 40,
    )
    scores.write(file, seed=0)


def test_what_is_there_becomes_tables_and_the_page(tmp_path: Path) -> None:
    out, folder = tmp_path / "out", tmp_path / "tables"
    for words, skill in zip(("as it was", "no layer decay"), (0.5, 3.0), strict=True):
        leave(
            candidates_folder(TASK, out) / key_of(words) / "repeat1" / "scores.csv", fold="fold1", skill=skill
        )
    for number in (1, 2):
        for name, skill in ((FINETUNE, 3.0), (TIMM, 0.5)):
            leave(peer_folder(TASK, name, number, out) / "scores.csv", fold=f"fold{number}", skill=skill)
    leave(
        peer_folder(TASK, FINETUNE, 3, out) / "scores.csv", fold="fold3", skill=0
    )  # timm has none: left out
    collect(out, folder)
    lines = report.text(folder).splitlines()
    (row,) = [line for line in lines if line.startswith("| no layer decay |")]
    assert "| +0." in row
    (row,) = [line for line in lines if line.startswith(f"| {TASK.title} |")]
    assert "80 of 20 groups | 2 |" in row
    assert "Not run yet: candidates on chgastro" in lines[-1]
