"""Training on what data come as: labels that are not exclusive, with unknown ones; folders by light and label."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from lag_zoo.cli.app import app
from lag_zoo.data import open_data
from lag_zoo.data.manifest import Frame, Manifest
from lag_zoo.evaluate import evaluate, score
from lag_zoo.training import Recipe, Stage, finetune
from tests.listening import EachEpoch
from tests.training.drawn_data import write_frames

FIELDS = {"global_size": 32, "num_crops": 2, "crop_size": 32}
RECIPE = Recipe(
    model="lag_mobilenetv3_small_050",
    fields=FIELDS,
    stages=(Stage(epochs=1),),
    batch_size=2,
    workers=0,
    tracker="none",
    balance="weights",
)


def multilabel(folder: Path) -> Manifest:
    """Frames with IM and GA: of most training frames neither is known."""
    data = write_frames(folder)
    frames = []
    for number, frame in enumerate(data.frames):
        known = frame.split == "val" or number < 6
        labels = (frame.labels[0], number % 2) if known else (-1, -1)
        frames.append(Frame(image=frame.image, labels=labels, patient=frame.patient, split=frame.split))
    return Manifest(
        root=folder, label_names=("IM", "GA"), frames=tuple(frames), task="multilabel", source="drawn"
    )


def test_batches_of_which_nothing_is_known(tmp_path: Path) -> None:
    data = multilabel(tmp_path / "frames")
    seen: list[Mapping[str, Any]] = []
    trained = finetune(
        None, data, tmp_path / "run", recipe=RECIPE, device="cpu", listener=EachEpoch(seen.append)
    )
    assert all(math.isfinite(row["train_loss"]) and row["train_loss"] > 0 for row in seen)
    assert all(torch.isfinite(t).all() for t in trained.state_dict().values())
    report = evaluate(score(trained, data, split="val", workers=0), operating_point="0.5", n_resamples=100)
    assert [(row.label, row.n) for row in report.rows] == [("IM", 8), ("GA", 8)]


def test_only_such_batches_teach_nothing(tmp_path: Path) -> None:
    data = multilabel(tmp_path / "frames")
    known = [f for f in data.frames if f.split == "val" or f.labels[0] >= 0]
    unknown = [f for f in data.frames if f.split == "train" and f.labels[0] < 0]
    first = known[: len(known)]
    few = data.with_frames([*first, *unknown])
    losses: dict[str, float] = {}
    for name, part in (("all", few), ("known", data.with_frames(first))):
        finetune(
            None,
            part,
            tmp_path / name,
            recipe=RECIPE,
            device="cpu",
            learning_rate=0.0,
            freeze_norm=True,
            augment=0.0,
            crop_drop=0.0,
            batch_size=1,
            listener=EachEpoch(
                lambda row, name=name: losses.update({name: row["train_loss"] * _steps(tmp_path / name)})
            ),  # type: ignore[misc]
        )
    # Nothing moves, so the sum of the losses is that of the known frames; crops at random move it a little.
    assert losses["all"] == pytest.approx(losses["known"], rel=0.02)


def _steps(run: Path) -> int:
    return int(json.loads((run / "data.json").read_text())["splits"]["train"])


def test_folders_by_light_and_label(tmp_path: Path) -> None:
    data = write_frames(tmp_path / "drawn", modality=True)
    for frame in data.frames:
        place = tmp_path / "frames" / f"{frame.modality.upper()}_{data.label_names[frame.labels[0]]}"
        place.mkdir(parents=True, exist_ok=True)
        (data.root / frame.image).rename(place / frame.image)
    runner, table, run = CliRunner(), str(tmp_path / "split.csv"), str(tmp_path / "run")
    commands = [
        [
            "data",
            "group",
            str(tmp_path / "frames"),
            "--by",
            "regex",
            "--pattern",
            r"/(\d+)_\d\.png",
            "-o",
            table,
        ],
        ["data", "split", table, "-o", table, "--val", "0.3", "--test", "0.3", "--seed", "3"],
        [
            "train",
            "dual_transfer",
            table,
            "-o",
            run,
            "--model",
            "lag_mobilenetv3_small_050",
            "--device",
            "cpu",
        ],
    ]
    sets = ["pretrained=false", "batch_size=4", "workers=0", "balance=modality", "tracker=none"]
    sets += [f"fields.{name}={value}" for name, value in FIELDS.items()]
    sets += ["stages=[{name: joint, epochs: 1, alignment: 1.0}, {name: lci, epochs: 1, modality: lci}]"]
    commands[-1] += [part for change in sets for part in ("--set", change)]
    for command in commands:
        done = runner.invoke(app, command, catch_exceptions=False)
        assert done.exit_code == 0, done.output
    manifest = open_data(table)
    assert {frame.modality for frame in manifest.frames} == {"wli", "lci"}
    assert manifest.grouping == "exam"
    assert (tmp_path / "run" / "best").is_dir()


def test_one_label_alone(tmp_path: Path) -> None:
    """One column of 0 and 1: polyp or none."""
    drawn = write_frames(tmp_path / "frames")
    rows = [f"{f.image},{f.labels[0]},{f.patient},{f.split}" for f in drawn.frames]
    (drawn.root / "one.csv").write_text("\n".join(["image,polyp,patient,split", *rows]) + "\n")
    data = open_data(drawn.root / "one.csv")
    assert (data.task, data.label_names) == ("multilabel", ("polyp",))
    model = finetune(None, data, tmp_path / "run", recipe=RECIPE, device="cpu")
    (row,) = evaluate(score(model, data, split="val", workers=0), n_resamples=100).rows
    assert (row.label, row.n, row.positives) == ("polyp", 8, 4)
