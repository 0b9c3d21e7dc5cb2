# ruff: noqa: E501 - the card is prose
"""From the folds' models to what ships: the weights, their specification, the saved example and the card."""

import dataclasses
import datetime
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from lag_zoo.data.phantom import draw_frame
from lag_zoo.models.backbones import BACKBONES
from lag_zoo.models.polyp import NAME, Trained
from lag_zoo.nn import LAG
from lag_zoo.specs import Measurement, WeightSpec
from lag_zoo.weights.digests import digest_of
from lag_zoo.weights.golden import Golden, answers
from recipes.polyp.evaluate import colour_statistics, fold_scores, geometry, interval, out_of_fold, outside
from recipes.polyp.train import CONFIG, LABELS, Budget, Trainee
from recipes.polyp.windows import Frame, Window

ROOT = Path(__file__).parents[2]
BUILTIN = ROOT / "lag_zoo" / "weights" / "builtin"
SPEC = ROOT / "lag_zoo" / "models" / f"{NAME}.json"
CARD = ROOT / "docs" / "models" / f"{NAME}.md"
RESULTS = Path(__file__).with_name("results.json")
COMMAND = "python -m recipes.polyp ../shared/kvasir_seg"
CONFIGURATIONS_TRIED = (
    4  # the others: 36 + 6 epochs; a 160-pixel view for 24; slower averaging of the weights
)

DATA = (
    "Kvasir-SEG (Jha et al., Kvasir-SEG: A Segmented Polyp Dataset, MMM 2020, doi:10.1007/978-3-030-37734-2_37), "
    "the segmented images of HyperKvasir (Borgli et al., Scientific Data 7, 283, 2020, "
    "doi:10.1038/s41597-020-00622-y), CC BY 4.0: 798 frames"
)
LIMITS = (
    "A demonstration of the method on colonoscopy; not a medical device, and not for use on patients.",
    "Trained and tested on windows cut from frames that all hold a polyp: specificity on whole frames is unknown.",
    "One source, white light, frames chosen for their polyps; patients are not known, near-duplicates are kept together "
    "as far as the data name them.",
    "Found by hash afterwards: nine pairs of copies (18 of 798 frames) "
    "that stand in two folds, so the AUROC may be a little too good.",
    "It says nothing about intestinal metaplasia or gastric atrophy.",
)


def publish(frames: Sequence[Frame], tests: Sequence[Sequence[Window]], out: Path, budget: Budget) -> None:
    """Writes all that ships, from the folds' models in `out` and the windows that each is tested on."""
    results = measure(
        frames, tests, [fold_scores(frames, test, out / f"fold{k}.pt") for k, test in enumerate(tests)]
    )
    config, files = save_weights(out)
    cost = sum(json.loads(path.read_text())["cpu_seconds"] for path in out.glob("*.json"))
    weights = WeightSpec(
        tag="kvasir_seg",
        files=files,
        label_names=LABELS,
        modality="wli",
        global_size=config.global_size or 0,
        mean=config.mean or (),
        std=config.std or (),
        training_data=(DATA,),
        licence="CC-BY-4.0",
        results=tuple(results),
        operating_points={"polyp": 0.5},
        intended_use="To try the library with, and to start from on other endoscopy data.",
        limits=LIMITS,
    )
    SPEC.write_text(Trained(config=config, weights=weights).to_json())
    RESULTS.write_text(
        json.dumps(
            {"budget": budget._asdict(), "cpu_seconds": cost, "results": [r.to_dict() for r in results]},
            indent=1,
        )
        + "\n"
    )
    sides = [min(w.box[2] - w.box[0], w.box[3] - w.box[1]) for test in tests for w in test]
    CARD.write_text(card(results, weights, budget, cost, np.percentile(sides, [0, 50, 100]).tolist()))


def measure(
    frames: Sequence[Frame], tests: Sequence[Sequence[Window]], scored: Sequence[dict[str, list[float]]]
) -> list[Measurement]:
    """What is said of the model, over the windows of all folds, each scored by a model that had not seen its group."""
    windows = [w for test in tests for w in test]
    labels = np.array([w.label for w in windows], dtype=np.float64)
    groups = np.array([frames[w.frame].group for w in windows])
    folds = np.array([k for k, test in enumerate(tests) for _ in test])
    answers = {key: np.concatenate([s[key] for s in scored]) for key in ("lag", "plain", "lag_global_path")}
    used = len({w.frame for w in windows})
    date = datetime.date.today().isoformat()

    def result(metric: str, estimate: tuple[float, float, float], note: str = "") -> Measurement:
        value, low, high = (round(x, 4) for x in estimate)
        return Measurement(
            metric=metric,
            value=value,
            low=low,
            high=high,
            interval="cluster bootstrap by group, 2000 resamples",
            n=len(windows),
            unit=f"windows of {used} frames",
            groups=len(set(groups)),
            data="Kvasir-SEG, five grouped folds, out of fold",
            date=date,
            command=COMMAND,
            note=note,
        )

    each = [roc_auc_score(labels[folds == k], answers["lag"][folds == k]) for k in range(5)]
    found = [
        result(
            "AUROC",
            interval(labels, groups, answers["lag"]),
            "by fold: " + ", ".join(f"{x:.3f}" for x in each),
        ),
        result(
            "AUROC of the plain backbone",
            interval(labels, groups, answers["plain"]),
            "the same budget, views and windows",
        ),
        result("AUROC, LAG less plain", interval(labels, groups, answers["lag"], answers["plain"]), "paired"),
        result("AUROC of LAG's global path alone", interval(labels, groups, answers["lag_global_path"])),
    ]
    for name, hit in (("Sensitivity", 1), ("Specificity", 0)):
        rows = labels == hit
        right = ((answers["lag"][rows] >= 0) == hit).astype(float)
        found.append(
            dataclasses.replace(
                result(f"{name} at 0.5", _share(right, groups[rows]), "the threshold was not fitted"),
                n=int(rows.sum()),
            )
        )
    whole = np.concatenate([s["whole_frames"] for s in scored])
    of_whole = np.array([frames[i].group for test in tests for i in sorted({w.frame for w in test})])
    found.append(
        dataclasses.replace(
            result(
                "Sensitivity at 0.5 on whole frames",
                _share((whole >= 0).astype(float), of_whole),
                "all of them hold a polyp: specificity is unknown",
            ),
            n=len(whole),
            unit="frames",
        )
    )
    logistic = lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))  # noqa: E731
    trees = lambda: HistGradientBoostingClassifier(random_state=0)  # noqa: E731
    for name, numbers, make, note in (
        (
            "AUROC of colour statistics alone",
            colour_statistics,
            logistic,
            "a floor: 24 numbers, logistic regression",
        ),
        ("AUROC of place, size and shape alone", geometry, trees, "a probe: should be at chance, 0.5"),
        ("AUROC of what lies outside the field", outside, trees, "a probe: should be at chance, 0.5"),
    ):
        features = np.array([numbers(frames[w.frame], w) for w in windows])
        found.append(result(name, interval(labels, groups, out_of_fold(features, labels, folds, make)), note))
    return found


def _share(right: np.ndarray, groups: np.ndarray) -> tuple[float, float, float]:
    rng = np.random.default_rng(0)
    members = [right[groups == g] for g in np.unique(groups)]
    drawn = [
        np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))]).mean()
        for _ in range(2000)
    ]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(right.mean()), float(low), float(high)


def save_weights(out: Path) -> tuple[Any, dict[str, str]]:
    """The network's configuration, and the SHA-256 of the two files written: weights in fp16, and the saved example."""
    trainee = Trainee()
    trainee.load_state_dict(torch.load(out / "all.pt", weights_only=True)["lag"])
    model = trainee.lag.eval()
    norms = {
        f"{name}.{key}"
        for name, m in model.named_modules()
        if isinstance(m, nn.BatchNorm2d)
        for key in ("running_mean", "running_var")
    }
    state = {
        key: tensor.half() if tensor.is_floating_point() and key not in norms else tensor.clone()
        for key, tensor in model.state_dict().items()
    }
    shipped = LAG.from_config(model.config).eval()
    shipped.load_state_dict({k: t.float() if t.is_floating_point() else t for k, t in state.items()})
    frame = draw_frame((96, 96), seed=0)[None]
    weights, example = BUILTIN / f"{NAME}.safetensors", BUILTIN / f"{NAME}_golden.safetensors"
    save_file(state, weights, metadata={"format": "pt"})
    Golden(frame, answers(shipped, frame)).save(example)
    files = {}
    for path in (weights, example):
        path.chmod(0o644)
        files[path.name] = digest_of(path)
    return dataclasses.replace(shipped.config, backbone=BACKBONES["mobilenetv3_small_100"].pinned), files


def card(
    results: Sequence[Measurement], weights: WeightSpec, budget: Budget, cost: float, sizes: Sequence[float]
) -> str:
    """The model card, docs/models/<name>.md."""
    first = results[0]
    used = first.unit.removeprefix("windows of ")
    rows = [
        f"| {r.metric} | {r.value:.3f} | {r.low:.3f} to {r.high:.3f} | {r.n} | {r.note} |" for r in results
    ]
    limits = "\n".join(f"    {limit}" for limit in weights.limits)
    data = "\n".join(f"- {source}." for source in weights.training_data)
    return f"""# {NAME}

Is a polyp in view, or only mucosa? A small LAG (MobileNetV3-small, ten crops) trained from scratch on colonoscopy.

!!! warning
{limits}

Written by the recipe that trained it (`recipes/polyp`). Every number was measured by
`{first.command}` on {first.date}.

## Results

{first.n} windows ({used}, {first.groups} groups of near-duplicates), out of fold over five grouped folds. Intervals are
95%, by cluster bootstrap over groups. Patients are not known.

| what | value | 95% interval | n | note |
| --- | ---: | --- | ---: | --- |
{chr(10).join(rows)}

Configurations tried: {CONFIGURATIONS_TRIED}. The plain backbone is MobileNetV3-small at the same {CONFIG.global_size} pixels,
trained on the same windows with the same heads for the same number of epochs. Short side of the windows:
{sizes[0]:.0f} to {sizes[2]:.0f} pixels, median {sizes[1]:.0f}.

## What is asked

Windows of native pixels, from 192 on the short side up to nearly the frame, wholly inside the field of view. Positive:
polyp pixels make up 5% of the window or more, or 1% and at least half of the frame's polyp. Negative: no polyp pixel in
it, nor within 8 pixels of it. The windows scored come in crossed fours: in frame A place s holds a polyp and place t
does not, in frame B the other way round. So frame, place, size and shape are balanced; the probes above check it. Text that the processor burnt over the
mucosa stays in view.

## Training

- From scratch: {budget.backbone_epochs} epochs of the backbone alone, then {budget.last_epochs} with crops; {budget.pairs} pairs of windows an epoch,
  {budget.batch} pairs a batch, AdamW, cosine, averaged weights. {cost / 3600:.1f} hours of one CPU core in all.
- The weights that ship were trained on all frames, for as long; no epoch was picked. Scores over frames of Kvasir-SEG
  are therefore apparent, and are marked so.
- In training only, small heads learned from the polyp masks where the polyp is, for the plain backbone too.

Operating point: probability of polyp {weights.operating_points["polyp"]}, not fitted. Temperature: {weights.temperature:g}.

## Data and licence

{data}
- Weights: {weights.licence}. No pretrained weights were used.
"""
