"""Throughput and latency on one accelerator, with the share of what the card can do: `python -m benchmarks.gpu`.

Full 1280 x 1024 uint8 frames lie on the card already. The peers are the plain backbone on ready, normalised 224 x 224
views, and the plain backbone from the same frames, which it resizes and normalises. What the card can do is measured,
not read from a data sheet: a large matrix product, and a large copy. Answers are checked against float64 on the CPU.

`--device cpu --batch 1 --rounds 2` tries the benchmark itself.
"""

import argparse
import datetime
import statistics
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import timm
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from lag_zoo.data.phantom import draw_frame
from lag_zoo.nn import LAG
from lag_zoo.views.extract import global_views

BACKBONES = ("resnet50", "convnext_tiny", "vit_small_patch16_224")
NUMBERS = {"fp32": torch.float32, "bf16": torch.bfloat16}
MODES = ("eager", "compile", "graph")


class Case(NamedTuple):
    """One thing that is timed: a batch through it, and how many operations and bytes that takes."""

    name: str
    run: Callable[[], Tensor]
    flops: int
    bytes: int


class Bytes(TorchDispatchMode):
    """Counts what operations read and write: memory traffic if nothing is fused and nothing stays in cache."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if not func.is_view:
            leaves = tree_leaves((args, kwargs, out))
            self.total += sum(x.numel() * x.element_size() for x in leaves if isinstance(x, Tensor))
        return out


def counted(run: Callable[[], Tensor]) -> tuple[int, int]:
    """Floating point operations and bytes of one run."""
    with FlopCounterMode(display=False) as flops, Bytes() as traffic:
        run()
    return flops.get_total_flops(), traffic.total


def wait(device: torch.device) -> None:
    """Until the card has done what it was asked."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(run: Callable[[], object], device: torch.device, rounds: int) -> list[float]:
    """Of each round, waited for."""
    times = []
    for number in range(rounds + 3):
        wait(device)
        begun = time.perf_counter()
        run()
        wait(device)
        if number >= 3:
            times.append(time.perf_counter() - begun)
    return times


def peaks(device: torch.device, numbers: torch.dtype) -> tuple[float, float]:
    """Operations a second of a large matrix product, bytes a second of a large copy."""
    side = 8192 if device.type == "cuda" else 1024
    a = torch.randn(side, side, device=device).to(numbers)
    product = min(seconds(lambda: a @ a, device, 10))
    large = torch.empty(2**28 if device.type == "cuda" else 2**24, device=device)
    target = torch.empty_like(large)
    copy = min(seconds(lambda: target.copy_(large), device, 10))
    return 2 * side**3 / product, 2 * large.numel() * large.element_size() / copy


def ran(function: Callable[..., Tensor], mode: str) -> Callable[..., Tensor]:
    """The function as the mode runs it; `graph` is the compiler's CUDA graphs."""
    if mode == "eager":
        return function
    return torch.compile(function, dynamic=False, mode="reduce-overhead" if mode == "graph" else None)


def cases(name: str, frames: Tensor, numbers: torch.dtype, mode: str) -> Iterable[Case]:
    """LAG and its peers on a batch of frames."""
    torch.manual_seed(0)
    lag = LAG(name, num_classes=3).eval().to(frames.device).to(numbers)
    fused = lag.fuse(pack=mode == "eager")
    plain = timm.create_model(name, num_classes=3).eval().to(frames.device).to(numbers)
    plain = plain.to(memory_format=torch.channels_last)
    side = lag.config.global_size or 224
    ready = torch.rand(len(frames), 3, side, side, device=frames.device).to(numbers)
    ready = ready.contiguous(memory_format=torch.channels_last)
    head = ran(lambda views: fused.forward_head(fused.fused(views).features), mode)
    backbone = ran(plain, mode)

    def shrunk() -> Tensor:
        view = global_views(frames, side).to(numbers) / 255
        return backbone(
            ((view - lag.pixel_mean) / lag.pixel_std).contiguous(memory_format=torch.channels_last)
        )

    for what, run in (
        ("LAG", lambda: head(fused.views(frames))),
        ("plain, from frames", shrunk),
        ("plain, ready", partial(backbone, ready)),
    ):
        run()  # compiled before anything is counted
        yield Case(what, run, *(counted(run) if mode == "eager" else (0, 0)))


def difference(name: str, frames: Tensor, numbers: torch.dtype) -> float:
    """How far logits are, at most, from those of float64 on the CPU, of the same views."""
    torch.manual_seed(0)
    lag = LAG(name, num_classes=3).eval()
    views = lag.views(frames.cpu())
    exact = lag.double()(views)
    given = lag.to(frames.device).to(numbers).fuse()(views.to(frames.device))
    return float((given.double().cpu() - exact).abs().max())


def report(device: torch.device, batches: list[int], backbones: list[str], rounds: int) -> str:
    """The page."""
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    lines = [f"# {card}, torch {torch.__version__}, {datetime.date.today().isoformat()}", ""]
    for text, numbers in NUMBERS.items():
        operations, traffic = peaks(device, numbers)
        lines += [
            f"## {text}",
            "",
            f"A large matrix product reaches {operations / 1e12:.1f} TFLOP/s, a large copy {traffic / 1e9:.0f} GB/s:",
            "the shares below are of these. Operations and bytes are those of eager runs (packed convolutions on a",
            "CPU are not counted).",
            "",
            "| backbone | mode | batch | case | frames/s | LAG is | ms a batch | spread | of FLOP/s | of bytes/s |",
            "| --- | --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        ]
        for name in backbones:
            for batch in batches:
                frames = torch.stack([draw_frame(seed=i % 8) for i in range(batch)]).to(device)
                known: dict[str, tuple[int, int]] = {}
                for mode in MODES if device.type == "cuda" else MODES[:1]:
                    rate: dict[str, float] = {}
                    rows = []
                    for case in cases(name, frames, numbers, mode):
                        known.setdefault(case.name, (case.flops, case.bytes))
                        times = seconds(case.run, device, rounds)
                        middle = statistics.median(times)
                        low, _, high = statistics.quantiles(times, n=4)
                        rate[case.name] = batch / middle
                        flops, moved = known[case.name]
                        rows.append(
                            (
                                case.name,
                                middle,
                                high - low,
                                flops / middle / operations,
                                moved / middle / traffic,
                            )
                        )
                    for what, middle, spread, of_flops, of_bytes in rows:
                        ratio = f"{rate['LAG'] / rate[what]:.2f}x"
                        lines.append(
                            f"| {name} | {mode} | {batch} | {what} | {rate[what]:.0f} | {ratio} | {middle * 1e3:.2f} | "
                            f"{spread * 1e3:.2f} | {of_flops:.0%} | {of_bytes:.0%} |"
                        )
            away = difference(name, torch.stack([draw_frame(seed=i) for i in range(4)]).to(device), numbers)
            lines.append(
                f"| {name} | fused | 4 | logits, from float64 on the CPU: at most {away:.1e} apart | | | | | | |"
            )
        lines.append("")
    return "\n".join(lines)


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8, 64, 256])
    parser.add_argument("--backbones", nargs="+", default=list(BACKBONES))
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        parser.error("no CUDA device here; `--device cpu --batch 1 --rounds 2` tries the benchmark itself")
    print(report(device, arguments.batch, arguments.backbones, arguments.rounds))


if __name__ == "__main__":
    main()
