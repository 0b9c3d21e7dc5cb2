"""What a recipe can ask for besides: accumulated gradients, half precision, compilation, an early end, a tracker."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import lag_zoo
from lag_zoo.data.manifest import Manifest
from lag_zoo.errors import InvalidConfigError
from lag_zoo.training import Stage, finetune
from tests.listening import EachEpoch
from tests.training.tiny import RECIPE, SHORT, StopsAfterAnEpoch, WholeRun


def apart(one: lag_zoo.LAG, other: lag_zoo.LAG) -> float:
    """How far weights are from each other, at most."""
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return max(float((a.float() - b.float()).abs().max()) for a, b in pairs)


def trained_once(data: Manifest, folder: Path, **changes: Any) -> tuple[lag_zoo.LAG, float]:
    """A network after one epoch of its backbone, and the loss of that."""
    rows: list[Mapping[str, Any]] = []
    model = finetune(
        None, data, folder, recipe=SHORT, device="cpu", listener=EachEpoch(rows.append), **changes
    )
    return model, rows[0]["train_loss"]


def test_accumulated_gradients_do_not_outlive_a_checkpoint(data: Manifest, tmp_path: Path) -> None:
    """Four steps an epoch, three of which are added up: the fourth moves the weights by itself."""
    how: dict[str, Any] = {"recipe": SHORT, "device": "cpu", "accumulate": 3, "epochs": 2}
    whole = finetune(None, data, tmp_path / "whole", **how)
    with pytest.raises(KeyboardInterrupt):
        finetune(None, data, tmp_path / "stopped", **how, listener=StopsAfterAnEpoch())
    again = finetune(None, data, tmp_path / "stopped", **how, resume=True)
    assert apart(again, whole) == 0


def test_a_tracker_that_is_not_there(data: Manifest, tmp_path: Path) -> None:
    with pytest.raises(
        InvalidConfigError, match=r"the tracker tensorbord is none of accelerate's.*tensorboard"
    ):
        finetune(None, data, tmp_path / "run", recipe=RECIPE, device="cpu", tracker="tensorbord")
    trained_once(data, tmp_path / "none", tracker="none")
    assert not (tmp_path / "none" / "tensorboard").exists()


def test_half_precision_keeps_its_weights_in_full(data: Manifest, tmp_path: Path) -> None:
    half, loss = trained_once(data, tmp_path / "a", mixed_precision="bf16")
    _, other = trained_once(data, tmp_path / "b")
    assert {t.dtype for t in half.parameters()} == {torch.float32}
    assert 1e-6 < abs(loss - other) < 0.1


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a C++ compiler")
def test_compiled_it_trains_alike(data: Manifest, tmp_path: Path) -> None:
    torch._dynamo.utils.counters.clear()
    # At a low rate: an optimiser makes much of what differs in the last bit.
    compiled, loss = trained_once(data, tmp_path / "a", compile=True, learning_rate=1e-5)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0
    _, other = trained_once(data, tmp_path / "b", learning_rate=1e-5)
    assert loss == pytest.approx(other, abs=1e-3)
    again = lag_zoo.create_model(f"local-dir:{tmp_path / 'a' / 'best'}", pretrained=True)
    assert apart(again, compiled) == 0


def test_somebody_elses_accelerator_is_left_alone(data: Manifest, tmp_path: Path) -> None:
    code = """if True:
        import sys
        from accelerate import Accelerator
        from lag_zoo.data import open_data
        from lag_zoo.errors import InvalidConfigError
        from tests.training.tiny import SHORT
        from lag_zoo.training import finetune
        mine = Accelerator(cpu=True)
        for change in ({"mixed_precision": "bf16"}, {"compile": True}):
            try:
                finetune(None, open_data(sys.argv[1]), sys.argv[2] + "/a", recipe=SHORT, device="cpu", **change)
            except InvalidConfigError as error:
                print("refused:", error)
        finetune(None, open_data(sys.argv[1]), sys.argv[2] + "/b", recipe=SHORT, device="cpu")
        print("still", mine.mixed_precision, mine.num_processes)
    """
    command = [sys.executable, "-c", code, str(data.root / "data.csv"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    refused, again, still = done.stdout.splitlines()
    assert refused.startswith("refused: accelerate cannot be set up as the recipe asks")
    assert again.startswith("refused: the recipe says compile=True")
    assert still == "still no 1"


def test_an_early_end(data: Manifest, tmp_path: Path) -> None:
    seen: list[int] = []
    stages = [Stage(epochs=30, crops=False)]
    # Nothing is learned, so nothing gets better.
    finetune(
        None,
        data,
        tmp_path / "run",
        recipe=RECIPE,
        device="cpu",
        stages=stages,
        learning_rate=0.0,
        freeze_norm=True,
        patience=2,
        listener=EachEpoch(lambda row: seen.append(row["epoch"])),
    )
    assert seen == [1, 2, 3]


def test_a_tracker_gets_each_epoch(whole_run: WholeRun) -> None:
    events = EventAccumulator(str(whole_run.folder / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("train_loss")] == [1, 2, 3]
    assert {"val_loss", "val_auroc"} <= set(events.Tags()["scalars"])
