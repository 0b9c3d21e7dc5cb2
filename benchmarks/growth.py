"""How time and memory grow with crops, frame size, batch and files: `python -m benchmarks.growth`.

Each point is a fresh process: seconds are the median over a few runs, memory is the most that the process has held. How
they grow is told by the exponent of a power law, fitted to the larger half of the points: 1 is linear, 0 constant.
"""

import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np

from benchmarks.memory import peak

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "growth.svg"
BACKBONE = "mobilenetv3_small_100"
POINTS: dict[str, Sequence[float]] = {
    "crops": (10, 25, 50, 100, 250, 500),
    "megapixels a frame": (0.3, 0.6, 1.3, 2.6, 5.2, 8.0),
    "frames a batch": (1, 4, 8, 16, 32, 64),
    "views a batch, the plain backbone": (1, 4, 8, 16, 32, 64),
    "files": (16, 64, 256, 1024),
}


class Point(NamedTuple):
    """What one process took: seconds, and MB at its peak."""

    x: float
    seconds: float
    memory: float


def measure(points: Mapping[str, Sequence[float]] = POINTS) -> dict[str, list[Point]]:
    """Every point, one process after the other."""
    found: dict[str, list[Point]] = {}
    for what, values in points.items():
        for value in values:
            command = [sys.executable, "-W", "ignore", "-m", "benchmarks.growth", what, str(value)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            found.setdefault(what, []).append(Point(value, *json.loads(done.stdout)))
            print(f"{what} {value:g}: {found[what][-1].seconds:.3f} s", file=sys.stderr, flush=True)
    return found


def exponent(points: Sequence[Point], of: Callable[[Point], float]) -> float:
    """Of the power law through the larger half of the points."""
    upper = points[len(points) // 2 - 1 :]
    return float(np.polyfit([math.log(p.x) for p in upper], [math.log(of(p)) for p in upper], 1)[0])


def section(found: Mapping[str, Sequence[Point]]) -> str:
    """The part of docs/performance.md, beside the picture."""
    lines = [
        "## Growth",
        "",
        f"LAG on {BACKBONE}, one frame of 1280 x 1024 and ten crops where nothing else is said; *files* are JPEG files "
        "through `Predictor`, all of them. *The plain backbone* is the peer, on views that lie ready: from batches of "
        "about 40 its maps have more than 32 MB, which the system hands out anew, page by page, at every call. Each "
        "point is a fresh process; memory is its peak, torch and its libraries included. The exponent is that of a "
        "power law through the larger half of the points: 1 is linear, 0 constant.",
        "",
        "![Time and memory against crops, frame size, batch and files](growth.svg)",
        "",
        "| what grows | from, to | time | exponent | memory | exponent |",
        "| --- | --- | --- | ---: | --- | ---: |",
    ]
    for what, points in found.items():
        first, last = points[0], points[-1]
        lines.append(
            f"| {what} | {first.x:g}, {last.x:g} | {first.seconds * 1e3:.0f}, {last.seconds * 1e3:.0f} ms | "
            f"{exponent(points, lambda p: p.seconds):.2f} | {first.memory:.0f}, {last.memory:.0f} MB | "
            f"{exponent(points, lambda p: p.memory):.2f} |"
        )
    return "\n".join(lines) + "\n"


def draw(found: Mapping[str, Sequence[Point]], path: Path = PICTURE) -> None:
    """Time above, memory below, on axes that both begin at zero."""
    figure, axes = plt.subplots(2, len(found), figsize=(3.2 * len(found), 5), squeeze=False)
    for column, (what, points) in enumerate(found.items()):
        x = [p.x for p in points]
        for row, (label, y) in enumerate(
            (("seconds", [p.seconds for p in points]), ("MB at the peak", [p.memory for p in points]))
        ):
            axes[row, column].plot(x, y, marker="o")
            axes[row, column].set(xlim=(0, None), ylim=(0, None), xlabel=what, ylabel=label)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def point(what: str, value: float) -> tuple[float, float]:
    """One point, in this process."""
    import torch

    from lag_zoo.data.phantom import draw_frame
    from lag_zoo.nn import LAG
    from lag_zoo.predict import Predictor

    model = LAG(
        BACKBONE, label_names=["mucosa", "polyp"], num_crops=int(value) if what == "crops" else 10
    ).eval()
    if what == "files":
        with tempfile.TemporaryDirectory() as folder:
            _files(Path(folder), int(value))
            predictor = Predictor(model)
            begun = time.perf_counter()
            for _ in predictor.iter(folder):
                pass
            return time.perf_counter() - begun, peak()
    if what == "views a batch, the plain backbone":
        return _seconds(model.backbone, torch.rand(int(value), 3, 224, 224)), peak()
    width = round(math.sqrt(value * 1e6 * 1.25)) if what == "megapixels a frame" else 1280
    frame = draw_frame((round(width / 1.25), width))
    frames = frame.expand(int(value) if what == "frames a batch" else 1, -1, -1, -1).contiguous()
    return _seconds(model, frames), peak()


def _seconds(network: Callable[[Any], object], x: Any) -> float:
    """The median of five runs, after one that does not count."""
    import torch

    times = []
    with torch.inference_mode():
        for _ in range(6):
            begun = time.perf_counter()
            network(x)
            times.append(time.perf_counter() - begun)
    return statistics.median(times[1:])


def _files(folder: Path, count: int) -> None:
    """Links to eight drawn frames."""
    from PIL import Image

    from lag_zoo.data.phantom import draw_frame

    for number in range(count):
        path = folder / f"{number:06}.jpg"
        if number < 8:
            Image.fromarray(draw_frame(seed=number).permute(1, 2, 0).numpy()).save(path, quality=90)
        else:
            path.symlink_to(folder / f"{number % 8:06}.jpg")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(point(sys.argv[1], float(sys.argv[2]))))
    else:
        everything = measure()
        draw(everything)
        print(section(everything))
