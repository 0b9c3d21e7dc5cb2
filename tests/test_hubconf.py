"""`torch.hub` finds the zoo in the tree as it is: list, help, load, predict."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import lag_zoo
from lag_zoo import registry
from lag_zoo.catalogue import CATALOGUE
from lag_zoo.data.phantom import draw_frame
from lag_zoo.specs import LAGConfig, ModelSpec

BUILT_IN = "lag_tf_efficientnet_lite0_polyp"
# torch.hub tells on standard error what it takes from its cache, and warns of nothing that concerns us.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:torch.hub")


@pytest.fixture
def repository(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The tree where torch.hub keeps what it has fetched: served as owner/lag_zoo:main, without a network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    hub = tmp_path / "hub"
    hub.mkdir()
    (hub / "owner_lag_zoo_main").symlink_to(root, target_is_directory=True)
    return "owner/lag_zoo:main"


def test_lists_exactly_the_zoo_and_the_predictor(repository: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = ModelSpec(name="lag_plugin", config=LAGConfig(backbone="resnet18", num_classes=2))
    monkeypatch.setitem(registry._registry, plugin.name, plugin)  # installed beside it, and none of its own
    entries = torch.hub.list(repository, skip_validation=True, trust_repo=True, verbose=False)
    assert sorted(entries) == sorted(["predictor", *(spec.name for spec in CATALOGUE)])
    assert BUILT_IN in entries


@pytest.mark.parametrize("entry", ["lag_resnet50_lci", BUILT_IN, "predictor"])
def test_helps(repository: str, entry: str) -> None:
    text = torch.hub.help(repository, entry, skip_validation=True, trust_repo=True)
    assert text.startswith(f"{entry}. ")
    assert "weights" in text.lower()
    assert "not a medical device" in text


@pytest.mark.parametrize("pretrained", [False, True])
def test_loads_from_the_tree(root: Path, pretrained: bool) -> None:
    model = torch.hub.load(str(root), BUILT_IN, source="local", pretrained=pretrained)
    assert isinstance(model, lag_zoo.LAG)


def test_passes_options_on(root: Path) -> None:
    model = torch.hub.load(str(root), BUILT_IN, source="local", num_classes=4)
    assert model.num_classes == 4


def test_predicts(root: Path) -> None:
    predictor = torch.hub.load(str(root), "predictor", source="local", batch_size=2)
    (prediction,) = predictor(draw_frame((200, 240)))
    assert prediction.model == BUILT_IN
    assert set(prediction.probabilities) == {"mucosa", "polyp"}


@pytest.mark.slow
def test_loads_from_a_tree_that_was_only_unpacked(root: Path, tmp_path: Path) -> None:
    """In a process that knows of no other lag_zoo than the copy in torch.hub's own folder."""
    tree = tmp_path / "hub" / "owner_lag_zoo_main"
    tree.mkdir(parents=True)
    shutil.copy(root / "hubconf.py", tree)
    shutil.copytree(root / "lag_zoo", tree / "lag_zoo", ignore=shutil.ignore_patterns("__pycache__"))
    code = f"""
import sys, torch
entries = torch.hub.list("owner/lag_zoo:main", skip_validation=True, trust_repo=True, verbose=False)
model = torch.hub.load("owner/lag_zoo:main", "{BUILT_IN}", pretrained=True, skip_validation=True, trust_repo=True)
predictor = torch.hub.load("owner/lag_zoo:main", "predictor", skip_validation=True, trust_repo=True)
print(len(entries), type(model).__name__, predictor.name, sys.modules["lag_zoo"].__file__)
"""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=elsewhere,
        env={**environment, "TORCH_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    count, kind, name, home = done.stdout.strip().splitlines()[-1].split(maxsplit=3)
    assert (int(count), kind, name) == (len(CATALOGUE) + 1, "LAG", BUILT_IN)
    assert Path(home) == tree / "lag_zoo" / "__init__.py"


def test_an_unknown_name_is_refused(root: Path) -> None:
    with pytest.raises(RuntimeError, match="lag_nothing"):
        torch.hub.load(str(root), "lag_nothing", source="local")


def test_names_what_the_package_needs(root: Path) -> None:
    import tomllib

    import hubconf

    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    modules = {"huggingface-hub": "huggingface_hub", "pillow": "PIL"}
    names = [d.split(">=")[0] for d in project["dependencies"]]
    assert hubconf.dependencies == [modules.get(name, name) for name in names]
