"""`torch.hub` finds the zoo in the tree as it is: list, help, load."""

from pathlib import Path

import pytest
import torch

import lag_zoo

BUILT_IN = "lag_mobilenetv3_small_100_polyp"
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


def test_lists_exactly_the_zoo(repository: str) -> None:
    entries = torch.hub.list(repository, skip_validation=True, trust_repo=True, verbose=False)
    assert BUILT_IN in entries
    assert sorted(entries) == sorted(lag_zoo.list_models())


def test_helps(repository: str) -> None:
    text = torch.hub.help(repository, "lag_resnet50_lci", skip_validation=True, trust_repo=True)
    assert "lag_resnet50_lci" in text
    assert "not a medical device" in text


@pytest.mark.parametrize("pretrained", [False, True])
def test_loads_from_the_tree(root: Path, pretrained: bool) -> None:
    model = torch.hub.load(str(root), BUILT_IN, source="local", pretrained=pretrained)
    assert isinstance(model, lag_zoo.LAG)


def test_passes_options_on(root: Path) -> None:
    model = torch.hub.load(str(root), BUILT_IN, source="local", num_classes=4)
    assert model.num_classes == 4


def test_an_unknown_name_is_refused(root: Path) -> None:
    with pytest.raises(RuntimeError, match="lag_nothing"):
        torch.hub.load(str(root), "lag_nothing", source="local")


def test_names_what_the_package_needs(root: Path) -> None:
    import tomllib

    import hubconf

    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert hubconf.dependencies == [d.split(">=")[0].replace("-", "_") for d in project["dependencies"]]
