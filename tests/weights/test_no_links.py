"""A Hub cache on a disk without links, as on many a Windows: files lie in the commit's folder itself."""

from pathlib import Path

import pytest
from huggingface_hub import constants, file_download

import lag_zoo
from lag_zoo.errors import WeightsIntegrityError
from lag_zoo.weights.digests import cache_directory, note_vouched, noted_vouched
from tests.hub_server import HubServer
from tests.networks import equal, small

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

REPO = "clinic/my-lag"


@pytest.fixture
def cached(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A network that was loaded once, by the client on such a disk; offline from then on."""
    monkeypatch.setattr(file_download, "are_symlinks_supported", lambda *_: False)
    hub.add_folder(REPO, lag_zoo.save_pretrained(small(), tmp_path / "my-lag"))
    assert equal(lag_zoo.create_model(f"hf-hub:{REPO}", pretrained=True), small())
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return f"hf-hub:{REPO}"


def snapshot(name: str) -> Path:
    (path,) = Path(constants.HF_HUB_CACHE).glob(f"models--*/snapshots/*/{name}")
    return path


def test_is_read_offline(cached: str) -> None:
    assert not any(path.is_symlink() for path in Path(constants.HF_HUB_CACHE).rglob("*"))
    assert not list(Path(constants.HF_HUB_CACHE).glob("*/blobs/*"))
    assert equal(lag_zoo.create_model(cached, pretrained=True), small())


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_flipped_bytes_are_refused(cached: str, name: str) -> None:
    path = snapshot(name)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsIntegrityError, match=r"set aside as .*\.damaged"):
        lag_zoo.create_model(cached, pretrained=True)


def test_flipped_bytes_are_fetched_anew(cached: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = snapshot("model.safetensors")
    path.write_bytes(path.read_bytes()[:-8] + bytes(8))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    assert equal(lag_zoo.create_model(cached, pretrained=True), small())
    assert path.with_name("model.safetensors.damaged").is_file()


def test_behind_a_linked_folder(cached: str, tmp_path: Path) -> None:
    """A home that is a link elsewhere: what is damaged is still the cache's own."""
    (tmp_path / "link").symlink_to(constants.HF_HUB_CACHE)
    snapshot("model.safetensors").write_bytes(b"damaged")
    with pytest.raises(WeightsIntegrityError, match=r"set aside as .*\.damaged"):
        lag_zoo.create_model(cached, pretrained=True, cache_dir=tmp_path / "link")


@pytest.mark.parametrize("note", [None, "", "0" * 39, "\0"])
def test_without_the_note_nobody_vouches(
    cached: str, note: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where another program filled the cache; one load where there is a network mends it."""
    for path in (cache_directory() / "vouched").iterdir():
        path.unlink() if note is None else path.write_text(note)
    with pytest.raises(WeightsIntegrityError, match="Load it once by lag_zoo where there is a network"):
        lag_zoo.create_model(cached, pretrained=True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    lag_zoo.create_model(cached, pretrained=True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert equal(lag_zoo.create_model(cached, pretrained=True), small())


def test_notes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    commit, digest = "a" * 40, "0" * 64
    note_vouched("a/b", commit, "c", digest)
    assert noted_vouched("a/b", commit, "c") == digest
    for other in (("a/b", "b" * 40, "c"), ("a/b", commit, "d"), ("a/x", commit, "c")):
        assert noted_vouched(*other) is None
    (tmp_path / "taken").write_text("a file where the folder should be")
    monkeypatch.setenv("LAG_ZOO_CACHE", str(tmp_path / "taken"))
    note_vouched("a/b", commit, "c", digest)
    assert noted_vouched("a/b", commit, "c") is None
