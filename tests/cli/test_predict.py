"""`lag-zoo predict`."""

import csv
import dataclasses
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

import lag_zoo
import lag_zoo.predict.predictor as predict_module
from lag_zoo.cli.app import app
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import DataError
from tests.networks import as_loaded

BUILT_IN = "lag_tf_efficientnet_lite0_polyp"
LABELS = ("mucosa", "polyp")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    below = tmp_path / "frames" / "below"
    below.mkdir(parents=True)
    for name in ("a.png", "below/b [red].tif"):
        Image.fromarray(draw_frame((200, 260)).permute(1, 2, 0).numpy()).save(tmp_path / "frames" / name)
    return tmp_path / "frames"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["predict", *map(str, arguments)])


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.usefixtures("untrained")
class TestPredict:
    def test_table(self, folder: Path) -> None:
        ran = run(folder)
        assert ran.exit_code == 0, ran.output
        out = flat(ran.stdout)
        for part in (
            f"model: {BUILT_IN}",
            "a.png",
            "b [red].tif",
            "mucosa",
            "polyp",
            "research demonstration, not a medical device",
        ):
            assert part in out
        assert "in_training_data" not in out
        assert ran.stderr.splitlines()[0].startswith("model ")
        assert "%" not in ran.stderr, "no bar where there is no terminal"

    def test_evidence_goes_into_json_and_pictures(self, folder: Path, tmp_path: Path) -> None:
        drawn = tmp_path / "drawn"
        ran = run(folder, "--format", "json", "--evidence", "polyp", "--pictures", drawn)
        assert ran.exit_code == 0, ran.output
        for answer in json.loads(ran.stdout):
            assert list(answer["evidence"]) == ["polyp"]
            assert len(answer["evidence"]["polyp"]) == len(answer["evidence"]["polyp"][0]) > 1
        run(folder, "--format", "json", "--pictures", tmp_path / "plain")
        name = next(drawn.iterdir()).name
        assert (drawn / name).read_bytes() != (tmp_path / "plain" / name).read_bytes()
        assert run(folder, "--format", "csv", "--evidence", "polyp", "--pictures", drawn).exit_code == 0

    def test_evidence_that_nothing_would_show(self, folder: Path) -> None:
        ran = run(folder, "--evidence", "polyp")
        assert ran.exit_code == 2
        assert "--pictures" in ran.stderr

    def test_json(self, folder: Path) -> None:
        answers = json.loads(run(folder, "--format", "json").stdout)
        assert [Path(answer["path"]).name for answer in answers] == ["a.png", "b [red].tif"]
        for answer in answers:
            assert set(answer) == {"path", "model", "probabilities", "label", "coverage", "warnings"}
            assert answer["model"] == BUILT_IN
            assert set(answer["probabilities"]) == set(LABELS)
            assert sum(answer["probabilities"].values()) == pytest.approx(1)
            assert answer["label"] in LABELS

    def test_draws(self, folder: Path) -> None:
        answers = json.loads(run(folder, "--tta", "3", "--format", "json").stdout)
        assert all(set(answer["spread"]) == set(LABELS) for answer in answers)
        assert "±" in run(folder, "--tta", "3").stdout
        header = run(folder, "--tta", "3", "--format", "csv").stdout.splitlines()[0]
        assert "sd_mucosa,sd_polyp" in header

    def test_csv(self, folder: Path) -> None:
        (folder / "c.png").write_text("no image")
        rows = list(csv.DictReader(io.StringIO(run(folder, "--format", "csv").stdout)))
        assert [Path(row["path"]).name for row in rows] == ["a.png", "b [red].tif", "c.png"]
        assert float(rows[0]["p_mucosa"]) + float(rows[0]["p_polyp"]) == pytest.approx(1)
        assert (rows[0]["in_training_data"], rows[0]["error"], rows[2]["p_polyp"]) == ("false", "", "")
        assert rows[2]["error"].startswith("not a TIFF")

    def test_a_bad_file_is_reported_and_the_rest_are_done(self, folder: Path) -> None:
        (folder / "a1.jpg").write_text("no image")
        missing = folder / "none.png"
        ran = run(folder, missing, "--format", "json")
        assert ran.exit_code == 1
        answers = json.loads(ran.stdout)
        assert ["error" in answer for answer in answers] == [False, True, False, True]
        assert answers[3] == {"path": str(missing), "error": "no such file"}
        assert f"{missing}: no such file" in ran.stderr
        assert "2 of 4 files failed" in ran.stderr
        table = run(folder, missing)
        assert table.exit_code == 1
        assert "failed: no such file" in flat(table.stdout)

    def test_a_table_of_failures_only(self, tmp_path: Path) -> None:
        ran = run(tmp_path / "none.png")
        assert ran.exit_code == 1
        assert "failed: no such file" in flat(ran.stdout)

    def test_no_image_at_all(self, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").touch()
        ran = run(tmp_path)
        assert (ran.exit_code != 0, ran.stdout) == (True, "")
        assert isinstance(ran.exception, DataError)
        assert "no image found" in str(ran.exception)
        assert "1 .txt" in str(ran.exception)

    def test_what_is_left_out_is_said(self, folder: Path) -> None:
        for name in ("video.mp4", "notes.pdf", "notes", "Thumbs.db"):
            (folder / name).touch()
        said = flat(run(folder).stderr)
        assert "images 2" in said
        for part in ("1 .mp4", "1 .pdf", "1 .db", "1 without an ending"):
            assert part in said

    @pytest.mark.parametrize("format", ["table", "json", "csv"])
    def test_output(self, folder: Path, tmp_path: Path, format: str) -> None:
        target = tmp_path / "answers"
        ran = run(folder, "--format", format, "--output", target)
        assert ran.exit_code == 0
        assert f"written: {target}" in flat(ran.stdout)
        assert run(folder, "--format", format, "--output", target, "--quiet").stdout == ""
        assert flat(target.read_text(encoding="utf-8")) == flat(run(folder, "--format", format).stdout)

    def test_the_operating_points_are_told_in_a_file_too(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        weights = dataclasses.replace(
            lag_zoo.model_info(BUILT_IN).weights[0], operating_points={"polyp": 0.31}, doubts=None
        )
        model = lag_zoo.LAG("mobilenetv3_small_050", label_names=("mucosa", "polyp"), global_size=64)
        as_loaded(model, weights)
        monkeypatch.setattr(predict_module, "create_model", lambda name, pretrained: model)
        run(folder, "--format", "table", "--output", tmp_path / "answers.txt")
        said = flat((tmp_path / "answers.txt").read_text(encoding="utf-8"))
        assert "Called at the weights' operating points (polyp from 0.310)" in said

    def test_an_output_that_cannot_be_written_is_told_before_the_work(self, folder: Path) -> None:
        ran = run(folder, "--output", folder / "nowhere" / "answers")
        assert ran.exit_code == 2
        told = "".join(ran.stderr.replace("│", "").split())  # a path may be broken over two lines of the box
        assert "nowhereisnofolder" in told

    @pytest.mark.parametrize("wrong", [["--format", "xml"], ["--tta", "1"], ["--tta", "-1"], ["--tta", "x"]])
    def test_a_wrong_call(self, folder: Path, wrong: list[str]) -> None:
        assert run(folder, *wrong).exit_code == 2

    def test_pictures(self, folder: Path, tmp_path: Path) -> None:
        (folder / "c.png").write_text("no image")
        album = tmp_path / "new" / "album"
        ran = run(folder, "--pictures", album)
        assert "2 pictures in" in ran.stderr
        assert sorted(path.name for path in album.iterdir()) == ["00000_a.jpg", "00001_b [red].jpg"]
        with Image.open(album / "00000_a.jpg") as picture:
            assert (picture.width, picture.height > 200) == (640, True)
        ran = run(folder, "--pictures", album, "-o", tmp_path / "out.csv")
        assert "2 pictures in" in ran.stderr, "beside a file of answers too"

    def test_a_picture_that_cannot_be_written_stops_nothing(self, folder: Path, disk: Path) -> None:
        (disk / "filling").write_bytes(bytes(2**20 - 3000))
        ran = run(folder, "--pictures", disk)
        assert ran.exit_code == 1
        assert "0 pictures in" in ran.stderr
        assert "2 are missing, the first" in ran.stderr
        assert f"No space left on device: '{disk / '00000_a.jpg'}'" in ran.stderr
        assert "a.png" in flat(ran.stdout)

    def test_names_that_a_terminal_should_not_see(self, folder: Path) -> None:
        (folder / "bell\x1b[31m\n.png").write_text("no image")
        ran = run(folder)
        assert "\x1b" not in ran.output
        assert "bell\\x1b[31m\\n.png" in ran.stderr

    def test_frames_that_the_model_was_trained_on(self, folder: Path, shared: Path) -> None:
        frames = sorted((shared / "kvasir_seg" / "images").iterdir())[:2]
        ran = run(folder, *frames)
        assert (
            "in_training_data: the weights, or those they were made from, were trained on 2 of these frames"
            in flat(ran.stdout)
        )
        answers = json.loads(run(folder, *frames, "--format", "json").stdout)
        assert [answer.get("in_training_data") for answer in answers] == [None, None, True, True]


def test_the_command_itself(folder: Path, root: Path) -> None:
    """With the built-in weights, from a fresh process."""
    done = subprocess.run(
        [sys.executable, "-m", "lag_zoo.cli", "predict", str(folder), "--format", "json"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert [answer["model"] for answer in answers] == [BUILT_IN, BUILT_IN]
    assert "device  CPU" in done.stderr


def test_a_model_without_weights(folder: Path, root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lag_zoo.cli", "predict", str(folder), "--model", "lag_resnet50_lci"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "\nlag-zoo: lag_resnet50_lci has no weights in this version" in f"\n{done.stderr}"
