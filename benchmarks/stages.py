"""Where the time of one frame goes, stage by stage: what stands between LAG and its plain backbone.

`python -m benchmarks.stages`. Each stage runs on what the stages before it made, so what passes between them (the
normalisation, a cold cache) is in none of them, but in the whole.
"""

import statistics
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.timing import interleaved
from lag_zoo.data.phantom import draw_frame
from lag_zoo.nn import LAG
from lag_zoo.nn.backbones import backbone_features
from lag_zoo.views.extract import crops_of, global_views
from lag_zoo.views.policies import place_crops

BACKBONES = ("resnet50", "mobilenetv3_small_100")
WHOLE = "frame to logits"


class Stage(NamedTuple):
    """Median seconds, arithmetic in FLOPs, and how many of torch's operations it starts."""

    seconds: float
    flops: int
    operations: int


class _Counter(TorchDispatchMode):
    """Counts torch's operations."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


def stages(model: LAG) -> dict[str, Callable[[], object]]:
    """What a forward of one frame of 1280 x 1024 does, in its order; the whole last."""
    frames, sampler = draw_frame()[None], model.sampler()
    field, views = sampler.field(frames), model.views(frames)
    ready = torch.rand_like(views.global_view, dtype=torch.float32)
    of_global, of_crops = model.global_features(views), model.crop_features(views)

    def place() -> object:
        return place_crops(
            field,
            num_crops=sampler.num_crops,
            crop_size=sampler.crop_size,
            policy=sampler.policy,
            seeds=[0],
        )

    return {
        "shrinking the frame": lambda: global_views(frames, sampler.global_size),
        "finding the field of view": lambda: sampler.field(frames),
        "placing the crops": place,
        "cutting them out": lambda: crops_of(frames, views.boxes),
        "the plain backbone": lambda: backbone_features(model.backbone, ready),
        "the crop ensemble": lambda: model.crop_features(views),
        "fusion and head": lambda: model.forward_head(
            model.fusion(of_global, of_crops, views.inside).features
        ),
        WHOLE: lambda: model(frames),
    }


@torch.inference_mode()
def measure(*, rounds: int = 30) -> dict[str, dict[str, Stage]]:
    """Every stage with each backbone."""
    found: dict[str, dict[str, Stage]] = {}
    for name in BACKBONES:
        cases = stages(LAG(name, num_classes=3).eval())
        times = interleaved(cases, rounds=rounds)
        found[name] = {}
        for what, case in cases.items():
            with FlopCounterMode(display=False) as arithmetic, _Counter() as counter:
                case()
            seconds = statistics.median(times[what])
            found[name][what] = Stage(seconds, arithmetic.get_total_flops(), counter.count)
    return found


def section(found: Mapping[str, Mapping[str, Stage]]) -> str:
    """The part of docs/performance.md."""
    lines = [
        "## Where the time goes",
        "",
        "One frame of 1280 x 1024 through a LAG that is not fused; what passes between stages is in the last line. "
        "The stages around the backbone take about the same time whatever the backbone, so a small one pays more. "
        "Where operations are many and FLOPs none, starting them is a part of the time; of the field of view, that "
        "part is the difference between batch 1 and batch 8 above.",
        "",
    ]
    for name, stages_of in found.items():
        lines += [
            f"| {name}: stage | time | share | GFLOP | operations |",
            "| --- | ---: | ---: | ---: | ---: |",
        ]
        lines += [
            f"| {what} | {stage.seconds * 1e3:.2f} ms | {stage.seconds / stages_of[WHOLE].seconds:.1%} | "
            f"{stage.flops / 1e9:.2f} | {stage.operations} |"
            for what, stage in stages_of.items()
        ]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    print(section(measure()))
