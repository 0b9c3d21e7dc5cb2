"""What `lag_zoo.keep_freed_memory()` gives: `python -m benchmarks.kept_memory`.

Frames of 600 x 480 to probabilities by `Predictor`, and a step of training, each in a fresh process that keeps the
memory that it frees, and in one that does not. Processor time of one thread, which other work hardly lengthens.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.memory import peak
from benchmarks.timing import Row, markdown, row

BACKBONES = ("tf_efficientnet_lite0", "resnet50", "mobilenetv3_small_100")
BATCH = 32


def rows(*, rounds: int = 5) -> list[Row]:
    """Milliseconds a frame and the peak of memory, kept against not."""
    found = []
    for name in BACKBONES:
        for what, words in (("predict", "frames to probabilities"), ("train", "a step of training")):
            kept, freed = (_measured(name, what, rounds, keep=keep) for keep in (True, False))
            title = f"{words}, LAG on {name}, memory kept / not"
            found.append(row(title, kept[0], freed[0]))
            found.append(row(f"{title}: peak", [kept[1]] * 2, [freed[1]] * 2, unit="MB"))
    return found


def _measured(name: str, what: str, rounds: int, *, keep: bool) -> tuple[list[float], float]:
    """Seconds a frame of each round, and the peak of memory, in a fresh process."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.kept_memory"]
    command += ["--case", name, what, str(int(keep)), "--rounds", str(rounds)]
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=root)
    seconds, megabytes = json.loads(done.stdout)
    return seconds, megabytes


def _case(name: str, what: str, *, keep: bool, rounds: int) -> tuple[list[float], float]:
    import lag_zoo

    if keep and not lag_zoo.keep_freed_memory():
        sys.exit("this C library cannot keep freed memory: there is nothing to measure")
    torch.set_num_threads(1)
    act = (_predicting if what == "predict" else _training)(name)
    seconds = []
    for _ in range(rounds + 2):
        begun = time.process_time()
        act()
        seconds.append((time.process_time() - begun) / BATCH)
    return seconds[2:], peak()


def _predicting(name: str) -> Callable[[], object]:
    from lag_zoo import Predictor, create_model
    from lag_zoo.data.phantom import draw_frame

    frames = [draw_frame((480, 600), seed=i) for i in range(BATCH)]
    model = create_model(f"lag_{name}", label_names=["normal", "IM"])
    predictor = Predictor(model, batch_size=BATCH, workers=0)
    return lambda: list(predictor.iter(frames))


def _training(name: str) -> Callable[[], object]:
    from lag_zoo import create_model
    from lag_zoo.data.phantom import draw_frame

    model = create_model(f"lag_{name}", label_names=["normal", "IM"]).train()
    model = model.to(memory_format=torch.channels_last)
    views = model.views(torch.stack([draw_frame((480, 600), seed=i) for i in range(BATCH)]))
    optimizer = torch.optim.AdamW(model.parameters())

    def step() -> None:
        torch.nn.functional.cross_entropy(model(views), torch.arange(BATCH) % 2).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kept_memory", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--case", nargs=3, metavar=("BACKBONE", "WHAT", "KEEP"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        name, what, keep = given.case
        print(json.dumps(_case(name, what, keep=keep == "1", rounds=given.rounds)))
    else:
        print(markdown("Memory that is kept", rows(rounds=given.rounds)))


if __name__ == "__main__":
    main()
