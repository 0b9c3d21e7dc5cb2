"""The GPU, where there is one and LAG_ZOO_GPU=1 asks for it: what commands do by themselves, and that answers agree.

The other tests compute on the CPU everywhere: many of them hold bits.
"""

import os
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import lag_zoo
from lag_zoo.cli.app import app
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import InvalidConfigError
from lag_zoo.nn.devices import describe_device, present_device
from tests.training.drawn_data import write_frames

BUILT_IN = "lag_tf_efficientnet_lite0_polyp"
SMALL = [
    "fields.global_size=32",
    "fields.num_crops=2",
    "fields.crop_size=32",
    "batch_size=4",
    "workers=0",
    "epochs=2",
]
on_a_gpu = pytest.mark.skipif(
    os.environ.get("LAG_ZOO_GPU") != "1" or not torch.cuda.is_available(),
    reason="needs a GPU, and LAG_ZOO_GPU=1",
)


def test_auto_is_the_cpu_where_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert present_device("auto") == torch.device("cpu")


@on_a_gpu
class TestAuto:
    def test_the_predictor_takes_it(self) -> None:
        frames = [draw_frame((400, 500), seed=seed) for seed in range(6)]
        on_gpu, on_cpu = lag_zoo.Predictor(BUILT_IN), lag_zoo.Predictor(BUILT_IN, device="cpu")
        assert (on_gpu.device.type, on_cpu.device.type) == ("cuda", "cpu")
        for one, other in zip(on_gpu(frames), on_cpu(frames), strict=True):
            assert one.probabilities == pytest.approx(other.probabilities, abs=2e-3)

    def test_a_network_stays_where_it_is(self) -> None:
        model = lag_zoo.create_model(BUILT_IN, pretrained=True)
        assert lag_zoo.Predictor(model).device.type == "cpu"
        assert lag_zoo.Predictor(model.cuda()).device.type == "cuda"

    def test_the_commands_take_it_and_say_so(self, tmp_path: Path) -> None:
        data = write_frames(tmp_path / "frames").root / "data.csv"
        sets = [part for change in (*SMALL, "pretrained=false") for part in ("--set", change)]
        device = describe_device("auto")
        assert "cuda" in device

        def run(*arguments: object) -> str:
            done = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
            assert done.exit_code == 0, done.output
            return done.output

        best = tmp_path / "run" / "best"
        commands = (
            (
                "train",
                "finetune",
                data,
                "-o",
                tmp_path / "run",
                "--model",
                "lag_mobilenetv3_small_050",
                *sets,
            ),
            ("evaluate", best, data, "--split", "val", "--n-resamples", 100, "-o", tmp_path / "report"),
            ("predict", tmp_path / "frames", "--model", best),
        )
        for command in commands:
            assert device in run(*command)
        assert "CPU" in run("predict", tmp_path / "frames", "--model", best, "--device", "cpu")
        assert device in run(*commands[0][:4], tmp_path / "again", *commands[0][5:], "--device", "cuda:0")

    def test_one_that_is_not_there(self) -> None:
        with pytest.raises(InvalidConfigError, match="cuda:63"):
            lag_zoo.Predictor(BUILT_IN, device="cuda:63")
