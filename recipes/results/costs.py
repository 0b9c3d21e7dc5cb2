"""What a network costs at inference: multiply-accumulates, and processor time a frame."""

import statistics
import time
from collections.abc import Iterator

import torch
from torch.utils.flop_counter import FlopCounterMode

from lag_zoo.factory import create_model
from lag_zoo.predict.engine import Engine
from lag_zoo.views import ViewSampler
from recipes.results import plan

ROUNDS = 15


def costs() -> Iterator[dict[str, object]]:
    """Measure each contender of each task: MACs, and milliseconds of one core from decoded pixels to the logits."""
    for task in plan.TASKS:
        networks = {name: _Network(one, task) for name, one in plan.contenders(task).items()}
        times: dict[str, list[float]] = {name: [] for name in networks}
        for number in range(ROUNDS + 2):  # in turn, so that a slow moment of the machine meets all
            for name, network in networks.items():
                begun = time.process_time()
                network()
                if number >= 2:
                    times[name].append(time.process_time() - begun)
        for name, network in networks.items():
            yield {
                "task": task.name,
                "contender": name,
                "macs": network.macs,
                "cpu_ms": round(1000 * statistics.median(times[name]), 1),
            }


class _Network:
    """A contender as it predicts, fused, and a frame of the task's size for it to look at."""

    def __init__(self, contender: plan.Contender, task: plan.Task) -> None:
        recipe = contender.recipe
        lag = create_model(recipe.model, label_names=task.labels, **recipe.fields).eval()  # type: ignore[arg-type]
        self.frame = torch.randint(60, 200, (3, *task.frame), dtype=torch.uint8)
        self.sampler = ViewSampler.from_config(lag.config, with_coverage=False)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            lag(self.sampler(self.frame).batched())
        self.macs = counter.get_total_flops() // 2
        self.engine = Engine(lag, batch_size=1, device="cpu", fuse=True, compile=False, precision="fp32")

    def __call__(self) -> None:
        self.engine(self.sampler(self.frame).batched())
