"""`lag-zoo predict -o FILE`: every form, an interruption at any moment, and two processes that share the work."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

import lag_zoo.predict.predictor as predict_module
from lag_zoo.cli.app import app
from lag_zoo.data.phantom import draw_frame
from lag_zoo.state import write_state
from tests.launch import LAUNCH

BUILT_IN = "lag_tf_efficientnet_lite0_polyp"
LABELS = ("mucosa", "polyp")
COMMAND = ["-m", "lag_zoo.cli", "predict", "frames", "-o", "out.jsonl", "--batch-size", "4"]


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(9):
        pixels = draw_frame((200, 260), seed=number).permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / "5 broken.png").write_text("no image")
    return folder


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["predict", *map(str, arguments)])


@pytest.mark.usefixtures("untrained")
class TestForms:
    def test_the_same_in_each(self, frames: Path) -> None:
        import pyarrow.parquet

        folder = frames.parent
        for form in ("json", "jsonl", "csv", "parquet"):
            ran = run(frames, "-o", folder / f"out.{form}")
            assert ran.exit_code == 1, ran.output
            assert "1 of 10 files failed" in ran.stderr
        whole = json.loads((folder / "out.json").read_text())
        assert [Path(row["path"]).name for row in whole] == sorted(path.name for path in frames.iterdir())
        assert [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()] == whole
        with (folder / "out.csv").open(newline="") as file:
            cells = list(csv.DictReader(file))
        columns = pyarrow.parquet.read_table(folder / "out.parquet").to_pylist()
        assert list(columns[0]) == list(cells[0])
        for row, cell, column in zip(whole, cells, columns, strict=True):
            assert row["path"] == cell["path"] == column["path"]
            if "error" in row:
                assert (cell["p_polyp"], column["p_polyp"], cell["in_training_data"]) == ("", None, "")
                assert row["error"] == cell["error"] == column["error"]
            else:
                assert row["probabilities"]["polyp"] == float(cell["p_polyp"]) == column["p_polyp"]
                assert (cell["in_training_data"], column["in_training_data"]) == ("false", False)
        left = sorted(path.name for path in folder.iterdir())
        assert left == ["frames", "out.csv", "out.json", "out.jsonl", "out.parquet"], "no scratch"

    def test_lines_on_standard_output(self, frames: Path) -> None:
        lines = run(frames, "--format", "jsonl").stdout.splitlines()
        assert json.loads(run(frames, "--format", "json").stdout) == [json.loads(line) for line in lines]

    @pytest.mark.parametrize("format", ["csv", "jsonl"])
    def test_an_interruption_loses_no_line(
        self, frames: Path, format: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Also where the first file is none, which has no probabilities to name columns by."""
        (frames / "0.png").write_text("no image")
        whole = run(frames, "--format", format, "--batch-size", "1", "--workers", "0").stdout.splitlines()
        look = predict_module.Predictor._look

        def until_the_seventh(self: object, image: Path, tta: int) -> object:
            if Path(image).name.startswith("6"):
                raise KeyboardInterrupt
            return look(self, image, tta)  # type: ignore[arg-type]

        monkeypatch.setattr(predict_module.Predictor, "_look", until_the_seventh)
        ran = run(frames, "--format", format, "--batch-size", "1", "--workers", "0")
        assert ran.exit_code == 130
        lines = ran.stdout.splitlines()
        assert lines == whole[: len(lines)]
        assert len(lines) >= 6

    def test_draws(self, frames: Path) -> None:
        run(frames, "-o", frames.parent / "out.csv", "--tta", "2", "--batch-size", "3")
        assert "sd_mucosa,sd_polyp" in (frames.parent / "out.csv").read_text().splitlines()[0]

    @pytest.mark.parametrize("wrong", [["--resume"], ["--format", "parquet"]])
    def test_what_needs_a_file(self, frames: Path, wrong: list[str]) -> None:
        ran = run(frames, *wrong)
        assert ran.exit_code == 2
        assert "--output" in ran.stderr


@pytest.mark.usefixtures("untrained")
class TestAnInterruption:
    def test_is_taken_up(self, frames: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        out = frames.parent / "out.jsonl"
        arguments = (frames, "-o", out, "--batch-size", "4", "--workers", "0")
        run(*arguments)
        whole = out.read_text()
        out.unlink()

        look = predict_module.Predictor._look

        def until_the_seventh(self: object, image: Path, tta: int) -> object:
            if Path(image).name.startswith("6"):
                raise KeyboardInterrupt
            return look(self, image, tta)  # type: ignore[arg-type]

        with monkeypatch.context() as patch:
            patch.setattr(predict_module.Predictor, "_look", until_the_seventh)
            assert run(*arguments).exit_code != 0
        assert not out.exists(), "a file that is there is whole"
        ran = run(*arguments)
        assert ran.exit_code != 0
        assert "holds 4 answers to 10 images" in str(ran.exception)
        ran = run(*arguments, "--resume")
        assert "4 of 10 images are answered already" in ran.stderr
        assert out.read_text() == whole
        assert "nothing to resume, all is answered anew" in run(*arguments, "--resume").stderr

    def test_of_another_run(self, frames: Path) -> None:
        out = frames.parent / "out.jsonl"
        parts = frames.parent / "out.jsonl.parts"
        parts.mkdir()
        write_state(parts / "run.json", {"model": "another"})
        ran = run(frames, "-o", out, "--resume")
        assert "model was another" in str(ran.exception)
        assert not out.exists()


@pytest.mark.usefixtures("untrained")
def test_a_full_disk_keeps_what_was_answered(frames: Path, disk: Path) -> None:
    whole = frames.parent / "whole.jsonl"
    run(frames, "-o", whole, "--batch-size", "4")
    left = 9_000  # bytes: a page for the run's description, one for the answers
    (disk / "filling").write_bytes(bytes(2**20 - left))
    out = disk / "out.jsonl"
    arguments = (frames, "-o", out, "--batch-size", "4")
    ran = run(*arguments)
    assert ran.exit_code != 0
    assert "cannot be written: No space left on device" in str(ran.exception)
    assert "--resume" in str(ran.exception)
    assert not out.exists()
    (disk / "filling").unlink()
    assert "answered already" in run(*arguments, "--resume").stderr
    assert out.read_text() == whole.read_text()


def environment(root: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}


@pytest.mark.slow
def test_killed_it_has_kept_what_was_answered(frames: Path, root: Path) -> None:
    whole = _whole(frames, root)
    process = subprocess.Popen(
        [sys.executable, *COMMAND, "--workers", "0"],
        cwd=frames.parent,
        env=environment(root),
        stderr=subprocess.DEVNULL,
    )
    parts = frames.parent / "out.jsonl.parts"
    while process.poll() is None and not list(parts.glob("*.part")):
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = subprocess.run(
        [sys.executable, *COMMAND, "--resume"],
        cwd=frames.parent,
        env=environment(root),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    assert (frames.parent / "out.jsonl").read_text() == whole


@pytest.mark.slow
def test_two_processes_give_the_file_of_one(frames: Path, root: Path) -> None:
    whole = _whole(frames, root)
    parts = frames.parent / "out.jsonl.parts"
    nowhere = (
        frames.parent / "out.jsonl"
    )  # a link to a folder that is not there: the parts stay, and show who wrote them
    nowhere.symlink_to(frames.parent / "gone" / "out.jsonl")
    said = _launch(frames, root)
    assert "cannot be written: No such file or directory" in said
    assert sorted(len(part.read_text().splitlines()) for part in parts.glob("*.part")) == [4, 6]
    assert not (frames.parent / "out.jsonl").exists()
    nowhere.unlink()
    said = _launch(frames, root, "--resume")
    assert said.count("10 of 10 images are answered already") == 1, said
    assert said.count("1 of 10 files failed") == 1, said
    assert (frames.parent / "out.jsonl").read_text() == whole
    assert not parts.exists()


def _launch(frames: Path, root: Path, *arguments: str) -> str:
    """What two processes say that share the work and fail, if only for the broken frame."""
    done = subprocess.run(
        [sys.executable, *LAUNCH, *COMMAND, *arguments],
        cwd=frames.parent,
        env=environment(root),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    return done.stderr


def _whole(frames: Path, root: Path) -> str:
    """What one process writes that nobody disturbs; the file is taken away."""
    done = subprocess.run(
        [sys.executable, *COMMAND], cwd=frames.parent, env=environment(root), capture_output=True
    )
    assert done.returncode == 1
    out = frames.parent / "out.jsonl"
    text = out.read_text()
    out.unlink()
    assert len(text.splitlines()) == 10
    return text
