"""Weights files: only the bytes that were vouched for, only into the network that they belong to."""

import errno
import hashlib
import json
import math
import os
import pickle
import socket
import struct
import threading
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save, save_file
from torch import Tensor, nn

import lag_zoo.weights.digests as digests
import lag_zoo.weights.files as files
from lag_zoo.errors import WeightsIntegrityError, WeightsMismatchError, WeightsNotFoundError
from lag_zoo.files import write_whole
from lag_zoo.weights import load_strictly, read_weights
from lag_zoo.weights.files import verify_file, write_weights
from lag_zoo.weights.layout import DTYPES, Entry

TENSORS = {"a": torch.arange(6.0).view(2, 3), "b": torch.ones(4, dtype=torch.float16)}
BYTES = save(TENSORS)


def same(one: Tensor, other: Tensor) -> bool:
    return one.dtype == other.dtype and torch.equal(one, other)


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
        for read in (read_weights(file), read_weights(file, digest(file)), read_weights(file, mapped=True)):
            assert (read.sha256, dict(read.metadata)) == (digest(file), {})
            assert read.tensors.keys() == TENSORS.keys()
            assert all(same(read.tensors[key], TENSORS[key]) for key in TENSORS)

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
    def hashed(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """How many files have been hashed; those just written are as good as old ones."""
        monkeypatch.setattr(digests, "_SETTLED", -1.0)
        seen: list[int] = []

        class Counted(files._Anew):
            def __init__(self, head: bytes) -> None:
                seen.append(1)
                super().__init__(head)

        monkeypatch.setattr(files, "_Anew", Counted)
        return seen

    def test_once(self, file: Path, hashed: list[int]) -> None:
        for _ in range(3):
            verify_file(file, digest(file))
        assert len(hashed) == 1

    def test_a_file_that_was_just_written_is_hashed_each_time(
        self, file: Path, hashed: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(digests, "_SETTLED", 2.0)
        for _ in range(3):
            verify_file(file, digest(file))
        assert len(hashed) == 3

    def test_an_old_note_is_not_believed(
        self, file: Path, hashed: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        verify_file(file)
        monkeypatch.setattr(digests, "_KEPT", -1.0)
        verify_file(file)
        assert len(hashed) == 2

    @pytest.mark.parametrize("put_back", [False, True])
    def test_a_changed_file_is_hashed_again(self, file: Path, hashed: list[int], put_back: bool) -> None:
        """In place, and of the same size; with the time of writing put back, as a forger would."""
        vouched, before = digest(file), file.stat()
        verify_file(file, vouched)
        with file.open("r+b") as there:
            there.seek(-1, os.SEEK_END)
            there.write(b"\x01")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns) if put_back else (0, 0))
        for mapped in (False, True):
            with pytest.raises(WeightsIntegrityError, match="SHA-256"):
                read_weights(file, vouched, mapped=mapped)

    @pytest.mark.parametrize("note", [b"x" * 64, b"", b"\xff" * 64, b"0" * 63, b"0" * 64])
    def test_a_note_that_is_wrong_refuses_nothing_for_ever(
        self, file: Path, hashed: list[int], note: bytes
    ) -> None:
        """`0` * 64 looks like a digest: then it is the bytes that decide, wherever one is vouched for."""
        verify_file(file, digest(file))
        (there,) = (digests.cache_directory() / "verified").iterdir()
        there.write_bytes(note)
        for _ in range(2):
            assert verify_file(file, digest(file)) == digest(file)
        assert there.read_text() == digest(file)

    def test_what_failed_is_not_remembered(self, file: Path, hashed: list[int]) -> None:
        for _ in range(2):
            with pytest.raises(WeightsIntegrityError):
                verify_file(file, "0" * 64)
        assert len(hashed) == 2

    def test_without_a_place_to_note_it(
        self, file: Path, hashed: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "taken").write_text("a file where the folder should be")
        monkeypatch.setenv("LAG_ZOO_CACHE", str(tmp_path / "taken"))
        for _ in range(2):
            verify_file(file, digest(file))
        assert len(hashed) == 2

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


@pytest.mark.parametrize("mapped", [False, True])
def test_training_leaves_the_file_alone(file: Path, mapped: bool) -> None:
    before = file.read_bytes()
    read_weights(file, mapped=mapped).tensors["a"].add_(1)
    assert file.read_bytes() == before


def test_where_no_place_in_a_file_can_be_read_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As on Windows: then one thread reads all."""
    tensors = {str(n): torch.full((100_000 if n % 2 else 3,), float(n)) for n in range(40)}
    save_file(tensors, tmp_path / "a")
    monkeypatch.delattr(os, "preadv")
    for _ in range(5):
        found = read_weights(tmp_path / "a")
        assert found.sha256 == digest(tmp_path / "a")
        assert all(same(found.tensors[key], tensors[key]) for key in tensors)


def test_what_the_system_refuses_is_no_damage(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a good copy in the cache would be set aside because too many files are open."""

    def refuse(*_: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files", str(file))

    monkeypatch.setattr("lag_zoo.opening.os.open", refuse)
    with pytest.raises(OSError, match="Too many open files") as caught:
        read_weights(file)
    assert not isinstance(caught.value, WeightsIntegrityError)


@pytest.mark.parametrize("harm", ["rewritten", "cut", "removed"])
def test_what_was_read_stays_whatever_happens_to_the_file(file: Path, harm: str) -> None:
    tensors = read_weights(file).tensors
    if harm == "rewritten":
        with file.open("r+b") as there:
            there.write(bytes(len(BYTES)))
    elif harm == "cut":
        os.truncate(file, 0)
    else:
        file.unlink()
    assert all(same(tensors[key], TENSORS[key]) for key in TENSORS)


@pytest.mark.parametrize("mapped", [False, True])
def test_a_file_that_is_exchanged_while_it_is_read(tmp_path: Path, mapped: bool) -> None:
    """What comes back is one of the files, whole, with its own digest; and only that is remembered."""
    path, contents = tmp_path / "w.safetensors", {}
    for value in (1.0, 2.0):
        data = save({"a": torch.full((5000,), value), "b": torch.full((3,), value)})
        contents[hashlib.sha256(data).hexdigest()] = (value, data)
    done, loads = threading.Event(), 0

    def exchange() -> None:
        while not done.is_set():
            for _, data in contents.values():
                write_whole(path, data)

    write_whole(path, data)
    writer = threading.Thread(target=exchange)
    writer.start()
    try:
        for number in range(300):
            vouched = [*contents][number % 2]
            try:
                found = read_weights(path, vouched if number % 3 else None, mapped=mapped)
            except WeightsIntegrityError:
                continue
            value, _ = contents[found.sha256]
            loads += 1
            assert found.sha256 == vouched or not number % 3
            assert all(bool((tensor == value).all()) for tensor in found.tensors.values())
    finally:
        done.set()
        writer.join()
    assert loads > 50
    assert verify_file(path) == digest(path)


class TestVerifying:
    """A file is verified in pieces, whatever its size, and whatever becomes of it meanwhile."""

    @pytest.fixture
    def pieces(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """Bytes of the pieces that are looked at."""
        seen: list[int] = []
        look = files._checked

        def counted(tensor: torch.Tensor, entry: Entry) -> torch.Tensor:
            seen.append(tensor.nbytes)
            return look(tensor, entry)

        monkeypatch.setattr(files, "_checked", counted)
        return seen

    @pytest.mark.parametrize("dtype", sorted(DTYPES, key=str))
    def test_pieces(
        self, dtype: torch.dtype, tmp_path: Path, pieces: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(files, "CHUNK", 64)
        path = tmp_path / "w.safetensors"
        tensors = {
            "a": torch.ones(77, dtype=dtype),
            "none": torch.ones(0, dtype=dtype),
            "one": torch.ones((), dtype=dtype),
        }
        save_file(tensors, path)
        assert verify_file(path) == digest(path)
        assert max(pieces) <= 64
        assert sum(pieces) == sum(tensor.nbytes for tensor in tensors.values())

    @given(values=st.lists(st.floats(width=32), min_size=1, max_size=70))
    def test_what_is_refused(self, values: list[float], tmp_path_factory: pytest.TempPathFactory) -> None:
        """The same as where the tensors are read whole."""
        path = tmp_path_factory.getbasetemp() / "values.safetensors"
        save_file({"a": torch.tensor(values)}, path)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(files, "CHUNK", 16)
            if all(map(math.isfinite, values)):
                assert verify_file(path) == digest(path)
            else:
                with pytest.raises(WeightsIntegrityError, match="not finite: a"):
                    verify_file(path)

    def test_a_file_that_is_cut_meanwhile(
        self, tmp_path: Path, pieces: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of a mapped file the system would end the process."""
        path = tmp_path / "w.safetensors"
        save_file({name: torch.ones(1 << 20) for name in "abc"}, path)
        look = files._checked

        def cut(tensor: torch.Tensor, entry: Entry) -> torch.Tensor:
            os.truncate(path, entry.end)
            return look(tensor, entry)

        monkeypatch.setattr(files, "_checked", cut)
        with pytest.raises(WeightsIntegrityError, match="ends too early"):
            verify_file(path)
        assert pieces == [files.CHUNK]


class TestStrangeFiles:
    """A file is refused wherever the safetensors package refuses it, and what is taken is what that package reads."""

    @given(data=st.data())
    @settings(max_examples=int(os.environ.get("LAG_ZOO_FUZZ", "200")))
    def test_any_head(self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
        path = tmp_path_factory.getbasetemp() / "any.safetensors"
        path.write_bytes(data.draw(damaged_files()))
        try:
            theirs = load_file(path)
        except Exception:  # whatever it says
            theirs = None
        for mapped in (False, True):
            try:
                ours = read_weights(path, mapped=mapped).tensors
            except WeightsIntegrityError:
                continue
            assert theirs is not None
            assert ours.keys() == theirs.keys()
            # as bytes: what is not a number is not equal to itself
            assert all(same(bits(ours[key]), bits(theirs[key])) for key in ours)

    @pytest.mark.parametrize("dtype", sorted(DTYPES, key=str))
    @pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (2, 3)])
    def test_every_kind_of_number(self, tmp_path: Path, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
        given = torch.ones(shape).to(dtype)
        write_weights(tmp_path / "a", {"x": given, "y": torch.ones(1, dtype=torch.uint8)})
        for mapped in (False, True):
            found = read_weights(tmp_path / "a", mapped=mapped).tensors["x"]
            assert same(found, given)
            assert found.shape == given.shape

    def test_truth_values_are_0_or_1(self, tmp_path: Path) -> None:
        path = tmp_path / "a"
        path.write_bytes(save({"x": torch.ones(1, dtype=torch.bool)})[:-1] + b"\x02")
        for mapped in (False, True):
            with pytest.raises(WeightsIntegrityError, match="neither 0 nor 1"):
                read_weights(path, mapped=mapped)

    @pytest.mark.parametrize("kind", ["a folder", "a pipe", "a socket", "a device"])
    def test_what_is_no_file(self, tmp_path: Path, kind: str) -> None:
        """An endless device, or a pipe that nobody writes into, would stop the program."""
        path = tmp_path / "x"
        if kind == "a folder":
            path.mkdir()
        elif kind == "a pipe":
            os.mkfifo(path)
        elif kind == "a socket":
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(str(path))
        else:
            path.symlink_to("/dev/zero")
        with pytest.raises(WeightsIntegrityError, match="and no file"):
            read_weights(path)


def bits(tensor: Tensor) -> Tensor:
    return tensor.contiguous().reshape(-1).view(torch.uint8)


@st.composite
def damaged_files(draw: st.DrawFn) -> bytes:
    """Files whose head is nearly right: an entry changed, a byte changed, bytes cut off or added."""
    head = {
        key: {"dtype": kind, "shape": shape, "data_offsets": offsets}
        for key, kind, shape, offsets in (("a", "F32", [2, 3], [0, 24]), ("b", "F16", [4], [24, 32]))
    }
    value = st.one_of(
        st.integers(-1, 40), st.integers(), st.none(), st.booleans(), st.text(max_size=3), st.floats()
    )
    for _ in range(draw(st.integers(0, 2))):
        entry = head[draw(st.sampled_from("ab"))]
        field = draw(st.sampled_from(["dtype", "shape", "data_offsets"]))
        kinds = st.sampled_from(["F64", "F32", "F16", "BF16", "I8", "U8", "BOOL", "I64", "F8_E4M3", "C64"])
        entry[field] = draw(kinds if field == "dtype" else st.one_of(st.lists(value, max_size=3), value))
    if draw(st.booleans()):
        head["__metadata__"] = draw(st.dictionaries(st.text(max_size=3), value, max_size=2))
    text = json.dumps(head).encode() + b" " * draw(st.integers(0, 9))
    raw = bytearray(struct.pack("<Q", len(text)) + text + bytes(range(32)))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(raw) - 1))
        kind = draw(st.sampled_from(["flip", "cut", "insert"]))
        if kind == "flip":
            raw[at] ^= draw(st.integers(1, 255))
        elif kind == "cut":
            del raw[at : at + draw(st.integers(1, 9))]
        else:
            raw[at:at] = draw(st.binary(min_size=1, max_size=9))
        if len(raw) < 2:
            break
    return bytes(raw)
