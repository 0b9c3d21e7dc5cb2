"""Attacks by the clock and the disk: kill -9 at any moment, and a disk that is full."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from PIL import Image

import lag_zoo
from lag_zoo.data.cache import FrameCache
from lag_zoo.data.phantom import draw_frame
from tests.attack.outcome import Outcome, WorkLost, WrongInSilence
from tests.networks import equal, small

ROOT = Path(__file__).parents[2]
SAVING = """
import sys
import lag_zoo
from tests.networks import small
models = [small(seed) for seed in (1, 2)]
print("ready", flush=True)
while True:
    for model in models:
        lag_zoo.save_pretrained(model, sys.argv[1] + "/mine")
"""
CACHING = """
import sys
from pathlib import Path
from lag_zoo.data.cache import build_cache
print("ready", flush=True)
while True:
    images = sorted(Path(sys.argv[1], "frames").iterdir())
    build_cache(images, sys.argv[1] + "/cache", global_size=32, shard_bytes=20_000)
    for name in list(Path(sys.argv[1], "cache").glob("*.shard"))[:2]:
        name.unlink()
"""
PREDICTING = """
import sys
from lag_zoo.predict.resumable import ResumableOutput, survey
from pathlib import Path
folder = Path(sys.argv[1])
about = survey([folder / "frames"])
output = ResumableOutput(folder / "out.jsonl", about)
output.begin(resume=True)
print("ready", flush=True)
while True:
    for index, path in output.wanted([folder / "frames"], batch=1):
        output.write(index, {"path": path.name})
    (folder / "again").touch()
"""


def _frames(folder: Path, count: int) -> None:
    (folder / "frames").mkdir()
    for number in range(count):
        pixels = draw_frame((64, 80), seed=number).permute(1, 2, 0).contiguous().numpy()
        Image.fromarray(pixels).save(folder / "frames" / f"{number:02d}.png")


def _killed(code: str, folder: Path, rng: random.Random) -> None:
    """Run code until it is ready, and then for a moment longer."""
    environment = {**os.environ, "LAG_ZOO_CACHE": str(folder / "own"), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code, str(folder)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    if process.stdout.readline() != "ready\n":
        raise AssertionError("it did not begin")
    time.sleep(rng.random() * 0.3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


def saving(tries: int, rng: random.Random) -> Outcome:
    """A folder of weights that is saved again and again is the one or the other, whole."""
    outcome, models = Outcome("kill -9 while weights are saved"), [small(seed) for seed in (1, 2)]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        lag_zoo.save_pretrained(models[0], folder / "mine")
        for number in range(tries):
            _killed(SAVING, folder, rng)
            with outcome.trying(f"kill {number}"):
                if not (folder / "mine").is_dir():
                    raise WorkLost("the folder is gone")
                found = lag_zoo.create_model(f"local-dir:{folder / 'mine'}", pretrained=True)
                if not any(equal(found, model) for model in models):
                    raise WrongInSilence("other weights")
    return outcome


def caching(tries: int, rng: random.Random) -> Outcome:
    """A frame cache whose building is killed: what it gives is the frames, and another build goes on."""
    from lag_zoo.data.cache import build_cache

    outcome = Outcome("kill -9 while frames are cached")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _frames(folder, 12)
        images = sorted((folder / "frames").iterdir())
        for number in range(tries):
            _killed(CACHING, folder, rng)
            with outcome.trying(f"kill {number}"):
                cache: FrameCache = build_cache(images, folder / "cache", global_size=32)
                for place in range(len(images)):
                    if not torch.equal(cache[place], draw_frame((64, 80), seed=place)):
                        raise WrongInSilence(f"frame {place} is another")
    return outcome


def predicting(tries: int, rng: random.Random) -> Outcome:
    """Answers that are kept as they come: no line that was written is lost, and none is half a line."""
    from lag_zoo.predict.resumable import ResumableOutput, survey

    outcome = Outcome("kill -9 while answers are written")
    for number in range(tries):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            _frames(folder, 9)
            _killed(PREDICTING, folder, rng)
            with outcome.trying(f"kill {number}"):
                output = ResumableOutput(folder / "out.jsonl", survey([folder / "frames"]))
                output.begin(resume=True)
                done = output.done()
                for index, path in output.wanted([folder / "frames"], batch=1):
                    if done[index]:
                        raise WorkLost(f"answer {index} is wanted again")
                    output.write(index, {"path": path.name})
                if [row["path"] for row in output.rows()] != [f"{n:02d}.png" for n in range(9)]:
                    raise WrongInSilence("other answers")
    return outcome


def loading_while_saved(tries: int, rng: random.Random) -> Outcome:
    """A folder that another process saves anew all the time: what is loaded is the one or the other."""
    outcome, models = (
        Outcome("loading from a folder that is saved anew all the time"),
        [small(s) for s in (1, 2)],
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        lag_zoo.save_pretrained(models[0], folder / "mine")
        environment = {**os.environ, "LAG_ZOO_CACHE": str(folder / "own"), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-W", "ignore", "-c", SAVING, str(folder)]
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as process:
            try:
                assert process.stdout is not None
                process.stdout.readline()
                for number in range(tries):
                    with outcome.trying(f"load {number}"):
                        found = lag_zoo.create_model(f"local-dir:{folder / 'mine'}", pretrained=True)
                        if not any(equal(found, model) for model in models):
                            raise WrongInSilence("parts of both")
            finally:
                process.kill()
    return outcome
