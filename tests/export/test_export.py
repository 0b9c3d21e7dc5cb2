"""Exports answer as the network they were made from; what is damaged, changed or missing is an error that says so."""

import dataclasses
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import lag_zoo
import lag_zoo.export.writing as writing
from lag_zoo.cli.app import app
from lag_zoo.data.phantom import draw_frame
from lag_zoo.errors import (
    ExportError,
    InvalidConfigError,
    InvalidImageError,
    LagZooError,
    MissingExtraError,
    StateError,
    WeightsIntegrityError,
    WeightsMismatchError,
    WeightsNotFoundError,
)
from lag_zoo.export import OnnxPredictor, export_model
from lag_zoo.export.layout import ExportSpec, read_spec, write_spec
from lag_zoo.specs import WeightSpec
from tests.networks import as_loaded, small

BUILT_IN = "lag_tf_efficientnet_lite0_polyp"
POLYPS = lag_zoo.model_info(BUILT_IN).weights[0]
GRADES = ["none", "mild", "severe"]

pytestmark = [
    pytest.mark.timeout(1200),  # exporting takes ten seconds of a core, and machines are shared
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(onnx|onnxscript|onnx_ir|onnxruntime).*"),
    # Of the frame without a lit area.
    pytest.mark.filterwarnings("ignore::lag_zoo.errors.FieldOfViewWarning"),
]


def vouched(**fields: object) -> lag_zoo.LAG:
    """A small untrained network whose weights have a temperature and an operating point."""
    model = small(**fields)
    config = model.config
    labels = config.label_names or ()
    weights: WeightSpec = dataclasses.replace(
        POLYPS,
        label_names=labels,
        task=config.task,
        operating_points={labels[1]: 0.3},
        temperature=1.7,
        doubts=None,
    )
    return as_loaded(model, weights)


def frames() -> list[np.ndarray]:
    """Drawn frames of three sizes, one of them without a lit area."""
    drawn = [draw_frame(size, seed=90 + i) for i, size in enumerate(((120, 160), (96, 96), (300, 260)))]
    return [frame.permute(1, 2, 0).numpy() for frame in drawn] + [np.zeros((80, 90, 3), np.uint8)]


def require_alike(exported: OnnxPredictor, model: lag_zoo.LAG | str, tta: int = 0) -> None:
    """Both answer alike on frames in memory."""
    ours, theirs = exported(frames(), tta), lag_zoo.Predictor(model)(frames(), tta)
    assert len(ours) == len(theirs) == 4
    for one, other in zip(ours, theirs, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-4)
        same = ("label", "boxes", "coverage", "in_training_data", "path")
        assert [getattr(one, name) for name in same] == [getattr(other, name) for name in same]
        assert (one.crop_weights is None) == (other.crop_weights is None)
        if one.crop_weights is not None:
            assert one.crop_weights == pytest.approx(other.crop_weights, abs=1e-4)
        if one.expected_grade is not None:
            assert one.expected_grade == pytest.approx(other.expected_grade, abs=1e-4)
        assert set(one.warnings) <= set(other.warnings)


@pytest.fixture(scope="module")
def attention() -> lag_zoo.LAG:
    """The network behind the export that most tests look at."""
    return vouched(fusion="attention")


@pytest.fixture(scope="module")
def written(attention: lag_zoo.LAG, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnxruntime", reason="needs the extra export")
    return export_model(attention, tmp_path_factory.mktemp("export") / "onnx")


@pytest.fixture
def copy(written: Path, tmp_path: Path) -> Path:
    """An export that a test may damage."""
    return Path(shutil.copytree(written, tmp_path / "copy"))


@pytest.mark.slow
class TestAnswers:
    def test_attention(self, written: Path, attention: lag_zoo.LAG) -> None:
        predictor = OnnxPredictor(written, batch_size=3)
        require_alike(predictor, attention)
        require_alike(predictor, attention, tta=3)
        assert predictor.verify() <= 1e-4
        assert predictor.temperature == 1.7
        assert "lag_mobilenetv3_small_050" in repr(predictor)

    @pytest.mark.parametrize(
        "fields",
        [
            {"fusion": "concat", "shared_crops": False, "label_names": GRADES, "task": "ordinal"},
            {"fusion": "mean", "pooling": "topk", "background": "normal", "mask_outside": True},
            {"num_crops": 0, "label_names": GRADES, "task": "multilabel", "pooling": "topk", "topk": 0.5},
        ],
        ids=["concat-ordinal", "mean-topk", "no-crops-multilabel"],
    )
    def test_others(self, fields: dict[str, object], tmp_path: Path) -> None:
        model = vouched(**fields)
        require_alike(OnnxPredictor(export_model(model, tmp_path / "onnx")), model)

    def test_the_built_in_network_by_the_command(self, tmp_path: Path) -> None:
        done = CliRunner().invoke(app, ["export", BUILT_IN, "--to", "onnx", "-o", str(tmp_path / "polyp")])
        assert done.exit_code == 0, done.output
        assert "from the network's" in done.output
        predictor = OnnxPredictor(tmp_path / "polyp")
        require_alike(predictor, BUILT_IN)
        assert predictor.spec.weights_sha256
        Image.fromarray(frames()[0]).save(tmp_path / "frame.png")
        (answer,) = predictor(tmp_path / "frame.png")
        assert answer.path == tmp_path / "frame.png"
        assert answer.model == BUILT_IN

    def test_it_is_an_answer_for_examinations_too(self, written: Path) -> None:
        predictor = OnnxPredictor(written)
        assert predictor.exam(frames()).frames == 4
        with pytest.raises(InvalidConfigError, match="no head for examinations"):
            predictor.exam(frames(), pooling="head")

    def test_pixels_are_bytes(self, written: Path) -> None:
        with pytest.raises(InvalidImageError, match="uint8"):
            OnnxPredictor(written)(torch.rand(3, 96, 96))

    def test_the_card_runs(self, written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(written)
        card = (written / "README.md").read_text(encoding="utf-8")
        (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
        assert len(code.splitlines()) <= 10
        assert "Not a medical device" in card
        exec(compile(code, "README.md", "exec"), {})


@pytest.mark.slow
class TestBadFolders:
    def test_a_damaged_model(self, copy: Path) -> None:
        data = bytearray((copy / "model.onnx").read_bytes())
        data[len(data) // 2] ^= 1
        (copy / "model.onnx").write_bytes(data)
        with pytest.raises(WeightsIntegrityError, match="not the file that was written"):
            OnnxPredictor(copy)

    def test_a_damaged_golden_pair(self, copy: Path) -> None:
        (copy / "golden.safetensors").write_bytes(b"nothing")
        with pytest.raises(WeightsIntegrityError, match="not the file that was written"):
            OnnxPredictor(copy).verify()

    @pytest.mark.parametrize("key", ["temperature", "operating_points", "label_names"])
    def test_a_changed_configuration(self, copy: Path, key: str) -> None:
        said = json.loads((copy / "config.json").read_text())
        said[key] = {"temperature": 1.0, "operating_points": {}, "label_names": ["IM", "normal"]}[key]
        (copy / "config.json").write_text(json.dumps(said))
        with pytest.raises(StateError, match="checksum"):
            OnnxPredictor(copy)

    @pytest.mark.parametrize("fields", [{"global_size": 96}, {"num_crops": 3}, {"crop_size": 64}])
    def test_the_configuration_of_another_model(self, copy: Path, fields: dict[str, int]) -> None:
        spec = read_spec(copy, "onnx")
        write_spec(copy, dataclasses.replace(spec, network=dataclasses.replace(spec.network, **fields)))  # type: ignore[arg-type]
        with pytest.raises(WeightsMismatchError, match="the model takes"):
            OnnxPredictor(copy)

    def test_a_model_that_is_none(self, copy: Path) -> None:
        (copy / "model.onnx").write_bytes(b"no model")
        spec = read_spec(copy, "onnx")
        digest = "2c62d89c4b2d5a40"
        write_spec(copy, dataclasses.replace(spec, files={"model.onnx": digest}))
        with pytest.raises(WeightsIntegrityError, match="states 2c62d89c4b2d5a40"):
            OnnxPredictor(copy)

    def test_a_provider_that_there_is_not(self, written: Path) -> None:
        with pytest.raises(InvalidConfigError, match="no provider Abacus"):
            OnnxPredictor(written, providers=["Abacus"])

    def test_without_onnxruntime(self, written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
        with pytest.raises(MissingExtraError, match=r'pip install "lag_zoo\[export\]"'):
            OnnxPredictor(written)

    def test_the_specification_is_json_both_ways(self, written: Path) -> None:
        spec = read_spec(written, "onnx")
        assert ExportSpec.from_json(spec.to_json()) == spec


class TestTorch:
    def test_the_exported_program(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        model = vouched(fusion="mean", label_names=GRADES, task="ordinal")
        folder = export_model(model, tmp_path / "program", to="torch")
        monkeypatch.chdir(folder)
        (code,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
        exec(compile(code, "README.md", "exec"), {})
        spec = read_spec(folder, "torch")
        assert spec.label_names == tuple(GRADES)
        assert max(spec.apart.values()) <= 1e-4
        with pytest.raises(WeightsNotFoundError, match=r"there are config\.json, model\.pt2"):
            OnnxPredictor(folder)


def test_an_export_that_answers_otherwise_is_not_put_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = writing.torch_run

    def off_by_a_hair(data: bytes, names: tuple[str, ...]):  # type: ignore[no-untyped-def]
        run = right(data, names)
        return lambda inputs: {name: values + 2e-4 for name, values in run(inputs).items()}

    monkeypatch.setattr(writing, "torch_run", off_by_a_hair)
    with pytest.raises(ExportError, match=r"its logits are 0.0002"):
        export_model(small(num_crops=0), tmp_path / "program", to="torch")
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_torch_cannot_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def of_values(self: object, global_view: torch.Tensor) -> torch.Tensor:
        return global_view if global_view.float().sum() > 0 else -global_view  # which, no graph can say

    monkeypatch.setattr(writing.Readout, "forward", of_values)
    with pytest.raises(ExportError, match="cannot export mobilenetv3_small_050"):
        export_model(small(num_crops=0), tmp_path / "program", to="torch")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"opset": 17}, InvalidConfigError, "opset is 18 to .*got 17"),
        ({"opset": 999}, InvalidConfigError, "got 999"),
        ({"to": "tflite"}, InvalidConfigError, "onnx or torch; got 'tflite'"),
        ({"model": object()}, InvalidConfigError, "a name or a LAG"),
        ({"model": "lag_resnet5"}, LookupError, "unknown model"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_written(
    options: dict[str, object], error: type[Exception], said: str, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra export")
    given = {"model": small(), "directory": tmp_path / "out", **options}
    with pytest.raises(error, match=said) as raised:
        export_model(**given)  # type: ignore[arg-type]
    assert isinstance(raised.value, LagZooError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime", "onnxscript"])
def test_a_missing_extra_is_named(missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    for other in {"onnx", "onnxruntime", "onnxscript"} - {missing}:
        monkeypatch.setitem(sys.modules, other, sys)  # there, and never looked at
    with pytest.raises(
        MissingExtraError, match=rf'{missing} is not installed: pip install "lag_zoo\[export\]"'
    ):
        export_model(small(), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_somebody_elses_stays(tmp_path: Path) -> None:
    folder = lag_zoo.save_pretrained(small(), tmp_path / "network")
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(InvalidConfigError, match=r"holds other files \(model.safetensors\)"):
        export_model(small(), folder, to="torch")
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_folder_without_an_export(tmp_path: Path) -> None:
    with pytest.raises(WeightsNotFoundError, match="lag-zoo export NAME --to onnx"):
        OnnxPredictor(tmp_path)
    with pytest.raises(WeightsNotFoundError, match="none of an export's files"):
        OnnxPredictor(tmp_path / "nowhere")
