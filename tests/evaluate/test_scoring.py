"""Scoring: what the network says of the frames of a manifest, by the engine of predictions."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import lag_zoo
from lag_zoo.data import Manifest, open_data
from lag_zoo.data.images import read_image
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import DataError, InvalidConfigError, UnreadableImageError
from lag_zoo.evaluate import Scores, evaluate, score
from lag_zoo.evaluate.pages import markdown
from lag_zoo.evaluate.scores import IN_TRAINING_DATA
from lag_zoo.nn import LAG
from tests.networks import small
from tests.training.drawn_data import write_frames


@pytest.fixture
def model() -> LAG:
    return small(global_size=32).train()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return write_frames(tmp_path_factory.mktemp("frames"))


def modes(model: torch.nn.Module) -> list[bool]:
    return [module.training for module in model.modules()]


class TestAsPredictionsAreMade:
    def test_is_what_the_network_says(self, model: LAG, data: Manifest) -> None:
        scores = score(model, data, split="val", workers=0)
        assert (len(scores), scores.frames.grouping, scores.label_names) == (8, "patient", ("normal", "IM"))
        for place in (0, 5):
            pixels = read_image(data.root / scores.frames.images[place])
            expected = model.eval()(pixels[None]).detach().double().numpy()[0]
            assert scores.logits[place] == pytest.approx(expected, abs=1e-5)

    def test_fused_it_says_the_same(self, model: LAG, data: Manifest) -> None:
        plain, fused = (score(model, data, split="val", workers=0, fuse=fuse) for fuse in (False, True))
        assert np.abs(plain.logits - fused.logits).max() < 1e-4
        assert not np.array_equal(plain.logits, fused.logits), "another network was run"
        alone = [
            score(model.without_crops(), data, split="val", workers=0, fuse=fuse) for fuse in (False, True)
        ]
        assert np.abs(alone[0].logits - alone[1].logits).max() < 1e-4

    def test_in_half_precision(self, model: LAG, data: Manifest) -> None:
        plain, half = (score(model, data, split="val", workers=0, precision=p) for p in ("fp32", "bf16"))
        apart = np.abs(plain.logits - half.logits).max()
        assert 0 < apart < 0.1
        assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
        with pytest.raises(InvalidConfigError, match="fp16 is for GPUs"):
            score(model, data, split="val", workers=0, precision="fp16")

    def test_on_a_device_that_is_there(self, model: LAG, data: Manifest) -> None:
        assert len(score(model, data, split="val", workers=0, device="cpu")) == 8
        with pytest.raises(InvalidConfigError):
            score(model, data, split="val", workers=0, device="cuda:99")

    @pytest.mark.parametrize("fuse", [False, True])
    def test_each_module_is_put_back_into_its_own_mode(self, model: LAG, data: Manifest, fuse: bool) -> None:
        for module in model.backbone.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()  # frozen, while the rest trains
        before = modes(model)
        state = {name: value.clone() for name, value in model.state_dict().items()}
        assert len(set(before)) == 2
        for run in (model, model.without_crops()):
            score(run, data, split="val", workers=0, fuse=fuse)
            assert modes(model) == before
        assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())

    def test_also_where_it_is_stopped(
        self, model: LAG, data: Manifest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model.backbone.eval()
        before, seen = modes(model), []

        def broken(self: LAG, *_: object) -> None:
            seen.append(any(modes(self)))
            raise RuntimeError("no memory")

        monkeypatch.setattr(LAG, "fused", broken)
        with pytest.raises(RuntimeError, match="no memory"):
            score(model, data, split="val", workers=0)
        assert seen == [False], "it ran in evaluation mode"
        assert modes(model) == before

    def test_progress_is_told_of_each_frame(self, model: LAG, tmp_path: Path) -> None:
        data = write_frames(tmp_path)
        data.path(data.frames[0]).write_bytes(b"no picture")
        calls: list[int] = []
        score(model, data, split=None, workers=0, skip_unreadable=True, progress=lambda: calls.append(0))
        assert len(calls) == 24


class TestFramesBehindTheWeights:
    def test_are_told(self, shared: Path, tmp_path: Path) -> None:
        """Whatever they are called here, and of the plain backbone inside too."""
        real = sorted((shared / "kvasir_seg" / "images").iterdir())[:3]
        for number, name in enumerate(["mucosa", "polyp"] * 3):
            (tmp_path / name).mkdir(exist_ok=True)
            if number < 3:
                (tmp_path / name / f"{number}.jpg").symlink_to(real[number])
            else:
                pixels = draw_frame((200, 260), seed=number).permute(1, 2, 0).numpy()
                Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
        data = open_data(tmp_path)
        network = lag_zoo.create_model("lag_tf_efficientnet_lite0_polyp", pretrained=True)
        for model in (network, network.without_crops()):
            scores = score(model, data, split=None, workers=0)
            marks = scores.frames.columns[IN_TRAINING_DATA]
            told = dict(zip(scores.frames.images, marks, strict=True))
            assert [name for name, known in told.items() if known == "yes"] == [
                name for name in scores.frames.images if name.endswith(".jpg")
            ]
            assert len(told) == 6
        scores.write(tmp_path / "scores.csv")
        assert Scores.read(tmp_path / "scores.csv").frames.columns == scores.frames.columns
        warnings = evaluate(scores, n_resamples=100).warnings
        assert any("trained on 3 of these frames" in line for line in warnings)
        unknown = lag_zoo.create_model("lag_mobilenetv3_small_050", label_names=["mucosa", "polyp"])
        assert IN_TRAINING_DATA not in score(unknown, data, split=None, workers=0).frames.columns


class TestData:
    def test_labels_of_another_kind_are_refused(self, model: LAG, data: Manifest) -> None:
        marks = tuple((1, 0) if frame.labels == (0,) else (0, 1) for frame in data.frames)
        several = dataclasses.replace(
            data,
            task="multilabel",
            frames=tuple(dataclasses.replace(f, labels=m) for f, m in zip(data.frames, marks, strict=True)),
        )
        with pytest.raises(
            DataError, match=r"labels are exclusive .*, those of drawn frames are each for itself"
        ):
            score(model, several, split="val", workers=0)
        with pytest.raises(
            DataError, match=r"labels are each for itself .*, those of drawn frames are exclusive"
        ):
            score(small(global_size=32, task="multilabel"), data, split="val", workers=0)

    def test_an_answer_that_is_no_number(self, model: LAG, data: Manifest) -> None:
        with torch.no_grad():
            model.head.bias[0] = float("nan")
        with pytest.raises(DataError, match=r"a logit of .*\.png is not finite"):
            score(model, data, split="val", workers=0, skip_unreadable=True)

    def test_frames_left_out_before_the_split_are_told(self, model: LAG, data: Manifest) -> None:
        left = data.with_column("excluded", ["blurred", "", "blurred", *[""] * 21])
        left = left.with_column("split", ["" if f.excluded else f.split for f in left.frames])
        scores = score(model, left, split="val", workers=0)
        assert (scores.flow.found, scores.flow.excluded, len(scores)) == (10, 2, 8)
        assert scores.flow.reasons == {"blurred": 2}

    def test_without_crops_nothing_is_stored(self, model: LAG, data: Manifest, tmp_path: Path) -> None:
        about = lag_zoo.About(operating_points={"normal": 0.3, "IM": 0.7}, temperature=2.0)
        lag_zoo.save_pretrained(model.eval(), tmp_path / "net", about=about)
        stored = lag_zoo.create_model(f"local-dir:{tmp_path / 'net'}", pretrained=True)
        whole, alone = (
            score(m, data, split="val", workers=0).calibration for m in (stored, stored.without_crops())
        )
        assert (whole.temperature, whole.operating_points) == (2.0, {"normal": 0.3, "IM": 0.7})
        assert (alone.temperature, alone.operating_points) == (1.0, {})

    def test_an_unreadable_image(self, model: LAG, tmp_path: Path) -> None:
        data = write_frames(tmp_path)
        data.path(data.frames[0]).write_bytes(b"no picture")
        with pytest.raises(UnreadableImageError, match=r"0_0\.png"):
            score(model, data, split=None, workers=0)
        scores = score(model, data, split=None, workers=0, skip_unreadable=True)
        assert (len(scores), scores.flow.unreadable, scores.flow.found) == (23, ("0_0.png",), 24)
        assert scores.flow.skipped is not None
        assert scores.flow.skipped.targets.tolist() == [0], "its truth is kept"
        report = evaluate(scores, n_resamples=100)
        assert (report.flow.found_groups, report.analysed_groups) == (12, 12)
        (flow,) = [line for line in markdown(report).splitlines() if line.startswith("| 24")]
        assert [cell.split()[0] for cell in flow.strip("|").split("|")[:4]] == ["24", "0", "1", "23"]

    def test_no_frame_can_be_read(self, model: LAG, tmp_path: Path) -> None:
        data = write_frames(tmp_path, patients=6, each=1)
        for frame in data.frames:
            data.path(frame).write_bytes(b"no picture")
        with pytest.raises(DataError, match="no frame of val could be read"):
            score(model, data, split="val", workers=0, skip_unreadable=True)

    def test_other_labels(self, model: LAG, data: Manifest) -> None:
        other = lag_zoo.create_model("lag_mobilenetv3_small_050", label_names=["a", "b"])
        with pytest.raises(DataError, match="has the labels"):
            score(other, data, split=None)
        with pytest.raises(DataError, match="has no split 'tset'"):
            score(model, data, split="tset")
