"""What crops cost in training: one step of the recipe `finetune`, and one batch evaluated, with crops and without.

The eight backbones of the paper's tables, and MobileNetV3-small; views lie ready. Both halves of the recipe run on one
network in one process: the stage without crops is the plain backbone's. Memory is the peak of a fresh process.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.memory import peak
from benchmarks.timing import Row, interleaved, row

BACKBONES = (
    "resnet50",
    "mobilenetv3_small_100",
    "seresnet50",
    "densenet121",
    "efficientnet_b0",
    "googlenet",
    "mobilenetv2_100",
    "squeezenet1_1",
    "vgg19",
)
GOALS = {"resnet50": "at most 1.15", "mobilenetv3_small_100": "at most 1.40"}
BATCH = 8


def rows(*, rounds: int = 5) -> list[Row]:
    """A step, an evaluation and the memory of each backbone."""
    found = []
    for name in BACKBONES:
        times = {"step": _times(name, rounds), "evaluation": _times(name, rounds, training=False)}
        for what, measured in times.items():
            goal = GOALS.get(name, "") if what == "step" else ""
            found.append(
                row(
                    f"{what}, LAG on {name} / the plain backbone",
                    measured["lag"],
                    measured["plain"],
                    goal=goal,
                )
            )
        lag, plain = ([_peak(name, crops=crops)] * 2 for crops in (True, False))
        found.append(row(f"memory of a step, LAG on {name} / the plain backbone", lag, plain, unit="MB"))
    return found


def _times(name: str, rounds: int, *, training: bool = True) -> dict[str, list[float]]:
    make = steps if training else evaluations
    cases = {"lag": make(name, crops=True), "plain": make(name, crops=False)}
    times = interleaved(cases, rounds=rounds, warm_up=1)
    return {case: [seconds / BATCH for seconds in measured] for case, measured in times.items()}


def steps(name: str, *, crops: bool) -> Callable[[], object]:
    """One training step of the recipe's stage, as `lag_zoo.training` takes it."""
    from lag_zoo.training import load_recipe
    from lag_zoo.training.batches import kept_crops
    from lag_zoo.training.groups import make_optimizer, set_trainable
    from lag_zoo.training.losses import label_loss

    recipe = load_recipe("finetune")
    stage = next(stage for stage in recipe.stages if stage.crops is crops)
    training_model, views, targets = _ready(name)
    set_trainable(training_model.lag, stage)
    optimizer = make_optimizer(training_model.lag, recipe, stage)
    kept = kept_crops(BATCH, recipe.crop_drop) if crops else None

    def step() -> None:
        output = training_model.train()(views, kept)
        paths = [output.logits, output.global_logits] if crops else [output.global_logits]
        losses = [
            label_loss(logits, targets, task="multiclass", smoothing=recipe.label_smoothing)
            for logits in paths
        ]
        (sum(losses) / BATCH).backward()
        torch.nn.utils.clip_grad_norm_(training_model.parameters(), recipe.clip)
        optimizer.step()
        optimizer.zero_grad()

    return step


def evaluations(name: str, *, crops: bool) -> Callable[[], object]:
    """One batch evaluated."""
    training_model, views, _ = _ready(name)
    model = training_model.lag.eval() if crops else training_model.lag.eval().without_crops()

    def evaluate() -> None:
        with torch.inference_mode():
            model(views)

    return evaluate


def _ready(name: str):  # type: ignore[no-untyped-def]
    from lag_zoo import create_model
    from lag_zoo.data.phantom import draw_frame
    from lag_zoo.training.training_model import TrainingModel

    model = create_model(f"lag_{name}", label_names=["normal", "GA", "IM"])
    views = model.views(torch.stack([draw_frame((480, 600), seed=i) for i in range(BATCH)]))
    return TrainingModel(model).to(memory_format=torch.channels_last), views, torch.arange(BATCH) % 3


def _peak(name: str, *, crops: bool) -> float:
    """The MB that a fresh process grew by, at its peak, over two steps."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.training_step", name, str(int(crops))]
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).resolve().parent.parent
    )
    return float(json.loads(done.stdout))


def _grown(name: str, *, crops: bool) -> float:
    steps("mobilenetv3_small_050", crops=crops)()  # what is imported or allocated on first use
    before, step = peak(), steps(name, crops=crops)
    step()
    step()
    return peak() - before


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(_grown(sys.argv[1], crops=sys.argv[2] == "1")))
    else:
        from benchmarks.timing import markdown

        print(markdown("Training", rows()))
