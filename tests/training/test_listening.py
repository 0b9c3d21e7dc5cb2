"""What a listener hears of a run and of a cross-validation."""

import json
from pathlib import Path

import pytest

from lag_zoo.data.manifest import Manifest
from lag_zoo.training import Stage, cross_validate, display, finetune
from tests.listening import Heard
from tests.training.drawn_data import write_frames
from tests.training.tiny import RECIPE, SHORT


class StoppedAfter(Heard):
    """Interrupts after an epoch."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.last = epoch

    def epoch(self, row):  # type: ignore[no-untyped-def]
        super().epoch(row)
        if row["epoch"] == self.last:
            raise KeyboardInterrupt


def test_of_a_run(
    data: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(display, "WORTH_SAYING", 0.0)
    monkeypatch.setattr(display, "LONG", 0.0)
    heard = Heard()
    left = data.with_column("excluded", ["blurred", *[""] * (len(data) - 1)])
    finetune(None, left, tmp_path / "run", recipe=RECIPE, device="cpu", listener=heard)
    assert capfd.readouterr() == ("", ""), "the library tells its listener, and nobody else"
    (facts,) = heard.facts
    assert list(facts) == [
        "data", "frames", "groups", "labels", "network", "views", "epochs", "steps", "kept", "device", "output",
    ]  # fmt: skip
    assert facts["frames"] == "23: 15 train, 8 val; 1 excluded"
    assert facts["groups"] == "12 patients"
    assert facts["labels"] == "normal 7, IM 8 in train"
    assert facts["network"].startswith("lag_mobilenetv3_small_050, 1.0 M parameters, untrained")
    assert facts["views"] == "global 32 x 32 pixels, 2 crops of 32 native pixels"
    assert facts["epochs"] == "3: 1 backbone (without crops), 2 crops"
    assert facts["kept"] == "the epoch of the highest validation AUROC"
    assert (facts["steps"], facts["device"]) == ("3 an epoch, of 4 frames", "CPU")
    assert all(done == total for done, total in heard.tasks.values() if total), heard.tasks
    assert heard.tasks["training"] == [15, 15]  # 3 steps and 2 validation batches an epoch
    assert heard.tasks["reading frames"] == [23, 23]
    assert heard.tasks["calibrating"] == [8, 8]
    assert [(row["epoch"], row["epochs"]) for row in heard.rows] == [(1, 3), (2, 3), (3, 3)]
    assert all(row["seconds"] > 0 for row in heard.rows)
    pace, few, *_, verdict = heard.said
    assert few.startswith("Calibrated on 8 frames, fewer than 50")
    assert pace.endswith("more for 1 epochs of the stage crops, on this machine")
    assert "8 frames of 4 patients" in verdict
    assert verdict == json.loads((tmp_path / "run" / "validation.json").read_text())["verdict"]


@pytest.mark.parametrize("epoch", [1, 2])
def test_of_a_run_that_goes_on(epoch: int, data: Manifest, tmp_path: Path) -> None:
    stopped, again = StoppedAfter(epoch), Heard()
    with pytest.raises(KeyboardInterrupt):
        finetune(None, data, tmp_path / "run", recipe=RECIPE, device="cpu", listener=stopped)
    assert stopped.tasks["training"] == [6 * epoch, 18]
    finetune(None, data, tmp_path / "run", recipe=RECIPE, device="cpu", resume=True, listener=again)
    assert again.facts[0]["epochs"].endswith(f"; {epoch} are done")
    assert again.tasks["training"] == [18, 18]
    assert [row["epoch"] for row in again.rows] == list(range(epoch + 1, 4))


def test_of_frames_that_cannot_be_read_and_of_a_stage_that_ends_early(tmp_path: Path) -> None:
    data = write_frames(tmp_path / "frames")
    (data.root / "0_0.png").write_bytes(b"no picture")
    heard = Heard()
    finetune(
        None, data, tmp_path / "run", recipe=RECIPE, device="cpu", skip_unreadable=True, listener=heard,
        stages=[Stage(epochs=9)], learning_rate=0.0, freeze_norm=True, patience=1,
    )  # fmt: skip
    assert heard.facts[0]["frames"] == "23: 15 train, 8 val; 1 unreadable"
    assert len(heard.rows) == 2
    assert heard.tasks["training"] == [45, 45]


def test_of_a_cross_validation(data: Manifest, tmp_path: Path) -> None:
    heard = Heard()
    cross_validate({"a": SHORT}, data, tmp_path, folds=2, inner=0.3, device="cpu", listener=heard)
    (facts,) = heard.facts
    assert (facts["frames"], facts["labels"]) == ("24", "normal 12, IM 12")
    assert facts["recipe a"] == "lag_mobilenetv3_small_050, epochs 1: 1 all; steps of 4 frames"
    assert [(row["recipe"], row["repeat"], row["fold"]) for row in heard.rows] == [
        ("a", 1, "fold1"),
        ("a", 1, "fold2"),
    ]
    assert heard.tasks["folds"] == [2, 2]
    assert heard.tasks["scoring fold1"] == [12, 12]
    assert heard.said == []
