"""Every command that writes, on a real disk that is too small for what it writes: told clearly, whole, and taken up."""

import io
import json
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from PIL import Image

import lag_zoo
from lag_zoo.cli import main
from lag_zoo.data.cache_shards import verify_shard
from lag_zoo.weights.files import read_weights
from tests.networks import small
from tests.small_disk import remount
from tests.training.drawn_data import write_frames

PAGE = 4096
FULL = "No space left on device"
FILLER = "filler"
TINY = [
    *("--model", "lag_mobilenetv3_small_050", "--device", "cpu", "--set", "pretrained=false"),
    *("--set", "stages=[{name: all, epochs: 2}]", "--set", "fields.global_size=32", "--set", "fields.num_crops=2"),
    *("--set", "fields.crop_size=32", "--set", "batch_size=8", "--set", "workers=0", "--set", "tracker=none"),
]  # fmt: skip


class Inputs(NamedTuple):
    """What commands read."""

    data: Path
    network: Path
    old: Path
    answers: Path


class Said(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Said]


class Writing(NamedTuple):
    """A command that writes onto a disk.

    Attributes:
        command: its arguments, for what it reads and the disk.
        code: its exit code where all goes well.
        varying: files whose bytes differ from run to run, as times are in them, or a salt.
        growing: files that a command writes again and again until it is done.
        again: whether it replaces what it wrote when it is said again.
        decoration: files without which it still does its work, and warns.
        long: whether it takes long; it is then tried with room for half of what it writes alone.
    """

    command: Callable[[Inputs, Path], Sequence[object]]
    code: int = 0
    varying: tuple[str, ...] = ()
    growing: tuple[str, ...] = ()
    again: bool = True
    decoration: tuple[str, ...] = ()
    long: bool = False


def predicting(form: str) -> Writing:
    return Writing(lambda given, disk: ["predict", given.data.parent, "--model", f"local-dir:{given.network}",
                                        "--batch-size", 4, "-o", disk / f"out.{form}"], code=1)  # fmt: skip


def evaluating(given: Inputs, disk: Path) -> list[object]:
    options = ("--split", "all", "--n-resamples", 100, "-o", disk / "report")
    return ["evaluate", f"local-dir:{given.network}", given.data, *options]


def into_card(given: Inputs, disk: Path) -> list[object]:
    if not (disk / "network").is_dir():
        shutil.copytree(given.network, disk / "network")
    options = ("--split", "all", "--n-resamples", 100, "--into-card", "--data-name", "drawn frames")
    return ["evaluate", f"local-dir:{disk / 'network'}", given.data, *options]


NETWORK = ("config.json", "README.md", "golden.safetensors")  # safetensors writes its texts in any order
RUN = ("metrics.jsonl", "last.safetensors", *NETWORK)
GROWING = ("model.safetensors", "curves.png")
WRITINGS = {
    "data check": Writing(lambda given, disk: ["data", "check", given.data, "--json", disk / "check.json"]),
    "data group": Writing(
        lambda given, disk: ["data", "group", given.data, "-o", disk / "a.csv", "--by", "regex", "--pattern", r"(\d+)_"]
    ),
    "data split": Writing(
        lambda given, disk: ["data", "split", given.data, "-o", disk / "a.csv", "--overwrite"]
    ),
    "data split, Parquet": Writing(
        lambda given, disk: ["data", "split", given.data, "-o", disk / "a.parquet", "--overwrite"]
    ),
    "data cache": Writing(
        lambda given, disk: ["data", "cache", given.data, disk / "cache"],
        varying=(".shard", ".json", ".lock"),
        again=False,
    ),
    "predict, CSV": predicting("csv"),
    "predict, JSON": predicting("json"),
    "predict, JSON lines": predicting("jsonl"),
    "predict, Parquet": predicting("parquet"),
    "predict, table": predicting("txt"),
    "predict, pictures": Writing(
        lambda given, disk: ["predict", given.data.parent / "0_0.png", "--model", f"local-dir:{given.network}",
                             "--pictures", disk / "album"]
    ),
    "evaluate": Writing(evaluating, varying=(".pdf", "report.html", ".svg", ".json")),
    "evaluate predictions": Writing(
        lambda given, disk: ["evaluate", "--predictions", given.answers, "--n-resamples", 100, "-o", disk / "report"],
        varying=(".pdf", "report.html", ".svg", ".json"),
    ),
    "evaluate into the card": Writing(into_card, varying=NETWORK),
    "download": Writing(
        lambda given, disk: ["download", f"local-dir:{given.network}", "--to", disk / "network"], varying=NETWORK
    ),
    "convert": Writing(lambda given, disk: ["convert", given.old, disk / "new.safetensors"]),
    "push, the file about": Writing(
        lambda given, disk: ["push", given.network, "--write-about", disk / "about.yaml"], again=False
    ),
    "train": Writing(
        lambda given, disk: ["train", "finetune", given.data, "-o", disk / "run", *TINY],
        varying=RUN,
        growing=GROWING,
        again=False,
        decoration=("curves.png",),
    ),
    "train, the cache": Writing(
        lambda given, disk: ["train", "finetune", given.data, "-o", disk.parent / "run", "--cache", disk / "cache",
                             *TINY],
        varying=(".shard", ".json", ".lock"),
        again=False,
        long=True,
    ),
    "cv": Writing(
        lambda given, disk: ["cv", "finetune", given.data, "-o", disk / "cv", "--folds", 2, "--n-resamples", 100,
                             *TINY],
        varying=(*RUN, ".pdf", "report.html", ".svg", ".json"),
        growing=GROWING,
        again=False,
        decoration=("curves.png",),
        long=True,
    ),
}  # fmt: skip
PRINTING: dict[str, Callable[[Inputs, Path], Sequence[object]]] = {
    "recipes": lambda given, disk: ["recipes", "finetune"],
    "list": lambda given, disk: ["list"],
    "info": lambda given, disk: ["info", "lag_resnet50"],
    "data check": lambda given, disk: ["data", "check", given.data],
    "data split": lambda given, disk: ["data", "split", given.data, "-o", disk.parent / "split.csv"],
    "evaluate": lambda given, disk: evaluating(given, disk)[:-2],
    **{
        f"predict, {form}": lambda given, disk, form=form: [  # type: ignore[misc]
            *predicting("").command(given, disk)[:-2], "--format", form]
        for form in ("csv", "jsonl", "json", "table")
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    folder = tmp_path_factory.mktemp("given")
    data = write_frames(folder / "frames").root / "data.csv"
    (folder / "frames" / "broken.jpg").write_text("no image")  # not in the manifest: for predict
    torch.save({"weight": torch.arange(5000.0)}, folder / "old.pt")
    lines = [f"{n}.png,{n % 2},{n / 24},p{n // 2}" for n in range(24)]
    (folder / "answers.csv").write_text("\n".join(["image,label,p_1,patient", *lines]) + "\n")
    network = lag_zoo.save_pretrained(
        small(), folder / "network", about=lag_zoo.About(operating_points={"IM": 0.5})
    )
    return Inputs(data, network, folder / "old.pt", folder / "answers.csv")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `lag-zoo` in this process, as its entry point does."""
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # the command sets its own

    def run(arguments: Sequence[object], onto: Path | None = None) -> Said:
        err = io.StringIO()
        out = io.TextIOWrapper(io.BytesIO()) if onto is None else onto.open("w")
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["lag-zoo", *map(str, arguments)])
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            code = 0
            try:
                main()
            except SystemExit as stopped:
                code = int(stopped.code or 0)
        out.flush()
        text = out.buffer.getvalue().decode() if isinstance(out.buffer, io.BytesIO) else ""
        out.close()  # nothing is left that cannot be written
        return Said(code, text, err.getvalue())

    return run


def contents(disk: Path) -> dict[str, bytes]:
    files = (path for path in disk.rglob("*") if path.is_file() and path.name != FILLER)
    return {str(path.relative_to(disk)): path.read_bytes() for path in files}


def fill(disk: Path, left: int) -> None:
    """Leave so many bytes."""
    room = os.statvfs(disk)
    (disk / FILLER).write_bytes(bytes(max(0, room.f_bavail * room.f_frsize - left)))


def clear(disk: Path) -> None:
    for entry in disk.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def is_varying(name: str, writing: Writing) -> bool:
    return any(name.endswith(end) for end in writing.varying)


def require_whole(path: Path) -> None:
    """A file of which no earlier bytes are known to compare with, read as its format is."""
    if path.suffix == ".safetensors":
        read_weights(path, finite=False)
    elif path.suffix == ".shard":
        verify_shard(path, anew=True)
    elif path.suffix == ".png":
        with Image.open(path) as picture:
            picture.load()
    elif path.suffix in (".json", ".jsonl"):
        for text in [path.read_text()] if path.suffix == ".json" else path.read_text().splitlines():
            json.loads(text)
    else:
        ends = {".pdf": "%%EOF", ".svg": "</svg>", ".html": "</html>"}
        assert path.read_bytes().rstrip().endswith(ends.get(path.suffix, "").encode()), path


def require_nothing_half(disk: Path, whole: dict[str, bytes], writing: Writing) -> None:
    for name, data in contents(disk).items():
        parts = Path(name).parts
        assert not any(part.startswith(".") and part.endswith(".part") for part in parts), f"stray: {name}"
        if parts[0].endswith(".parts"):  # answers that are kept until all are there
            continue
        if is_varying(name, writing):
            require_whole(disk / name)
        else:
            assert name in whole, f"stray: {name}"
            assert data == whole[name], f"{name} is another"


@pytest.mark.slow
@pytest.mark.parametrize("what", WRITINGS)
def test_a_disk_that_is_too_small(what: str, given: Inputs, disk: Path, run: Run) -> None:
    writing = WRITINGS[what]
    remount(disk, "size=256m")
    first = run(writing.command(given, disk))
    assert first.code == writing.code, first.err
    whole = contents(disk)
    room = os.statvfs(disk)
    taken = (room.f_blocks - room.f_bavail) * room.f_frsize
    half = taken // 2 // PAGE * PAGE
    levels = {half} if writing.long else {0, PAGE, half, taken - PAGE}
    if writing.again:
        fill(disk, 0)
        refused = run(writing.command(given, disk))
        require_told(refused, disk)
        assert contents(disk) == whole, "what was there before"
    for left in sorted(level for level in levels if level < taken):
        clear(disk)
        shutil.rmtree(disk.parent / "run", ignore_errors=True)
        arguments = writing.command(given, disk)
        fill(disk, left)
        refused = run(arguments)
        missing = whole.keys() - contents(disk).keys()
        if refused.code == writing.code and missing and missing <= set(writing.decoration):
            continue
        require_told(refused, disk)
        require_nothing_half(disk, whole, writing._replace(varying=(*writing.varying, *writing.growing)))
        (disk / FILLER).unlink()
        is_promised = "--resume" in refused.err and arguments[0] != "cv"
        done = run([*arguments, *(["--resume"] if is_promised else [])])
        assert done.code == writing.code, (left, refused.err, done.err)
        require_nothing_half(disk, whole, writing)
        named = {name for name in whole if not name.endswith(".shard")}
        assert {name for name in contents(disk) if not name.endswith(".shard")} == named


def require_told(said: Said, disk: Path) -> None:
    assert said.code != 0, said.err
    last = said.err.strip().splitlines()[-1]
    assert FULL in said.err
    assert str(disk) in said.err, last
    assert "Traceback" not in said.err
    assert ".part:" not in said.err, "the name of a scratch tells nobody anything"


@pytest.mark.parametrize("what", PRINTING)
def test_standard_output_on_a_full_disk(what: str, given: Inputs, disk: Path, run: Run) -> None:
    fill(disk, 0)
    said = run(PRINTING[what](given, disk), onto=disk / "out.txt")
    assert said.code == 2, said.err
    assert f"lag-zoo: standard output cannot be written: {FULL}. Make room" in said.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("closed", [False, True])
def test_the_end_of_a_process_whose_output_goes_nowhere(closed: bool, root: Path) -> None:
    """Python tries the rest of the output once more at its end: no traceback, and no other exit code."""
    read, write = os.pipe() if closed else (0, os.open("/dev/full", os.O_WRONLY))
    if closed:
        os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "lag_zoo.cli", "list"],
            cwd=root, stdout=write, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    finally:
        os.close(write)
    if closed:
        assert (done.returncode, done.stderr) == (1, "")
    else:
        assert done.returncode == 2
        assert done.stderr.splitlines() == [
            f"lag-zoo: standard output cannot be written: {FULL}. Make room, and say it again: what was there is whole"
        ]
