"""`lag-zoo train` and `lag-zoo cv`: what they show, where they start from, and without a network."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

import lag_zoo
from lag_zoo.catalogue.builtin_backbones import builtin_backbone
from lag_zoo.cli.app import app
from lag_zoo.errors import InvalidConfigError, WeightsNotFoundError
from lag_zoo.training import finetuning, list_recipes, load_recipe
from lag_zoo.training.initial_network import build_network
from lag_zoo.weights.files import write_weights
from tests.training.drawn_data import write_frames

LEAST = ["fields.global_size=32", "batch_size=4", "workers=0", "tracker=none", "epochs=2"]


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frames")
    write_frames(folder, patients=6)
    return folder / "data.csv"


def run(*arguments: object) -> Result:
    done = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


def least() -> list[str]:
    return [part for change in LEAST for part in ("--set", change)]


class _Started(Exception):
    """The network that a run would begin with."""


@pytest.fixture
def start(frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., lag_zoo.LAG]:
    """What `lag-zoo train RECIPE FRAMES OPTIONS` begins with where no Hub is in reach; it then stops."""

    def begin(*options: str, recipe: str = "plain") -> lag_zoo.LAG:
        with pytest.raises(_Started) as started:
            run("train", recipe, frames, "-o", tmp_path / "run", *options, *least())
        (network,) = started.value.args
        return network

    def stop(*arguments: Any) -> None:
        raise _Started(build_network(*arguments))

    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "empty"))
    monkeypatch.setattr(finetuning, "build_network", stop)
    return begin


def test_without_a_network_the_ways_that_are_named_go_on(
    start: Callable[..., lag_zoo.LAG], tmp_path: Path
) -> None:
    small = ("--model", "lag_mobilenetv3_small_050")
    with pytest.raises(WeightsNotFoundError) as refused:
        start(*small)
    said = str(refused.value)
    backbone, trained = re.findall(r"--model (\S+?)[;,]", said)
    assert backbone == load_recipe("plain").model
    for model, source in ((backbone, f"{backbone.removeprefix('lag_')}.in1k"), (trained, trained)):
        report = start("--model", model).load_report
        assert report is not None
        assert report.source.startswith(f"the built-in {source}")
    assert "--set pretrained=false" in said
    untrained = start("--set", "pretrained=false", *small)
    assert untrained.load_report is None
    assert "--backbone-weights FILE" in said
    write_weights(tmp_path / "a.safetensors", untrained.backbone.state_dict())
    report = start("--backbone-weights", str(tmp_path / "a.safetensors"), *small).load_report
    assert report is not None
    assert report.source == str(tmp_path / "a.safetensors")


def test_where_crops_are_trained_no_network_without_them_is_named(start: Callable[..., lag_zoo.LAG]) -> None:
    with pytest.raises(WeightsNotFoundError) as refused:
        start("--model", "lag_mobilenetv3_small_050", recipe="finetune")
    (backbone,) = re.findall(r"--model (\S+?)[;,]", str(refused.value))
    assert lag_zoo.model_info(backbone).config.num_crops


@pytest.mark.parametrize("recipe", list_recipes())
def test_every_recipe_s_own_network_is_had_without_a_network(recipe: str) -> None:
    own = load_recipe(recipe)
    assert builtin_backbone(lag_zoo.model_info(own.model).config.backbone) is not None
    assert own.pretrained == "backbone"


def test_without_a_network_the_recipe_runs_as_it_is(
    frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "empty"))
    shown = run("train", "finetune", frames, "-o", tmp_path / "run", *least()).stderr
    assert "its backbone from the built-in tf_efficientnet_lite0.in1k" in " ".join(shown.split())
    assert (tmp_path / "run" / "best" / "model.safetensors").is_file()


def test_what_is_shown(frames: Path, tmp_path: Path) -> None:
    out, way = tmp_path / "run 1", ("--model", "lag_mobilenetv3_small_050", "--set", "pretrained=false")
    done = run("train", "finetune", frames, "-o", out, *way, *least())
    for word in (
        "frames",
        "groups",
        "labels",
        "network",
        "views",
        "epochs",
        "steps",
        "kept",
        "device",
        "output",
    ):
        assert re.search(rf"^{word} ", done.stderr, re.MULTILINE), word
    assert "epoch 1 of 2, backbone: loss" in done.stderr
    assert "epoch" not in done.stdout.replace("kept epoch", "").replace("chose the epoch", "")
    found = json.loads((out / "validation.json").read_text())
    for word in (
        "validated on",
        "kept epoch",
        "validation AUROC",
        "without crops",
        "validation loss",
        "temperature",
    ):
        assert re.search(rf"^{word} ", done.stdout, re.MULTILINE), word
    assert f"{found['frames']} frames of {found['groups']} patients" in done.stdout
    assert re.search(
        rf"^operating point, IM +{found['operating_points']['IM']:.3f}", done.stdout, re.MULTILINE
    )
    assert "are no test result" in done.stdout
    assert f"lag-zoo evaluate '{out}/best' DATA" in done.stdout, "there is no test split to name"
    again = run("train", "finetune", frames, "-o", tmp_path / "2", *way, *least(), "--quiet")
    assert again.stderr == ""
    assert "validation AUROC" in again.stdout


def test_a_run_from_a_folder_starts_from_its_weights(
    frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = lag_zoo.create_model(
        "lag_mobilenetv3_small_050", label_names=["normal", "IM"], global_size=32, num_crops=2, crop_size=32
    )
    lag_zoo.save_pretrained(model, "runs/2/best")
    done = run("train", "finetune", frames, "-o", "runs/3", "--model", "runs/2/best", *least())
    assert "from local-dir:runs/2/best" in " ".join(done.stderr.split())
    # Said in so many words, the backbone's own weights are asked for, and cannot be had here.
    for word, error in (("backbone", WeightsNotFoundError), ("[1]", InvalidConfigError)):
        with pytest.raises(error):
            run(
                "train",
                "finetune",
                frames,
                "-o",
                "4",
                "--model",
                "runs/2/best",
                "--set",
                f"pretrained={word}",
            )


@pytest.mark.parametrize("device", ["cuda:99", "banana", "meta"])
@pytest.mark.parametrize("command", ["train", "cv"])
def test_a_device_that_is_not_there(command: str, device: str, frames: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfigError, match=f"device '{device}'"):
        run(command, "finetune", frames, "-o", tmp_path / "run", "--device", device)
    assert not (tmp_path / "run").exists()


def test_several_processes_take_a_gpu_each(monkeypatch: pytest.MonkeyPatch) -> None:
    from lag_zoo.training import accelerators

    monkeypatch.setattr(accelerators, "launched", lambda: 2)
    monkeypatch.setattr(accelerators, "present_device", lambda name: accelerators.torch.device(name))
    with pytest.raises(InvalidConfigError, match="each of the 2 processes takes a GPU of its own"):
        accelerators.device_to_train_on("cuda:1")
    assert accelerators.device_to_train_on("cuda").type == "cuda"
    assert accelerators.device_to_train_on("auto").type in ("cpu", "cuda")
