"""Training: it learns, leaves a whole run behind, and a run that was killed and resumed ends with the same numbers."""

import dataclasses
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lag_zoo
from lag_zoo.data.manifest import Manifest
from lag_zoo.errors import (
    DataError,
    InvalidConfigError,
    TrainingError,
    UngroupedDataWarning,
    UnreadableImageError,
)
from lag_zoo.evaluate import evaluate, score
from lag_zoo.evaluate.scores import IN_TRAINING_DATA
from lag_zoo.training import Stage, finetune, list_recipes, load_recipe
from lag_zoo.training.checkpoint_file import read_checkpoint
from tests.listening import EachEpoch
from tests.networks import equal
from tests.training.drawn_data import write_frames
from tests.training.tiny import RECIPE, SHORT, Stopped, StopsBeforeTraining, WholeRun


def rows(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    timed = ("frames_per_second", "seconds")
    return [{k: v for k, v in json.loads(line).items() if k not in timed} for line in lines]


class TestARun:
    def test_leaves_all_that_is_needed(self, whole_run: WholeRun) -> None:
        folder, seen = whole_run.folder, whole_run.heard.rows
        names = {path.name for path in folder.iterdir()}
        assert {
            "recipe.yaml",
            "data.json",
            "environment.json",
            "metrics.jsonl",
            "last.safetensors",
            "curves.png",
            "frames.txt",
            "validation.json",
            "best",
        } <= names
        assert whole_run.model.label_names == ("normal", "IM")
        best = lag_zoo.create_model(f"local-dir:{folder / 'best'}", pretrained=True)
        assert equal(best, whole_run.model)
        assert [row["stage"] for row in seen] == ["backbone", "crops", "crops"]
        assert [row["epoch"] for row in seen] == [1, 2, 3]
        assert seen[0]["val_auroc_without_crops"] is None
        assert seen[1]["val_auroc_without_crops"] is not None
        assert load_recipe(folder / "recipe.yaml") == RECIPE.changed({"tracker": "tensorboard"})
        text = (folder / "data.json").read_text()
        assert "p0" not in text
        assert json.loads(text)["splits"] == {"train": 16, "val": 8}

    def test_learns(self, whole_run: WholeRun) -> None:
        assert max(row["val_auroc"] for row in rows(whole_run.folder)) > 0.9

    def test_twice_is_the_same(self, whole_run: WholeRun, data: Manifest, tmp_path: Path) -> None:
        finetune(None, data, tmp_path / "b", recipe=RECIPE, device="cpu", workers=2)
        assert rows(whole_run.folder) == rows(tmp_path / "b")
        finetune(None, data, tmp_path / "c", recipe=SHORT, device="cpu", seed=1)
        assert rows(whole_run.folder)[0]["train_loss"] != rows(tmp_path / "c")[0]["train_loss"]

    def test_from_a_cache_it_is_the_same(self, whole_run: WholeRun, data: Manifest, tmp_path: Path) -> None:
        """And torch's random numbers are left as they were."""
        before = torch.get_rng_state()
        other = finetune(None, data, tmp_path / "b", recipe=RECIPE, device="cpu", cache=tmp_path / "cache")
        assert torch.equal(torch.get_rng_state(), before)
        assert equal(whole_run.model, other)
        assert rows(whole_run.folder) == rows(tmp_path / "b")

    def test_validation_leaves_a_temperature_and_thresholds(self, whole_run: WholeRun) -> None:
        best = lag_zoo.create_model(f"local-dir:{whole_run.folder / 'best'}", pretrained=True)
        assert best.weight_spec is not None
        assert set(best.weight_spec.operating_points) == {"normal", "IM"}
        assert 0.05 <= best.weight_spec.temperature <= 20

    def test_the_frequency_that_balancing_hid_is_put_back(self, data: Manifest, tmp_path: Path) -> None:
        rare = data.with_frames(f for f in data.frames if f.labels == (0,) or f.patient in ("p1", "p5"))
        finetune(None, rare, tmp_path / "run", recipe=SHORT, device="cpu", balance="sampling")
        saved = lag_zoo.create_model(f"local-dir:{tmp_path / 'run' / 'best'}", pretrained=True)
        scores = score(saved, rare, split="val", workers=0)
        assert list(np.bincount(scores.frames.targets)) == [4, 2]
        # On average the probabilities have the labels' frequency, or with half a frame more of each: the fit's prior.
        average = scores.probabilities.mean(axis=0)
        assert 4.5 / 7 - 0.01 < average[0] < 4 / 6 + 0.01
        assert average.sum() == pytest.approx(1)

    @pytest.mark.parametrize("name", list_recipes())
    def test_every_recipe_that_ships(self, name: str, tmp_path: Path) -> None:
        data = write_frames(tmp_path, patients=12, modality=True)
        recipe = load_recipe(name)
        stages = [{**stage.to_dict(), "epochs": 1} for stage in recipe.stages]
        changes: dict[str, Any] = {
            "pretrained": False,
            "fields": RECIPE.fields,
            "batch_size": 4,
            "workers": 0,
            "tracker": "none",
        }
        model = finetune(
            RECIPE.model, data, tmp_path / "run", recipe=recipe, stages=stages, device="cpu", **changes
        )
        assert len(rows(tmp_path / "run")) == len(stages)
        assert isinstance(
            model.without_crops()(torch.zeros(1, 3, 99, 99, dtype=torch.uint8) + 99), torch.Tensor
        )

    def test_without_a_stage_with_crops_it_is_the_plain_backbone(
        self, data: Manifest, tmp_path: Path
    ) -> None:
        stages = (Stage(epochs=1, crops=False),)
        for fusion in ("concat", "attention"):
            fields = {**RECIPE.fields, "fusion": fusion}
            folder = tmp_path / fusion
            finetune(None, data, folder, recipe=RECIPE, stages=stages, fields=fields, device="cpu")
            best = lag_zoo.create_model(f"local-dir:{folder / 'best'}", pretrained=True)
            frames = torch.randint(40, 255, (3, 3, 99, 120), dtype=torch.uint8)
            assert torch.equal(best(frames), best.without_crops()(frames))
            assert best(frames).std() > 0
            assert best.config.num_crops == 0
            assert not any("crops" in name for name in best.state_dict())

    def test_a_stage_with_crops_needs_a_network_that_has_them(self, data: Manifest, tmp_path: Path) -> None:
        with pytest.raises(
            InvalidConfigError, match="crops take part in the stage crops, and the network has none"
        ):
            finetune(None, data, tmp_path / "run", recipe=RECIPE, fields={"num_crops": 0}, device="cpu")

    def test_a_frozen_backbone_stays(self, data: Manifest, tmp_path: Path) -> None:
        options = {"label_names": ["IM", "normal"], **RECIPE.fields}
        torch.manual_seed(5)
        model = lag_zoo.create_model(RECIPE.model, **options)  # type: ignore[arg-type]
        before = {k: t.clone() for k, t in model.state_dict().items()}
        stages = (Stage(epochs=1, train="head"),)
        finetune(
            model,
            data,
            tmp_path / "run",
            recipe=RECIPE,
            stages=stages,
            freeze_norm=True,
            average=0.0,
            device="cpu",
        )
        after = model.state_dict()
        same = {key for key in before if torch.equal(before[key], after[key])}
        assert {key for key in before if key.startswith("backbone.")} <= same
        assert "head.weight" not in same


KILLED = """
import sys, os, signal
from lag_zoo.training import finetune, run, step
from lag_zoo.data.sources import open_data
from tests.training.tiny import RECIPE

run.CHECKPOINT_STEPS = 2
steps = 0
seen = step.StageSteps._take

def count(*arguments):
    global steps
    steps += 1
    if steps == int(sys.argv[3]):
        stop()
    return seen(*arguments)

def stop():
    if sys.argv[4] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    os.killpg(os.getpgrp(), signal.SIGINT)  # as a terminal does: workers too

validated = run.validation_logits

def validate(*arguments, **options):
    if sys.argv[4] == "interrupt in validation" and steps == int(sys.argv[3]) - 1:
        stop()
    return validated(*arguments, **options)

step.StageSteps._take, run.validation_logits = count, validate
data = open_data(sys.argv[1]).with_label_names(("normal", "IM"))
finetune(None, data, sys.argv[2], recipe=RECIPE, device="cpu", workers=int(sys.argv[5]))
"""


@pytest.mark.parametrize(
    ("at", "how", "workers"),
    [
        pytest.param(3, "kill", 0, marks=pytest.mark.slow),
        (7, "kill", 0),
        pytest.param(10, "interrupt", 0, marks=pytest.mark.slow),
        pytest.param(7, "interrupt", 2, marks=pytest.mark.slow),
        pytest.param(9, "interrupt in validation", 0, marks=pytest.mark.slow),
    ],
)
def test_killed_and_resumed_is_as_if_it_had_not_been(
    whole_run: WholeRun, data: Manifest, tmp_path: Path, root: Path, at: int, how: str, workers: int
) -> None:
    manifest, killed, whole = data.root / "data.csv", tmp_path / "killed", whole_run.folder
    run = subprocess.run(
        [sys.executable, "-c", KILLED, str(manifest), str(killed), str(at), how, str(workers)],
        cwd=root,
        capture_output=True,
        text=True,
        start_new_session=True,
    )
    assert run.returncode == (-signal.SIGKILL if how == "kill" else -signal.SIGINT), run.stderr
    assert "DataLoader worker" not in run.stderr
    state = read_checkpoint(killed / "last.safetensors")["progress"]
    done = 4 * state["epoch"] + state["step"]
    assert (killed / "best").is_dir() is bool(state["rows"])
    if state["rows"]:
        weights = lag_zoo.create_model(f"local-dir:{killed / 'best'}", pretrained=True).weight_spec
        assert weights is not None
        assert (weights.temperature, dict(weights.operating_points)) == (1.0, {})
        assert f"its best by epoch {state['epoch']} of 3" in weights.limits[0]
    assert done == (at if how == "interrupt" else at - 1 if how != "kill" else (at - 1) // 2 * 2)
    again = finetune(None, data, killed, recipe=RECIPE, device="cpu", workers=workers, resume=True)
    assert equal(again, whole_run.model)
    assert rows(killed) == rows(whole)
    weights = [(run / "best" / "model.safetensors").read_bytes() for run in (killed, whole)]
    assert weights[0] == weights[1]
    found = [json.loads((run / "validation.json").read_text()) for run in (killed, whole)]
    assert found[0]["crops_less_none"] == found[1]["crops_less_none"]
    assert found[0]["temperature"] == pytest.approx(found[1]["temperature"], rel=1e-4)


def test_a_short_run_is_no_average_with_its_beginning(data: Manifest, tmp_path: Path) -> None:
    stages = (Stage(name="all", epochs=6, crops=False),)
    finetune(None, data, tmp_path / "run", recipe=RECIPE, stages=stages, device="cpu", average=0.999)
    assert max(row["val_auroc"] for row in rows(tmp_path / "run")) > 0.9


def test_a_stage_is_judged_by_its_own_modality(tmp_path: Path) -> None:
    data = write_frames(tmp_path / "frames", modality=True)
    stages = (
        Stage(name="both", epochs=1, crops=False),
        Stage(name="lci", epochs=1, crops=False, modality="lci"),
    )
    finetune(None, data, tmp_path / "a", recipe=RECIPE, stages=stages, device="cpu")
    # Other labels of the frames in white light, in validation: the second stage never sees them.
    turned = data.with_frames(
        dataclasses.replace(f, labels=(1 - f.labels[0],)) if f.split == "val" and f.modality == "wli" else f
        for f in data.frames
    )
    finetune(None, turned, tmp_path / "b", recipe=RECIPE, stages=stages, device="cpu")
    one, other = rows(tmp_path / "a"), rows(tmp_path / "b")
    assert one[0]["val_loss"] != other[0]["val_loss"]
    assert one[1]["val_loss"] == other[1]["val_loss"]
    saved = [lag_zoo.create_model(f"local-dir:{tmp_path / name / 'best'}", pretrained=True) for name in "ab"]
    specs = [model.weight_spec for model in saved]
    assert specs[0] is not None
    assert specs[1] is not None
    assert (specs[0].temperature, specs[0].operating_points) == (
        specs[1].temperature,
        specs[1].operating_points,
    )


class TestAReadyNetwork:
    def network(self, **fields: Any) -> lag_zoo.LAG:
        return lag_zoo.LAG("mobilenetv3_small_050", global_size=32, num_crops=2, crop_size=32, **fields)

    def test_without_names_gets_those_of_the_data(self, data: Manifest, tmp_path: Path) -> None:
        model = self.network(num_classes=2)
        trained = finetune(model, data, tmp_path / "run", recipe=SHORT, device="cpu")
        assert trained is model
        saved = lag_zoo.create_model(f"local-dir:{tmp_path / 'run' / 'best'}", pretrained=True)
        assert saved.label_names == data.label_names

    def test_of_another_kind_is_refused_before_training(self, data: Manifest, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"tells 3 labels .multiclass., and drawn frames has 2"):
            finetune(self.network(num_classes=3), data, tmp_path / "run", recipe=RECIPE, device="cpu")
        several = self.network(label_names=["IM", "normal"], task="multilabel")
        with pytest.raises(DataError, match=r"tells 2 labels .multilabel."):
            finetune(several, data, tmp_path / "run", recipe=RECIPE, device="cpu")
        assert not (tmp_path / "run").exists()


class TestFramesThatTheRunKnows:
    @pytest.mark.parametrize("cached", [False, True])
    def test_are_apparent_however_they_are_split_anew(self, cached: bool, tmp_path: Path) -> None:
        data = write_frames(tmp_path / "data")
        half = data.with_column("split", [*["test"] * 12, *(frame.split for frame in data.frames[12:])])
        cache = tmp_path / "cache" if cached else None
        finetune(None, half, tmp_path / "run", recipe=SHORT, device="cpu", cache=cache)
        place = f"local-dir:{tmp_path / 'run' / 'best'}"
        best = lag_zoo.create_model(place, pretrained=True)
        assert IN_TRAINING_DATA not in score(best, half, split="test", workers=0).frames.columns
        anew = data.with_column("split", ["test"] * len(data))
        scores = score(best, anew, workers=0)
        assert scores.frames.columns[IN_TRAINING_DATA] == ("",) * 12 + ("yes",) * 12
        report = evaluate(scores, operating_point="stored", n_resamples=100)
        assert all(row.apparent for row in report.rows)
        assert any("were trained on 12 of these frames, or chosen by them" in w for w in report.warnings)
        predictor = lag_zoo.Predictor(place)
        found = predictor([data.path(data.frames[n]) for n in (0, 12)])
        assert [prediction.in_training_data for prediction in found] == [False, True]

    def test_pass_to_what_is_trained_on_from_there(
        self, whole_run: WholeRun, data: Manifest, tmp_path: Path
    ) -> None:
        place = f"local-dir:{whole_run.folder / 'best'}"
        other = write_frames(tmp_path / "other", patients=24)
        other = other.with_frames(other.frames[24:])
        finetune(place, other, tmp_path / "more", recipe=SHORT, fields={}, pretrained=True, device="cpu")
        more = lag_zoo.create_model(f"local-dir:{tmp_path / 'more' / 'best'}", pretrained=True)
        assert score(more, data, split=None, workers=0).frames.columns[IN_TRAINING_DATA] == ("yes",) * len(
            data
        )

    def test_are_not_published_with_the_weights(self, whole_run: WholeRun, data: Manifest) -> None:
        listed = (whole_run.folder / "frames.txt").read_text().splitlines()
        assert len(listed) == 1 + len(data) + 1, "a remark, the frames, their checksum"
        assert not list((whole_run.folder / "best").glob("frames*"))


class TestBadInput:
    def test_one_file_in_two_splits(self, tmp_path: Path) -> None:
        data = write_frames(tmp_path)
        seen, held = (next(f for f in data.frames if f.split == split) for split in ("train", "val"))
        data.path(held).write_bytes(data.path(seen).read_bytes())
        with pytest.raises(
            DataError, match=rf"{seen.image} .train. and {held.image} .val. are the same file"
        ):
            finetune(None, data, tmp_path / "run", recipe=RECIPE, device="cpu")

    def test_frames_of_nobody_are_warned_of(self, data: Manifest, tmp_path: Path) -> None:
        nobodys = data.with_column("patient", [""] * len(data))
        with (
            pytest.warns(UngroupedDataWarning, match="names neither patients nor examinations"),
            pytest.raises(Stopped),
        ):
            finetune(
                None, nobodys, tmp_path / "run", recipe=SHORT, device="cpu", listener=StopsBeforeTraining()
            )

    def test_a_label_that_no_validation_frame_lacks(self, data: Manifest, tmp_path: Path) -> None:
        several = dataclasses.replace(
            data,
            task="multilabel",
            frames=tuple(dataclasses.replace(f, labels=(1, f.labels[0])) for f in data.frames),
        )
        with pytest.raises(DataError, match="16 train frames is known to be without normal"):
            finetune(None, several, tmp_path / "run", recipe=RECIPE, device="cpu")
        assert not (tmp_path / "run").exists()

    def test_a_later_stage_that_cannot_be(self, tmp_path: Path) -> None:
        data = write_frames(tmp_path, modality=True)
        stages = (Stage(epochs=1), Stage(epochs=1, modality="nbi"))
        with pytest.raises(DataError, match="has no train frames in nbi"):
            finetune(None, data, tmp_path / "run", recipe=RECIPE, device="cpu", stages=stages)
        assert not (tmp_path / "run").exists()

    def test_what_a_worker_cannot_read_has_its_own_message(self, tmp_path: Path) -> None:
        data = write_frames(tmp_path)
        data.path(data.frames[2]).write_bytes(b"no picture")
        with pytest.raises(UnreadableImageError) as seen:
            finetune(None, data, tmp_path / "run", recipe=RECIPE, device="cpu", workers=2)
        assert "Traceback" not in str(seen.value)
        assert str(seen.value).startswith(f"{data.path(data.frames[2])}: not a TIFF")
        model = lag_zoo.create_model(RECIPE.model, label_names=list(data.label_names), **RECIPE.fields)
        with pytest.raises(UnreadableImageError) as seen:
            score(model, data, split=None, workers=2)
        assert str(seen.value).startswith(f"{data.path(data.frames[2])}: not a TIFF")

    def test_a_file_where_the_folder_should_be(self, data: Manifest, tmp_path: Path) -> None:
        (tmp_path / "run").write_text("a file")
        with pytest.raises(InvalidConfigError, match="is a file; a run needs a folder"):
            finetune(None, data, tmp_path / "run", recipe=RECIPE, device="cpu")

    def test_a_missing_file(self, tmp_path: Path) -> None:
        data = write_frames(tmp_path)
        data.path(data.frames[3]).unlink()
        with pytest.raises(DataError, match=r"1 of 24 files are missing: .*1_1\.png"):
            finetune(None, data, tmp_path / "run", recipe=RECIPE, device="cpu")
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize("workers", [0, 2])
    def test_an_image_that_vanishes(self, workers: int, tmp_path: Path) -> None:
        data = write_frames(tmp_path)

        def remove(row: Mapping[str, Any]) -> None:
            data.path(data.frames[3]).unlink(missing_ok=True)

        with pytest.raises(UnreadableImageError, match=r"1_1\.png: no such file"):
            finetune(
                None,
                data,
                tmp_path / "run",
                recipe=RECIPE,
                device="cpu",
                listener=EachEpoch(remove),
                workers=workers,
            )
        assert rows(tmp_path / "run")[0]["epoch"] == 1

    def test_an_unreadable_image(self, tmp_path: Path) -> None:
        data = write_frames(tmp_path)
        data.path(data.frames[2]).write_bytes(b"no picture")
        with pytest.raises(UnreadableImageError, match=r"1_0\.png: not a TIFF"):
            finetune(None, data, tmp_path / "run", recipe=RECIPE, device="cpu")
        assert not (tmp_path / "run").exists()
        how: dict[str, Any] = {"device": "cpu", "skip_unreadable": True, "listener": StopsBeforeTraining()}
        with pytest.raises(Stopped):
            finetune(None, data, tmp_path / "run", recipe=RECIPE, **how)
        assert "1_0.png: not a TIFF" in (tmp_path / "run" / "skipped.txt").read_text()

    def test_an_unreadable_image_that_is_only_tested_on(self, tmp_path: Path) -> None:
        data = write_frames(tmp_path)
        data = data.with_column("split", ["test", "test", *(frame.split for frame in data.frames[2:])])
        data.path(data.frames[0]).write_bytes(b"no picture")
        for cache in (None, tmp_path / "cache"):
            with pytest.raises(UnreadableImageError, match=r"0_0\.png: not a TIFF"):
                finetune(None, data, tmp_path / "run", recipe=RECIPE, device="cpu", cache=cache)
            assert not (tmp_path / "run").exists()

    def test_modalities_to_align_of_which_there_is_one(self, tmp_path: Path) -> None:
        data = write_frames(tmp_path)
        stages = (Stage(name="joint", epochs=1, alignment=1.0),)
        for told, said in (("wli", "of one: wli"), ("", r"of none that is given .column modality.")):
            one = data.with_column("modality", [told] * len(data))
            with pytest.raises(
                DataError, match=f"the stage joint aligns modalities, and its frames are {said}"
            ):
                finetune(None, one, tmp_path / "run", recipe=RECIPE, stages=stages, device="cpu")
        with pytest.raises(
            InvalidConfigError, match="alignment draws modalities together, and the stage sees lci"
        ):
            Stage(name="joint", epochs=1, alignment=1.0, modality="lci")

    def test_no_split(self, data: Manifest, tmp_path: Path) -> None:
        bare = data.with_column("split", [""] * len(data))
        with pytest.raises(DataError, match="has no train frames; its splits are none"):
            finetune(None, bare, tmp_path / "run", recipe=RECIPE, device="cpu")

    def test_a_label_that_is_not_there(self, data: Manifest, tmp_path: Path) -> None:
        kept = [f for f in data.frames if f.split == "train" or f.labels == (0,)]
        with pytest.raises(DataError, match="none of the 4 val frames has the label IM"):
            finetune(None, data.with_frames(kept), tmp_path / "run", recipe=RECIPE, device="cpu")

    def test_one_image(self, data: Manifest, tmp_path: Path) -> None:
        one = data.with_frames([f for f in data.frames if f.split == "val"][:1])
        with pytest.raises(DataError, match="has no train frames; its splits are val"):
            finetune(None, one, tmp_path / "run", recipe=RECIPE, device="cpu")

    def test_a_folder_that_holds_something(self, data: Manifest, tmp_path: Path) -> None:
        (tmp_path / "thesis.tex").write_text("years")
        with pytest.raises(InvalidConfigError, match="holds something already"):
            finetune(None, data, tmp_path, recipe=RECIPE, device="cpu")
        with pytest.raises(InvalidConfigError, match="holds no run to resume"):
            finetune(None, data, tmp_path, recipe=RECIPE, device="cpu", resume=True)

    def test_a_resume_with_another_recipe_or_other_data(self, whole_run: WholeRun, data: Manifest) -> None:
        run = whole_run.folder
        with pytest.raises(
            InvalidConfigError,
            match=r"another recipe than the one given .batch_size: 4 there, 2 here.: resume",
        ):
            finetune(None, data, run, recipe=RECIPE, device="cpu", resume=True, batch_size=2)
        fewer = data.with_frames(data.frames[:-1])
        with pytest.raises(InvalidConfigError, match="the data are not those"):
            finetune(None, fewer, run, recipe=RECIPE, device="cpu", resume=True)

    def test_a_resume_after_an_image_has_changed(
        self, whole_run: WholeRun, data: Manifest, tmp_path: Path
    ) -> None:
        shutil.copytree(data.root, tmp_path / "frames")
        moved = dataclasses.replace(data, root=tmp_path / "frames")
        moved.path(moved.frames[1]).write_bytes(moved.path(moved.frames[0]).read_bytes())
        with pytest.raises(
            InvalidConfigError, match=r"frames\.txt lists: files have changed since the run began"
        ):
            finetune(None, moved, whole_run.folder, recipe=RECIPE, device="cpu", resume=True)

    def test_a_loss_that_is_no_number(self, data: Manifest, tmp_path: Path) -> None:
        with pytest.raises(TrainingError, match=r"loss is (nan|inf) in epoch \d+, before step"):
            finetune(
                None,
                data,
                tmp_path / "run",
                recipe=RECIPE,
                device="cpu",
                learning_rate=100.0,
                clip=1e9,
                warmup=0.0,
                stages=(Stage(epochs=30),),
            )
        assert (tmp_path / "run" / "recipe.yaml").is_file()


class TestRecipes:
    def test_a_misspelt_key(self) -> None:
        with pytest.raises(
            InvalidConfigError, match=r"unknown fields .'lerning_rate'.. Did you mean learning_rate"
        ):
            load_recipe("finetune", changes=["lerning_rate=1"])
        with pytest.raises(InvalidConfigError, match="Did you mean epochs"):
            load_recipe("finetune", changes=["stages.0.epoch=1"])

    def test_a_misspelt_field_of_the_model(self, data: Manifest, tmp_path: Path) -> None:
        with pytest.raises(InvalidConfigError, match=r"no argument num_crop. Did you mean num_crops\?"):
            finetune(None, data, tmp_path / "run", recipe=RECIPE, fields={"num_crop": 2}, device="cpu")

    @pytest.mark.parametrize("text", ["1e-3", "1E-3", "0.1e-2", "+1e-3", ".1e-2"])
    def test_a_number_by_its_exponent(self, text: str, tmp_path: Path) -> None:
        assert load_recipe("finetune", changes=[f"learning_rate={text}"]).learning_rate == pytest.approx(1e-3)
        (tmp_path / "r.yaml").write_text(f"model: a\nstages: [{{epochs: 1}}]\nlearning_rate: {text}\n")
        assert load_recipe(tmp_path / "r.yaml").learning_rate == pytest.approx(1e-3)

    def test_values_that_cannot_be(self) -> None:
        with pytest.raises(InvalidConfigError, match="batch_size is a number from 1 to 1,048,576, got 0"):
            load_recipe("finetune", changes=["batch_size=0"])
        for change in (
            "batch_size=0",
            "batch_size=many",
            "balance=fair",
            "stages=[]",
            "crop_drop=1",
            "stages.9.epochs=1",
            "stages.0.learning_rate=-1",
            "weight_decay=-1",
            "layer_decay=3",
            "layer_decay=0",
        ):
            with pytest.raises(InvalidConfigError):
                load_recipe("finetune", changes=[change])
        with pytest.raises(InvalidConfigError, match="say key=value"):
            load_recipe("finetune", changes=["batch_size"])

    def test_no_recipe(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidConfigError, match="one of dual_transfer, finetune, frozen, paper"):
            load_recipe("fine")
        (tmp_path / "a.yaml").write_text("- 1\n")
        with pytest.raises(InvalidConfigError, match="a recipe is a YAML mapping"):
            load_recipe(tmp_path / "a.yaml")
        (tmp_path / "b.yaml").write_text("model: [")
        with pytest.raises(InvalidConfigError, match="is no YAML"):
            load_recipe(tmp_path / "b.yaml")
        (tmp_path / "c.yaml").write_text("model: a\nbatch_size: 8\nstages: [{epochs: 1}]\nbatch_size: 4\n")
        with pytest.raises(InvalidConfigError, match=r"the key 'batch_size' stands there twice(.|\n)*line 4"):
            load_recipe(tmp_path / "c.yaml")
        (tmp_path / "c.yaml").write_text("model: !!python/object/apply:os.system ['true']")
        with pytest.raises(InvalidConfigError, match="is no YAML"):
            load_recipe(tmp_path / "c.yaml")

    def test_there_and_back(self, tmp_path: Path) -> None:
        (tmp_path / "r.yaml").write_text(RECIPE.to_yaml())
        assert load_recipe(tmp_path / "r.yaml") == RECIPE
