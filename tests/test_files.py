"""Files and folders appear whole or not at all, whoever writes them and however it fails."""

import ast
import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lag_zoo
from lag_zoo.data import Frame, Manifest, write_manifest
from lag_zoo.data.cache_folder import Order, write_order
from lag_zoo.data.cache_shards import CachedFrame, ShardWriter
from lag_zoo.errors import TrainingError, UnreadableImageError
from lag_zoo.evaluate.scores import Scores
from lag_zoo.files import write_whole, write_whole_folder
from lag_zoo.predict.resumable import ResumableOutput
from lag_zoo.training.run_folder import RunFolder
from lag_zoo.views.field_of_view import whole_frame
from lag_zoo.weights.convert import convert
from lag_zoo.weights.digests import Identity, remember_digest
from tests.networks import small

FRAMES = tuple(Frame(image=f"{n}.jpg", labels=(n % 2,)) for n in range(4))
MANIFEST = Manifest(root=Path("."), label_names=("normal", "IM"), frames=FRAMES)
SCORES = Scores.from_arrays(np.eye(2), [0, 1], label_names=("normal", "IM"), images=("a.jpg", "b.jpg"))


def converted(folder: Path) -> None:
    old = folder.parent / "old.pt"
    torch.save({"weight": torch.ones(8)}, old)
    convert(old, folder / "new.safetensors")


def remembered(folder: Path) -> None:
    file = folder.parent / "weights"
    file.write_text("weights")
    remember_digest(Identity(1, 2, 3, 4, 5), "0" * 64)  # as if written long ago


def shard(folder: Path) -> None:
    pixels = torch.zeros(3, 64, 64, dtype=torch.uint8)
    with ShardWriter(folder) as writer:
        writer.add("key", CachedFrame(pixels, pixels, whole_frame(1, (64, 64))))


WRITERS: dict[str, Callable[[Path], Any]] = {
    "a text": lambda folder: write_whole(folder / "text", "text"),
    "bytes": lambda folder: write_whole(folder / "bytes", b"bytes"),
    "a writer": lambda folder: write_whole(folder / "written", lambda path: path.write_text("written")),
    "a folder": lambda folder: write_whole_folder(folder / "f", lambda new: (new / "a").write_text("a")),
    "a manifest": lambda folder: write_manifest(MANIFEST, folder / "manifest.csv"),
    "a manifest in Parquet": lambda folder: write_manifest(MANIFEST, folder / "manifest.parquet"),
    "scores": lambda folder: SCORES.write(folder / "scores.csv"),
    "converted weights": converted,
    "a repository": lambda folder: lag_zoo.save_pretrained(small(), folder / "mine"),
    "a cache's order": lambda folder: write_order(folder, Order(["key"], [])),
    "a shard": shard,
    "a checkpoint": lambda folder: RunFolder(folder).save({"epoch": 1}),
    "a run": lambda folder: ResumableOutput(folder / "out.csv", {"images": 1}).begin(resume=True),
}
SILENT: dict[str, Callable[[Path], Any]] = {"a digest": remembered}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.setenv("LAG_ZOO_CACHE", str(folder / "cache"))
    return folder


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("writer", [*WRITERS, *SILENT])
def test_a_write_that_fails(writer: str, step: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "the disk is gone")

    write = {**WRITERS, **SILENT}[writer]
    with monkeypatch.context() as patched:
        patched.setattr(os, step, fail)
        if writer in SILENT:
            write(folder)
        else:
            with pytest.raises((OSError, TrainingError), match="the disk is gone"):
                write(folder)
    assert not contents(folder), "neither half a file nor a scratch"
    write(folder)
    assert contents(folder)
    assert not [name for name in contents(folder) if name.endswith(".part")]


@pytest.mark.parametrize("writer", [name for name in WRITERS if name not in ("a run", "a cache's order")])
def test_a_disk_that_is_full(writer: str, disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAG_ZOO_CACHE", str(disk.parent / "cache"))
    filler = disk / "filler"
    filler.write_bytes(bytes(os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize))
    with pytest.raises((OSError, TrainingError), match="No space left") as refused:
        WRITERS[writer](disk)
    if isinstance(refused.value, OSError):
        assert Path(refused.value.filename).is_relative_to(disk)
        assert ".part" not in refused.value.filename, "the name of a scratch tells nobody anything"
    assert str(disk) in str(refused.value)
    assert [path.name for path in disk.iterdir()] == ["filler"]


def test_what_was_there_stays(folder: Path) -> None:
    def half(path: Path) -> None:
        path.write_text("half")
        raise ZeroDivisionError

    file, inner = folder / "file", folder / "inner"
    write_whole(file, "before")
    write_whole_folder(inner, lambda new: (new / "file").write_text("before"))
    before = contents(folder)
    with pytest.raises(ZeroDivisionError):
        write_whole(file, half)
    with pytest.raises(ZeroDivisionError):
        write_whole_folder(inner, lambda new: half(new / "file"))
    assert contents(folder) == before
    write_whole(file, "after")
    write_whole_folder(inner, lambda new: (new / "other").write_text("after"))
    assert contents(folder) == {"file": b"after", "inner/other": b"after"}


def test_an_error_names_the_file(folder: Path) -> None:
    """Not its scratch; and what is not the writer's own comes as it is."""
    with pytest.raises(FileNotFoundError) as refused:
        write_whole(folder / "nowhere" / "file", "text")
    assert refused.value.filename == str(folder / "nowhere" / "file")

    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "full", str(path))

    with pytest.raises(OSError, match="No space") as refused:
        write_whole_folder(folder / "inner", lambda new: full(new / "a" / "file"))
    assert refused.value.filename == str(folder / "inner" / "a" / "file")
    with pytest.raises(FileNotFoundError) as refused:
        write_whole(folder / "file", lambda _: (folder / "source").read_text())
    assert refused.value.filename == str(folder / "source")
    unread = UnreadableImageError("frame.png: damaged")
    with pytest.raises(UnreadableImageError) as caught:
        write_whole(folder / "file", lambda _: raising(unread))
    assert caught.value is unread


def raising(error: Exception) -> None:
    raise error


def test_line_ends_stay_as_they_are(folder: Path) -> None:
    write_whole(folder / "text", "Säule\r\nand\n")
    assert (folder / "text").read_bytes() == "Säule\r\nand\n".encode()


def test_a_link_goes_on_pointing_to_its_file(folder: Path) -> None:
    (folder / "real").write_text("before")
    (folder / "link").symlink_to("real")
    write_whole(folder / "link", "after")
    assert (folder / "link").is_symlink()
    assert (folder / "real").read_text() == "after"


def test_nothing_takes_the_place_of_a_pipe(folder: Path) -> None:
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_whole(pipe, "through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_long_name(folder: Path) -> None:
    write_whole(folder / ("ö" * 127), "text")
    assert len(contents(folder)) == 1


BY_HAND = {"write_text", "write_bytes", "mkstemp", "NamedTemporaryFile", "replace"}
ALLOWED = {
    "files.py": BY_HAND,
    "publishing.py": {"write_text"},  # into a folder that appears whole
    "weights/rewriting.py": {"write_text"},  # likewise
    "weights/exam_files.py": {"write_text"},
    "export/writing.py": {"write_text"},
    "data/samples.py": {"replace"},  # damaged files are set aside
    "weights/hub.py": {"replace"},
}


def test_nobody_writes_by_hand(root: Path) -> None:
    """Whoever does would have to care for all that is tested here."""
    for path in (root / "lag_zoo").rglob("*.py"):
        allowed = ALLOWED.get(path.relative_to(root / "lag_zoo").as_posix(), set())
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in BY_HAND - allowed:
                called = ast.unparse(node)
                assert called.endswith(".replace"), f"{path}: {called}"
                assert called != "os.replace", f"{path}: {called}"


def test_permissions(folder: Path) -> None:
    umask = os.umask(0o027)
    try:
        write_whole(folder / "shared", "text")
        write_whole(folder / "own", "text", mode=0o600)
    finally:
        os.umask(umask)
    assert [stat.S_IMODE((folder / name).stat().st_mode) for name in ("shared", "own")] == [0o640, 0o600]
