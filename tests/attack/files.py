"""Attacks by files: bytes that are damaged or made up, under the name of something that lag_zoo reads."""

import csv
import io
import json
import os
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import load_file, save

import lag_zoo
from lag_zoo.data import read_manifest, write_manifest
from lag_zoo.data.images import read_image
from lag_zoo.data.phantom import draw_frame
from lag_zoo.provenance import KnownFrames, read_frames
from lag_zoo.state import read_state, state_line, state_lines, write_state
from lag_zoo.training.checkpoint_file import read_checkpoint, write_checkpoint
from lag_zoo.weights.convert import convert
from lag_zoo.weights.files import read_weights
from tests.attack.outcome import Outcome, WrongInSilence, damaged
from tests.networks import equal, small

STATE = {"a": torch.arange(6.0).view(2, 3), "b": torch.ones(4, dtype=torch.float16), "c": torch.tensor(3)}


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two tensors are the same, bit for bit."""
    bits = (tensor.contiguous().reshape(-1).view(torch.uint8) for tensor in (one, other))
    return one.dtype == other.dtype and one.shape == other.shape and torch.equal(*bits)


def heads(tries: int, rng: random.Random) -> Outcome:
    """Weights files: what is read is what the safetensors package reads, which does not look at values."""
    outcome, whole = Outcome("weights files, damaged anywhere"), save(STATE)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "a.safetensors"
        for _ in range(tries):
            data = damaged(whole, rng)
            path.write_bytes(data)
            with outcome.trying(repr(data[:200])):
                ours = read_weights(path, mapped=rng.random() < 0.5).tensors
                try:
                    theirs = load_file(path)
                except Exception as error:  # whatever it says
                    raise WrongInSilence(f"the package refuses it: {error}") from error
                if ours.keys() != theirs.keys() or not all(same(ours[k], theirs[k]) for k in ours):
                    raise WrongInSilence("the package reads something else")
    return outcome


VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2, 4096, 1 << 70, 1e308, float("inf"), float("nan"), "", "x", "../x", "\x1b[2J"),
    *("\ud800", [], [1, 2, 3], ["a"], {}, {"a": 1}, "resnet50", "os.system", "mean", [0.5] * 3, [[0.5]]),
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [path, *(p for key, inside in value.items() for p in _places(inside, (*path, key)))]
    if isinstance(value, list):
        return [path, *(p for number, inside in enumerate(value) for p in _places(inside, (*path, number)))]
    return [path]


def _changed(config: Any, rng: random.Random) -> str:
    """A configuration with a few values exchanged, left out or added."""
    config = json.loads(json.dumps(config))
    for _ in range(rng.randint(1, 3)):
        *way, last = rng.choice([p for p in _places(config) if p]) if _places(config) != [()] else [None]
        if last is None:
            break
        holder = config
        for step in way:
            holder = holder[step]
        kind = rng.choice(["exchange", "exchange", "leave out", "add"])
        if kind == "exchange":
            holder[last] = rng.choice(VALUES)
        elif kind == "leave out":
            del holder[last]
        elif isinstance(holder, dict):
            holder[rng.choice(["img_size", "kwargs", "class", "path", "num_crops", "x"])] = rng.choice(VALUES)
    return json.dumps(config)


def configurations(tries: int, rng: random.Random) -> Outcome:
    """Configurations: what is built has the weights, mean, std and labels that were vouched for, or it is refused."""
    outcome = Outcome("`config.json`, values exchanged or bytes damaged")
    with tempfile.TemporaryDirectory() as scratch:
        folder, model = Path(scratch) / "a", small()
        lag_zoo.save_pretrained(model, folder)
        path = folder / "config.json"
        text = path.read_text()
        config = json.loads(text)
        for _ in range(tries):
            by_value = rng.random() < 0.7
            changed = _changed(config, rng).encode() if by_value else damaged(text.encode(), rng)
            path.write_bytes(changed)
            with outcome.trying(repr(changed[:200])):
                found = lag_zoo.create_model(f"local-dir:{folder}", pretrained=True)
                if not equal(found, model):
                    raise WrongInSilence("other weights")
                said = json.loads(changed)["lag_zoo"]["config"]
                for name in ("mean", "std", "label_names", "task", "global_size"):
                    # Without a size it is the backbone's own.
                    if (
                        said.get(name) is not None
                        and json.loads(json.dumps(getattr(found.config, name))) != said[name]
                    ):
                        raise WrongInSilence(
                            f"{name} is {getattr(found.config, name)}, and the file says {said[name]}"
                        )
    return outcome


CELLS = (
    *(
        "a.png",
        "b/c.png",
        "./a.png",
        "../x.png",
        "/abs.png",
        "",
        " ",
        "nan",
        "?",
        "0",
        "1",
        "1.0",
        "yes",
        "no",
    ),
    *(
        "IM",
        "im",
        "normal",
        "p1",
        "P01",
        "p01",
        "12",
        "012",
        "e1",
        "train",
        "test",
        "val",
        "63",
        "-1",
        "f",
        "lci",
    ),
    *("é", "e\u0301", "\ufeffp1", "p\u200b1", "\x1b[2J", "=cmd()", "a,b", 'a"b', "a\nb", "\x00", "x" * 300),
)
COLUMNS = (
    *("image", "label", "patient", "exam", "age", "sex", "split", "excluded", "modality", "centre", "mask"),
    *("IM", "", "Image", "label", "p_id"),
)


def manifests(tries: int, rng: random.Random) -> Outcome:
    """Manifests: what is read can be written and read again as the same, or it is refused."""
    outcome = Outcome("manifests, cells made up or bytes damaged")
    with tempfile.TemporaryDirectory() as scratch:
        path, again = Path(scratch) / "a.csv", Path(scratch) / "again.csv"
        for _ in range(tries):
            file = io.StringIO(newline="")
            header = ["image", *rng.sample(COLUMNS, rng.randint(1, 5))]
            writer = csv.writer(file)
            writer.writerow(header)
            for number in range(rng.randint(0, 6)):
                own = f"{number}.png" if rng.random() < 0.8 else rng.choice(CELLS)
                writer.writerow([own, *(rng.choice(CELLS) for _ in header[1:])])
            data = file.getvalue().encode(errors="surrogatepass")
            path.write_bytes(damaged(data, rng) if rng.random() < 0.3 else data)
            with outcome.trying(repr(path.read_bytes()[:200])):
                found = read_manifest(path)
                write_manifest(found, again)
                read = read_manifest(again)
                rows = [
                    [
                        (
                            os.path.normpath(f.image),
                            f.labels,
                            f.patient,
                            f.exam,
                            f.age,
                            f.sex,
                            f.split,
                            f.excluded,
                        )
                        for f in m.frames
                    ]
                    for m in (found, read)
                ]
                if found.label_names != read.label_names or rows[0] != rows[1]:
                    raise WrongInSilence(f"{rows[0]} became {rows[1]}")
    return outcome


def _states() -> dict[str, tuple[Callable[[Path], object], Callable[[Path], Any], Any]]:
    """How each kind of state is written and read, and what is in it."""
    known = KnownFrames({f"{n:016x}": None if n % 2 else n for n in range(20)})
    rows = [[n, {"label": "IM", "p": n / 7}] for n in range(9)]
    tree = {"model": STATE, "epoch": 3, "lr": 0.1, "rows": [{"loss": 0.5}], "best": (1, None)}
    note = {"images": 9, "names": ["é"]}
    lines = "".join(map(state_line, rows))
    return {
        "state.json": (lambda path: write_state(path, note), read_state, note),
        "last.safetensors": (lambda path: write_checkpoint(path, tree), read_checkpoint, tree),
        "frames.txt": (lambda path: path.write_text(known.to_text()), read_frames, known),
        "answers.part": (lambda path: path.write_text(lines), lambda path: [*state_lines(path)], rows),
    }


def alike(one: Any, other: Any) -> bool:
    """Whether two trees of dictionaries, lists, values and tensors are the same, tensors bit for bit."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and same(one, other)
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and one.keys() == other.keys()
            and all(alike(one[k], other[k]) for k in one)
        )
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(alike, one, other))
    return bool(one == other)


def states(tries: int, rng: random.Random) -> Outcome:
    """State of ours: checkpoints, notes, lists of frames, and parts of predictions: damaged lines are done again."""
    outcome = Outcome("checkpoints, notes and parts of runs, damaged")
    with tempfile.TemporaryDirectory() as scratch:
        kinds = [*_states().items()]
        for number in range(tries):
            name, (write, read, content) = kinds[number % len(kinds)]
            path = Path(scratch) / name
            write(path)
            path.write_bytes(damaged(path.read_bytes(), rng))
            with outcome.trying(f"{name}: {path.read_bytes()[:200]!r}"):
                found = read(path)
                if name == "answers.part":
                    if not all(row in content for row in found):
                        raise WrongInSilence("an answer that was never given")
                elif not alike(found, content):
                    raise WrongInSilence("another state")
    return outcome


def checkpoints_of_others(tries: int, rng: random.Random) -> Outcome:
    """PyTorch's checkpoints on their way to safetensors."""
    outcome = Outcome("`.pth` files on the way to safetensors, damaged")
    with tempfile.TemporaryDirectory() as scratch:
        old, new = Path(scratch) / "a.pth", Path(scratch) / "a.safetensors"
        for _ in range(tries):
            buffer = io.BytesIO()
            torch.save({"model": STATE}, buffer, _use_new_zipfile_serialization=rng.random() < 0.5)
            data = damaged(buffer.getvalue(), rng)
            old.write_bytes(data)
            with outcome.trying(repr(data[:100])):
                keys = convert(old, new)
                if set(load_file(new)) != set(keys):
                    raise WrongInSilence("other keys")
    return outcome


def pictures(tries: int, rng: random.Random) -> Outcome:
    """Pictures whose format has something to notice damage by; see `benchmarks.damage` for shares and the others."""
    outcome = Outcome("PNG files, damaged")
    frame = draw_frame((64, 80))
    buffer = io.BytesIO()
    Image.fromarray(frame.permute(1, 2, 0).contiguous().numpy()).save(buffer, "PNG")
    for _ in range(tries):
        data = damaged(buffer.getvalue(), rng)
        with outcome.trying(repr(data[:100])):
            if not torch.equal(read_image(data), frame):
                raise WrongInSilence("other pixels")
    return outcome
