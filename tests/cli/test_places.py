"""Where the commands find a network: by name, or in a folder as a shell completes it."""

from pathlib import Path

import pytest

import lag_zoo
from lag_zoo.cli.places import as_place, card_folder
from lag_zoo.errors import InvalidConfigError, LagZooWarning
from tests.networks import small


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return lag_zoo.save_pretrained(small(), tmp_path / "runs" / "2" / "best")


@pytest.mark.parametrize("text", ["runs/2/best", "runs/2/best/", "./runs/2/best", "runs/../runs/2/best"])
def test_a_folder_that_holds_a_network(text: str, folder: Path) -> None:
    assert as_place(text) == f"local-dir:{text}"
    assert as_place(str(folder)) == f"local-dir:{folder}"
    assert lag_zoo.create_model(as_place(text), pretrained=True).label_names == ("normal", "IM")


@pytest.mark.parametrize(
    "text",
    [
        "lag_resnet50_lci",
        "lag_resnet18",
        "hf-hub:org/repo",
        "local-dir:runs/2/best",
        "nowhere",
        "no such",
        "",
    ],
)
@pytest.mark.usefixtures("folder")
def test_anything_else_stays(text: str) -> None:
    assert as_place(text) == text


@pytest.mark.parametrize(
    "name", ["lag_resnet50_lci", "lag_resnet18", "lag_tf_efficientnet_lite0_polyp.kvasir_polypgen"]
)
def test_a_name_of_the_zoo_goes_before_a_folder_called_so(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    assert as_place(name) == name
    (tmp_path / name / "config.json").touch()
    with pytest.warns(LagZooWarning, match=f"the name is taken; the folder is local-dir:{name}"):
        assert as_place(name) == name


@pytest.mark.parametrize(("text", "said"), [("runs/2", "holds no network"), ("runs/9/best", "is not there")])
def test_a_path_without_a_network(text: str, said: str, folder: Path) -> None:
    with pytest.raises(InvalidConfigError, match=said):
        as_place(text)


def test_a_card_that_can_be_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert card_folder(as_place("runs/2/best")) == Path("runs/2/best")
    for place in ("lag_resnet50_lci", "hf-hub:org/repo"):
        with pytest.raises(InvalidConfigError, match=f"{place} is no folder: lag-zoo download {place} --to"):
            card_folder(place)
    monkeypatch.setattr("lag_zoo.cli.places.os.access", lambda *_: False)
    with pytest.raises(InvalidConfigError, match="the folder around it is read-only"):
        card_folder(as_place(str(folder)))
