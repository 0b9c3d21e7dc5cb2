"""Drawn examinations with a truth by construction: an examination's head beside the plain rules that it has to beat.

    python -m benchmarks.exams

Features of frames are drawn, not pictures: 32 normal numbers, shifted along one direction in the frames that show the
finding, and along another in frames that only look like it (in as many examinations with the finding as without). The
frame network's logit takes both directions, as a network that was trained on single frames takes residue for a finding;
the head sees the features. An examination has 8 to 24 frames of five sites; the finding is in `shown` of them, at two
of the sites. `Noise`: labels of training and validation turned round with this probability; `missing`: the part of the
sites that an examination lacks. 160 examinations train, 80 validate, 400 test; three draws of everything, AUROC their
mean. `Least` is the head less the best plain rule.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from lag_zoo.data import Frame, Manifest
from lag_zoo.data.exam_table import ExamTable
from lag_zoo.evaluate.exam_scoring import ExamFeatures, exam_logits
from lag_zoo.listener import Listener
from lag_zoo.metrics.pooling import pool_frames
from lag_zoo.metrics.ranking import auroc
from lag_zoo.specs import ExamConfig
from lag_zoo.training.exam_recipe import ExamRecipe
from lag_zoo.training.exam_run import POOLINGS, train_head

WIDTH, SITES = 32, ("antrum_lesser", "antrum_greater", "incisura", "corpus_lesser", "corpus_greater")
PARTS = {"train": 160, "val": 80, "test": 400}
SHIFT, ALIKE = 2.5, 2.0  # of the finding, and of what looks like it
FEWEST, MOST = 8, 24


class Case(NamedTuple):
    """What is drawn: the share of frames that show the finding, of turned labels, of sites that are missing."""

    shown: float
    noise: float = 0.0
    missing: float = 0.0


CASES = (
    *(Case(shown) for shown in (0.05, 0.1, 0.25, 0.5, 1.0)),
    Case(0.1, noise=0.1),
    Case(0.1, missing=0.3),
    Case(0.5, missing=0.3),
)


class Drawn(NamedTuple):
    """Examinations: their frames' features and logits, and the table; `truth`: without noise."""

    features: ExamFeatures
    logits: np.ndarray
    exams: ExamTable
    truth: np.ndarray


def drawn(case: Case, seed: int) -> Drawn:
    rng = np.random.default_rng(seed)
    splits = [split for split, count in PARTS.items() for _ in range(count)]
    truth = rng.permuted(np.tile([0, 1], len(splits) // 2))
    rows, frames, places = [], [], []
    for number, has in enumerate(truth):
        kept = [site for site in range(len(SITES)) if rng.random() >= case.missing] or [0]
        sites = rng.choice(kept, rng.integers(FEWEST, MOST + 1))
        values = rng.normal(size=(len(sites), WIDTH))
        candidates = np.flatnonzero(np.isin(sites, (2, 3)) if case.shown < 1 else np.ones(len(sites), bool))
        if has:
            wanted = max(1, round(case.shown * len(sites)))
            values[rng.permutation(candidates)[:wanted], 0] += SHIFT
        values[rng.random(len(sites)) < 0.1, 1] += ALIKE
        places.append(tuple(range(len(frames), len(frames) + len(sites))))
        rows.append(values)
        frames += [
            Frame(image=f"{number}_{i}.png", labels=(int(has),), exam=f"e{number}", anatomy=SITES[site])
            for i, site in enumerate(sites)
        ]
    numbers = np.concatenate(rows).astype(np.float32)
    logits = numbers[:, :1] + numbers[:, 1:2] - SHIFT
    turned = np.where(rng.random(len(truth)) < case.noise, 1 - truth, truth)
    told = np.where([split == "test" for split in splits], truth, turned)
    exams = ExamTable(
        level="exam",
        names=tuple(f"e{n}" for n in range(len(truth))),
        groups=np.arange(len(truth)).astype(str),
        splits=tuple(splits),
        frames=tuple(places),
        targets=told,
        grouping="exam",
    )
    manifest = Manifest(root=Path(), label_names=("without", "with"), frames=tuple(frames))
    return Drawn(ExamFeatures(manifest, np.hstack([numbers, logits])), logits[:, 0], exams, truth)


def measured(case: Case, seed: int, recipe: ExamRecipe) -> dict[str, float]:
    """AUROC on the test examinations, of the head and of each plain rule."""
    features, logits, exams, truth = drawn(case, seed)
    config = ExamConfig(label_names=("without", "with"), in_features=WIDTH + 1, log_odds=1, sites=SITES)
    torch.manual_seed(seed)
    head = train_head(features, exams, config, recipe, torch.device("cpu"), Listener())
    tested = exams.of_split("test")
    found = exam_logits(head, features, exams, tested, config)
    areas = {"head": auroc(found[:, 1] - found[:, 0], truth[tested] == 1)}
    chances = 1 / (1 + np.exp(-logits))
    for pooling in POOLINGS:
        each = [pool_frames(chances[list(exams.frames[place])][:, None], by=pooling)[0] for place in tested]
        areas[pooling] = auroc(np.array(each), truth[tested] == 1)
    return areas


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    names = ["head", *POOLINGS]
    print(f"| shown | noise | missing | {' | '.join(names)} | least |")
    print(f"| --- | --- | --- |{' ---: |' * (len(names) + 1)}")
    for case in CASES:
        every = [measured(case, seed, ExamRecipe()) for seed in range(arguments.draws)]
        means = {name: float(np.mean([areas[name] for areas in every])) for name in names}
        best = max(means[name] for name in POOLINGS)
        cells = " | ".join(f"{means[name]:.3f}" for name in names)
        print(
            f"| {case.shown:.0%} | {case.noise:.0%} | {case.missing:.0%} | {cells} | {means['head'] - best:+.3f} |"
        )


if __name__ == "__main__":
    main()
