"""Old checkpoints: their tensors come over, their code never runs."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lag_zoo.errors import WeightsIntegrityError, WeightsMismatchError, WeightsNotFoundError
from lag_zoo.weights.convert import convert

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
