"""What `print` shows of the library's objects fits on a screen, whatever they hold."""

import dataclasses
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

import lag_zoo
from lag_zoo.brief import brief, shown
from lag_zoo.data import Frame, Manifest
from lag_zoo.evaluate import (
    Calibration,
    Comparison,
    EvaluationOptions,
    Flow,
    FrameTable,
    LabelResult,
    Report,
    Scores,
)
from lag_zoo.evaluate.report import evaluate
from lag_zoo.metrics.intervals import Difference
from lag_zoo.predict import Failure, Prediction, VideoAnswer
from lag_zoo.scores import PatientScore, Range, ScoreDistribution
from lag_zoo.training import ExamRecipe, Recipe, Stage, load_recipe
from lag_zoo.weights.report import LoadReport
from tests.networks import small

ROOMS = ("data", "evaluate", "predict", "training", "views")
MANY = 3_000
LABELS = tuple(f"a finding with a long name, number {n}" for n in range(100))
BUILT_IN = "lag_tf_efficientnet_lite0_polyp"


def frames() -> tuple[Frame, ...]:
    return tuple(Frame(image=f"{n}.jpg", labels=(n % 100,), patient=f"p{n}") for n in range(MANY))


def scores() -> Scores:
    drawn = np.random.default_rng(0).normal(size=(MANY, 2))
    return Scores.from_arrays(
        drawn,
        np.arange(MANY) % 2,
        label_names=("normal", "IM"),
        images=[f"{n}.jpg" for n in range(MANY)],
        columns={"anatomy": ["antrum"] * MANY},
    )


def report() -> Report:
    return evaluate(scores(), n_resamples=10)


def prediction() -> Prediction:
    return Prediction(
        path=Path("frames") / "a.jpg", model=BUILT_IN, probabilities=dict.fromkeys(LABELS, 0.01), label=LABELS[0],
        boxes=((0, 0, 64, 64),) * MANY, crop_weights=(0.1,) * MANY, coverage=0.5, warnings=("It is dark.",) * 20,
    )  # fmt: skip


def exam_prediction() -> lag_zoo.ExamPrediction:
    many = dict.fromkeys(LABELS, 0.01)
    return lag_zoo.ExamPrediction(
        model=BUILT_IN, pooling="maximum", probabilities=many, low=many, high=many, label=LABELS[0], frames=9,
        expected_grade=None, in_training_data=0,
        unreadable={f"{n}.png": "It is damaged." for n in range(99)}, sites={f"site {n}": 1 for n in range(99)},
        unseen=("antrum",) * 20, deciding=(1, 2, 3), doubted=3, warnings=("It is dark.",) * 20,
    )  # fmt: skip


def views() -> lag_zoo.Views:
    return small().views(torch.full((2, 3, 200, 240), 99, dtype=torch.uint8))


MADE: dict[type, Callable[[], Any]] = {
    lag_zoo.About: lambda: lag_zoo.About(training_data=(lag_zoo.DatasetRef("a", "A data set, " * 20),) * 20),
    lag_zoo.ExamPrediction: exam_prediction,
    lag_zoo.FieldOfView: lambda: lag_zoo.find_field_of_view(torch.full((50, 3, 99, 99), 99, dtype=torch.uint8)),
    lag_zoo.LAGConfig: lambda: lag_zoo.LAGConfig(backbone="x", num_classes=100, label_names=LABELS),
    lag_zoo.Measurement: lambda: lag_zoo.model_info(BUILT_IN).measured_results[0],
    lag_zoo.ModelSpec: lambda: lag_zoo.model_info(BUILT_IN),
    lag_zoo.Prediction: prediction,
    lag_zoo.Predictor: lambda: lag_zoo.Predictor(small(label_names=LABELS)),
    lag_zoo.ViewSampler: lag_zoo.ViewSampler,
    lag_zoo.Views: views,
    lag_zoo.DatasetRef: lambda: lag_zoo.DatasetRef("a-set", "A data set, " * 20),
    lag_zoo.WeightSpec: lambda: lag_zoo.model_info(BUILT_IN).weights[0],
    Calibration: lambda: Calibration(
        operating_points=dict.fromkeys(LABELS, 0.5), thresholds=np.zeros((MANY, len(LABELS)))
    ),
    Comparison: lambda: Comparison(label="IM", one=0.8, other=0.7, difference=Difference(0.1, 0, 0.2, 0.04, 9, 3, "x")),
    EvaluationOptions: lambda: EvaluationOptions(positive=LABELS[0]),
    Failure: lambda: Failure(Path("a.jpg"), lag_zoo.errors.UnreadableImageError("a.jpg: no image")),
    Flow: lambda: Flow(reasons=dict.fromkeys(LABELS, 3), skipped=scores().frames),
    Frame: lambda: frames()[0],
    FrameTable: lambda: scores().frames,
    LoadReport: lambda: lag_zoo.create_model(BUILT_IN, pretrained=True).load_report,
    Manifest: lambda: Manifest(root=Path("."), label_names=LABELS, frames=frames()),
    Recipe: lambda: load_recipe("dual_transfer"),
    ExamRecipe: ExamRecipe,
    VideoAnswer: lambda: VideoAnswer(1, 0.2, prediction()),
    Report: report,
    LabelResult: lambda: report().rows[0],
    Scores: scores,
    PatientScore: lambda: lag_zoo.scores.kimura_takemoto({"antrum": 1}),
    Range: lambda: lag_zoo.scores.olga_distribution(1, None).p_at_risk,
    ScoreDistribution: lambda: lag_zoo.scores.eggim_distribution({"incisura": (0.1, 0.2, 0.7)}),
    Stage: lambda: Stage(epochs=3),
    type(lag_zoo.reported_results()): lag_zoo.reported_results,
}  # fmt: skip


@pytest.mark.parametrize("kind", MADE, ids=lambda kind: kind.__name__)
def test_fits_on_a_screen(kind: type) -> None:
    thing = MADE[kind]()
    assert type(thing) is kind
    for text in (repr(thing), str(thing), f"{[thing]}"):
        assert len(text) < 1700  # ten lines of a wide terminal
        assert text.count("\n") < 10
    assert repr(thing).startswith(f"{kind.__name__}(")


def test_every_public_class_that_holds_data_is_tried() -> None:
    rooms = [lag_zoo, *(importlib.import_module(f"lag_zoo.{name}") for name in ROOMS)]
    public = {getattr(room, name) for room in rooms for name in room.__all__}
    holding = {kind for kind in public if dataclasses.is_dataclass(kind) or hasattr(kind, "_fields")}
    assert holding - set(MADE) == set()


def test_a_predictor_and_views() -> None:
    predictor = lag_zoo.Predictor(lag_zoo.create_model(BUILT_IN, pretrained=True), device="cpu")
    assert repr(predictor) == (
        "Predictor('lag_tf_efficientnet_lite0', labels=('mucosa', 'polyp'), device=cpu, fp32)"
    )
    assert repr(views()) == (
        "Views(global_view=(2, 3, 64, 64) uint8, crops=(2, 2, 3, 32, 32), 4 of 4 crops inside)"
    )
    assert repr(views().to("meta")) == "Views(global_view=(2, 3, 64, 64) uint8, crops=(2, 2, 3, 32, 32))"


def test_what_is_as_by_default_is_left_out_and_what_is_not_is_there() -> None:
    config = lag_zoo.LAGConfig(backbone="x", num_classes=2, label_names=("a", "b"), mean=(0.5, 0.5, 0.5))
    text = "LAGConfig(backbone='x', num_classes=2, label_names=('a', 'b'), mean=(0.5, 0.5, 0.5))"
    assert repr(config) == text
    assert eval(text, {"LAGConfig": lag_zoo.LAGConfig}) == config


class Held(NamedTuple):
    item: Any

    def __repr__(self) -> str:
        return brief(self)


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (True, "True"),
        (None, "None"),
        ([], "[]"),
        ((), "()"),
        ((1,), "(1,)"),
        ([1, 2], "[1, 2]"),
        ({"a": (1, 2)}, "{'a': (1, 2)}"),
        (dict.fromkeys(range(9)), "{0: None, 1: None, 2: None, 3: None, 4: None, 5: None, ... 3 more}"),
        (np.zeros((3, 2)), "(3, 2) float64"),
        (torch.zeros(3, 2), "(3, 2) float32"),
        (int, "<class 'int'>"),
        (Held(3), "Held(item=3, ...)"),
        (Frame, "<class 'lag_zoo.data.manifest.Frame'>"),
        ("é" * 100, "'" + "é" * 65 + "...'"),
    ],
)
def test_shown(item: Any, text: str) -> None:
    assert shown(item) == text
    assert repr(Held(item)) == f"Held(item={text})"
