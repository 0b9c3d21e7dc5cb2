"""`lag-zoo train exam` and `predict --by`: one answer a patient, by plain rules and by a head of one's own."""

import csv
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow.parquet
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from lag_zoo.cli.app import app
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import InvalidConfigError
from lag_zoo.factory import create_exam_model
from lag_zoo.predict import Predictor


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


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    """What `lag-zoo train exam` says, and the folder in which are its run and the cache."""
    folder = tmp_path_factory.mktemp("run")
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
    return run("train", "exam", data, "-o", folder / "run", "--cache", folder / "cache", *options), folder


@pytest.fixture
def network(trained: tuple[Result, Path]) -> Path:
    return trained[1] / "run" / "best"


def test_trains_a_head_and_shows_the_rules_beside_it(trained: tuple[Result, Path]) -> None:
    ran, folder = trained
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
    network = create_exam_model(f"local-dir:{folder / 'run' / 'best'}")
    assert network.config.sites == ("a", "b")
    assert network.config.width == 16
    assert network.exam_spec is not None
    assert network.exam_spec.level == "patient"
    assert list((folder / "cache").glob("features-*"))


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


def by_patient(path: Path) -> dict[str, dict[str, str]]:
    with path.open(newline="") as file:
        return {row["patient"]: row for row in csv.DictReader(file)}


@pytest.mark.parametrize("pooling", ["maximum", "noisy-or"])
def test_one_row_a_patient_as_in_python(data: Path, tmp_path: Path, pooling: str) -> None:
    output = tmp_path / "patients.csv"
    ran = run(
        "predict", data, "--by", "patient", "--pooling", pooling, "--site", "a", "--site", "c", "-o", output
    )
    assert ran.exit_code == 0, ran.output
    rows = by_patient(output)
    assert list(rows) == [f"p{n}" for n in range(16)]
    assert not (tmp_path / "patients.csv.parts").exists()
    predictor = Predictor("lag_tf_efficientnet_lite0_polyp", device="cpu")
    for name in ("p3", "p4"):
        frames = [data.parent / f"{name[1:]}_{place}.png" for place in (0, 1)]
        found = predictor.exam(frames, sites=["a", "b"], pooling=pooling)
        assert rows[name]["label"] == found.label
        assert float(rows[name]["p_polyp"]) == pytest.approx(found.probabilities["polyp"], abs=1e-5)
        assert float(rows[name]["low_polyp"]) == pytest.approx(found.low["polyp"], abs=1e-5)
        assert (rows[name]["sites"], rows[name]["unseen"], rows[name]["frames"]) == ("a 1; b 1", "c", "2")
        assert rows[name]["deciding"].split("; ") == [str(frames[place]) for place in found.deciding]


def test_the_head_of_a_folder_answers(data: Path, network: Path, tmp_path: Path) -> None:
    output = tmp_path / "patients.jsonl"
    ran = run("predict", data, "--by", "patient", "--model", network, "--device", "cpu", "-o", output)
    assert ran.exit_code == 0, ran.output
    rows = {row["patient"]: row for row in map(json.loads, output.read_text().splitlines())}
    predictor = Predictor(create_exam_model(f"local-dir:{network}"), device="cpu")
    found = predictor.exam([data.parent / f"5_{place}.png" for place in (0, 1)], sites=["a", "b"])
    assert rows["p5"]["pooling"] == found.pooling == "head"
    assert rows["p5"]["probabilities"]["polyp"] == pytest.approx(found.probabilities["polyp"], abs=1e-4)
    ran = run("predict", data, "--by", "exam", "--column", "patient=exam", "--model", network)
    assert "say --by patient" in str(ran.exception)


def test_the_head_is_evaluated(data: Path, network: Path, tmp_path: Path) -> None:
    ran = run(
        "evaluate",
        network,
        data,
        "--pooling",
        "head",
        "--any-frame",
        "-o",
        tmp_path / "report",
        "--device",
        "cpu",
    )
    assert ran.exit_code == 0, ran.output
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert (report["level"], report["rows"][0]["n"], report["rows"][0]["label"]) == ("patient", 4, "polyp")
    for options, message in (
        (("--any-frame",), "goes with --pooling head"),
        (("--pooling", "head", "--baselines"), "leave one out"),
        (("--pooling", "head"), "more than one label"),
    ):
        assert message in str(run("evaluate", network, data, *options).exception)


def test_what_was_answered_is_not_answered_again(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, seen = tmp_path / "patients.csv", []

    def stopped(self: Predictor, paths: Iterable[Path], tta: int = 0) -> Iterator[object]:
        for number, answer in enumerate(original(self, paths, tta)):
            seen.append(number)
            yield answer
            if len(seen) == 17:
                raise KeyboardInterrupt

    original = Predictor.iter_with_features
    monkeypatch.setattr(Predictor, "iter_with_features", stopped)
    assert run("predict", data, "--by", "patient", "-o", output).exit_code != 0
    assert not output.exists()
    ran = run("predict", data, "--by", "patient", "-o", output, "--resume")
    assert ran.exit_code == 0, ran.output
    assert re.search(r"\b1[67] of 32 frames are answered already", ran.output), ran.output
    assert len(by_patient(output)) == 16


def test_frames_that_cannot_be_read_are_listed_with_their_patient(data: Path, tmp_path: Path) -> None:
    listing = tmp_path / "frames.csv"
    gone = tmp_path / "gone.png"
    good = data.parent / "1_0.png"
    listing.write_text(f"image,patient\n{good},p1\n{gone},p1\n{tmp_path / 'away.png'},p2\n")
    ran = run(
        "predict", listing, "--by", "patient", "-o", tmp_path / "out.csv", "--pictures", tmp_path / "pictures"
    )
    assert ran.exit_code == 1
    rows = by_patient(tmp_path / "out.csv")
    assert (rows["p1"]["frames"], rows["p1"]["unreadable"]) == ("1", "1")
    assert "none of 1 frames could be read" in rows["p2"]["error"]
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["00000_1_0.jpg"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--pooling", "mean"), "goes with --by"),
        (("--by", "patient"), "takes one list of frames"),
        (("LIST", "--by", "exam"), "no column exam"),
        (("LIST", "--by", "patient", "--pooling", "median"), "no way 'median' to pool"),
        (("LIST", "--by", "patient", "--pooling", "head"), "has no"),
    ],
)
def test_what_cannot_be_answered_is_said(data: Path, arguments: tuple[str, ...], message: str) -> None:
    paths = [data if part == "LIST" else part for part in arguments if part == "LIST"] or [data.parent]
    ran = run("predict", *paths, *(part for part in arguments if part != "LIST"))
    assert ran.exit_code != 0
    assert message in " ".join(f"{ran.output} {ran.exception}".replace("│", " ").split())


def test_formats_hold_the_same_rows(data: Path, tmp_path: Path) -> None:
    few = tmp_path / "few.csv"
    few.write_text("image,patient\n" + "".join(f"{data.parent / f'{n}_0.png'},p{n}\n" for n in range(3)))
    for name in ("a.csv", "a.json", "a.parquet", "a.txt"):
        assert run("predict", few, "--by", "patient", "-o", tmp_path / name).exit_code == 0
    expected = [row["label"] for row in by_patient(tmp_path / "a.csv").values()]
    assert [row["label"] for row in json.loads((tmp_path / "a.json").read_text())] == expected
    assert pyarrow.parquet.read_table(tmp_path / "a.parquet")["label"].to_pylist() == expected
    assert "not a medical device" in (tmp_path / "a.txt").read_text()
    shown = run("predict", few, "--by", "patient", "--format", "csv", "--quiet")
    assert shown.stdout.splitlines()[0].startswith("patient,model,label,p_mucosa,p_polyp")
