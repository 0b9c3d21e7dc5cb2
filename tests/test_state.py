"""State of ours: whatever happens to its bytes, it is read as it was written, or refused by an error of ours."""

import contextlib
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lag_zoo.errors import DataError, LagZooError, StateError
from lag_zoo.provenance import KnownFrames, read_frames
from lag_zoo.state import read_state, state_line, state_lines, write_state
from lag_zoo.training.checkpoint_file import read_checkpoint, write_checkpoint
from tests.attack.files import alike

EXAMPLES = settings(max_examples=int(os.environ.get("LAG_ZOO_FUZZ", "100")))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside, max_size=3),
    max_leaves=8,
)
TREE = {
    "format": 3,
    "model": {"weight": torch.arange(6.0).reshape(2, 3), "count": torch.tensor(3)},
    "optimizer": {"state": {0: {"step": torch.tensor(2.0)}}, "param_groups": [{"betas": (0.9, 0.999)}]},
    "random": [(torch.arange(5, dtype=torch.uint8), None)],
    "best": float("inf"),
    "flags": [True, None, "é", torch.tensor([float("nan")])],
}


@st.composite
def damage(draw: st.DrawFn) -> Any:
    """A change of bytes: some flipped, cut out or put in, anywhere."""
    kind, place = draw(st.sampled_from(["flip", "cut", "insert"])), draw(st.floats(0, 1, exclude_max=True))
    value, some = draw(st.integers(1, 255)), draw(st.binary(min_size=1, max_size=9))

    def change(raw: bytes) -> bytes:
        at = int(place * len(raw))
        if kind == "flip":
            return raw[:at] + bytes([raw[at] ^ value]) + raw[at + 1 :]
        if kind == "cut":
            return raw[:at] + raw[at + len(some) :]
        return raw[:at] + some + raw[at:]

    return change


@EXAMPLES
@given(content=st.dictionaries(st.text(max_size=8).filter(lambda x: x != "checksum"), JSON), change=damage())
def test_a_file_of_state(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any], change: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "state.json"
    write_state(path, content)
    assert read_state(path) == content
    path.write_bytes(change(path.read_bytes()))
    with contextlib.suppress(StateError):
        assert read_state(path) == content  # white space may differ, or an escape be written otherwise


@EXAMPLES
@given(change=damage())
def test_a_checkpoint(tmp_path_factory: pytest.TempPathFactory, change: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "last.safetensors"
    write_checkpoint(path, TREE)
    assert alike(read_checkpoint(path), TREE)
    path.write_bytes(change(path.read_bytes()))
    with contextlib.suppress(StateError):
        assert alike(read_checkpoint(path), TREE)


@EXAMPLES
@given(rows=st.lists(JSON, max_size=6), change=damage())
def test_lines_of_state(tmp_path_factory: pytest.TempPathFactory, rows: list[Any], change: Any) -> None:
    """A damaged line is none: what it said is done again."""
    path = tmp_path_factory.getbasetemp() / "lines"
    path.write_text("".join(map(state_line, rows)), newline="")
    assert list(state_lines(path)) == rows
    if not rows:
        return
    path.write_bytes(change(path.read_bytes()))
    found = list(state_lines(path))
    rest = iter(rows)
    assert all(any(row == one for one in rest) for row in found), "in their order, and no other"
    assert len(found) >= len(rows) - 4


@EXAMPLES
@given(change=damage())
def test_a_list_of_frames(tmp_path_factory: pytest.TempPathFactory, change: Any) -> None:
    path = tmp_path_factory.mktemp("list") / "frames.txt"
    known = KnownFrames({f"{n:016x}": None if n % 2 else n for n in range(20)})
    path.write_text(f"# A remark.\n{known.to_text()}")
    assert read_frames(path) == known
    path.write_bytes(change(path.read_bytes()))
    with contextlib.suppress(StateError):
        assert read_frames(path) == known


def test_odd_content_is_kept_as_json_has_it(tmp_path: Path) -> None:
    write_state(tmp_path / "a", {2: "\ud800", 10: (1, 2)})  # type: ignore[dict-item]
    assert read_state(tmp_path / "a") == {"2": "\ud800", "10": [1, 2]}


STRANGE = ["[]", "3", '{"entries": 3}', '{"tensor": "none"}', '{"a": 1, "b": 2}', "{", "[" * 9999]


@pytest.mark.parametrize("tree", STRANGE)
def test_a_strange_tree_with_the_right_checksum(tmp_path: Path, tree: str) -> None:
    from lag_zoo.training.checkpoint_file import _checksum
    from lag_zoo.weights.files import write_weights

    write_weights(tmp_path / "a", {}, tree=tree, checksum=_checksum(tree, {}))
    with pytest.raises(StateError):
        read_checkpoint(tmp_path / "a")


def test_what_a_checkpoint_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="cannot hold PosixPath"):
        write_checkpoint(tmp_path / "a", {"x": Path("y")})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"[]", b"1", b"null", b"{}", b'{"checksum": 3}', b"[" * 100_000])
def test_what_is_no_state(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    for read in (read_state, read_checkpoint):
        with pytest.raises(StateError):
            read(tmp_path / "x")


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        for read in (read_state, read_checkpoint, read_frames):
            with pytest.raises(StateError, match="and no file"):
                read(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        read_state(tmp_path / "nothing")


def test_errors_of_a_cache_name_the_way_on(tmp_path: Path) -> None:
    from lag_zoo.data.cache_folder import make_header, read_header

    make_header(tmp_path, global_size=96)
    assert read_header(tmp_path).global_size == 96
    (tmp_path / "cache.json").write_bytes(b"{}")
    with pytest.raises(DataError, match="build the cache again") as caught:
        read_header(tmp_path)
    assert isinstance(caught.value, LagZooError)


def test_a_file_of_that_name_that_is_no_list(tmp_path: Path) -> None:
    """Somebody's list of file names beside the weights says nothing of what they were trained on."""
    (tmp_path / "frames.txt").write_text("frames/1.png\nframes/2.png\n")
    assert read_frames(tmp_path / "frames.txt") == KnownFrames()
