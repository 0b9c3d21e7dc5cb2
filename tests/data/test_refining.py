"""Bettered deals: never worse, whole groups, each label in each part, and nearer than the best of many random deals."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lag_zoo.data import Frame, Manifest, split
from lag_zoo.data.refining import Groups, cost, refine
from lag_zoo.data.splits import folds

SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}


def drawn(seed: int, count: int, labels: int = 2) -> Groups:
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 6, (count, labels)).astype(float)
    counts[:, 0] += 1
    return Groups(counts.sum(1), counts, np.ones(labels), np.ones(labels, bool))


@settings(max_examples=60)
@given(seed=st.integers(0, 9999), count=st.integers(4, 30), parts=st.integers(2, 4))
def test_it_is_never_worse_and_never_loses_a_label(seed: int, count: int, parts: int) -> None:
    groups, shares = drawn(seed, max(count, 3 * parts)), np.full(parts, 1 / parts)
    dealt = np.arange(len(groups.frames)) % parts
    before = cost(dealt, groups, shares)
    after = refine(dealt, groups, shares)
    assert cost(after, groups, shares) <= before + 1e-12
    held = np.stack([groups.counts[after == part].sum(0) for part in range(parts)])
    assert (held > 0).all() or before > 1e2
    assert refine(dealt, groups, shares).tolist() == after.tolist()
    assert refine(after, groups, shares).tolist() == after.tolist(), "it is as good as it gets"


@pytest.mark.parametrize("seed", range(6))
def test_against_all_deals(seed: int) -> None:
    """Of nine groups in two parts: mostly the best of all, and never far from it."""
    groups, shares = drawn(seed, 9), np.array([0.6, 0.4])
    best = min(cost(np.array(part), groups, shares) for part in itertools.product((0, 1), repeat=9))
    found = min(
        cost(refine(np.random.default_rng(start).integers(0, 2, 9), groups, shares), groups, shares)
        for start in range(6)
    )
    assert found <= best + 1e-3


def frames(patients: int, positive: float, seed: int) -> Manifest:
    rng = np.random.default_rng(seed)
    found = []
    for patient in range(patients):
        label = int(rng.random() < positive)
        modality, centre = ("wli", "lci")[int(rng.random() < 0.3)], "ABC"[rng.integers(3)]
        found += [
            Frame(
                image=f"{patient}_{n}.png",
                labels=(label,),
                patient=f"p{patient}",
                modality=modality,
                centre=centre,
            )
            for n in range(rng.integers(2, 9))
        ]
    return Manifest(root=Path("."), label_names=("normal", "IM"), frames=tuple(found))


def off(values: np.ndarray, part: np.ndarray) -> float:
    """Mean distance of the parts' shares from the whole's."""
    return float(np.mean([abs(values[part == name].mean() - values.mean()) for name in np.unique(part)]))


@pytest.mark.parametrize("patients", [40, 80])
@pytest.mark.parametrize("positive", [0.2, 0.5])
def test_against_the_best_of_500_random_deals(patients: int, positive: float) -> None:
    ours, theirs = [], []
    for seed in range(5):
        manifest = frames(patients, positive, seed)
        truth, groups = manifest.targets(), manifest.groups()
        ours.append(off(truth, np.array([frame.split for frame in split(manifest).frames])))
        rng, names = np.random.default_rng(seed), np.unique(groups)
        cuts = np.round(np.cumsum([0.15, 0.15]) * len(names)).astype(int)
        ranks = [rng.permutation(len(names))[np.searchsorted(names, groups)] for _ in range(500)]
        theirs.append(min(off(truth, np.searchsorted(cuts, rank, side="right")) for rank in ranks))
    assert np.mean(ours) <= 1.5 * np.mean(theirs)


@pytest.mark.parametrize("column", ["modality", "centre"])
def test_modality_and_hospital_are_kept_in_like_shares(column: str) -> None:
    manifest = frames(60, 0.4, 1)
    part = np.array([frame.split for frame in split(manifest).frames])
    values = np.array(manifest.column(column))  # type: ignore[arg-type]
    for value in np.unique(values):
        assert off((values == value).astype(float), part) < 0.06
    for name, share in SHARES.items():
        assert abs((part == name).mean() - share) < 0.03


def test_folds_are_of_like_size_and_labels() -> None:
    manifest = frames(60, 0.3, 2)
    part = np.array([frame.split for frame in folds(manifest, 5).frames])
    assert off(manifest.targets(), part) < 0.02
    sizes = np.unique(part, return_counts=True)[1] / len(part)
    assert np.ptp(sizes) < 0.03
    assert all(len(set(part[manifest.groups() == group])) == 1 for group in np.unique(manifest.groups()))
