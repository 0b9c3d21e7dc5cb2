"""What keeps crops from costing accuracy: `python -m recipes.guards WINDOWS.csv OUT` (see `recipes.polyp.files`).

LAG trained from the start, with each guard by itself, with both, and the backbone first; the plain backbone beside
them. One budget, one seed, one fold tested on, one that the best epoch is chosen on, three trained on: a screening, not
a result. Each variant is kept in OUT once it is done, and not done again.
"""

import argparse
import dataclasses
import json
from pathlib import Path

import torch

from lag_zoo.data import Manifest, open_data
from lag_zoo.evaluate import Scores, score
from lag_zoo.metrics.intervals import cluster_bootstrap, paired_difference
from lag_zoo.metrics.ranking import auroc
from lag_zoo.training import Recipe, Stage, finetune

EPOCHS = 12
BASE = Recipe(
    model="lag_mobilenetv3_small_100",
    fields={"global_size": 128},
    stages=(Stage(epochs=EPOCHS),),
    batch_size=32,
    learning_rate=1.5e-3,
    warmup=0.1,
    label_smoothing=0.05,
    average=0.95,
    workers=0,
    global_loss=0.0,
    crop_drop=0.0,
)
FIRST = (Stage(name="backbone", epochs=EPOCHS // 2, crops=False), Stage(name="crops", epochs=EPOCHS // 2))
VARIANTS = {
    "plain backbone": dataclasses.replace(BASE, stages=(Stage(epochs=EPOCHS, crops=False),)),
    "no guard": BASE,
    "both guards": dataclasses.replace(BASE, global_loss=1.0, crop_drop=0.5),
    "both, backbone first": dataclasses.replace(BASE, global_loss=1.0, crop_drop=0.5, stages=FIRST),
    "global loss": dataclasses.replace(BASE, global_loss=1.0),
    "crops dropped": dataclasses.replace(BASE, crop_drop=0.5),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("windows", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    manifest = open_data(arguments.windows, labels=["mucosa", "polyp"])
    parts = {"fold1": "test", "fold2": "val"}
    manifest = manifest.with_column("split", [parts.get(f.split, "train") for f in manifest.frames])
    arguments.out.mkdir(parents=True, exist_ok=True)
    found: dict[str, Scores] = {}
    for name, recipe in VARIANTS.items():
        folder = arguments.out / name.replace(" ", "_").replace(",", "")
        for with_crops in (True, False):
            file = folder / f"{'with' if with_crops else 'without'}_crops.csv"
            if not file.is_file():
                run(manifest, recipe, folder, arguments.out / "cache")
            found[name if with_crops else f"{name}; crops left out"] = Scores.read(file)
        if name == "plain backbone":
            del found[name]  # its crops were never trained
        report(found, arguments.out)


def run(manifest: Manifest, recipe: Recipe, folder: Path, cache: Path) -> None:
    """Trains one variant and writes its scores on the tested fold, with and without crops."""
    resumed = (folder / "recipe.yaml").is_file()
    model = finetune(
        None,
        manifest,
        folder,
        recipe=recipe,
        cpu=True,
        resume=resumed,
        cache=cache,
        log=lambda row: print(dict(row), flush=True),
    )
    score(model, manifest, workers=0).write(folder / "with_crops.csv", seed=recipe.seed)
    score(model.without_crops(), manifest, workers=0).write(folder / "without_crops.csv", seed=recipe.seed)


def report(found: dict[str, Scores], out: Path) -> None:
    """Writes AUROC of each, and its difference from the plain backbone's, with intervals by group."""
    plain = found["plain backbone; crops left out"]
    rows = []
    for name, scores in found.items():
        one, truth, groups = polyp(scores), scores.targets == 1, scores.groups
        area = cluster_bootstrap(auroc, groups, one, truth)
        less = paired_difference(auroc, groups, one, polyp(plain), truth)
        rows.append({"variant": name, "auroc": area._asdict(), "less_plain": less._asdict()})
        print(
            f"{name}: {area.value:.3f} ({area.low:.3f} to {area.high:.3f}), less plain {less.value:+.3f} "
            f"({less.low:+.3f} to {less.high:+.3f})",
            flush=True,
        )
    (out / "guards.json").write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


def polyp(scores: Scores):  # type: ignore[no-untyped-def]
    return scores.probabilities[:, 1]


if __name__ == "__main__":
    main()
