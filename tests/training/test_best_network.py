"""The network that a run leaves while it goes on: whole at any moment, and no calibrated one."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

import lag_zoo
from lag_zoo import files
from lag_zoo.data.manifest import Manifest
from lag_zoo.listener import Advance, Listener
from lag_zoo.training import finetune, run
from lag_zoo.training.best_network import calibrate
from lag_zoo.training.checkpoint_file import read_checkpoint
from tests.listening import EachEpoch
from tests.networks import equal, small
from tests.training.drawn_data import write_frames
from tests.training.tiny import RECIPE, StopsAfterAnEpoch, WholeRun


def test_it_is_there_after_each_epoch_that_is_best(whole_run: WholeRun) -> None:
    seen = zip(whole_run.heard.rows, whole_run.bests, strict=True)
    found = [lag_zoo.create_model(f"local-dir:{best}", pretrained=True) for row, best in seen if row["best"]]
    assert len(found) >= 2
    frames = torch.randint(40, 255, (2, 3, 99, 120), dtype=torch.uint8)
    assert torch.equal(found[0](frames), found[0].without_crops()(frames)), "no stage has trained its crops"
    for model in found:
        assert model.weight_spec is not None
        assert (model.weight_spec.temperature, dict(model.weight_spec.operating_points)) == (1.0, {})
    assert "neither calibrated nor with operating points" in found[0].weight_spec.limits[0]  # type: ignore[union-attr]
    last = lag_zoo.create_model(f"local-dir:{whole_run.folder / 'best'}", pretrained=True)
    assert equal(last, whole_run.model)
    assert last.weight_spec is not None
    assert not any("not over" in limit for limit in last.weight_spec.limits)
    assert set(last.weight_spec.operating_points) == {"IM", "normal"}


def test_what_a_killed_process_left_half_done_is_mended(data: Manifest, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        finetune(None, data, run, recipe=RECIPE, device="cpu", listener=StopsAfterAnEpoch())
    (run / ".best-xyz" / "new").mkdir(parents=True)  # killed while it saved,
    for file in (run / "best").iterdir():  # or after the checkpoint, and before this
        file.unlink()
    seen: list[bool] = []

    def look(row: Mapping[str, Any]) -> None:
        seen.append((run / "best" / "config.json").is_file())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finetune(None, data, run, recipe=RECIPE, device="cpu", resume=True, listener=EachEpoch(look))
    assert seen == [True]
    assert not list(run.glob(".best-*"))


def test_a_stage_that_has_found_nothing_better_yet_leaves_what_the_one_before_found(
    data: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in the second stage, the first with crops, and gone on with: the best is still without them."""

    class StoppedAt(Listener):
        def __init__(self, step: int) -> None:
            self.left = step

        @contextmanager
        def task(self, what: str, total: int | None = None, *, done: int = 0) -> Iterator[Advance]:
            def advance(count: int) -> None:
                self.left -= what == "training"
                if not self.left:
                    raise KeyboardInterrupt

            yield advance

    monkeypatch.setattr(run, "CHECKPOINT_STEPS", 1)
    for resume, step in ((False, 6 + 3), (True, 1)):
        how: dict[str, Any] = {"recipe": RECIPE, "device": "cpu", "resume": resume}
        with pytest.raises(KeyboardInterrupt):
            finetune(None, data, tmp_path / "run", listener=StoppedAt(step), **how)
    assert read_checkpoint(tmp_path / "run" / "last.safetensors")["progress"]["stage"] == 1
    best = lag_zoo.create_model(f"local-dir:{tmp_path / 'run' / 'best'}", pretrained=True)
    frames = torch.randint(40, 255, (2, 3, 99, 120), dtype=torch.uint8)
    assert torch.equal(best(frames), best.without_crops()(frames))
    assert best.weight_spec is not None
    assert "its best by epoch 1 of 3" in best.weight_spec.limits[0]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_while_one_takes_the_place_of_the_other(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two change places in one step: there is no moment between before and after."""
    target = lag_zoo.save_pretrained(small(seed=1), tmp_path / "best")
    exchanged = files._exchanged
    if not exchanged(*(tmp_path.joinpath(name).mkdir() or tmp_path / name for name in "ab")):  # type: ignore[func-returns-value]
        pytest.skip("this system cannot exchange two folders in one step")

    class Killed(BaseException):
        pass

    def killed(one: Path, other: Path) -> bool:
        if moment == "after":
            assert exchanged(one, other)
        raise Killed

    monkeypatch.setattr(files, "_exchanged", killed)
    with pytest.raises(Killed):
        lag_zoo.save_pretrained(small(seed=2), target)
    found = lag_zoo.create_model(f"local-dir:{target}", pretrained=True)
    assert equal(found, small(seed=1 if moment == "before" else 2))


def test_folders_change_places(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "name").write_text(name)
    if not files._exchanged(tmp_path / "one", tmp_path / "other"):
        pytest.skip("this system cannot exchange two folders in one step")
    assert (tmp_path / "one" / "name").read_text() == "other"
    assert (tmp_path / "other" / "name").read_text() == "one"
    assert not files._exchanged(tmp_path / "one", tmp_path / "nowhere")


class TestDoubts:
    def test_they_are_fitted_on_the_validation_frames(self, tmp_path: Path) -> None:
        data = write_frames(tmp_path / "frames", patients=30, each=4)  # 10 patients to validate on
        about = calibrate(small(), data, RECIPE, progress=lambda: None)
        assert about.doubts is not None
        assert about.doubts.frames == 40
        assert not any("Foreign images" in limit for limit in about.limits)

    def test_too_few_frames_are_said(self, data: Manifest) -> None:
        about = calibrate(small(), data, RECIPE, progress=lambda: None)
        assert about.doubts is None
        assert any("8 validation frames, and 40 are needed" in limit for limit in about.limits)
