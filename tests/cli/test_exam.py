"""`lag-zoo train exam`: from a list of frames to a head, beside the plain rules; what cannot be is said at once."""

from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from lag_zoo.cli.app import app
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import InvalidConfigError
from lag_zoo.factory import create_exam_model


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """16 patients of two drawn frames; half of them have one with a polyp."""
    folder = tmp_path_factory.mktemp("frames")
    lines = ["image,label,patient,anatomy,split"]
    for number in range(16):
        for place in range(2):
            polyp = number % 2 == 1 and place == 0
            pixels = draw_frame((120, 150), seed=2 * number + place, polyp=polyp, text=False)
            Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(folder / f"{number}_{place}.png")
            split = ("train", "train", "val", "test")[number // 2 % 4]
            lines.append(f"{number}_{place}.png,{('mucosa', 'polyp')[polyp]},p{number},{'ab'[place]},{split}")
    (folder / "data.csv").write_text("\n".join(lines) + "\n")
    return folder / "data.csv"


def test_trains_a_head_and_shows_the_rules_beside_it(data: Path, tmp_path: Path) -> None:
    options = (
        "--level",
        "patient",
        "--any-frame",
        "--device",
        "cpu",
        "--set",
        "epochs=3",
        "--set",
        "width=16",
    )
    ran = run("train", "exam", data, "-o", tmp_path / "run", "--cache", tmp_path / "cache", *options)
    assert ran.exit_code == 0, ran.output
    for words in (
        "the head",
        "maximum",
        "noisy-or",
        "number of frames",
        "val (chose the epoch)",
        "not a medical device",
    ):
        assert words in " ".join(ran.stdout.split()), words
    network = create_exam_model(f"local-dir:{tmp_path / 'run' / 'best'}")
    assert network.config.sites == ("a", "b")
    assert network.config.width == 16
    assert network.exam_spec is not None
    assert network.exam_spec.level == "patient"
    assert list((tmp_path / "cache").glob("features-*"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "more than one label"),
        (("--level", "frame"), "--level exam or --level patient"),
        (("--any-frame", "--set", "widht=3"), "Did you mean width"),
        (("--any-frame", "--set", "epochs"), "key=value"),
        (("--any-frame", "--set", "epochs=0"), "from 1 to"),
        (("--any-frame", "--resume"), "leave --resume"),
        (("--any-frame", "--model", "lag_tf_efficientnet_lite0_polyp", "--set", "model=x"), "say it once"),
    ],
)
def test_what_cannot_be_is_said(data: Path, tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    level = () if "--level" in options else ("--level", "patient")
    ran = run("train", "exam", data, "-o", tmp_path / "run", "--device", "cpu", *level, *options)
    assert ran.exit_code != 0
    assert message in str(ran.exception)
    assert not (tmp_path / "run").exists()


def test_options_of_the_head_do_not_go_with_another_recipe(data: Path, tmp_path: Path) -> None:
    ran = run("train", "plain", data, "-o", tmp_path / "run", "--any-frame")
    assert isinstance(ran.exception, InvalidConfigError)
    assert "go with the recipe exam" in str(ran.exception)
