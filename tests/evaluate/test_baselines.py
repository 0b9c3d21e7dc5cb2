"""Baselines: each finds what is there for it to find, and a leak stands at the top of the report."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image
from threadpoolctl import threadpool_info, threadpool_limits
from typer.testing import CliRunner

import lag_zoo
import lag_zoo.evaluate.baselines as baselines_module
from lag_zoo.cli.app import app
from lag_zoo.data import Manifest, write_manifest
from lag_zoo.errors import DataError, InvalidConfigError, UnreadableImageError
from lag_zoo.evaluate import EvaluationOptions, Scores, evaluate, score
from lag_zoo.evaluate.baselines import _metadata, baselines, baselines_out_of_fold, with_baselines
from lag_zoo.evaluate.pages import html, markdown
from tests.evaluate.drawn_scores import with_frames
from tests.networks import small
from tests.training.drawn_data import write_frames

OPTIONS = EvaluationOptions(n_resamples=10)

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return write_frames(tmp_path_factory.mktemp("frames"), patients=36)


@pytest.fixture
def data(drawn: Manifest, tmp_path: Path) -> Manifest:
    """Colours tell the labels apart, and nothing else does; the files may be changed."""
    return dataclasses.replace(drawn, root=shutil.copytree(drawn.root, tmp_path / "frames"))


def score_of(data: Manifest, split: str) -> Scores:
    return score(small(global_size=32), data, split=split, workers=0)


def areas(data: Manifest) -> dict[str, float]:
    scores = score_of(data, "val")
    found = baselines(data, scores, small(global_size=32).config)
    report = with_baselines(evaluate(scores, n_resamples=10), found, OPTIONS)
    assert all(len(rows) == 1 for _, rows in report.baselines)
    assert "untrained backbone, linear probe" in markdown(report)
    assert "untrained backbone, linear probe" in html(report)
    return {name: rows[0].measures["auroc"].value for name, rows in report.baselines}


def test_colours_are_found_by_colours(data: Manifest) -> None:
    assert areas(data)["colour statistics"] > 0.95


def test_a_leak_in_the_files(data: Manifest) -> None:
    """One label's files are of another size: metadata tells all, and the report says so first."""
    for frame in data.frames:
        if frame.labels == (1,):
            with Image.open(data.path(frame)) as image:
                larger = image.resize((180, 140))
            larger.save(data.path(frame))
    scores = score_of(data, "val")
    report = with_baselines(
        evaluate(scores, n_resamples=10),
        baselines(data, scores, small(global_size=32).config),
        OPTIONS,
    )
    assert report.warnings[0].startswith("Leak: metadata alone ranks IM with an AUROC of 1.000")


def test_what_two_patients_carry_is_no_leak() -> None:
    """The same AUROC is one where a hundred patients have the label."""
    rng = np.random.default_rng(0)
    for carriers, leaks in ((2, False), (100, True)):
        truth = np.repeat(np.arange(200) < carriers, 5)
        logits = np.stack([np.zeros(1000), 1.2 * truth + rng.normal(size=1000)], axis=1)
        scores = Scores.from_arrays(
            logits, truth.astype(int), label_names=["normal", "IM"], groups=np.arange(1000) // 5
        )
        report = with_baselines(evaluate(scores, n_resamples=10), {"metadata": scores}, OPTIONS)
        ((_, (row,)),) = report.baselines
        assert 0.7 < row.measures["auroc"].value < 0.9
        assert any(warning.startswith("Leak: metadata") for warning in report.warnings) is leaks


def test_metadata_know_the_device(tmp_path: Path) -> None:
    """As the manifest tells it or the file does, by names that begin alike."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = "OLYMPUS MEDICAL SYSTEMS", "CV-190"
    Image.new("RGB", (40, 40)).save(tmp_path / "one.jpg", exif=exif)
    exif[ExifTags.Base.Model] = "CV-290"
    Image.new("RGB", (40, 40)).save(tmp_path / "other.jpg", exif=exif)
    one, same, other, told = (
        _metadata(tmp_path / name, device, 40, 40)
        for name, device in (("one.jpg", ""), ("one.jpg", ""), ("other.jpg", ""), ("one.jpg", "CV-290"))
    )
    assert (one == same).all()
    for found in (other, told):
        assert 8 <= (one != found).sum() <= 24


def test_by_patient(data: Manifest) -> None:
    scores = score_of(data, "val")
    found = baselines(data, scores, small(global_size=32).config)
    by_patient = dataclasses.replace(OPTIONS, level="patient")
    report = with_baselines(evaluate(scores, by_patient), found, by_patient)
    assert {row.n for _, rows in report.baselines for row in rows} == {report.rows[0].n} == {12}


def test_an_unreadable_training_frame(data: Manifest) -> None:
    scores = score_of(data, "val")
    data.path(next(f for f in data.frames if f.split == "train")).write_bytes(b"no image")
    with pytest.raises(UnreadableImageError):
        baselines(data, scores, small(global_size=32).config)
    found = baselines(data, scores, small(global_size=32).config, skip_unreadable=True)
    assert found["colour statistics"].logits.shape == scores.logits.shape


def test_a_leak_outside_the_field(data: Manifest) -> None:
    for frame in data.frames:
        with Image.open(data.path(frame)) as image:
            marked = image.convert("RGB")
        if frame.labels == (1,):
            marked.paste((255, 255, 255), (0, 0, 12, 8))
        marked.save(data.path(frame))
    assert areas(data)["outside the field of view"] > 0.9


def test_not_exclusive_labels(data: Manifest) -> None:
    frames = [
        dataclasses.replace(f, labels=(f.labels[0], 1 - f.labels[0] if i % 5 else -1))
        for i, f in enumerate(data.frames)
    ]
    both = dataclasses.replace(data, task="multilabel", frames=tuple(frames))
    torch.manual_seed(0)
    model = lag_zoo.create_model(
        "lag_mobilenetv3_small_050", label_names=list(data.label_names), task="multilabel", global_size=32
    )
    scores = score(model, both, split="val", workers=0)
    found = baselines(both, scores, model.config)
    report = with_baselines(evaluate(scores, n_resamples=10), found, OPTIONS)
    assert dict(report.baselines)["colour statistics"][0].measures["auroc"].value > 0.9


def of_two_folds(data: Manifest) -> Scores:
    """Scores as a cross-validation gives them; the folds are by patient."""
    parts = [score_of(data, split) for split in data.splits]
    scores = parts[0].join(parts[1:])
    return with_frames(
        scores, fold=tuple(f"fold{1 + int(group[1:]) // 2 % 2}" for group in scores.frames.groups)
    )


def test_out_of_fold_is_each_fold_by_the_others(data: Manifest) -> None:
    """The same numbers as by two splits, one fold the training frames and the other those that are scored."""
    scores = of_two_folds(data)
    found = baselines_out_of_fold(data, scores, small(global_size=32).config)
    assert list(found) == list(baselines(data, score_of(data, "val"), small(global_size=32).config))
    fold = dict(zip(scores.frames.images, scores.frames.fold, strict=True))
    split = data.with_column(
        "split", ["val" if fold[frame.image] == "fold1" else "train" for frame in data.frames]
    )
    alone = baselines(split, score_of(split, "val"), small(global_size=32).config)
    for name, whole in found.items():
        assert sorted(whole.frames.images) == sorted(scores.frames.images)
        places = [whole.frames.images.index(image) for image in alone[name].frames.images]
        np.testing.assert_allclose(whole.logits[places], alone[name].logits, atol=1e-9)


def test_regressions_take_one_thread(data: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is outside them as many as before."""
    fit, seen = baselines_module._fit, []

    def threads() -> set[int]:
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    def watched(features: np.ndarray, targets: np.ndarray) -> object:
        seen.append(threads())
        return fit(features, targets)

    monkeypatch.setattr(baselines_module, "_fit", watched)
    train = {frame.image for frame in data.frames if frame.split == "train"}
    known = {frame.image: {"labels": np.array(frame.labels, float)} for frame in data.frames}
    with threadpool_limits(2, user_api="blas"):
        baselines_module._fitted(data, known, train, score_of(data, "val"))
        assert threads() == {2}
    assert seen == [{1}]


def test_out_of_one_fold(data: Manifest) -> None:
    with pytest.raises(InvalidConfigError, match=r"several folds are needed; these are of \['val'\]"):
        baselines_out_of_fold(data, score_of(data, "val"), small(global_size=32).config)


def test_no_training_frame_can_be_read(data: Manifest) -> None:
    scores = score_of(data, "val")
    for frame in data.frames:
        if frame.split == "train":
            data.path(frame).write_bytes(b"no image")
    with pytest.raises(DataError, match=r"none of the training frames .* can be read"):
        baselines(data, scores, small(global_size=32).config, skip_unreadable=True)


def test_training_frames_of_one_label(data: Manifest) -> None:
    one = data.with_frames(f for f in data.frames if f.split == "val" or f.labels == (0,))
    with pytest.raises(DataError, match="training frames are all normal: no baseline"):
        baselines(one, score_of(data, "val"), small(global_size=32).config)


def test_without_training_frames(data: Manifest) -> None:
    scores = score_of(data, "val")
    only = data.with_frames(f for f in data.frames if f.split == "val")
    with pytest.raises(DataError, match="has none in a split 'train'"):
        baselines(only, scores, small(global_size=32).config)


def test_the_command(data: Manifest, tmp_path: Path) -> None:
    write_manifest(data, tmp_path / "data.csv")
    lag_zoo.save_pretrained(small(global_size=32), tmp_path / "net")
    arguments = [
        "evaluate",
        f"local-dir:{tmp_path / 'net'}",
        str(tmp_path / "data.csv"),
        "--split",
        "val",
        "--baselines",
    ]
    done = CliRunner().invoke(app, [*arguments, "--n-resamples", "100"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert any(line.startswith("| colour statistics |") for line in done.output.splitlines())
