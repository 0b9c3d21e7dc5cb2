"""Disks that are full or cannot be written: real ones, small, where the system lets us mount them."""

from pathlib import Path

import pytest

import lag_zoo
from lag_zoo.errors import WeightsNotFoundError
from tests.hub_server import HubServer
from tests.networks import equal, small
from tests.small_disk import remount

REPO = "clinic/my-lag"


def read_only(disk: Path) -> None:
    remount(disk, "ro")
    with pytest.raises(OSError, match="Read-only"):
        (disk / "probe").write_bytes(b"")


@pytest.fixture
def published(hub: HubServer, tmp_path: Path) -> str:
    hub.add_folder(REPO, lag_zoo.save_pretrained(small(), tmp_path / "my-lag"))
    return f"hf-hub:{REPO}"


@pytest.mark.filterwarnings("ignore:Not enough free disk space:UserWarning")
def test_a_cache_on_a_full_disk(published: str, disk: Path) -> None:
    with pytest.raises(WeightsNotFoundError, match="disk: No space left on device"):
        lag_zoo.create_model(published, pretrained=True, cache_dir=disk)
    remount(disk, "size=20m")
    assert equal(lag_zoo.create_model(published, pretrained=True, cache_dir=disk), small())


def test_a_read_only_disk_with_the_cache(published: str, disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remount(disk, "size=20m")
    lag_zoo.create_model(published, pretrained=True, cache_dir=disk)
    monkeypatch.setenv("LAG_ZOO_CACHE", str(disk / "lag_zoo"))
    read_only(disk)
    assert equal(lag_zoo.create_model(published, pretrained=True, cache_dir=disk), small())
    assert not (disk / "lag_zoo").exists()


def test_a_read_only_disk_without_them(published: str, disk: Path) -> None:
    read_only(disk)
    with pytest.raises(WeightsNotFoundError, match="disk: Read-only file system"):
        lag_zoo.create_model(published, pretrained=True, cache_dir=disk)


def test_no_room_for_what_is_remembered(tmp_path: Path, disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAG_ZOO_CACHE", str(disk / "lag_zoo"))
    (disk / "lag_zoo" / "verified").mkdir(parents=True)
    with pytest.raises(OSError, match="No space"):
        (disk / "filler").write_bytes(bytes(2 << 20))
    folder = lag_zoo.save_pretrained(small(), tmp_path / "mine")
    assert equal(lag_zoo.create_model(f"local-dir:{folder}", pretrained=True), small())
    assert list((disk / "lag_zoo").rglob("*")) == [disk / "lag_zoo" / "verified"]


def test_saving_on_a_full_disk_leaves_the_old_one(disk: Path) -> None:
    remount(disk, "size=4m")
    target = lag_zoo.save_pretrained(small(), disk / "mine")
    before = {path.name: path.read_bytes() for path in target.iterdir()}
    with pytest.raises(OSError, match="No space left on device"):
        lag_zoo.save_pretrained(small(seed=1), target)
    assert {path.name: path.read_bytes() for path in target.iterdir()} == before
    assert [path.name for path in disk.iterdir()] == ["mine"]
