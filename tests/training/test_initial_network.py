"""The network that a run begins with: from the backbone's own weights, from a file of them, or from a model's."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

import lag_zoo
from lag_zoo.cli.app import app
from lag_zoo.cli.cv_command import _recipes
from lag_zoo.errors import InvalidConfigError, WeightsNotFoundError
from lag_zoo.training import Recipe, Stage, finetune, load_recipe
from lag_zoo.training.initial_network import build_network, with_model
from tests.listening import Heard
from tests.networks import small
from tests.training.drawn_data import write_frames

RECIPE = Recipe(
    model="lag_mobilenetv3_small_050",
    pretrained="backbone",
    fields={"global_size": 32, "num_crops": 2, "crop_size": 32},
    stages=(Stage(epochs=1, crops=False),),
    batch_size=4,
    workers=0,
    tracker="none",
)
BUILT_IN = "lag_tf_efficientnet_lite0_polyp"


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of the weights of a backbone."""
    file = tmp_path_factory.mktemp("weights") / "backbone.safetensors"
    save_file(dict(small(seed=3).backbone.state_dict()), file)
    return file


def has_them(model: lag_zoo.LAG) -> bool:
    own = model.backbone.state_dict()
    return all(torch.equal(own[key], value) for key, value in small(seed=3).backbone.state_dict().items())


def test_a_file_of_the_backbones_weights(backbone: Path, tmp_path: Path) -> None:
    data = write_frames(tmp_path / "frames", patients=6)
    recipe = RECIPE.changed({"backbone_weights": str(backbone)})
    assert has_them(build_network(recipe, data))
    assert has_them(build_network(recipe.changed({"pretrained": False}), data))
    with pytest.raises(InvalidConfigError, match="other weights would overwrite them"):
        build_network(recipe.changed({"pretrained": True}), data)
    with pytest.raises(WeightsNotFoundError, match=r"nowhere\.safetensors"):
        build_network(recipe.changed({"backbone_weights": "nowhere.safetensors"}), data)
    heard = Heard()
    (tmp_path / "recipe.yaml").write_text(RECIPE.to_yaml())
    finetune(
        None, data, tmp_path / "run", recipe=tmp_path / "recipe.yaml", backbone_weights=str(backbone),
        learning_rate=0.0, freeze_norm=True, device="cpu", listener=heard,
    )  # fmt: skip
    assert heard.facts[0]["network"].endswith(f"its backbone from {backbone}")
    assert has_them(lag_zoo.create_model(f"local-dir:{tmp_path / 'run' / 'best'}", pretrained=True))
    assert load_recipe(tmp_path / "run" / "recipe.yaml").backbone_weights == str(backbone)


def test_a_ready_network_takes_none(backbone: Path, tmp_path: Path) -> None:
    data = write_frames(tmp_path / "frames", patients=6)
    with pytest.raises(InvalidConfigError, match="for a network that the run builds"):
        finetune(small(), data, tmp_path / "run", recipe=RECIPE, backbone_weights=str(backbone), device="cpu")
    assert not (tmp_path / "run").exists()


def test_a_model_with_weights_of_its_own_leaves_them_for_the_backbones() -> None:
    given = RECIPE.changed({"backbone_weights": "file.safetensors"})
    assert with_model(RECIPE, BUILT_IN).pretrained is True
    assert with_model(given, BUILT_IN).pretrained == "backbone"
    assert with_model(given, "local-dir:somewhere").pretrained == "backbone"


class TestTheCommands:
    def test_cv_gives_them_to_every_recipe(self) -> None:
        for model in (None, BUILT_IN):
            found = _recipes(("finetune", "frozen"), (), model, "file.safetensors")
            assert [recipe.backbone_weights for recipe in found.values()] == ["file.safetensors"] * 2
            assert [recipe.pretrained for recipe in found.values()] == ["backbone"] * 2

    @pytest.mark.parametrize("command", ["train", "cv"])
    @pytest.mark.parametrize("key", ["model", "backbone_weights"])
    def test_two_names_for_one_thing_are_refused(self, command: str, key: str, tmp_path: Path) -> None:
        data = write_frames(tmp_path, patients=6).root / "data.csv"
        option = f"--{key.replace('_', '-')}"
        arguments = [command, "finetune", str(data), "-o", str(tmp_path / "run"), option, "a"]
        with pytest.raises(InvalidConfigError, match=f"{option} a and --set {key}=... both name the"):
            CliRunner().invoke(app, [*arguments, "--set", f"{key}=b"], catch_exceptions=False)

    def test_train_starts_from_them(self, backbone: Path, tmp_path: Path) -> None:
        data = write_frames(tmp_path / "frames", patients=6).root / "data.csv"
        (tmp_path / "recipe.yaml").write_text(RECIPE.to_yaml())
        given = tmp_path / "its weights: 1.safetensors"  # what YAML would read otherwise
        given.write_bytes(backbone.read_bytes())
        arguments = ["train", str(tmp_path / "recipe.yaml"), str(data), "-o", str(tmp_path / "run")]
        arguments += ["--backbone-weights", str(given), "--device", "cpu"]
        done = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        assert load_recipe(tmp_path / "run" / "recipe.yaml").backbone_weights == str(given)
