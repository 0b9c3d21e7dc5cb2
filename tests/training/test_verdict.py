"""The verdict on the crops: what is told of validation frames, and what cannot be told."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from lag_zoo.about import About
from lag_zoo.data.manifest import Frame, Manifest
from lag_zoo.metrics.intervals import Difference
from lag_zoo.training.validation import ValidationLogits, mean_auroc
from lag_zoo.training.verdict import in_words, summarise_validation

BEST = Path("runs/1/best")


def manifest(patients: int, each: int, *, grouped: bool = True) -> Manifest:
    frames = [
        Frame(image=f"{p}_{n}", labels=(p % 2,), patient=f"p{p}" if grouped else "", split="val")
        for p in range(patients)
        for n in range(each)
    ]
    return Manifest(root=Path("."), label_names=("normal", "IM"), frames=tuple(frames))


def answers(data: Manifest, with_crops: float, without: float) -> ValidationLogits:
    """Logits that follow the truth so closely, with crops and without."""
    generator = torch.Generator().manual_seed(1)
    truth = torch.from_numpy(data.targets()).float()
    numbers = torch.randperm(len(data), generator=generator)  # in any order, as processes give them

    def logits(signal: float) -> torch.Tensor:
        score = signal * truth + torch.randn(len(truth), generator=generator)
        return torch.stack([-score, score], dim=1)[numbers]

    return ValidationLogits(logits(with_crops), logits(without), numbers)


def told(data: Manifest, given: ValidationLogits, *before: dict[str, Any]) -> dict[str, Any]:
    targets = data.targets()[given.numbers.numpy()]
    areas = [mean_auroc(part.double().numpy(), targets, task=data.task) for part in given[:2]]
    row = {"epoch": 5, "stage": "crops", "val_loss": 0.5, "best": True}
    rows = [*before, {**row, "val_auroc": areas[0], "val_auroc_without_crops": areas[1]}]
    return summarise_validation(rows, given, data, about=About(), best=BEST)


@pytest.mark.parametrize(
    ("with_crops", "without", "verdict"),
    [
        (0.5, 4.0, "they do harm here, and the network is better without them (`without_crops`)"),
        (4.0, 0.5, "they help here"),
        (1.5, 1.0, "the change may be chance, so whether they help cannot be told from these frames"),
        (3.0, 3.5, "nothing is lost without them on these frames (`without_crops`)"),
    ],
)
@pytest.mark.parametrize("grouped", [True, False])
def test_what_differs_is_told_and_what_does_not_is_not(
    with_crops: float, without: float, verdict: str, grouped: bool
) -> None:
    data = manifest(40, 2, grouped=grouped)
    found = told(data, answers(data, with_crops, without))
    assert verdict in found["verdict"]
    difference = found["crops_less_none"]
    for part in (
        f"Crops change validation AUROC by {difference['value']:+.3f} "
        f"(95% interval {difference['low']:.3f} to {difference['high']:.3f}): ",
        f"{found['val_auroc']:.3f} with them",
        f"{found['val_auroc_without_crops']:.3f} without",
        f", on 80 frames{' of 40 patients' if grouped else ''}",
    ):
        assert part in found["verdict"]
    ways = ("model.without_crops()", f"lag-zoo evaluate {BEST} DATA --without-crops")
    assert all(way in found["verdict"] for way in ways) is ("help here" not in verdict)
    assert (found["frames"], found["groups"]) == (80, 40 if grouped else None)


def test_few_groups_tell_nothing() -> None:
    for patients in (1, 2):
        data = manifest(patients, 30)
        found = told(data, answers(data, 0.0, 9.0))
        assert "help here" not in found["verdict"]
        assert "do harm" not in found["verdict"]
        assert "nothing is lost" not in found["verdict"]
        assert "cannot be told, for these frames give no interval" in found["verdict"]
        assert "95%" not in found["verdict"]


@given(
    st.floats(-0.5, 0.5),
    st.floats(0, 0.4),
    st.floats(0, 0.4),
    st.floats(0.3, 0.7),
    st.sampled_from([1.0, np.nan]),
)
def test_each_change_has_one_judgement(
    change: float, below: float, above: float, plain: float, finite: float
) -> None:
    row = {"val_auroc": plain + change, "val_auroc_without_crops": plain}
    low, high = finite * (change - below), finite * (change + above)
    said = in_words(row, Difference(change, low, high, 0.5, 80, 40, ""), counted="80 frames", best=BEST)
    wanted = {
        "they help here": low > 0,
        "they do harm here": high < 0,
        "nothing is lost without them": low <= 0 <= high < 0.1 and plain + change <= plain,
        "the change may be chance": low <= 0 <= high and (plain + change > plain or high >= 0.1),
        "give no interval": finite != 1,
    }
    assert [words for words in wanted if words in said] == [words for words, holds in wanted.items() if holds]
    assert ("--without-crops" in said) is not wanted["they help here"]


def test_an_epoch_before_the_crops_that_was_better_is_named() -> None:
    data = manifest(40, 2)
    plain = {
        "epoch": 3,
        "stage": "backbone",
        "val_auroc": 0.999,
        "val_auroc_without_crops": None,
        "best": True,
    }
    assert "epoch 3 (backbone) had 0.999" in told(data, answers(data, 0.5, 0.5), plain)["verdict"]
    assert "Before" not in told(data, answers(data, 0.5, 0.5), {**plain, "val_auroc": 0.1})["verdict"]


def test_without_crops_or_without_a_number_there_is_no_verdict() -> None:
    data = manifest(4, 2)
    row = {
        "epoch": 1,
        "stage": "all",
        "val_loss": 0.5,
        "val_auroc": 0.7,
        "val_auroc_without_crops": None,
        "best": True,
    }
    found = summarise_validation([row], answers(data, 1, 1), data, about=About(), best=BEST)
    assert (found["verdict"], found["crops_less_none"], found["epoch"]) == ("", None, 1)
    found = summarise_validation([{**row, "best": False}], None, data, about=About(), best=BEST)
    assert (found["verdict"], found["epoch"], found["frames"]) == ("", None, 0)


@given(st.integers(0, 10_000), st.integers(2, 4), st.booleans())
def test_the_mean_auroc_is_scikit_learns(seed: int, labels: int, exclusive: bool) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(30, labels)).round(1)
    if exclusive:
        targets = np.concatenate([np.arange(labels), rng.integers(0, labels, 30 - labels)])
        shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        wanted = [roc_auc_score(targets == n, shares[:, n].round(12)) for n in range(labels)]
    else:
        targets = rng.integers(-1, 2, (30, labels))
        targets[:2] = [[0], [1]]
        wanted = [roc_auc_score(t[t >= 0], x[t >= 0]) for t, x in zip(targets.T, logits.T, strict=True)]
    task = "multiclass" if exclusive else "multilabel"
    assert mean_auroc(logits, targets, task=task) == pytest.approx(np.mean(wanted), abs=0.01)


def test_labels_that_nobody_lacks_or_has_do_not_count() -> None:
    data = dataclasses.replace(manifest(4, 1), label_names=("normal", "IM", "GA"))
    logits = np.array([[3.0, 1, 0], [1, 3, 0], [3, 1, 0], [1, 3, 0]])
    assert mean_auroc(logits, data.targets(), task="multiclass") == 1.0
    assert np.isnan(mean_auroc(logits, np.zeros(4, int), task="multiclass"))
