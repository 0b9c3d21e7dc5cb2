"""From images to answers."""

import dataclasses
import io
import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import lag_zoo
import lag_zoo.predict.predictor as predict
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import FieldOfViewWarning, InvalidConfigError, InvalidImageError, UnreadableImageError
from lag_zoo.nn import LAG
from lag_zoo.predict import Failure, Prediction, Predictor
from lag_zoo.specs import WeightSpec
from tests.networks import as_loaded

BUILT_IN = "lag_tf_efficientnet_lite0_polyp"
SIZE = (300, 400)
LABELS = ("mucosa", "polyp")


def small(**fields: object) -> LAG:
    torch.manual_seed(0)
    given = {"label_names": LABELS, "num_crops": 4, "crop_size": 32, "global_size": 64, **fields}
    return LAG("mobilenetv3_small_050", **given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def model() -> LAG:
    return small().eval()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, suffix in enumerate(("png", "tif", "bmp")):
        pixels = draw_frame(SIZE, seed=number).permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(tmp_path / f"{number}.{suffix}")
    return tmp_path


def close(one: Prediction, other: Prediction) -> bool:
    pairs = zip(one.probabilities.values(), other.probabilities.values(), strict=True)
    return one.boxes == other.boxes and all(math.isclose(a, b, abs_tol=1e-5) for a, b in pairs)


class TestAnswers:
    def test_are_the_softmax_of_the_logits(self, model: LAG) -> None:
        frame = draw_frame(SIZE)
        (answer,) = Predictor(model)(frame)
        with torch.inference_mode():
            expected = model(frame[None]).softmax(1)[0].tolist()
        assert list(answer.probabilities) == list(LABELS)
        assert list(answer.probabilities.values()) == pytest.approx(expected, abs=1e-6)
        assert answer.label == max(answer.probabilities, key=lambda k: answer.probabilities[k])
        views = model.views(frame)
        assert [list(box) for box in answer.boxes] == views.boxes[0].tolist()
        assert answer.coverage == pytest.approx(float(views.coverage), abs=1e-6)
        assert (answer.path, answer.model, answer.spread) == (None, "lag_mobilenetv3_small_050", None)
        assert (answer.crop_weights, answer.warnings, answer.in_training_data) == (None, (), False)

    def test_to_dict_is_json(self, model: LAG, folder: Path) -> None:
        answer = Predictor(model)(folder / "0.png", tta=2)[0].to_dict()
        again = json.loads(json.dumps(answer))
        assert again == answer
        assert again["path"] == str(folder / "0.png")
        of_grades = {"expected_grade"}  # said where labels are grades
        assert set(again) == {field.name for field in dataclasses.fields(Prediction)} - of_grades

    def test_every_kind_of_input(self, model: LAG, folder: Path) -> None:
        predictor = Predictor(model)
        frame = draw_frame(SIZE)
        array = frame.permute(1, 2, 0).numpy()
        kinds = [folder / "0.png", str(folder / "0.png"), array, Image.fromarray(array), frame]
        (expected,) = predictor(frame)
        for kind in kinds:
            (answer,) = predictor(kind)
            assert close(answer, expected)
        assert all(close(answer, expected) for answer in predictor(kinds))
        assert all(close(answer, expected) for answer in predictor(iter(kinds)))
        assert all(close(answer, expected) for answer in predictor(torch.stack([frame, frame])))

    def test_files_as_bytes_and_open_ones(self, model: LAG, folder: Path) -> None:
        predictor = Predictor(model)
        data, frame = (folder / "0.png").read_bytes(), draw_frame(SIZE)
        (expected,) = predictor(frame)
        for kind in (data, bytearray(data), memoryview(data), io.BytesIO(data)):
            (answer,) = predictor(kind)
            assert close(answer, expected)
            assert answer.path is None
        with (folder / "0.png").open("rb") as file:
            (answer,) = predictor(file)
            assert answer.path == folder / "0.png"
            mixed = predictor([data, str(folder / "1.tif"), file, frame, io.BytesIO(data), folder])
        assert [p.path.name if p.path else None for p in mixed] == [
            None, "1.tif", "0.png", None, None, "0.png", "1.tif", "2.bmp",
        ]  # fmt: skip
        assert all(close(mixed[place], expected) for place in (0, 2, 3, 4, 5))

    @pytest.mark.parametrize("workers", [0, 3])
    def test_files_that_are_closed_or_given_again(self, model: LAG, folder: Path, workers: int) -> None:
        """Threads read ahead, and by then the one who gave a file may be done with it."""
        predictor = Predictor(model, workers=workers)
        expected = predictor(folder)

        def opened() -> Iterator[BinaryIO]:
            for path in [answer.path for answer in expected for _ in range(3)]:
                with open(path or "", "rb") as file:
                    yield file

        thrice = [answer for answer in expected for _ in range(3)]
        answers = predictor(opened())
        assert [answer.path for answer in answers] == [answer.path for answer in thrice]
        assert all(close(a, b) for a, b in zip(answers, thrice, strict=True))
        again = io.BytesIO((folder / "0.png").read_bytes())
        assert all(close(answer, expected[0]) for answer in predictor([again] * 9))

    def test_a_folder_and_paths_in_order(self, model: LAG, folder: Path) -> None:
        predictor = Predictor(model)
        assert [p.path for p in predictor(folder)] == [folder / n for n in ("0.png", "1.tif", "2.bmp")]
        mixed = predictor([folder / "2.bmp", folder, draw_frame(SIZE)])
        assert [p.path.name if p.path else None for p in mixed] == ["2.bmp", "0.png", "1.tif", "2.bmp", None]

    @pytest.mark.parametrize("batch_size", [1, 2, 3])
    def test_the_batch_changes_nothing(self, model: LAG, batch_size: int) -> None:
        frames = [draw_frame((200 + 30 * i, 300), seed=i) for i in range(5)]
        alone = [Predictor(model)(frame, tta=3)[0] for frame in frames]
        together = Predictor(model, batch_size=batch_size)(frames, tta=3)
        assert all(close(a, b) for a, b in zip(alone, together, strict=True))

    def test_uint8_and_float_in_one_call(self, model: LAG) -> None:
        frame = draw_frame(SIZE)
        whole, scaled = Predictor(model)([frame, frame.float() / 255])
        assert list(scaled.probabilities.values()) == pytest.approx(
            list(whole.probabilities.values()), abs=1e-3
        )

    def test_no_more_than_a_batch_goes_through_at_once(
        self, model: LAG, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sizes = []
        fused = LAG.fused

        def watched(self: LAG, x: lag_zoo.Views) -> object:
            sizes.append(len(x.crops))
            return fused(self, x)

        monkeypatch.setattr(LAG, "fused", watched)
        Predictor(model, batch_size=4)([draw_frame(SIZE)] * 3, tta=6)
        assert max(sizes) == 4
        assert sum(sizes) == 18


class TestDraws:
    def test_mean_and_spread_of_random_crops(self, model: LAG) -> None:
        frame = draw_frame(SIZE)
        (answer,) = Predictor(model)(frame, tta=5)
        with torch.inference_mode():
            chances = torch.stack(
                [
                    model(model.sampler(policy="random", seed=seed)(frame, index=0)).softmax(1)[0]
                    for seed in range(5)
                ]
            )
        assert answer.spread is not None
        assert list(answer.probabilities.values()) == pytest.approx(chances.mean(0).tolist(), abs=1e-5)
        assert list(answer.spread.values()) == pytest.approx(chances.std(0).tolist(), abs=1e-5)
        assert len(answer.boxes) == 5 * 4
        assert answer.coverage > Predictor(model)(frame)[0].coverage  # more crops see more
        assert Predictor(model)(frame, tta=5) == [answer]

    @pytest.mark.parametrize("tta", [-1, 1])
    def test_refuses_what_has_no_spread(self, model: LAG, tta: int) -> None:
        with pytest.raises(InvalidConfigError, match="at least 2 for a spread"):
            Predictor(model)(draw_frame(SIZE), tta=tta)


class TestNetworks:
    def test_weights_of_the_crops_under_attention_only(self) -> None:
        predictor = Predictor(small(fusion="attention"))
        for tta, count in ((0, 4), (3, 12)):
            (answer,) = predictor(draw_frame(SIZE), tta)
            assert answer.crop_weights is not None
            assert len(answer.crop_weights) == count
            assert sum(answer.crop_weights) == pytest.approx(1)

    def test_the_caller_s_modes_are_put_back(self) -> None:
        model = small()
        model.backbone.eval()  # frozen, while the rest trains
        modes = [module.training for module in model.modules()]
        state = {name: value.clone() for name, value in model.state_dict().items()}
        answers = Predictor(model).iter([draw_frame(SIZE)] * 9)
        next(answers)
        assert [module.training for module in model.modules()] == modes
        assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
        model.eval()
        assert close(next(answers), Predictor(model)(draw_frame(SIZE))[0])  # type: ignore[arg-type]

    def test_several_labels_at_once(self) -> None:
        model = small(task="multilabel", label_names=["a", "b", "c"])
        torch.nn.init.zeros_(model.head.weight)  # type: ignore[arg-type]
        model.head.bias.data = torch.tensor([3.0, -3.0, 1.0])
        (answer,) = Predictor(model)(draw_frame(SIZE))
        assert answer.label == ("a", "c")
        assert list(answer.probabilities.values()) == pytest.approx([0.9526, 0.0474, 0.7311], abs=1e-4)
        assert answer.to_dict()["label"] == ["a", "c"]

    def test_labels_without_names(self) -> None:
        (answer,) = Predictor(small(label_names=None, num_classes=3))(draw_frame(SIZE))
        assert list(answer.probabilities) == ["0", "1", "2"]

    def test_refuses(self, model: LAG) -> None:
        with pytest.raises(InvalidConfigError, match="no classifier"):
            Predictor(small(label_names=None, num_classes=0))
        with pytest.raises(InvalidConfigError, match="batch_size must be at least 1, got 0"):
            Predictor(model, batch_size=0)
        with pytest.raises(lag_zoo.LagZooError, match="lag_resnet50_lci has no weights"):
            Predictor("lag_resnet50_lci")

    def test_another_device_gets_a_copy(self, model: LAG) -> None:
        predictor = Predictor(model, device="meta")
        assert predictor.model.pixel_mean.device.type == "meta"
        assert model.pixel_mean.device.type == "cpu"
        assert Predictor(model, device="cpu").model.head.weight is model.head.weight


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> Predictor:
    """The predictor of a named model, with weights that are made up here and say polyp with p = 0.4."""
    model = small()
    torch.nn.init.zeros_(model.head.weight)  # type: ignore[arg-type]
    model.head.bias.data = torch.tensor([0.0, 2 * math.log(0.4 / 0.6)])
    half = (0.5, 0.5, 0.5)
    weights = WeightSpec(
        tag="base", files={"a": "ab" * 32}, label_names=LABELS, modality="wli", global_size=64, mean=half, std=half,
        training_data=lag_zoo.model_info(BUILT_IN).weights[0].training_data,
        licence="Apache-2.0", operating_points={"polyp": 0.35}, temperature=2.0,
    )  # fmt: skip
    as_loaded(model, weights)
    monkeypatch.setattr(predict, "create_model", lambda name, pretrained: model)
    return Predictor(BUILT_IN)


class TestNamed:
    def test_temperature_and_operating_point(self, named: Predictor) -> None:
        (answer,) = named(draw_frame(SIZE))
        assert answer.model == BUILT_IN
        assert answer.probabilities["polyp"] == pytest.approx(0.4, abs=1e-6)
        assert answer.label == "polyp"
        named.operating_points = {"polyp": 0.45}
        assert named(draw_frame(SIZE))[0].label == "mucosa"
        named.operating_points = {"polyp": 0.45, "mucosa": 0.7}  # neither is reached: the likeliest
        assert named(draw_frame(SIZE))[0].label == "mucosa"

    def test_frames_it_was_trained_on(self, named: Predictor, shared: Path) -> None:
        frames = sorted((shared / "kvasir_seg" / "images").iterdir())[:2]
        assert [answer.in_training_data for answer in named([*frames, draw_frame(SIZE)])] == [
            True,
            True,
            False,
        ]

    @pytest.mark.filterwarnings("ignore::lag_zoo.errors.FieldOfViewWarning")
    def test_doubts(self, named: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(named, "doubts", None)  # a drawn frame may be foreign to them
        frame = draw_frame(SIZE)
        cases: dict[str, Tensor] = {
            "no lit field": torch.zeros_like(frame),
            "little mucosa": torch.nn.functional.pad(frame, (600, 600, 400, 400)),
            "overexposed": (frame.int() * 4).clamp(0, 255).to(torch.uint8),
        }
        for reason, doubtful in cases.items():
            (answer,) = named(doubtful)
            assert any(reason in warning for warning in answer.warnings), (reason, answer.warnings)
        assert named(frame)[0].warnings == ()

    def test_foreign_light(self, named: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(named, "doubts", None)  # else the known colours are the measure
        for light, doubted in (("lci", True), ("wli", False), (None, False)):
            monkeypatch.setattr("lag_zoo.views.colours.modality_of", lambda frame, field, light=light: light)
            (answer,) = named(draw_frame(SIZE))
            assert any("looks like LCI" in warning for warning in answer.warnings) == doubted

    def test_a_network_brings_no_light(self, model: LAG, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("lag_zoo.views.colours.modality_of", lambda frame, field: "lci")
        assert Predictor(model)(draw_frame(SIZE))[0].warnings == ()


class TestFailures:
    def test_the_rest_go_on(self, model: LAG, folder: Path) -> None:
        (folder / "1.tif").write_bytes((folder / "1.tif").read_bytes()[:3000])
        (folder / "3.jpg").write_text("no image")
        inputs = [folder, folder / "none.png", np.zeros((40, 40, 2), np.uint8), draw_frame(SIZE)]
        answers = list(Predictor(model).iter(inputs))  # type: ignore[arg-type]
        kinds = [type(answer) for answer in answers]
        assert kinds == [Prediction, Failure, Prediction, Failure, Failure, Failure, Prediction]
        names = [answer.path.name if answer.path else None for answer in answers]
        assert names == ["0.png", "1.tif", "2.bmp", "3.jpg", "none.png", None, None]
        assert answers[4].to_dict() == {"path": str(folder / "none.png"), "error": "no such file"}

    def test_the_first_is_raised(self, model: LAG, folder: Path) -> None:
        predictor = Predictor(model)
        (folder / "3.jpg").write_text("no image")
        with pytest.raises(UnreadableImageError, match=r"3\.jpg: not a TIFF"):
            predictor(folder)
        with pytest.raises(InvalidImageError, match="values from 0 to 1"):
            predictor(torch.full((3, 50, 50), torch.nan))
        with pytest.raises(InvalidImageError, match="got int"):
            predictor(3)  # type: ignore[arg-type]

    def test_a_thousand_bytes_are_one_failure(self, model: LAG, folder: Path) -> None:
        cut = (folder / "0.png").read_bytes()[:1000]
        with (folder / "cut.png").open("wb") as file:
            file.write(cut)
        predictor = Predictor(model)
        for kind in (cut, bytearray(cut), memoryview(cut), io.BytesIO(cut)):
            (failure,) = predictor.iter(kind)
            assert isinstance(failure, Failure)
            assert failure.path is None
            assert str(failure.error).startswith("bytes in memory: damaged or truncated")
            with pytest.raises(UnreadableImageError, match=r"^bytes in memory: "):
                predictor([draw_frame(SIZE), kind])
        with (folder / "cut.png").open("rb") as file:
            (failure,) = predictor.iter(file)
        assert isinstance(failure, Failure)
        assert failure.to_dict()["path"] == str(folder / "cut.png")
        with (folder / "cut.png").open(encoding="utf-8") as text:
            kinds = [type(answer) for answer in predictor.iter([text, draw_frame(SIZE)])]  # type: ignore[list-item]
        assert kinds == [Failure, Prediction]

    @pytest.mark.parametrize(
        ("given", "says"),
        [
            ("frames/*.jpg", r"frames/\*\.jpg: no such file; of a pattern, glob\.glob"),
            ("https://host/a.jpg", r"https://host/a\.jpg: an address, and no file"),
        ],
    )
    def test_what_is_no_path(self, model: LAG, given: str, says: str) -> None:
        (failure, answer) = Predictor(model).iter([given, draw_frame(SIZE)])
        assert isinstance(failure, Failure)
        assert isinstance(answer, Prediction)
        with pytest.raises(UnreadableImageError, match=says):
            raise failure.error

    def test_no_image_at_all(self, model: LAG, tmp_path: Path) -> None:
        for nothing in (tmp_path, []):
            with pytest.raises(UnreadableImageError, match=r"none found in the folders$"):
                Predictor(model)(nothing)
        for name in ("a.mp4", "b.mp4", "c"):
            (tmp_path / name).touch()
        said = r"none found in the folders \(left out: 2 \.mp4, 1 without an ending\)"
        with pytest.raises(UnreadableImageError, match=said):
            Predictor(model)(tmp_path)

    def test_what_is_left_out_is_counted(self, model: LAG, folder: Path) -> None:
        (folder / "clip.mp4").touch()
        left_out: Counter[str] = Counter()
        assert len(list(Predictor(model).iter(folder, left_out=left_out))) == 3
        assert left_out == {".mp4": 1}

    def test_a_black_frame_is_answered_with_a_warning(self, model: LAG) -> None:
        with pytest.warns(FieldOfViewWarning):
            (answer,) = Predictor(model)(torch.zeros(3, *SIZE, dtype=torch.uint8))
        assert answer.warnings == ("no lit field of view: there is nothing to see in this frame",)


def test_the_built_in_model() -> None:
    predictor = Predictor(BUILT_IN)
    (answer,) = predictor(draw_frame(SIZE, polyp=True))
    assert answer.model == BUILT_IN
    assert list(answer.probabilities) == ["mucosa", "polyp"]
    model = lag_zoo.create_model(BUILT_IN, pretrained=True).eval()
    with torch.inference_mode():
        logits = model(draw_frame(SIZE, polyp=True)[None]) / predictor.temperature
    assert list(answer.probabilities.values()) == pytest.approx(logits.softmax(1)[0].tolist(), abs=1e-5)
