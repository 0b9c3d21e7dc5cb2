"""What every test may ask for, and what holds for all of them: no network, one thread a process."""

import os

# Before anything imports numpy, torch or huggingface_hub; the commands that tests start inherit it. What tests compute
# is small: several threads, in as many processes as there are processors, would only wait for each other.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"
if (
    os.environ.get("LAG_ZOO_GPU") != "1"
):  # many tests hold bits, and those of a CPU (tests/test_gpu.py is for GPUs)
    os.environ["CUDA_VISIBLE_DEVICES"] = ""

from pathlib import Path

import pytest
from hypothesis import settings

from tests.hub_fixture import hub, impatient
from tests.small_disk import disk

__all__ = ["disk", "hub", "impatient"]  # fixtures

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
