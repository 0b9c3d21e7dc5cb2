"""Heads on frozen features: does the reading of the map, its size, or crops beside it make the difference?

Each frame goes once through the backbone with its ImageNet weights, at 224 and at 448 pixels; so do 16 crops of 112
native pixels. The features at every position are brought to their principal components, which the training frames give.
A head is a linear score of each position, and a way from the scores to one logit, by which the positive label is told
from the other. Nothing is drawn at random.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lag_zoo.data import Manifest
from lag_zoo.data.images import read_image
from lag_zoo.evaluate.scores import Scores
from lag_zoo.factory import create_model
from lag_zoo.nn.normalise import normalise
from lag_zoo.nn.positions import mean_of_highest
from lag_zoo.training import load_recipe
from lag_zoo.views import ViewSampler
from recipes.results import plan
from recipes.results.data import opened

TASKS = ("neopolyp", "chgastro")
SIZES, CROPS, CROP_SIZE = (224, 448), 16, 112
COMPONENTS, STRENGTH, STEPS, RATE, SHARE = 96, 0.01, 200, 0.02, 0.1


class Features(NamedTuple):
    """Features at the positions of n frames: of views (n, P, F), by their size, and of crops (n, crops, p, F)."""

    views: Mapping[int, Tensor]
    crops: Tensor


class Head(NamedTuple):
    """A readout: the size of the view, scores a position, and the way from scores (n, P, scores) to logits (n,).

    `crops`: not looked at; `ranked`: their positions stand among those of the view; `beside`: the mean and the maximum
    of their features go linearly into the logit.
    """

    name: str
    size: int
    scores: int
    logit: Callable[[Tensor], Tensor]
    crops: str = ""


def _highest(scores: Tensor) -> Tensor:
    return mean_of_highest(scores, SHARE)


def _average(scores: Tensor) -> Tensor:
    return scores[..., 0].mean(1)


def _one(scores: Tensor) -> Tensor:
    return _highest(scores)[:, 0]


def _of_each_label(scores: Tensor) -> Tensor:
    negative, positive = _highest(scores).unbind(1)
    return positive - negative


def _positive_against_average(scores: Tensor) -> Tensor:
    return _highest(scores)[:, 1] - scores[..., 0].mean(1)


def _log_sum_exp(scores: Tensor) -> Tensor:
    return scores[..., 0].logsumexp(1) - math.log(scores.shape[1])


HEADS = (
    *(
        head
        for size in SIZES
        for head in (
            Head(f"{size}, average", size, 1, _average),
            Head(f"{size}, top-k of one score", size, 1, _one),
            Head(f"{size}, top-k of a score per label", size, 2, _of_each_label),
            Head(
                f"{size}, top-k of the positive label, average of the other",
                size,
                2,
                _positive_against_average,
            ),
            Head(f"{size}, log-sum-exp of one score", size, 1, _log_sum_exp),
        )
    ),
    Head("224 and native crops in one ranking, top-k of one score", 224, 1, _one, crops="ranked"),
    Head("224, average, native crops beside", 224, 1, _average, crops="beside"),
    Head("224, top-k of one score, native crops beside", 224, 1, _one, crops="beside"),
)


def readouts(task: plan.Task, out: Path) -> Iterator[tuple[str, Scores]]:
    """Yield `<head>/0` and the scores of a fold's test frames, of each head and fold."""
    manifests = {fold: opened(task, fold, out) for fold in range(1, plan.FOLDS + 1)}
    features = _features(task, manifests[1])
    targets = torch.from_numpy(manifests[1].targets())
    for fold, manifest in manifests.items():
        test = torch.tensor([frame.split == "test" for frame in manifest.frames])
        for head in HEADS:
            positions, beside = _inputs(head, features, ~test)
            logits = _fitted(head, positions, beside, targets, ~test)
            yield f"{head.name}/0", _scores(manifest.where(split="test"), logits[test], fold)


def _scores(manifest: Manifest, logits: Tensor, fold: int) -> Scores:
    return Scores.from_arrays(
        torch.stack([torch.zeros_like(logits), logits], 1).double().numpy(),
        manifest.targets(),
        label_names=manifest.label_names,
        images=[frame.image for frame in manifest.frames],
        groups=manifest.groups(),
        grouping=manifest.grouping,
        fold=[f"fold{fold}"] * len(manifest),
    )


def _features(task: plan.Task, manifest: Manifest) -> Features:
    """Features at the positions of all frames, in the order of the manifest."""
    lag = create_model(
        load_recipe(plan.TOGETHER).model, pretrained="backbone", label_names=task.labels
    ).eval()
    views: dict[int, list[Tensor]] = {size: [] for size in SIZES}
    crops = []

    def of(pixels: Tensor) -> Tensor:
        last = lag.backbone.forward_features(normalise(pixels, lag.pixel_mean, lag.pixel_std))  # type: ignore[operator]
        return last.flatten(2).transpose(1, 2).half()  # type: ignore[no-any-return]

    with torch.inference_mode():
        for path in manifest.paths():
            pixels = read_image(path)
            for size in SIZES:
                sampler = ViewSampler(
                    global_size=size, num_crops=CROPS, crop_size=CROP_SIZE, policy="grid", with_coverage=False
                )
                seen = sampler(pixels).batched()
                views[size].append(of(seen.global_view)[0])
            crops.append(of(seen.crops[0]))
    return Features({size: torch.stack(found) for size, found in views.items()}, torch.stack(crops))


def _inputs(head: Head, features: Features, train: Tensor) -> tuple[Tensor, Tensor]:
    """What the head scores (n, P, C), and what goes in beside it (n, E)."""
    view = features.views[head.size]
    if head.crops == "ranked":
        view = torch.cat([view, features.crops.flatten(1, 2)], 1)
    positions = _components(view, train)
    if head.crops != "beside":
        return positions, positions.new_zeros(len(positions), 0)
    each = _components(features.crops.mean(2), train)
    return positions, torch.cat([each.mean(1), each.amax(1)], 1)


def _components(positions: Tensor, train: Tensor) -> Tensor:
    """Positions (n, P, F) as principal components (n, P, C) of the training frames', on one scale."""
    known = positions[train].flatten(0, 1).float()
    mean = known.mean(0)
    spread = (known - mean).T @ (known - mean) / len(known)
    values, vectors = torch.linalg.eigh(spread)
    kept = slice(-COMPONENTS, None)
    scaled: Tensor = (positions.float() - mean) @ vectors[:, kept] / values[kept].mean().sqrt()
    return scaled


def _fitted(head: Head, positions: Tensor, beside: Tensor, targets: Tensor, train: Tensor) -> Tensor:
    """Logits (n,) of all frames by a head that is fitted on those of training, from zero."""
    weights = [
        torch.zeros(positions.shape[2], head.scores, requires_grad=True),
        torch.zeros(beside.shape[1], requires_grad=True),
    ]
    bias = torch.zeros((), requires_grad=True)

    def logits(rows: Tensor) -> Tensor:
        return head.logit(positions[rows] @ weights[0]) + beside[rows] @ weights[1] + bias

    optimizer = torch.optim.Adam([*weights, bias], lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for _ in range(STEPS):
        loss = F.binary_cross_entropy_with_logits(logits(train), targets[train].float())
        loss = loss + STRENGTH * sum(weight.square().sum() for weight in weights)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        return logits(torch.ones_like(train))
