"""Old checkpoints: their tensors come over, their code never runs."""

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from lag_zoo.errors import (
    InvalidConfigError,
    LagZooError,
    WeightsIntegrityError,
    WeightsMismatchError,
    WeightsNotFoundError,
)
from lag_zoo.weights import convert as converting
from lag_zoo.weights.convert import convert

pytestmark = pytest.mark.skipif(
    not converting._HOLE_IS_CLOSED, reason="this torch is not safe to read checkpoints with; convert says so"
)
STATE = {"stem.weight": torch.arange(6.0).view(2, 3), "head.bias": torch.ones(2)}


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model", "teacher"])
def test_the_tensors_come_over(tmp_path: Path, wrapper: str | None) -> None:
    torch.save(STATE if wrapper is None else {"epoch": 3, wrapper: STATE}, tmp_path / "old.pth")
    keys = convert(tmp_path / "old.pth", tmp_path / "new.safetensors")
    assert keys == list(STATE)
    found = load_file(tmp_path / "new.safetensors")
    assert all(torch.equal(found[key], STATE[key]) for key in STATE)


def test_keys_are_renamed_and_the_rest_left_out(tmp_path: Path) -> None:
    state = {f"teacher.backbone.{key}": value for key, value in STATE.items()}
    torch.save({**state, "dino": torch.ones(1)}, tmp_path / "a")
    assert convert(tmp_path / "a", tmp_path / "b", {"teacher.backbone.": ""}) == list(STATE)
    with pytest.raises(WeightsMismatchError, match=r"no key .* with one of student; the first are teacher"):
        convert(tmp_path / "a", tmp_path / "c", {"student": ""})
    assert not (tmp_path / "c").exists()


def test_two_keys_do_not_become_one(tmp_path: Path) -> None:
    torch.save({"a.x": torch.ones(1), "b.x": torch.zeros(1)}, tmp_path / "old")
    with pytest.raises(WeightsMismatchError, match=r"become 'x'; the second is 'b\.x'"):
        convert(tmp_path / "old", tmp_path / "new", {"a.": "", "b.": ""})


def test_tied_weights_are_written_out(tmp_path: Path) -> None:
    weight = torch.ones(3)
    torch.save({"a": weight, "b": weight, "c": weight[1:]}, tmp_path / "old")
    convert(tmp_path / "old", tmp_path / "new")
    assert load_file(tmp_path / "new")["c"].shape == (2,)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol:UserWarning")
def test_code_is_never_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (pytest.fail, ("unpickled",))

    torch.save({"model": STATE, "args": Trap()}, tmp_path / "trap.pth")
    (tmp_path / "bare.pth").write_bytes(pickle.dumps(Trap()))
    for name in ("trap.pth", "bare.pth"):
        with pytest.raises(WeightsIntegrityError, match="nothing else is opened"):
            convert(tmp_path / name, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("data", [b"", b"no checkpoint", b"PK\x03\x04 cut"])
def test_what_is_no_checkpoint(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "old").write_bytes(data)
    with pytest.raises(WeightsIntegrityError):
        convert(tmp_path / "old", tmp_path / "new")


def test_without_a_file_or_tensors(tmp_path: Path) -> None:
    with pytest.raises(WeightsNotFoundError):
        convert(tmp_path / "nothing", tmp_path / "new")
    torch.save({"epoch": 3, "lr": 0.1}, tmp_path / "old")
    with pytest.raises(WeightsMismatchError, match="it holds epoch, lr"):
        convert(tmp_path / "old", tmp_path / "new")


STRANGE: dict[str, tuple[Callable[[], dict[str, object]], str]] = {
    "expanded": (lambda: {"x": torch.ones(1).expand(1 << 33)}, "repeats the 4 bytes that there are"),
    "expanded twice": (lambda: {"x": torch.ones(8, 1).expand(8, 1 << 30)}, "repeats the 32 bytes"),
    "many names": (lambda: dict.fromkeys(map(str, range(100)), torch.ones(1000)), "the same ones many times"),
    "sparse": (lambda: {"x": torch.ones(3, 3).to_sparse()}, "plain numbers are taken"),
    "compressed rows": (lambda: {"x": torch.ones(3, 3).to_sparse_csr()}, "plain numbers are taken"),
    "quantised": (
        lambda: {"x": torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)},
        "plain numbers are taken",
    ),
    "complex": (lambda: {"x": torch.ones(3, dtype=torch.complex64)}, "plain numbers are taken"),
    "eighths": (
        lambda: {"x": torch.ones(3).to(torch.float8_e4m3fn)},
        "plain numbers are taken|is no checkpoint",
    ),
    "nowhere": (lambda: {"x": torch.ones(3, device="meta")}, "plain numbers are taken"),
    "the name of the texts": (lambda: {"__metadata__": torch.ones(3)}, "which no tensor can have"),
    "half a letter": (lambda: {"\ud800": torch.ones(3)}, "which no tensor can have"),
    "not finite": (
        lambda: {"x": torch.tensor([1.0, float("nan")])},
        "old holds values that are not finite: x",
    ),
}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", STRANGE)
@pytest.mark.parametrize("legacy", [False, True])
def test_tensors_that_are_not_plain(tmp_path: Path, kind: str, legacy: bool) -> None:
    make, says = STRANGE[kind]
    torch.save(make(), tmp_path / "old", _use_new_zipfile_serialization=not legacy)
    assert (tmp_path / "old").stat().st_size < 100_000
    with pytest.raises(WeightsIntegrityError, match=says):
        convert(tmp_path / "old", tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_an_archive_that_is_packed(tmp_path: Path) -> None:
    """Torch itself writes none, and reads any: 40 MB out of 40 kB here."""
    torch.save({"x": torch.zeros(10_000_000)}, tmp_path / "plain")
    with (
        zipfile.ZipFile(tmp_path / "plain") as plain,
        zipfile.ZipFile(tmp_path / "old", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for entry in plain.infolist():
            packed.writestr(entry.filename, plain.read(entry))
    assert (tmp_path / "old").stat().st_size < 100_000
    with pytest.raises(WeightsIntegrityError, match="when unpacked"):
        convert(tmp_path / "old", tmp_path / "new")


def test_an_old_torch_reads_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(STATE, tmp_path / "old")
    monkeypatch.setattr(converting, "_HOLE_IS_CLOSED", False)
    with pytest.raises(InvalidConfigError, match=r"CVE-2026-24747.*torch 2\.10 or later"):
        convert(tmp_path / "old", tmp_path / "new")


def test_a_pipe_is_no_checkpoint(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "old")
    with pytest.raises(WeightsIntegrityError, match="a pipe, and no file"):
        convert(tmp_path / "old", tmp_path / "new")


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=int(os.environ.get("LAG_ZOO_FUZZ", "100")))
@given(data=st.data())
def test_any_bytes_are_an_error_of_ours_or_the_tensors(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp()
    buffer = io.BytesIO()
    torch.save({"model": STATE, "epoch": 3}, buffer, _use_new_zipfile_serialization=data.draw(st.booleans()))
    raw = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw) - 1))
        kind = data.draw(st.sampled_from(["flip", "cut", "insert"]))
        if kind == "flip":
            raw[at] ^= data.draw(st.integers(1, 255))
        elif kind == "cut":
            del raw[at : at + data.draw(st.integers(1, 9))]
        else:
            raw[at:at] = data.draw(st.binary(min_size=1, max_size=9))
    (folder / "any").write_bytes(raw)
    try:
        keys = convert(folder / "any", folder / "any_new")
    except LagZooError:
        return
    assert set(load_file(folder / "any_new")) == set(keys)
