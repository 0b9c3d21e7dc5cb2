"""A fresh Hub for a test, and the client in this process turned to it.

The client reads its environment when it is imported, and copies what it read into other modules. So its constants are
read once more under the test's own environment, and each one that then differs is set wherever the client keeps it.
"""

import importlib.util
import os
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hub_server import HubServer

_OURS = ("HF_", "HUGGINGFACE_", "HUGGING_FACE_")
_PLAIN = (str, bool, int, float, tuple, frozenset, type(None))


class FreshHub(HubServer):
    """A Hub that belongs to one test, and the client's home that goes with it."""

    def __init__(self, folder: Path, home: Path) -> None:
        super().__init__(folder)
        self.home = home

    @property
    def cache(self) -> Path:
        """Where the client keeps what it downloads."""
        return self.home / "hub"

    def environment(self) -> dict[str, str]:
        """The whole environment of a fresh process that is to ask this server."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        return {
            **kept,
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(self.home),
            "HF_HUB_CACHE": str(self.cache),
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            # No proxy can reach the loopback of this machine.
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FreshHub]:
    """A fresh Hub on loopback, with an empty cache; for this process and for those that a test starts."""
    from huggingface_hub.utils import close_session

    server = FreshHub(tmp_path / "hub_server", tmp_path / "hf")
    _set_environment(server.environment(), monkeypatch)
    _set_constants(monkeypatch)
    close_session()
    yield server
    close_session()
    server.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hub's client hardly waits between its tries, which may take 23 seconds otherwise."""
    from huggingface_hub import file_download
    from huggingface_hub.utils import _http

    sleep = time.sleep
    hasty = types.SimpleNamespace(**{**vars(time), "sleep": lambda seconds: sleep(min(seconds, 0.001))})
    monkeypatch.setattr(_http, "time", hasty)
    monkeypatch.setattr(file_download, "time", hasty)


def _set_environment(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ.keys() - environment.keys():
        monkeypatch.delenv(name)
    for name, value in environment.items():
        if os.environ.get(name) != value:
            monkeypatch.setenv(name, value)


def _set_constants(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets what the client would have read, had it been imported now."""
    from huggingface_hub import constants, hf_api
    from huggingface_hub.utils import _cache_assets, _cache_manager, _detect_agent, _git_credential, _http

    # Imported later, they would copy this test's constants and keep them for the tests that follow.
    assert all((_cache_assets, _cache_manager, _git_credential))
    fresh = _constants_read_anew()
    changed = {
        name: value for name, value in vars(constants).items() if _differs(value, fresh.get(name, value))
    }
    for module in _modules_of_the_client():
        for name, old in changed.items():
            # A copy by `from .constants import NAME`, recognised by its value.
            if name in vars(module) and vars(module)[name] == old:
                monkeypatch.setattr(module, name, fresh[name])
    # Behind `huggingface_hub.model_info` and its like.
    monkeypatch.setattr(hf_api.api, "endpoint", fresh["ENDPOINT"])
    if hasattr(_http, "_HUB_ORIGINS"):  # where a token may be sent; not in every version
        origin = _http._url_origin(fresh["ENDPOINT"])
        monkeypatch.setattr(_http, "_HUB_ORIGINS", _http._HUB_ORIGINS | {origin})
    if hasattr(_detect_agent, "_registry"):  # asked once a process, and remembered
        monkeypatch.setattr(_detect_agent, "_registry", None)


def _constants_read_anew() -> dict[str, Any]:
    spec = importlib.util.find_spec("huggingface_hub.constants")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return vars(module)


def _differs(old: object, new: object) -> bool:
    return isinstance(new, _PLAIN) and old != new


def _modules_of_the_client() -> list[types.ModuleType]:
    return [
        module
        for name, module in list(sys.modules.items())
        if module is not None and (name == "huggingface_hub" or name.startswith("huggingface_hub."))
    ]
