"""One decision: what the Predictor calls is what the evaluation counts, label by label and of all labels at once."""

import itertools
import json
import math
from collections.abc import Sequence

import numpy as np
import pytest
import sklearn.metrics
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lag_zoo
from lag_zoo.data.phantom import draw_frame
from lag_zoo.evaluate import Analysis, Calibration, EvaluationOptions, Scores, evaluate
from lag_zoo.evaluate.called import CALLED_TITLES
from lag_zoo.tasks import rules_of, thresholds_of
from tests.evaluate.drawn_scores import drawn
from tests.networks import small

NAMES = ("normal", "GA", "IM", "polyp")
OPTIONS = EvaluationOptions(n_resamples=10)


def by_hand(chances: Sequence[float], points: dict[str, float], names: Sequence[str], task: str) -> object:
    """The label, or the labels, that are called for one frame: the rule in plain words."""
    if task == "multilabel":
        return tuple(n for n, p in zip(names, chances, strict=True) if p >= points.get(n, 0.5))
    reached = [n for n, p in zip(names, chances, strict=True) if n in points and p >= points[n]]
    without = [n for n in names if n not in points]
    candidates = reached or without or list(names)
    return max(candidates, key=lambda n: (chances[names.index(n)], -names.index(n)))


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, tuple[str, ...], list[list[float]], dict[str, float]]:
    """A task, labels, logits of two frames or more, and operating points, some missing and some met exactly."""
    task = draw(st.sampled_from(["multiclass", "multilabel"]))
    names = NAMES[: draw(st.integers(2 if task == "multiclass" else 1, 4))]
    numbers = st.integers(-16, 16).map(lambda n: n / 4)
    row = st.lists(numbers, min_size=len(names), max_size=len(names))
    logits = draw(st.lists(row, min_size=2, max_size=6))
    points: dict[str, float] = draw(st.dictionaries(st.sampled_from(names), st.floats(0.01, 0.99)))
    if points and draw(st.booleans()):
        name = draw(st.sampled_from(sorted(points)))
        frame = draw(st.integers(0, len(logits) - 1))
        met = rules_of(task).probabilities(np.array(logits))[frame, names.index(name)]
        points[name] = float(met)
    return task, names, logits, points


def analysed(
    task: str, names: tuple[str, ...], logits: list[list[float]], points: dict[str, float], **options: object
) -> Analysis:
    rng = np.random.default_rng(len(logits))
    shape = len(logits) if task == "multiclass" else (len(logits), len(names))
    targets = rng.integers(0, len(names) if task == "multiclass" else 2, shape)
    scores = Scores.from_arrays(
        logits,
        targets,
        label_names=names,
        task=task,  # type: ignore[arg-type]
        calibration=Calibration(operating_points=points),
    )
    return Analysis(scores, EvaluationOptions(n_resamples=10, **options))  # type: ignore[arg-type]


def named(analysis: Analysis, place: int) -> object:
    return analysis.units.rules.as_called(analysis.calls[place], analysis.units.label_names)


@settings(max_examples=200)
@given(cases())
def test_the_evaluation_counts_what_the_rule_calls(
    case: tuple[str, tuple[str, ...], list[list[float]], dict[str, float]],
) -> None:
    task, names, logits, points = case
    analysis = analysed(task, names, logits, points)
    chances = analysis.scores.probabilities
    for place in range(len(logits)):
        assert named(analysis, place) == by_hand(chances[place].tolist(), points, names, task)


PREDICTORS: dict[tuple[str, int], lag_zoo.Predictor] = {}


def predictor_of(task: str, names: tuple[str, ...]) -> lag_zoo.Predictor:
    """A network that says the same of every frame: the bias of its classifier."""
    if (task, len(names)) not in PREDICTORS:
        model = small(label_names=list(names), task=task, global_size=32)
        torch.nn.init.zeros_(model.head.weight)  # type: ignore[arg-type]
        PREDICTORS[task, len(names)] = lag_zoo.Predictor(model, workers=0)
    return PREDICTORS[task, len(names)]


@settings(max_examples=25)
@given(cases())
def test_the_predictor_calls_what_the_evaluation_counts(
    case: tuple[str, tuple[str, ...], list[list[float]], dict[str, float]],
) -> None:
    task, names, logits, points = case
    analysis = analysed(task, names, logits, points)
    predictor = predictor_of(task, names)
    predictor.operating_points = points
    for place, row in enumerate(logits[:2]):
        predictor.model.head.bias.data = torch.tensor(row)  # type: ignore[union-attr]
        (answer,) = predictor(draw_frame((64, 64)))
        assert list(answer.probabilities.values()) == analysis.scores.probabilities[place].tolist()
        assert answer.label == named(analysis, place)


@given(cases(), st.integers(0, 1))
def test_of_two_labels_a_row_is_what_is_called(
    case: tuple[str, tuple[str, ...], list[list[float]], dict[str, float]], number: int
) -> None:
    _, _, logits, points = case
    names = NAMES[:2]
    logits = [[*row, 0.0][:2] for row in logits]
    points = {name: point for name, point in points.items() if name in names}
    analysis = analysed("multiclass", names, logits, points, positive=names[number])
    (contrast,) = analysis.contrasts
    assert analysis.called(contrast).tolist() == [
        named(analysis, place) == names[number] for place in range(len(logits))
    ]


def test_a_label_over_its_threshold_and_never_called() -> None:
    """The report shows both: the label's own sensitivity is 1, and the called label never is it."""
    chances = np.array([[0.5, 0.3, 0.2], [0.6, 0.1, 0.3], [0.7, 0.1, 0.2], [0.2, 0.6, 0.2]] * 3)
    targets = np.array([2, 2, 0, 1] * 3)
    stored = Calibration(operating_points={"normal": 0.3, "GA": 0.2, "IM": 0.2})
    scores = Scores.from_arrays(np.log(chances), targets, label_names=NAMES[:3], calibration=stored)
    report = evaluate(scores, OPTIONS)
    im = report.rows[2]
    assert (im.label, im.threshold, im.measures["sensitivity"].value) == ("IM", 0.2, 1.0)
    assert report.called is not None
    assert report.called.confusion == ((3, 0, 0), (0, 3, 0), (6, 0, 0))
    assert report.called.shares[2] == (1.0, 0.0, 0.0)
    assert report.called.measures["accuracy"].value == 0.5
    data = report.to_dict()
    assert data["called"]["confusion"] == [[3, 0, 0], [0, 3, 0], [6, 0, 0]]


class TestTheCalledLabel:
    @pytest.mark.parametrize("points", [{}, {"normal": 0.3, "GA": 0.2, "IM": 0.2}, {"IM": 0.05}])
    @pytest.mark.parametrize("grouping", ["patient", None])
    def test_is_measured_as_by_scikit_learn(self, points: dict[str, float], grouping: str | None) -> None:
        scores = drawn(grouping=grouping, calibration=Calibration(operating_points=points))
        report = evaluate(scores, OPTIONS)
        called, truth = Analysis(scores, OPTIONS).calls, scores.frames.targets
        assert report.called is not None
        found = {name: interval.value for name, interval in report.called.measures.items()}
        assert found == pytest.approx({
            "accuracy": sklearn.metrics.accuracy_score(truth, called),
            "balanced_accuracy": sklearn.metrics.balanced_accuracy_score(truth, called),
            "macro_f1": sklearn.metrics.f1_score(truth, called, average="macro"),
            "kappa": sklearn.metrics.cohen_kappa_score(truth, called),
        })  # fmt: skip
        assert np.array_equal(
            report.called.confusion, sklearn.metrics.confusion_matrix(truth, called, labels=range(3))
        )

    def test_stands_at_the_top_of_the_json(self) -> None:
        report = evaluate(drawn(), OPTIONS)
        data = json.loads(json.dumps(report.to_dict(), allow_nan=False))
        assert report.called is not None
        for name in ("accuracy", "balanced_accuracy", "macro_f1", "kappa"):
            there = data[name]
            assert {"value", "low", "high", "n", "groups", "method"} <= set(there)
            assert there["value"] == report.called.measures[name].value
            assert there["low"] < there["value"] < there["high"]
            assert (there["n"], there["groups"]) == (240, 60)
            assert there["method"].endswith("variance by group")
        assert set(report.called.measures) <= set(data)
        assert set(report.called.measures) < set(CALLED_TITLES)

    def test_its_intervals_are_wider_by_group(self) -> None:
        grouped, alone = (evaluate(drawn(grouping=g), OPTIONS).called for g in ("patient", None))
        assert grouped is not None
        assert alone is not None
        for name, interval in grouped.measures.items():
            other = alone.measures[name]
            assert interval.high - interval.low > 1.3 * (other.high - other.low)

    def test_of_labels_that_exclude_no_other(self) -> None:
        """A frame is right where all its labels are; one with a label that is not known is left out, and counted."""
        scores = drawn(task="multilabel")
        report = evaluate(scores, OPTIONS)
        targets, called = scores.frames.targets, Analysis(scores, OPTIONS).calls
        whole = (targets >= 0).all(axis=1)
        assert report.called is not None
        assert report.called.confusion is None
        assert (report.called.n, report.called.left_out) == (whole.sum(), (~whole).sum())
        found = {name: interval.value for name, interval in report.called.measures.items()}
        assert found == pytest.approx({
            "accuracy": sklearn.metrics.accuracy_score(targets[whole], called[whole]),
            "macro_f1": sklearn.metrics.f1_score(targets[whole], called[whole], average="macro"),
        })  # fmt: skip

    def test_of_two_labels_a_frame_of_unknown_label_is_not_a_negative(self) -> None:
        """It is left out."""
        targets = np.array([0, 1, -1, 1, 0, -1])
        logits = np.where(targets[:, None] == [0, 1], 2.0, 0.0)
        scores = Scores.from_arrays(logits, targets, label_names=NAMES[:2])
        called = evaluate(scores, OPTIONS).called
        assert called is not None
        assert (called.n, called.left_out) == (4, 2)
        assert called.confusion == ((2, 0), (0, 2))

    def test_of_folds_each_frame_is_called_by_its_own(self) -> None:
        points = [{"normal": 0.2, "GA": 0.9, "IM": 0.9}, {"IM": 0.1}]
        limits = np.array([thresholds_of(points[i % 2], ("normal", "GA", "IM")) for i in range(240)])
        scores = drawn(calibration=Calibration(thresholds=limits))
        analysis = Analysis(scores, OPTIONS)
        chances = scores.probabilities
        for place in range(240):
            expected = by_hand(chances[place].tolist(), points[place % 2], scores.label_names, "multiclass")
            assert named(analysis, place) == expected


class TestOneOfTwo:
    """Of two exclusive labels one is positive; the other's numbers are its mirror image."""

    @pytest.mark.parametrize(
        ("level", "points"),
        [
            *itertools.product(["frame", "patient"], [{}, {"mucosa": 0.35}, {"polyp": 0.35}]),
            (
                "frame",
                {"mucosa": 0.7, "polyp": 0.4},
            ),  # a patient is called by the positive label's point alone
        ],
    )
    def test_numbers_mirror_each_other(self, points: dict[str, float], level: str) -> None:
        rng = np.random.default_rng(3)
        truth = np.arange(160) // 4 % 2
        logits = rng.normal(size=(160, 2)) + 1.5 * np.eye(2)[truth]
        scores = Scores.from_arrays(
            logits,
            truth,
            label_names=("mucosa", "polyp"),
            groups=np.arange(160) // 4,
            calibration=Calibration(operating_points=points),
        )
        # By the mean, of which the probabilities of both labels still add up to 1.
        how = {"level": level, "pooling": "mean", "prevalence": 0.1}
        (polyp,) = evaluate(scores, OPTIONS, **how).rows
        (mucosa,) = evaluate(scores, OPTIONS, positive="mucosa", **{**how, "prevalence": 0.9}).rows
        assert (polyp.label, polyp.against) == (mucosa.against, mucosa.label) == ("polyp", "mucosa")
        assert mucosa.n == polyp.n == mucosa.positives + polyp.positives
        tp, fp, tn, fn = polyp.confusion
        assert mucosa.confusion == (tn, fn, tp, fp)
        for one, other in (("sensitivity", "specificity"), ("ppv", "npv"), ("accuracy",) * 2, ("auroc",) * 2):
            assert polyp.measures[one][:3] == pytest.approx(mucosa.measures[other][:3]), one
            assert polyp.measures[other][:3] == pytest.approx(mucosa.measures[one][:3]), other
        assert polyp.at_prevalence is not None
        assert mucosa.at_prevalence is not None
        assert polyp.at_prevalence.ppv[:3] == pytest.approx(mucosa.at_prevalence.npv[:3])
        assert polyp.calibration["brier"].value == pytest.approx(mucosa.calibration["brier"].value)
        assert polyp.calibration["slope"].value == pytest.approx(mucosa.calibration["slope"].value, rel=1e-4)

    def test_an_examination_has_the_positive_label_if_any_frame_has(self) -> None:
        """Which label that is decides what a mixed examination is."""
        targets = np.array([0, 0, 0, 1, 1, 1, 0, 0])
        chances = np.array([0.1, 0.2, 0.1, 0.9, 0.8, 0.9, 0.3, 0.1])
        scores = Scores.from_arrays(
            np.log(np.stack([1 - chances, chances], axis=1)),
            targets,
            label_names=("mucosa", "polyp"),
            groups=[0, 0, 1, 1, 2, 2, 3, 3],
        )
        for positive, confusion in (("polyp", (2, 0, 2, 0)), ("mucosa", (3, 0, 1, 0))):
            report = evaluate(scores, OPTIONS, level="patient", positive=positive)
            (row,) = report.rows
            assert row.confusion == confusion
            assert report.called is not None
            assert (report.called.n, report.called.left_out) == (4, 0)
            assert report.called.measures["accuracy"].value == 1

    def test_a_rule_is_for_the_positive_label(self) -> None:
        rng = np.random.default_rng(3)
        truth = np.arange(160) // 4 % 2
        scores = Scores.from_arrays(
            rng.normal(size=(160, 2)) + np.eye(2)[truth], truth, label_names=("mucosa", "polyp")
        )
        for positive in scores.label_names:
            (row,) = evaluate(
                scores, OPTIONS, positive=positive, operating_point="sens>=0.95", apparent=True
            ).rows
            assert row.label == positive
            assert row.measures["sensitivity"].value >= 0.95
            assert not math.isclose(row.measures["specificity"].value, row.measures["sensitivity"].value)
