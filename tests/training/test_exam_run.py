"""An examination's head from frames to a saved network: trained, calibrated, measured beside the plain rules."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import lag_zoo
from lag_zoo.data import Frame, Manifest
from lag_zoo.data.exam_table import exams_of
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import (
    DataError,
    InvalidConfigError,
    StateError,
    UnreadableImageError,
    WeightsIntegrityError,
    WeightsMismatchError,
)
from lag_zoo.evaluate import evaluate
from lag_zoo.evaluate.exam_run import evaluate_exam_model
from lag_zoo.evaluate.exam_scoring import exam_features, score_exams
from lag_zoo.factory import create_exam_model
from lag_zoo.nn.exam_network import ExamNetwork
from lag_zoo.specs import Task
from lag_zoo.tasks import rules_of
from lag_zoo.training.exam_recipe import ExamRecipe
from lag_zoo.training.exam_run import COUNT, HEAD, Measured, train_exam

Trained = tuple[Path, ExamNetwork, list[Measured]]
LABELS = ("clear", "polyps")
RECIPE = ExamRecipe(
    model="lag_tf_efficientnet_lite0_polyp", epochs=12, batch_size=4, width=16, attention_width=8
)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """24 patients of 1 to 4 drawn frames; of half of them one frame shows a bump."""
    folder = tmp_path_factory.mktemp("frames")
    frames = []
    for number in range(24):
        label, split = number % 2, ("train", "train", "val", "test")[number // 2 % 4]
        for place in range(1 + number % 4):
            image = folder / f"{number}_{place}.png"
            seed = 10 * number + place
            pixels = draw_frame((120, 150), seed=seed, polyp=bool(label) and place == 0, text=False)
            Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(image)
            site = ("antrum", "corpus", "")[place % 3]
            whose = {"patient": f"p{number}", "exam": f"e{number}"}
            frames.append(Frame(image=image.name, labels=(label,), anatomy=site, split=split, **whose))
    return Manifest(root=folder, label_names=LABELS, frames=tuple(frames))


@pytest.fixture(scope="module")
def trained(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("run") / "exam"
    cache = folder.parent / "cache"
    return folder, *train_exam(
        manifest, folder, recipe=RECIPE, level="patient", device="cpu", cache=cache, workers=0
    )


def test_what_is_saved_answers_as_what_was_trained(manifest: Manifest, trained: Trained) -> None:
    folder, network, _ = trained
    again = create_exam_model(f"local-dir:{folder / 'best'}")
    assert again.exam_spec == network.exam_spec
    assert again.config.sites == ("antrum", "corpus")
    one, other = (score_exams(net, manifest, workers=0) for net in (network, again))
    assert np.array_equal(one.logits, other.logits)
    assert one.frames.images == tuple(f"p{n}" for n in range(24) if n // 2 % 4 == 3)
    assert one.calibration.temperature == network.exam_spec.temperature  # type: ignore[union-attr]
    report = evaluate_exam_model(folder / "best", manifest, workers=0, device="cpu", n_resamples=50)
    assert (report.level, report.rows[0].n, report.rows[0].label) == ("patient", 6, "polyps")
    assert report.rows[0].measures["auroc"] == evaluate(one, n_resamples=50).rows[0].measures["auroc"]
    card = (folder / "best" / "README.md").read_text()
    assert "## Examinations" in card
    assert "antrum, corpus" in card
    frame = lag_zoo.create_model(f"local-dir:{folder / 'best'}", pretrained=True)
    assert frame.config.label_names == ("mucosa", "polyp"), "the frame network inside can be had alone"
    assert lag_zoo.verify(f"local-dir:{folder / 'best'}") < 1e-3


def test_the_predictor_answers_by_the_head_as_the_scores_do(manifest: Manifest, trained: Trained) -> None:
    folder, *_ = trained
    network = create_exam_model(f"local-dir:{folder / 'best'}")
    scores = score_exams(network, manifest, workers=0)
    predictor = lag_zoo.Predictor(network, device="cpu", workers=0)
    for place, name in enumerate(scores.frames.images):
        frames = [frame for frame in manifest.frames if frame.patient == name]
        found = predictor.exam(
            [manifest.path(frame) for frame in frames],
            sites=[frame.anatomy for frame in frames],
            expected_sites=["antrum", "cardia"],
        )
        assert found.pooling == "head"
        assert list(found.probabilities) == list(LABELS)
        assert found.probabilities["polyps"] == pytest.approx(scores.probabilities[place, 1], abs=1e-4)
        assert found.low["polyps"] <= found.probabilities["polyps"] + 1e-6
        assert "cardia" in found.unseen
        assert len(found.deciding) == min(3, len(frames))
    plain = predictor.exam([manifest.path(manifest.frames[0])], pooling="maximum")
    assert list(plain.probabilities) == ["mucosa", "polyp"], "by the frame network inside"
    with pytest.raises(InvalidConfigError, match="has no head for examinations"):
        lag_zoo.Predictor(network.frame).exam([], pooling="head")


def test_the_number_of_frames_stands_beside_the_head(
    trained: Trained,
) -> None:
    *_, measured = trained
    names = [one.name for one in measured if one.split == "test"]
    assert names[:2] == [HEAD, COUNT], "the frame network's labels are others, so there is no plain rule"
    assert all(one.label == "polyps" and one.auroc.n == 6 and 0 <= one.auroc.value <= 1 for one in measured)
    assert "at most" in names[2]


def test_plain_rules_stand_beside_it_where_the_labels_are_the_same(
    manifest: Manifest, tmp_path: Path
) -> None:
    named = dataclasses.replace(manifest, label_names=("mucosa", "polyp"))
    short = dataclasses.replace(RECIPE, epochs=1)
    _, measured = train_exam(named, tmp_path / "run", recipe=short, device="cpu", workers=0)
    found = {one.name: one.auroc.value for one in measured if one.split == "test"}
    assert {"maximum", "top3", "mean", "noisy-or"} < set(found)


def test_features_are_kept_and_damage_is_told(manifest: Manifest, tmp_path: Path) -> None:
    frame = lag_zoo.create_model("lag_mobilenetv3_small_050", num_classes=2).eval()
    fresh = exam_features(frame, manifest, workers=0, cache=tmp_path)
    (file,) = tmp_path.iterdir()
    assert np.array_equal(exam_features(frame, manifest, workers=0, cache=tmp_path).features, fresh.features)
    before = frame.head.bias.detach().clone()
    with torch.no_grad():
        frame.head.bias += 1
    assert not np.array_equal(
        exam_features(frame, manifest, workers=0, cache=tmp_path).features, fresh.features
    )
    assert len(list(tmp_path.iterdir())) == 2, "another network's features are others"
    with torch.no_grad():
        frame.head.bias.copy_(before)
    data = bytearray(file.read_bytes())
    data[100] ^= 1
    file.write_bytes(data)
    with pytest.raises(StateError, match="damaged: remove it"):
        exam_features(frame, manifest, workers=0, cache=tmp_path)


def test_a_frame_that_cannot_be_read_is_left_out_where_that_was_asked_for(
    manifest: Manifest, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    first = manifest.frames[0]
    gone = dataclasses.replace(first, image=str(tmp_path / "gone.png"), patient="p99", exam="e99")
    more = manifest.with_frames([*manifest.frames, dataclasses.replace(first, image=str(broken)), gone])
    frame = lag_zoo.create_model("lag_mobilenetv3_small_050", num_classes=2).eval()
    with pytest.raises(UnreadableImageError, match="broken"):
        exam_features(frame, more, workers=0)
    features = exam_features(frame, more, workers=0, skip_unreadable=True)
    exams = exams_of(more, "exam")
    assert features.seen(exams, 0) == [0]
    assert features.seen(exams, len(exams) - 1) == []


def test_a_head_does_not_go_with_another_frame_network(trained: Trained, tmp_path: Path) -> None:
    folder, *_ = trained
    other = lag_zoo.create_model("lag_mobilenetv3_small_050", label_names=["a", "b"])
    lag_zoo.save_pretrained(other, tmp_path / "other")
    for name in ("exam.json", "exam.safetensors"):
        (tmp_path / "other" / name).write_bytes((folder / "best" / name).read_bytes())
    with pytest.raises(WeightsMismatchError, match="trained on the frame network"):
        create_exam_model(f"local-dir:{tmp_path / 'other'}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": (1,)}, "1 of 2 patients have more than one label .*p0: clear, polyps"),
        ({"split": "val"}, "more than one split"),
        ({"patient": ""}, "patient is empty"),
    ],
)
def test_what_an_examination_cannot_be_is_named(change: dict[str, object], message: str) -> None:
    one = {"patient": "p0", "exam": "e", "labels": (0,), "split": "train"}
    frames = [
        Frame(image="a.png", **one),  # type: ignore[arg-type]
        Frame(image="b.png", **{**one, **change}),  # type: ignore[arg-type]
        Frame(image="c.png", patient="p1", exam="f", labels=(1,), split="train"),
    ]
    with pytest.raises(DataError, match=message):
        exams_of(Manifest(root=Path(), label_names=LABELS, frames=tuple(frames)), "patient")


def test_no_run_begins_without_examinations_to_choose_by_or_in_a_folder_that_holds_one(
    manifest: Manifest, trained: Trained, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="no exam in the split val"):
        train_exam(manifest.where(split="train"), tmp_path / "x", recipe=RECIPE, device="cpu")
    with pytest.raises(InvalidConfigError, match="there already"):
        train_exam(manifest, trained[0], recipe=RECIPE, device="cpu")


def test_a_head_finds_the_one_frame_that_an_average_dilutes() -> None:
    """Of 20 frames one shows it, by a feature that the frame network's logit hardly has."""
    from lag_zoo.data.exam_table import ExamTable
    from lag_zoo.evaluate.exam_scoring import ExamFeatures, exam_logits
    from lag_zoo.listener import Listener
    from lag_zoo.metrics.ranking import auroc
    from lag_zoo.specs import ExamConfig
    from lag_zoo.training.exam_run import train_head

    rng = np.random.default_rng(0)
    exams, size, width = 160, 20, 12
    truth = np.arange(exams) % 2
    values = rng.normal(size=(exams * size, width)).astype(np.float32)
    values[np.arange(exams) * size, 0] += 4 * truth
    frames = tuple(
        Frame(image=f"{i}.png", labels=(int(truth[i // size]),), exam=f"e{i // size}")
        for i in range(len(values))
    )
    manifest = Manifest(root=Path(), label_names=LABELS, frames=frames)
    splits = tuple(("train", "train", "val", "test")[i // 2 % 4] for i in range(exams))
    table = ExamTable(
        level="exam", names=tuple(f"e{i}" for i in range(exams)), groups=np.arange(exams).astype(str), splits=splits,
        frames=tuple(tuple(range(i * size, (i + 1) * size)) for i in range(exams)), targets=truth, grouping="exam",
    )  # fmt: skip
    config = ExamConfig(label_names=LABELS, in_features=width, width=16, attention_width=8)
    recipe = ExamRecipe(epochs=40, learning_rate=5e-3)
    features = ExamFeatures(manifest, values)
    torch.manual_seed(0)
    head = train_head(features, table, config, recipe, torch.device("cpu"), Listener())
    tested = table.of_split("test")
    logits = exam_logits(head, features, table, tested, config)
    found = auroc(logits[:, 1] - logits[:, 0], truth[tested] == 1)
    mean = auroc(values.reshape(exams, size, width)[tested, :, 0].mean(1), truth[tested] == 1)
    assert found > 0.9
    assert found > mean + 0.05


def test_nothing_is_said_of_other_weights(trained: Trained, tmp_path: Path) -> None:
    network = create_exam_model(f"local-dir:{trained[0] / 'best'}")
    assert network.exam_spec is not None
    same = lag_zoo.save_pretrained(network, tmp_path / "same")
    assert create_exam_model(f"local-dir:{same}").exam_spec == network.exam_spec
    with torch.no_grad():
        network.head.classifier.bias += 1
    other = create_exam_model(f"local-dir:{lag_zoo.save_pretrained(network, tmp_path / 'other')}")
    assert other.exam_spec is not None
    assert (other.exam_spec.temperature, dict(other.exam_spec.operating_points)) == (1.0, {})


def test_a_broken_head_is_noticed_and_none_is_lost(trained: Trained, tmp_path: Path) -> None:
    network = create_exam_model(f"local-dir:{trained[0] / 'best'}")
    folder = lag_zoo.save_pretrained(network, tmp_path / "exam")
    with pytest.raises(InvalidConfigError, match="whose head would be lost"):
        lag_zoo.save_pretrained(network.frame, folder)
    (folder / "exam.safetensors").write_bytes(b"junk")
    with pytest.raises(WeightsIntegrityError):
        lag_zoo.verify(f"local-dir:{folder}")


def test_the_same_picture_in_two_splits_is_refused(manifest: Manifest, tmp_path: Path) -> None:
    first = next(frame for frame in manifest.frames if frame.split == "train")
    copy = tmp_path / "copy.png"
    copy.write_bytes(manifest.path(first).read_bytes())
    twice = dataclasses.replace(first, image=str(copy), split="test", patient="p98", exam="e98")
    with pytest.raises(DataError, match=r"same file|near-cop"):
        train_exam(
            manifest.with_frames([*manifest.frames, twice]), tmp_path / "run", recipe=RECIPE, device="cpu"
        )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("task", "labels"), [("multiclass", 3), ("ordinal", 3), ("multilabel", 2)])
def test_the_plain_rules_are_those_of_the_evaluation(task: Task, labels: int) -> None:
    from lag_zoo.data.exam_table import ExamTable
    from lag_zoo.evaluate.exam_scoring import ExamFeatures
    from lag_zoo.metrics.pooling import pool_frames
    from lag_zoo.specs import ExamConfig
    from lag_zoo.training.exam_run import _plain_rules

    names = tuple("abc"[:labels])
    frame = lag_zoo.LAG("mobilenetv3_small_050", label_names=names, task=task).eval()
    logits = torch.randn(6, labels, generator=torch.Generator().manual_seed(0))
    logits[:, 0] = 0 if task == "ordinal" else logits[:, 0]
    rules = rules_of(task)
    values = np.hstack([np.zeros((6, 4)), rules.evidence(logits.double().numpy())]).astype(np.float32)
    frames = tuple(
        Frame(image=f"{i}.png", labels=(0,) if rules.exclusive else (0,) * labels, exam="e") for i in range(6)
    )
    manifest = Manifest(root=Path(), label_names=names, frames=frames, task=task)
    table = ExamTable(
        level="exam", names=("e",), groups=np.array(["e"]), splits=("test",), frames=(tuple(range(6)),),
        targets=np.zeros(1, int), grouping="exam",
    )  # fmt: skip
    config = ExamConfig(label_names=names, task=task, in_features=4 + labels)
    claims = rules.claims(rules.probabilities(logits.double().numpy()))
    for pooling, found in _plain_rules(frame, ExamFeatures(manifest, values), table, [0], config):
        assert found[0] == pytest.approx(pool_frames(claims, by=pooling), abs=1e-5)
