"""What every test may ask for, and what holds for all of them: no network, one thread a worker."""

import os

# Before anything imports torch or huggingface_hub; the commands that tests start inherit both.
os.environ["HF_HUB_OFFLINE"] = "1"
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import types
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.hub_server import HubServer

ROOT = Path(__file__).resolve().parent.parent

# A deadline would time the machine's other work; in CI the same examples come every time.
settings.register_profile("lag_zoo", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.load_profile("lag_zoo")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that a test remembers of a file outlives it, or lands in the home of whoever runs it."""
    monkeypatch.setenv("LAG_ZOO_CACHE", str(tmp_path_factory.mktemp("lag_zoo_cache")))


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real frames, not part of the repository: LAG_ZOO_SHARED, or `shared` beside the checkout."""
    folder = Path(os.environ.get("LAG_ZOO_SHARED") or ROOT.parent / "shared")
    if folder.is_dir():
        return folder
    reason = f"needs the shared material: {folder} is no folder (set LAG_ZOO_SHARED)"
    if os.environ.get("LAG_ZOO_REQUIRE_SHARED") == "1":
        pytest.fail(f"{reason}, and LAG_ZOO_REQUIRE_SHARED=1 permits no skip")
    pytest.skip(reason)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A fresh Hub on loopback, with an empty cache; for this process and for those that a test starts."""
    from huggingface_hub import constants
    from huggingface_hub.utils import close_session

    server, home = HubServer(tmp_path / "hub_server"), tmp_path / "hf"
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    settings_ = {
        "HF_ENDPOINT": server.url,
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
    }
    for name, value in settings_.items():
        monkeypatch.setenv(name, value)
    # The client has read its environment already.
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HOME", str(home))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    close_session()
    yield server
    close_session()
    server.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hub's client waits for nothing between its tries."""
    import time

    from huggingface_hub import file_download
    from huggingface_hub.utils import _http

    hasty = types.SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None})
    monkeypatch.setattr(_http, "time", hasty)
    monkeypatch.setattr(file_download, "time", hasty)
