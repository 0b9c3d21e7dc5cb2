"""Training with masks: used where there is a map, in every way that a run may go; without a map they change nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch.nn.functional import adaptive_avg_pool2d

import lag_zoo
from lag_zoo.data.images import read_image
from lag_zoo.data.manifest import Frame, Manifest
from lag_zoo.data.masks import mask_of
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import DataError, InvalidConfigError
from lag_zoo.training import Recipe, Stage, finetune
from lag_zoo.training.groups import set_trainable
from lag_zoo.training.mask_views import Masks, read_masks
from lag_zoo.training.step import StageSteps
from lag_zoo.training.training_model import TrainingModel
from tests.networks import equal, small
from tests.training.drawn_data import with_masks, write_frames
from tests.training.parts import gradients, job_for
from tests.training.tiny import RECIPE, SHORT, Stopped, StopsAfterAnEpoch, StopsBeforeTraining

MAP = RECIPE.changed({"fields": {**RECIPE.fields, "global_size": 64, "pooling": "topk"}})
"""With a map of 2 x 2 positions."""


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return with_masks(write_frames(tmp_path_factory.mktemp("masked")))


def said_of_masks(data: Manifest, recipe: Recipe, folder: Path) -> str | None:
    """What the header of a run says of them."""

    class Hears(StopsBeforeTraining):
        facts: dict[str, str]

        def begin(self, facts: Any) -> None:
            self.facts = dict(facts)
            super().begin(facts)

    heard = Hears()
    with pytest.raises(Stopped):
        finetune(None, data, folder, recipe=recipe, device="cpu", listener=heard)
    return heard.facts.get("masks")


class TestHeader:
    def test_without_masks(self, data: Manifest, tmp_path: Path) -> None:
        assert said_of_masks(data, MAP, tmp_path / "run") is None

    def test_used(self, masked: Manifest, tmp_path: Path) -> None:
        train = [frame for frame in masked.frames if frame.split == "train" and frame.mask]
        said = said_of_masks(masked, MAP, tmp_path / "run")
        assert said == f"of {len(train)} train frames; their loss has the weight 1"

    def test_of_which_some_mark_nothing(self, masked: Manifest, tmp_path: Path) -> None:
        data = with_masks(write_frames(tmp_path / "frames"))
        number = next(n for n, f in enumerate(data.frames) if f.split == "train" and f.mask)
        Image.new("L", (150, 120)).save(data.root / data.frames[number].mask)
        said = said_of_masks(data, MAP, tmp_path / "run")
        assert said is not None
        assert "train frames, 1 of them empty; their loss" in said

    def test_not_used(self, masked: Manifest, tmp_path: Path) -> None:
        said = said_of_masks(masked, RECIPE, tmp_path / "a")
        assert said is not None
        assert said.endswith(
            "not used: the network has no map to compare (--set fields.pooling=topk gives it one)"
        )
        said = said_of_masks(masked, MAP.changed({"mask_loss": 0}), tmp_path / "b")
        assert said is not None
        assert said.endswith("not used: mask_loss is 0")


def rows(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    timed = ("frames_per_second", "seconds")
    return [{k: v for k, v in json.loads(line).items() if k not in timed} for line in lines]


def run(data: Manifest, folder: Path, recipe: Recipe = MAP, **how: Any) -> lag_zoo.LAG:
    return finetune(None, data, folder, recipe=recipe, device="cpu", **how)


@pytest.mark.parametrize("changes", [{"fields": SHORT.fields}, {"mask_loss": 0}], ids=["no map", "no weight"])
def test_masks_that_are_not_used_change_nothing(
    masked: Manifest, changes: dict[str, Any], tmp_path: Path
) -> None:
    recipe = MAP.changed({"stages": SHORT.stages, **changes})
    without = run(masked.with_column("mask", [""] * len(masked)), tmp_path / "without", recipe)
    assert equal(run(masked, tmp_path / "with", recipe), without)
    assert rows(tmp_path / "with") == rows(tmp_path / "without")


def test_stopped_and_resumed_it_is_the_same(masked: Manifest, tmp_path: Path) -> None:
    """From a cache and in workers too; masks belong to the data of a run."""
    recipe = MAP.changed({"stages": [Stage(epochs=2)]})
    whole = run(masked, tmp_path / "whole", recipe)
    with pytest.raises(KeyboardInterrupt):
        run(masked, tmp_path / "run", recipe, listener=StopsAfterAnEpoch())
    with pytest.raises(InvalidConfigError, match="the data are not those of"):
        run(masked.with_column("mask", [""] * len(masked)), tmp_path / "run", recipe, resume=True)
    resumed = run(masked, tmp_path / "run", recipe, resume=True, cache=tmp_path / "cache", workers=2)
    assert equal(resumed, whole)
    assert rows(tmp_path / "run") == rows(tmp_path / "whole")


class TestFaults:
    def test_a_missing_one(self, tmp_path: Path) -> None:
        data = with_masks(write_frames(tmp_path))
        assert data.frames[1].mask == "0_1_mask.png"
        (tmp_path / "0_1_mask.png").unlink()
        with pytest.raises(DataError, match=r"1 of 16 masks are missing: .*0_1_mask\.png"):
            run(data, tmp_path / "run")
        assert not (tmp_path / "run").exists()

    def test_one_that_cannot_be_read(self, tmp_path: Path) -> None:
        data = with_masks(write_frames(tmp_path))
        (tmp_path / "0_1_mask.png").write_bytes(b"no picture")
        with pytest.raises(DataError, match=r"drawn frames, column mask: .*0_1_mask\.png: not a TIFF"):
            run(data, tmp_path / "run")
        assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("crops", [True, False])
def test_the_gradients_are_those_of_one_large_batch(
    masked: Manifest, crops: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many frames of a micro-batch have masks; and they are not those without masks."""
    model = small(global_size=64, pooling="topk")
    masks = read_masks(masked, split="train", size=64)

    def of(**changes: Any) -> list[torch.Tensor]:
        recipe = MAP.changed({"stages": [Stage(epochs=1, crops=crops)], **changes})
        used = masks if recipe.mask_loss else None
        return gradients(model, recipe, masked, tmp_path, monkeypatch, used)

    small_batches, large, without = of(batch_size=2, accumulate=2), of(batch_size=4), of(mask_loss=0)
    assert len(small_batches) == len(large) == 4
    for one, other, plain in zip(small_batches, large, without, strict=True):
        assert float((one - other).norm() / other.norm()) < 1e-5
        assert float((plain - other).norm() / other.norm()) > 1e-2


def frames_with_a_bystander(folder: Path) -> Manifest:
    """Frames of which half have a green spot, the finding, opposite of a blue one that always comes with it."""
    axis = torch.arange(160) + 0.5
    frames = []
    for number in range(24):
        pixels, mask, label = draw_frame((160, 160), seed=number, text=False).float(), "", number % 2
        if label:
            x, y = (30 + 100 * torch.rand(2, generator=torch.Generator().manual_seed(number))).tolist()
            finding = (axis[None] - x) ** 2 + (axis[:, None] - y) ** 2 < 22**2
            bystander = finding.flip(0, 1) & ~finding
            pixels[:, finding] *= torch.tensor([[0.5], [1.1], [0.5]])
            pixels[:, bystander] *= torch.tensor([[0.6], [0.6], [1.6]])
            mask = f"{number}_mask.png"
            Image.fromarray(finding.numpy()).save(folder / mask)
        image = pixels.clamp(0, 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        Image.fromarray(image).save(folder / f"{number}.png")
        split = "val" if number % 6 > 3 else "train"
        frames.append(
            Frame(image=f"{number}.png", labels=(label,), patient=f"p{number}", split=split, mask=mask)
        )
    return Manifest(root=folder, label_names=("normal", "IM"), frames=tuple(frames), source="drawn frames")


def seen_in_masks(model: lag_zoo.LAG, data: Manifest) -> float:
    """How far masks cover the cell of most evidence, in parts of the cell that they cover most; the mean."""
    found = []
    for frame in data.frames:
        if (mask := mask_of(data, frame)) is not None:
            with torch.no_grad():
                scores = model.eval().position_scores(read_image(data.path(frame)))[0]
            covered = adaptive_avg_pool2d(mask[None].float(), scores.shape[-1]).flatten()
            found.append(float(covered[(scores[1] - scores[0]).argmax()] / covered.max()))
    return sum(found) / len(found)


@pytest.mark.slow
def test_evidence_goes_into_the_masks(tmp_path: Path) -> None:
    """Both spots tell the label; the masks say which of them is meant."""
    data = frames_with_a_bystander(tmp_path)
    stages = [Stage(epochs=30, crops=False)]
    recipe = RECIPE.changed({"stages": stages, "augment": 0.0, "batch_size": 8, "learning_rate": 3e-3})

    def trained(masks: Masks | None) -> lag_zoo.LAG:
        model = small(global_size=96, pooling="topk")
        with job_for(recipe, data, tmp_path, masks) as job:
            set_trainable(model, job.plan[0].stage)
            steps = StageSteps(TrainingModel(model), job, job.plan[0], None)
            for epoch in range(recipe.epochs):
                list(steps.of_epoch(epoch, 0))
        return model

    assert seen_in_masks(trained(read_masks(data, split="train", size=96)), data) > 0.5
    assert seen_in_masks(trained(None), data) < 0.3
