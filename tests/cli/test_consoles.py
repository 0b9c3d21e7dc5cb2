"""Consoles that lack a letter, and the remarks of other libraries: neither may cost an answer."""

import io
import json
import logging
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

import lag_zoo
import lag_zoo.predict.predictor as predict_module
from lag_zoo.cli import main
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import LagZooWarning

LABELS = ("normál", "腸上皮化生", "IM 🙂")


class Said(NamedTuple):
    """What a command wrote, as a console of its encoding shows it."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """Runs `lag-zoo` in this process, its streams in an encoding."""
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # the command sets its own

    def run(*arguments: object, encoding: str = "utf-8") -> Said:
        streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
        monkeypatch.setattr(sys, "argv", ["lag-zoo", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdout", streams[0])
        monkeypatch.setattr(sys, "stderr", streams[1])
        code = 0
        try:
            main()
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        for stream in streams:
            stream.flush()
        # click takes a console of ASCII for one that is set up wrongly, and sends it UTF-8.
        written = (stream.buffer.getvalue().decode(encoding, "replace") for stream in streams)  # type: ignore[attr-defined]
        return Said(code, *written)

    return run


@pytest.fixture
def frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two frames with odd names, and a network with odd labels in place of the built-in one."""
    model = lag_zoo.LAG(
        "mobilenetv3_small_050", label_names=LABELS, global_size=64, num_crops=2, crop_size=32
    )
    monkeypatch.setattr(predict_module, "create_model", lambda name, pretrained: model)
    for name in ("Müller ∅.png", "b.png"):
        Image.fromarray(draw_frame((200, 260)).permute(1, 2, 0).numpy()).save(tmp_path / name)
    (tmp_path / "é broken.png").write_text("no image")
    return tmp_path


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "cp437", "shift_jis", "utf-8"])
@pytest.mark.parametrize("form", ["table", "csv", "json", "jsonl"])
def test_no_answer_is_lost(run: Callable[..., Said], frames: Path, encoding: str, form: str) -> None:
    said = run("predict", frames, "--tta", 2, "--format", form, encoding=encoding)
    assert said.code == 1, said.err
    assert "1 of 3 files failed" in said.err
    assert "Traceback" not in said.err
    if form == "json":
        assert [set(row["probabilities"]) for row in json.loads(said.out) if "error" not in row] == [
            set(LABELS)
        ] * 2
    elif form == "jsonl":
        assert len([json.loads(line) for line in said.out.splitlines()]) == 3
    elif encoding == "ascii":
        assert r"norm\xe1l" in said.out, "a letter that is not there is spelt out"
        assert r"M\xfcller" in said.out
    for name in ("b.png", "M"):
        assert name in said.out


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_every_light_command(run: Callable[..., Said], encoding: str) -> None:
    for command in (["list"], ["info", "lag_resnet50_lci"], ["--help"], ["predict", "--help"]):
        said = run(*command, encoding=encoding)
        assert (said.code, "Traceback" in said.err) == (0, False), said.err


class TestRemarks:
    def test_of_other_libraries_stay_out(self, run: Callable[..., Said], frames: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
        look = predict_module.Predictor._look

        def talkative(self: object, *arguments: object, **options: object) -> object:
            warnings.warn("something of another library", FutureWarning, stacklevel=1)
            logging.getLogger("timm.models").warning("a remark for developers")
            warnings.warn("what a user must know", LagZooWarning, stacklevel=1)
            return look(self, *arguments, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(predict_module.Predictor, "_look", talkative)
        monkeypatch.setattr(sys, "warnoptions", [])
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            said = run("predict", frames / "b.png", "--workers", 0)
        assert "lag-zoo: warning: what a user must know" in said.err
        assert "another library" not in said.err
        assert "developers" not in said.err


class TestQuiet:
    def test_says_nothing_but_errors(self, run: Callable[..., Said], frames: Path) -> None:
        assert run("predict", frames / "b.png", "--quiet").err == ""
        said = run("predict", frames, "--quiet", "-o", frames / "out.csv")
        assert [line.startswith("lag-zoo: ") for line in said.err.splitlines()] == [True, True]
        assert said.out == ""

    def test_without_it_a_header_stands_first(self, run: Callable[..., Said], frames: Path) -> None:
        said = run("predict", frames / "b.png", "--format", "json")
        json.loads(said.out)
        for part in ("images", "device", "CPU", "normál"):
            assert part in said.err
