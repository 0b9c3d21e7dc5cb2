"""Heads for grades on one task: that of `task="ordinal"`, beside CORN, CORAL and plain softmax.

The grade is how much of a frame its polyp covers, in four parts of equally many frames: known from the masks of
Kvasir-SEG, and ordered. Each head is linear, on the features that the built-in EfficientNet-Lite0 has of the shrunken
frame with its ImageNet weights. Five folds keep near-copies together; the strength of the penalty is chosen by the
likelihood of a fifth of the training frames. All of it three times with other folds. The real frames are no part of the
repository: LAG_ZOO_SHARED, or `shared` beside the checkout.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from coral_pytorch.dataset import levels_from_labelbatch
from coral_pytorch.layers import CoralLayer
from coral_pytorch.losses import coral_loss
from torch import Tensor, nn

from lag_zoo import create_model
from lag_zoo.data import Manifest, open_data
from lag_zoo.data.images import read_image
from lag_zoo.data.splits import folds, into_parts
from lag_zoo.metrics import influence
from lag_zoo.metrics.clustered import group_difference, group_interval
from lag_zoo.metrics.influence import Influence
from lag_zoo.metrics.intervals import Difference, Interval
from lag_zoo.nn.backbones import pooled_features
from lag_zoo.nn.grade_head import GradeHead
from lag_zoo.nn.normalise import normalise
from lag_zoo.tasks import rules_of
from lag_zoo.training.losses import label_loss

GRADES, FOLDS, SEEDS, INNER = 4, 5, 3, 0.2
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)
STEPS = 100  # of L-BFGS
ORDINAL, SOFTMAX = rules_of("ordinal"), rules_of("multiclass")


class Head(NamedTuple):
    """A linear head for F features, its loss, its grade probabilities, and the calls made of these, by name."""

    layer: Callable[[int], nn.Module]
    loss: Callable[[Tensor, Tensor], Tensor]
    probabilities: Callable[[np.ndarray], np.ndarray]
    calls: Mapping[str, Callable[[np.ndarray], np.ndarray]]


def median_grade(probabilities: np.ndarray) -> np.ndarray:
    return ORDINAL.decide(ORDINAL.claims(probabilities), np.full(GRADES, np.nan))


def likeliest(probabilities: np.ndarray) -> np.ndarray:
    return SOFTMAX.decide(SOFTMAX.claims(probabilities), np.full(GRADES, np.nan))


def _linear(features: int) -> nn.Module:
    layer = nn.Linear(features, GRADES)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _one_score(features: int) -> nn.Module:
    layer = GradeHead(features, GRADES)
    nn.init.zeros_(layer.weight)
    return layer


def _coral(features: int) -> nn.Module:
    layer = CoralLayer(features, GRADES, preinit_bias=True)
    nn.init.zeros_(layer.coral_weights.weight)
    return layer


def _corn_loss(logits: Tensor, targets: Tensor) -> Tensor:
    return label_loss(logits, targets, task="ordinal") / len(targets)


def _softmax_loss(logits: Tensor, targets: Tensor) -> Tensor:
    return label_loss(logits, targets, task="multiclass") / len(targets)


def _coral_loss(logits: Tensor, targets: Tensor) -> Tensor:
    return coral_loss(logits, levels_from_labelbatch(targets, GRADES).to(logits))


def _of_cumulative(logits: np.ndarray) -> np.ndarray:
    """Grade probabilities (n, C) of logits (n, C - 1), each the log odds of at least a grade."""
    claims = 1 / (1 + np.exp(-logits))
    bounds = np.concatenate([np.ones((len(claims), 1)), claims, np.zeros((len(claims), 1))], axis=1)
    return (-np.diff(bounds, axis=1)).clip(1e-9)


HEADS = (
    Head(_one_score, _corn_loss, ORDINAL.probabilities, {"CORN, one score for all grades": median_grade}),
    Head(_linear, _corn_loss, ORDINAL.probabilities, {"CORN, a score a grade": median_grade}),
    Head(_coral, _coral_loss, _of_cumulative, {"CORAL (coral-pytorch)": median_grade}),
    Head(
        _linear,
        _softmax_loss,
        SOFTMAX.probabilities,
        {"softmax, the median grade": median_grade, "softmax, the likeliest": likeliest},
    ),
)


class Measured(NamedTuple):
    """A head's measures: the means over the deals of the folds."""

    kappa: Influence
    error: Influence
    exact: Influence


def measured(
    head: Head, features: Tensor, targets: Tensor, data: Manifest, seeds: int
) -> dict[str, Measured]:
    """Measure each way to call, with each frame out of fold once a deal."""
    truth = targets.numpy()
    every = np.ones(len(truth), bool)
    found: dict[str, list[Measured]] = {name: [] for name in head.calls}
    for seed in range(seeds):
        chances = np.zeros((len(truth), GRADES))
        for train, inner, test in dealt(data, seed):
            chances[test] = _chosen(head, features, targets, train, inner, test)
        for name, called in head.calls.items():
            calls = called(chances)
            found[name].append(
                Measured(
                    influence.quadratic_weighted_kappa(calls, truth),
                    influence.ratio(np.abs(calls - truth), every),
                    influence.share(calls == truth, every),
                )
            )
    return {name: Measured(*map(influence.mean, zip(*each, strict=True))) for name, each in found.items()}


def dealt(data: Manifest, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Places to train on, to choose the penalty on, and to test on, of each fold."""
    whole = folds(data, FOLDS, seed=seed)
    parts = np.array(whole.column("split"))
    for fold in whole.splits:
        rest = np.flatnonzero(parts != fold)
        others = whole.with_frames(whole.frames[place] for place in rest)
        inside = np.array(into_parts(others, {"val": INNER}, seed=seed).column("split"))
        yield rest[inside == "train"], rest[inside == "val"], np.flatnonzero(parts == fold)


def _chosen(
    head: Head, features: Tensor, targets: Tensor, train: np.ndarray, inner: np.ndarray, test: np.ndarray
) -> np.ndarray:
    """Probabilities of the test frames, by the penalty that makes the inner frames likeliest, fitted on all others."""
    likely = {}
    for penalty in PENALTIES:
        chances = _fitted(head, features, targets, train, inner, penalty)
        likely[penalty] = np.log(chances[np.arange(len(inner)), targets[inner].numpy()]).mean()
    best = max(likely, key=lambda penalty: likely[penalty])
    return _fitted(head, features, targets, np.concatenate([train, inner]), test, best)


def _fitted(
    head: Head, features: Tensor, targets: Tensor, train: np.ndarray, asked: np.ndarray, penalty: float
) -> np.ndarray:
    own, truth = features[train], targets[train]
    mean, spread = own.mean(0), own.std(0).clamp(min=1e-6)
    own = (own - mean) / spread
    layer = head.layer(own.shape[1]).double()
    weights = [parameter for parameter in layer.parameters() if parameter.ndim == 2]
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = head.loss(layer(own), truth) + penalty * sum(weight.square().sum() for weight in weights)
        loss.backward()
        return loss

    optimizer.step(closure)
    with torch.no_grad():
        return head.probabilities(layer((features[asked] - mean) / spread).numpy())


@torch.inference_mode()
def frozen_features(data: Manifest) -> Tensor:
    """Features (n, F) of the backbone with its ImageNet weights, of the shrunken frames."""
    model = create_model("lag_tf_efficientnet_lite0", pretrained="backbone", num_classes=GRADES).eval()
    sampler = model.sampler(with_coverage=False)
    found = []
    for number, path in enumerate(data.paths()):
        view = sampler(read_image(path)).batched().global_view
        pixels = normalise(view, model.pixel_mean, model.pixel_std)
        found.append(pooled_features(model.backbone, model.backbone.forward_features(pixels)))
        if number % 100 == 0:
            print(f"{number} of {len(data)} frames", file=sys.stderr)
    return torch.cat(found).double()


def graded(data: Manifest, folder: Path) -> Tensor:
    """The grade (n,) of each frame: the quarter of all frames by the part that the mask covers."""
    covered = []
    for frame in data.frames:
        mask = read_image(folder / "masks" / Path(frame.image).name)
        covered.append(float((mask[0] > 127).float().mean()))
    limits = np.quantile(covered, np.arange(1, GRADES) / GRADES)
    print("limits of the grades:", ", ".join(f"{limit:.1%}" for limit in limits), file=sys.stderr)
    return torch.from_numpy(np.searchsorted(limits, covered, side="right"))


def markdown(results: dict[str, Measured], groups: np.ndarray) -> str:
    """The table of heads, and what the first has less than the others."""
    n, (first, *_) = len(groups), results.values()
    lines = [
        "| head | quadratic weighted kappa | mean absolute error | exact | kappa, the first's less its |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, one in results.items():
        cells = [
            _with_limits(group_interval(one.kappa, groups, n, limits=(-1.0, 1.0))),
            _with_limits(group_interval(one.error, groups, n, limits=(0.0, GRADES - 1.0))),
            _with_limits(group_interval(one.exact, groups, n)),
            ""
            if one is first
            else _with_limits(group_difference(first.kappa, one.kappa, groups, n, limits=(-1.0, 1.0))),
        ]
        lines.append(f"| {' | '.join([name, *cells])} |")
    return "\n".join(lines)


def _with_limits(found: Interval | Difference) -> str:
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="deals of the folds")
    chosen = parser.parse_args()
    torch.manual_seed(0)
    shared = os.environ.get("LAG_ZOO_SHARED") or Path(__file__).resolve().parent.parent.parent / "shared"
    folder = Path(shared) / "kvasir_seg"
    plain = open_data(folder / "manifest.csv", columns={"group": "exam"}).where()
    targets = graded(plain, folder)
    frames = (
        type(frame)(image=frame.image, exam=frame.exam, labels=(grade,))
        for frame, grade in zip(plain.frames, targets.tolist(), strict=True)
    )
    names = tuple(f"quarter {number}" for number in range(1, GRADES + 1))
    data = Manifest(
        root=plain.root, label_names=names, task="ordinal", frames=tuple(frames), source="Kvasir-SEG"
    )
    features = frozen_features(data)
    results: dict[str, Measured] = {}
    for head in HEADS:
        results |= measured(head, features, targets, data, chosen.seeds)
        for name in head.calls:
            print(f"{name}: kappa {results[name].kappa.value:.3f}", file=sys.stderr)
    print(
        f"{len(data)} frames in {data.count_groups()} groups, {GRADES} grades, {FOLDS} folds, the mean of "
        f"{chosen.seeds} deals; 95% intervals by group\n"
    )
    print(markdown(results, data.groups()))


if __name__ == "__main__":
    main()
