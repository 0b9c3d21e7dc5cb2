"""`lag-zoo push`: everything that is missing at once, what is said kept, and nothing sent before all is there."""

from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

import lag_zoo
from lag_zoo.cli.app import app
from lag_zoo.errors import InvalidConfigError, WeightsNotFoundError
from lag_zoo.specs import WeightSpec
from lag_zoo.weights.repository import read_config
from tests.hub_server import HubServer
from tests.networks import small

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

REPO = "clinic/my-lag"
OPTIONS = ("--licence", "CC-BY-4.0", "--training-data", "ours: 24 frames, Our Hospital; approval 1",
           "--training-data", '{"id": "theirs"}', "--intended-use", "Tests.", "--limits", "One centre.",
           "--limits", "One scope.")  # fmt: skip


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["push", *map(str, arguments)], catch_exceptions=False)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def spec(folder: Path) -> WeightSpec:
    return read_config(folder / "config.json", source="here").weights


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    about = lag_zoo.About(modality="lci", operating_points={"IM": 0.4}, limits=("Calibrated on few.",))
    return lag_zoo.save_pretrained(small(), tmp_path / "best", about=about)


@pytest.fixture
def token(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.token = "hf_right"
    monkeypatch.setenv("HF_TOKEN", hub.token)


def test_a_dry_run_says_all_that_is_missing(hub: HubServer, tmp_path: Path) -> None:
    model = lag_zoo.create_model("lag_mobilenetv3_small_050", num_classes=2, global_size=64)
    lag_zoo.save_pretrained(model, tmp_path / "a")
    (tmp_path / "a" / "README.md").unlink()
    with pytest.raises(InvalidConfigError, match="cannot be published yet") as caught:
        run(tmp_path / "a", "--dry-run", "--backbone-licence", "CC-BY-NC-ND-4.0")
    for field in ("label_names", "licence", "training_data", "intended_use", "limits"):
        assert f"\n  {field} is empty: " in str(caught.value)
    for said in ("forbids derivatives", "has no README.md", "--write-about about.yaml"):
        assert said in str(caught.value)
    with pytest.raises(InvalidConfigError, match=r"'CC BY 4\.0': the Hub takes SPDX names alone"):
        run(tmp_path / "a", "--dry-run", "--licence", "CC BY 4.0")
    assert hub.requests == []


def test_options_complete_a_folder(hub: HubServer, folder: Path, token: None) -> None:
    before = files(folder)
    ran = run(folder, REPO, "--dry-run", *OPTIONS)
    assert "can be published" in ran.output
    assert "limits: in place of 'Calibrated on few.'" in ran.output
    assert "results is empty: lag-zoo evaluate FOLDER DATA --into-card" in ran.output
    assert "modality" not in ran.output
    assert (files(folder), hub.requests) == (before, [])

    assert f"published: {hub.url}/{REPO}/commit/" in run(folder, REPO, "--private", *OPTIONS).output
    assert hub.repositories[REPO].private
    after, told = files(folder), spec(folder)
    for name in ("model.safetensors", "golden.safetensors"):
        assert after[name] == before[name]
    assert [str(data) for data in told.training_data] == [
        "ours: 24 frames, Our Hospital; approval 1",
        "theirs",
    ]
    assert (told.licence, told.intended_use) == ("CC-BY-4.0", "Tests.")
    assert told.limits == ("One centre.", "One scope.")
    assert (told.modality, told.operating_points) == ("lci", {"IM": 0.4})  # as the folder said
    card = after["README.md"].decode()
    assert "\n# my-lag\n" in card
    assert "license: cc-by-4.0" in card
    loaded = lag_zoo.create_model(f"hf-hub:{REPO}", pretrained=True).weight_spec
    assert loaded == told
    assert lag_zoo.verify(f"local-dir:{folder}") == lag_zoo.verify(f"hf-hub:{REPO}")

    assert "published" in run(folder, REPO, "--message", "Again").output  # it says it itself now
    assert files(folder) == after


def test_what_is_not_complete_is_not_written(folder: Path) -> None:
    before = files(folder)
    with pytest.raises(InvalidConfigError, match="training_data is empty"):
        run(folder, REPO, "--licence", "MIT")
    with pytest.raises(InvalidConfigError, match="say the Hub repository"):
        run(folder, *OPTIONS)
    assert files(folder) == before


def test_a_file(folder: Path, tmp_path: Path) -> None:
    about = tmp_path / "about.yaml"
    assert "written" in run(folder, "--write-about", about, "--license", "MIT").output
    assert lag_zoo.About.from_yaml(about) == lag_zoo.About(
        licence="MIT", modality="lci", limits=("Calibrated on few.",)
    )
    with pytest.raises(InvalidConfigError, match="is there already"):
        run(folder, "--write-about", about)
    text = about.read_text().replace("training_data: []", "training_data: [{id: ours}]")
    about.write_text(text)
    with pytest.raises(InvalidConfigError) as caught:
        run(folder, "--dry-run", "--about", about)
    assert "intended_use is empty" in str(caught.value)
    assert "training_data" not in str(caught.value)
    ran = run(folder, "--dry-run", "--about", about, "--intended-use", "Tests.", "--modality", "wli")
    assert "can be published" in ran.output
    assert "modality: in place of 'lci'" in ran.output
    about.write_text(text.replace("licence: MIT", "license: MIT"))
    with pytest.raises(InvalidConfigError, match="Did you mean licence"):
        run(folder, "--dry-run", "--about", about)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(WeightsNotFoundError, match="none"):
        run(tmp_path / "none", "--dry-run")


@pytest.mark.usefixtures("token")
def test_in_python(hub: HubServer, folder: Path) -> None:
    about = lag_zoo.About(
        licence="MIT", training_data=(lag_zoo.DatasetRef("ours"),), intended_use="Tests.", limits=("x",)
    )
    lag_zoo.push_to_hub(folder, REPO, about=about)
    assert spec(folder).licence == "MIT"
    model = lag_zoo.create_model(f"hf-hub:{REPO}", pretrained=True)
    lag_zoo.push_to_hub(model, REPO, about=lag_zoo.About(licence="CC0-1.0"))  # the rest it says already
    told = lag_zoo.create_model(f"hf-hub:{REPO}", pretrained=True).weight_spec
    assert told is not None
    assert (told.licence, told.intended_use, told.operating_points) == ("CC0-1.0", "Tests.", {"IM": 0.4})
