"""Weights files: only the bytes that were vouched for, only into the network that they belong to."""

import hashlib
import os
import pickle
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save, save_file
from torch import nn

import lag_zoo.weights.files as files
from lag_zoo.errors import WeightsIntegrityError, WeightsMismatchError, WeightsNotFoundError
from lag_zoo.weights import load_strictly, read_weights
from lag_zoo.weights.files import verify_file, write_weights

TENSORS = {"a": torch.arange(6.0).view(2, 3), "b": torch.ones(4, dtype=torch.float16)}
BYTES = save(TENSORS)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.safetensors"
    save_file(TENSORS, path)
    return path


def test_a_written_file_has_the_permissions_of_any_other(tmp_path: Path) -> None:
    """A folder that a group shares: its members read the weights too."""
    for name in ("new", "old"):
        (tmp_path / "old").touch(mode=0o640)
        (tmp_path / "plain").write_text("")
        write_weights(tmp_path / name, TENSORS)
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert (tmp_path / "old").stat().st_mode & 0o777 == 0o640


class TestRead:
    def test_gives_what_was_saved(self, file: Path) -> None:
        for read in (read_weights(file), read_weights(file, digest(file))):
            assert read.keys() == TENSORS.keys()
            assert all(
                torch.equal(read[key], TENSORS[key]) and read[key].dtype == TENSORS[key].dtype for key in read
            )

    def test_one_flipped_byte_is_refused(self, file: Path) -> None:
        vouched = digest(file)
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)
        read_weights(file)  # such a file looks right: only the hash knows
        with pytest.raises(
            WeightsIntegrityError, match=f"a.safetensors has the SHA-256 {digest(file)}, and {vouched}"
        ):
            read_weights(file, vouched)

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(WeightsNotFoundError, match=r"no weights file .*nothing\.safetensors"):
            read_weights(tmp_path / "nothing.safetensors")

    @given(cut=st.integers(0, len(BYTES) - 1))
    def test_a_truncated_file_is_refused(self, tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
        path = tmp_path_factory.getbasetemp() / "cut.safetensors"
        path.write_bytes(BYTES[:cut])
        with pytest.raises(WeightsIntegrityError, match="is not a safetensors file"):
            read_weights(path)

    def test_a_pickle_is_never_opened(self, tmp_path: Path) -> None:
        class Trap:
            def __reduce__(self) -> tuple[object, ...]:
                return (pytest.fail, ("unpickled",))

        path = tmp_path / "model.pth"
        path.write_bytes(pickle.dumps(Trap()))
        with pytest.raises(WeightsIntegrityError):
            read_weights(path)


class TestLoadStrictly:
    def network(self) -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))

    def test_loads_and_widens(self) -> None:
        model, half = self.network(), self.network().half()
        weights = half.state_dict()
        load_strictly(model, weights, source="x")
        assert model[0].weight.dtype == torch.float32
        assert torch.equal(model[0].weight, weights["0.weight"].float())

    def test_every_difference_is_listed_and_nothing_is_touched(self) -> None:
        model = self.network()
        weights = {key: value + 1 for key, value in model.state_dict().items()}
        before = {key: value.clone() for key, value in model.state_dict().items()}
        weights["0.weight"] = torch.zeros(5, 3)
        weights["new"] = weights.pop("0.bias")
        with pytest.raises(WeightsMismatchError) as caught:
            load_strictly(model, weights, source="their.safetensors")
        message = str(caught.value)
        assert "their.safetensors holds the weights of another network" in message
        assert "missing: 0.bias (4,)" in message
        assert "unexpected: new (4,)" in message
        assert "shape: 0.weight is (5, 3), the network has (4, 3)" in message
        assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())

    def test_a_long_list_is_cut(self) -> None:
        with pytest.raises(WeightsMismatchError, match="and 4 more"):
            load_strictly(self.network(), {}, source="x")

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_values_that_are_not_finite(self, value: float) -> None:
        model = self.network()
        weights = {key: tensor.clone() for key, tensor in model.state_dict().items()}
        weights["0.bias"][1] = value
        with pytest.raises(WeightsIntegrityError, match=r"not finite: 0\.bias"):
            load_strictly(model, weights, source="x")
        assert model[0].bias.isfinite().all()


class TestRemembered:
    """A digest is taken once, and again when the file may have changed."""

    @pytest.fixture
    def taken(self, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
        seen: list[Path] = []
        monkeypatch.setattr(files, "digest_of", lambda path: seen.append(path) or digest(path))
        return seen

    def test_once(self, file: Path, taken: list[Path]) -> None:
        for _ in range(3):
            verify_file(file, digest(file))
        assert taken == [file]

    def test_a_changed_file_is_read_again(self, file: Path, taken: list[Path]) -> None:
        vouched = digest(file)
        verify_file(file, vouched)
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)
        os.utime(file, ns=(0, 0))
        with pytest.raises(WeightsIntegrityError, match="SHA-256"):
            verify_file(file, vouched)
        assert len(taken) == 2

    def test_what_failed_is_not_remembered(self, file: Path, taken: list[Path]) -> None:
        for _ in range(2):
            with pytest.raises(WeightsIntegrityError):
                verify_file(file, "0" * 64)
        assert len(taken) == 2

    def test_without_a_place_to_note_it(
        self, file: Path, taken: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "taken").write_text("a file where the folder should be")
        monkeypatch.setenv("LAG_ZOO_CACHE", str(tmp_path / "taken"))
        for _ in range(2):
            verify_file(file, digest(file))
        assert len(taken) == 2

    @pytest.mark.parametrize("value", [float("nan"), float("-inf")])
    def test_values_that_are_not_finite(self, tmp_path: Path, value: float) -> None:
        path = tmp_path / "broken.safetensors"
        save_file({"good": torch.ones(3), "broken": torch.tensor([1.0, value])}, path)
        with pytest.raises(WeightsIntegrityError, match="not finite: broken"):
            verify_file(path)

    def test_a_bound_may_be_infinite(self, tmp_path: Path) -> None:
        path = tmp_path / "bound.safetensors"
        save_file({"input_max": torch.tensor(float("inf"))}, path)
        verify_file(path)
        save_file({"input_max": torch.tensor(float("nan"))}, path)
        os.utime(path, ns=(0, 0))
        with pytest.raises(WeightsIntegrityError, match="not finite: input_max"):
            verify_file(path)

    def test_large_values_are_finite(self, tmp_path: Path) -> None:
        path = tmp_path / "large.safetensors"
        save_file({"large": torch.full((4,), 3e38)}, path)
        verify_file(path)


def test_training_leaves_the_file_alone(file: Path) -> None:
    before = file.read_bytes()
    read_weights(file)["a"].add_(1)
    assert file.read_bytes() == before
